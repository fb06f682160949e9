"""Customers: created or changed by `external_id`, removed softly."""

import re
from typing import Any
from uuid import UUID, uuid4

from fastapi import Request
from psycopg import sql
from psycopg.types.json import Jsonb
from starlette.responses import JSONResponse, Response

from . import jobs, lifecycle
from .context import lago, root_of
from .database import Connection, Row
from .errors import INVALID_EMAIL_FORMAT, VALUE_IS_INVALID, FieldErrors, not_found
from .paging import Page
from .routing import make_router
from .values import choice, currency, iso, mandatory_text, text, utc_now, whole_number

TYPES = ("company", "individual")
TERMINATE_RELATIONS = "terminate_customer_relations"

_TEXTS = (
    "name", "firstname", "lastname", "email", "phone", "url", "legal_name", "legal_number", "logo_url",
    "tax_identification_number", "country", "address_line1", "address_line2", "city", "state", "zipcode",
    "timezone",
)  # fmt: skip
_ADDRESS = ("address_line1", "address_line2", "city", "zipcode", "state", "country")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

router = make_router()


@router.post("/customers")
async def upsert(request: Request) -> Response:
    """Create the customer, or change the given fields of the customer with this `external_id`."""
    params = await root_of(request, "customer")
    errors = FieldErrors()
    mandatory_text(params, "external_id", errors)
    columns = _columns(params, errors)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        async with connection.transaction():
            await _write(request, connection, str(params["external_id"]).strip(), columns)
        customer = await find(request, connection, str(params["external_id"]).strip())
    return JSONResponse({"customer": to_json(customer)})


@router.get("/customers")
async def index(request: Request) -> Response:
    """List the customers, newest first."""
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(
            connection,
            "select * from customers where organization_id = %(organization)s and deleted_at is null",
            {"organization": lago(request).organization},
        )
    return JSONResponse({"customers": [to_json(row) for row in rows], "meta": meta})


@router.get("/customers/{external_id:undotted}")
@router.get("/customers/{external_id:undotted}.{_format:undotted}")
async def show(request: Request) -> Response:
    """Show one customer; what follows a dot in the path is a format and no part of the id."""
    async with lago(request).pool.connection() as connection:
        customer = await find(request, connection, request.path_params["external_id"])
    return JSONResponse({"customer": to_json(customer)})


@router.delete("/customers/{external_id:undotted}")
@router.delete("/customers/{external_id:undotted}.{_format:undotted}")
async def destroy(request: Request) -> Response:
    """Remove a customer softly; a job ends their subscriptions."""
    async with lago(request).pool.connection() as connection, connection.transaction():
        customer = await find(request, connection, request.path_params["external_id"])
        await connection.execute("update customers set deleted_at = now() where id = %s", (customer["id"],))
        await lago(request).jobs.put(connection, TERMINATE_RELATIONS, {"customer_id": str(customer["id"])})
    return JSONResponse({"customer": to_json(customer)})


async def find(request: Request, connection: Connection, external_id: str) -> Row:
    """Return the customer with this `external_id`; raise 404 `customer_not_found`."""
    cursor = await connection.execute(
        "select * from customers where organization_id = %s and external_id = %s and deleted_at is null",
        (lago(request).organization, external_id),
    )
    customer = await cursor.fetchone()
    if customer is None:
        raise not_found("customer")
    return customer


async def lock_or_create(request: Request, connection: Connection, external_id: str) -> Row:
    """Return the customer, created if necessary and locked until the transaction ends."""
    await _write(request, connection, external_id, {})
    cursor = await connection.execute(
        "select * from customers where organization_id = %s and external_id = %s and deleted_at is null for update",
        (lago(request).organization, external_id),
    )
    customer = await cursor.fetchone()
    if customer is None:
        raise not_found("customer")
    return customer


async def set_currency(connection: Connection, customer_id: UUID, code: str) -> None:
    """Give a customer without a currency the currency of their first plan."""
    await connection.execute(
        "update customers set currency = %s where id = %s and currency is null", (code, customer_id)
    )


async def terminate_relations(connection: Connection, payload: dict[str, Any]) -> None:
    """Do the job: end the subscriptions of a removed customer."""
    await lifecycle.end_all(connection, payload["customer_id"])


JOBS: dict[str, jobs.Handler] = {TERMINATE_RELATIONS: terminate_relations}


def _columns(params: dict[str, Any], errors: FieldErrors) -> dict[str, Any]:
    """Return the columns that a request sets; the other columns keep their value."""
    columns: dict[str, Any] = {name: text(params, name) for name in _TEXTS if name in params}
    if "currency" in params:
        columns["currency"] = currency(params, "currency", errors)
    if "customer_type" in params:
        columns["customer_type"] = choice("customer_type", text(params, "customer_type"), TYPES, errors)
    if "net_payment_term" in params:
        columns["net_payment_term"] = whole_number(params, "net_payment_term", errors)
    if columns.get("email") and not _EMAIL.fullmatch(columns["email"]):
        errors.add("email", INVALID_EMAIL_FORMAT)
    if columns.get("country") and not re.fullmatch(r"[A-Z]{2}", columns["country"]):
        errors.add("country", VALUE_IS_INVALID)
    for name in ("billing_configuration", "shipping_address"):
        if isinstance(params.get(name), dict):
            columns[name] = Jsonb(params[name])
    # Anything but an array is ignored, as Rails' strong parameters do.
    if isinstance(params.get("metadata"), list):
        columns["metadata"] = Jsonb([_metadata(entry) for entry in params["metadata"] if isinstance(entry, dict)])
    return columns


def _metadata(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "lago_id": str(uuid4()),
        "key": entry.get("key"),
        "value": entry.get("value"),
        "display_in_invoice": bool(entry.get("display_in_invoice", False)),
        "created_at": iso(utc_now()),
    }


async def _write(request: Request, connection: Connection, external_id: str, columns: dict[str, Any]) -> None:
    """Insert the customer, or set the given columns of the existing one."""
    identity = {
        "organization_id": lago(request).organization,
        "billing_entity_id": lago(request).billing_entity,
        "external_id": external_id,
    }
    values = identity | columns
    changes: list[sql.Composable] = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns]
    if changes:
        changes.append(sql.SQL("updated_at = now()"))
        conflict: sql.Composable = sql.SQL("update set ") + sql.SQL(", ").join(changes)
    else:
        conflict = sql.SQL("nothing")
    await connection.execute(
        sql.SQL(
            "insert into customers ({names}) values ({values})"
            " on conflict (external_id, organization_id) where deleted_at is null do {conflict}"
        ).format(
            names=sql.SQL(", ").join(sql.Identifier(name) for name in values),
            values=sql.SQL(", ").join(sql.Placeholder(name) for name in values),
            conflict=conflict,
        ),
        values,
    )


def to_json(row: Row) -> dict[str, Any]:
    """Return a customer as the API shows one."""
    return {
        "lago_id": str(row["id"]),
        "billing_entity_code": "sandbox",
        "external_id": row["external_id"],
        "account_type": "customer",
        "name": row["name"],
        "firstname": row["firstname"],
        "lastname": row["lastname"],
        "customer_type": None if row["customer_type"] is None else TYPES[row["customer_type"]],
        "sequential_id": row["sequential_id"],
        "slug": row["slug"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        **{name: row[name] for name in _ADDRESS},
        "shipping_address": {name: row["shipping_address"].get(name) for name in _ADDRESS},
        "email": row["email"],
        "phone": row["phone"],
        "url": row["url"],
        "legal_name": row["legal_name"],
        "legal_number": row["legal_number"],
        "logo_url": row["logo_url"],
        "tax_identification_number": row["tax_identification_number"],
        "currency": row["currency"],
        "timezone": row["timezone"],
        "applicable_timezone": row["timezone"] or "UTC",
        "net_payment_term": row["net_payment_term"],
        "finalize_zero_amount_invoice": "inherit",
        "billing_configuration": {
            "invoice_grace_period": None,
            "payment_provider": None,
            "payment_provider_code": None,
            "document_locale": None,
            **row["billing_configuration"],
        },
        "metadata": row["metadata"],
        "taxes": [],
        "integration_customers": [],
        "skip_invoice_custom_sections": False,
        "applicable_invoice_custom_sections": [],
        "error_details": [],
    }
