"""Invoices, as the API lists, shows, pays and voids them; `billing` makes them."""

from datetime import date
from typing import Any, LiteralString
from uuid import uuid4

from fastapi import Request
from psycopg.types.json import Jsonb
from starlette.responses import JSONResponse, Response

from . import customers, subscriptions
from .context import lago, root_of, uuid_of
from .database import Connection, Row
from .errors import (
    INVALID_DATE,
    VALUE_IS_INVALID,
    VALUE_IS_MANDATORY,
    FieldErrors,
    invalid,
    not_allowed,
    not_found,
)
from .paging import Page
from .routing import make_router
from .values import choice, decimal_text, iso, iso_date, text, utc_now

TYPES = ("subscription", "add_on", "credit", "one_off", "advance_charges", "progressive_billing")
STATUSES = ("draft", "finalized", "voided", "generating", "failed", "open", "closed", "pending", "deleted")
PAYMENT_STATUSES = ("pending", "succeeded", "failed")
_VOIDED = STATUSES.index("voided")
_FEE_TYPES = {2: "subscription", 3: "credit"}
_VISIBLE = [STATUSES.index(status) for status in ("draft", "finalized", "voided", "failed", "pending")]

_SHOWN: LiteralString = (
    "select i.* from invoices i join customers c on c.id = i.customer_id"
    " where i.organization_id = %(organization)s and i.status = any(%(visible)s)"
)
_FILTERS: dict[str, LiteralString] = {
    "external_customer_id": " and c.external_id = %(external_customer_id)s",
    "currency": " and i.currency = %(currency)s",
    "issuing_date_from": " and i.issuing_date >= %(issuing_date_from)s",
    "issuing_date_to": " and i.issuing_date <= %(issuing_date_to)s",
}
_ENUM_FILTERS: dict[str, tuple[tuple[str, ...], LiteralString]] = {
    "status": (STATUSES, " and i.status = any(%(status)s)"),
    "statuses": (STATUSES, " and i.status = any(%(statuses)s)"),
    "payment_status": (PAYMENT_STATUSES, " and i.payment_status = any(%(payment_status)s)"),
    "payment_statuses": (PAYMENT_STATUSES, " and i.payment_status = any(%(payment_statuses)s)"),
    "invoice_type": (TYPES, " and i.invoice_type = any(%(invoice_type)s)"),
}

router = make_router()


@router.get("/invoices")
async def index(request: Request) -> Response:
    """The invoices, newest first; filters by customer, statuses, type, issuing date and currency."""
    return await list_for(request, {})


@router.post("/invoices")
async def create(request: Request) -> Response:
    """404 `add_on_not_found`: a one-off invoice needs add-ons, and the stand-in has none."""
    params = await root_of(request, "invoice")
    async with lago(request).pool.connection() as connection:
        await customers.find(request, connection, text(params, "external_customer_id") or "")
    if not params.get("fees"):
        raise invalid(fees=VALUE_IS_MANDATORY)
    raise not_found("add_on")


@router.get("/invoices/{lago_id:undotted}")
async def show(request: Request) -> Response:
    """One invoice with its subscriptions and fees."""
    async with lago(request).pool.connection() as connection:
        return await _answer(request, connection, await _find(request, connection))


@router.put("/invoices/{lago_id:undotted}")
async def update(request: Request) -> Response:
    """Set the payment status or the metadata."""
    params = await root_of(request, "invoice")
    errors = FieldErrors()
    payment_status = choice("payment_status", text(params, "payment_status"), PAYMENT_STATUSES, errors)
    errors.raise_if_any()
    metadata = params.get("metadata")
    entries = [
        {
            "lago_id": str(uuid4()),
            "key": entry.get("key"),
            "value": entry.get("value"),
            "created_at": iso(utc_now()),
        }
        for entry in (metadata if isinstance(metadata, list) else [])
        if isinstance(entry, dict)
    ]
    async with lago(request).pool.connection() as connection:
        invoice = await _find(request, connection)
        await connection.execute(
            "update invoices set payment_status = coalesce(%(payment_status)s, payment_status),"
            " total_paid_amount_cents = case when %(payment_status)s = 1 then total_amount_cents"
            " else total_paid_amount_cents end,"
            " metadata = coalesce(%(metadata)s, metadata), updated_at = now() where id = %(id)s",
            {
                "payment_status": payment_status,
                "metadata": Jsonb(entries) if isinstance(metadata, list) else None,
                "id": invoice["id"],
            },
        )
        return await _answer(request, connection, await _find(request, connection))


@router.put("/invoices/{lago_id:undotted}/refresh")
async def refresh(request: Request) -> Response:
    """Nothing changes: only a draft could, and the stand-in finalizes at once."""
    return await show(request)


@router.put("/invoices/{lago_id:undotted}/finalize")
async def finalize(request: Request) -> Response:
    """Only a draft can be finalized, and the stand-in has none: 404, as in Lago."""
    uuid_of(request.path_params["lago_id"], "invoice")
    raise not_found("invoice")


@router.post("/invoices/{lago_id:undotted}/void")
async def void(request: Request) -> Response:
    """Void a finalized invoice; a voided one answers 405 `not_voidable`."""
    async with lago(request).pool.connection() as connection:
        invoice = await _find(request, connection)
        cursor = await connection.execute(
            "update invoices set status = 2, voided_at = now(), updated_at = now() where id = %s and status = 1",
            (invoice["id"],),
        )
        if cursor.rowcount != 1:
            raise not_allowed("not_voidable")
        return await _answer(request, connection, await _find(request, connection))


@router.post("/invoices/{lago_id:undotted}/retry_payment")
async def retry_payment(request: Request) -> Response:
    """Answers like Lago, with no body; there is no payment provider that would be asked."""
    async with lago(request).pool.connection() as connection:
        invoice = await _find(request, connection)
    if invoice["status"] == _VOIDED or PAYMENT_STATUSES[invoice["payment_status"]] == "succeeded":
        raise not_allowed("invalid_status")
    return Response(status_code=200)


@router.post("/invoices/{lago_id:undotted}/download")
async def download(request: Request) -> Response:
    """Answers like Lago while the PDF is not there yet, with no body; the stand-in never draws one."""
    async with lago(request).pool.connection() as connection:
        await _find(request, connection)
    return Response(status_code=200)


async def list_for(request: Request, fixed: dict[str, str]) -> Response:
    """A page of invoices, by the request's filters and the `fixed` ones."""
    query: LiteralString = _SHOWN
    params: dict[str, Any] = {"organization": lago(request).organization, "visible": _VISIBLE}
    given = dict(request.query_params) | fixed
    errors = FieldErrors()
    for name, condition in _FILTERS.items():
        if name in given:
            query += condition
            params[name] = _day(given[name], name, errors) if name.startswith("issuing_date") else given[name]
    for name, (options, condition) in _ENUM_FILTERS.items():
        wanted = request.query_params.getlist(name) + request.query_params.getlist(f"{name}[]")
        if wanted:
            if any(value not in options for value in wanted):
                errors.add(name, VALUE_IS_INVALID)
            query += condition
            params[name] = [options.index(value) for value in wanted if value in options]
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(connection, query, params)
        await _add_customers(connection, rows)
    return JSONResponse({"invoices": [to_json(row) for row in rows], "meta": meta})


def _day(value: str, name: str, errors: FieldErrors) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        errors.add(name, INVALID_DATE)
        return None


async def _find(request: Request, connection: Connection) -> Row:
    cursor = await connection.execute(
        f"{_SHOWN} and i.id = %(id)s",
        {
            "organization": lago(request).organization,
            "visible": _VISIBLE,
            "id": uuid_of(request.path_params["lago_id"], "invoice"),
        },
    )
    invoice = await cursor.fetchone()
    if invoice is None:
        raise not_found("invoice")
    await _add_customers(connection, [invoice])
    return invoice


async def _add_customers(connection: Connection, rows: list[Row]) -> None:
    """Put its customer, removed or not, under `customer` of each invoice."""
    cursor = await connection.execute(
        "select * from customers where id = any(%s)", ([row["customer_id"] for row in rows],)
    )
    by_id = {customer["id"]: customer for customer in await cursor.fetchall()}
    for row in rows:
        row["customer"] = by_id[row["customer_id"]]


async def _answer(request: Request, connection: Connection, invoice: Row) -> Response:
    """The invoice with all that `show` adds."""
    cursor = await connection.execute("select * from fees where invoice_id = %s order by created_at", (invoice["id"],))
    fees = await cursor.fetchall()
    cursor = await connection.execute(
        "select subscription_id, from_datetime, to_datetime from invoice_subscriptions where invoice_id = %s",
        (invoice["id"],),
    )
    periods = await cursor.fetchall()
    billed = await subscriptions.by_ids(
        connection, lago(request).organization, [period["subscription_id"] for period in periods]
    )
    return JSONResponse(
        {
            "invoice": {
                **to_json(invoice),
                "subscriptions": [subscriptions.to_json(row) for row in billed],
                "billing_periods": [
                    _period_to_json(period, subscription)
                    for period in periods
                    for subscription in billed
                    if subscription["id"] == period["subscription_id"]
                ],
                "fees": [_fee_to_json(fee, invoice) for fee in fees],
                "credits": [],
            }
        }
    )


def to_json(row: Row) -> dict[str, Any]:
    """An invoice as the API lists one; `row` has its customer."""
    return {
        "lago_id": str(row["id"]),
        "billing_entity_code": "sandbox",
        "sequential_id": row["sequential_id"],
        "number": row["number"],
        "issuing_date": iso_date(row["issuing_date"]),
        "payment_due_date": iso_date(row["payment_due_date"]),
        "net_payment_term": row["net_payment_term"],
        "invoice_type": TYPES[row["invoice_type"]],
        "status": STATUSES[row["status"]],
        "payment_status": PAYMENT_STATUSES[row["payment_status"]],
        "payment_dispute_lost_at": None,
        "payment_overdue": row["payment_overdue"],
        "currency": row["currency"],
        **{name: value for name, value in row.items() if name.endswith("_amount_cents")},
        "total_due_amount_cents": 0
        if row["status"] == _VOIDED
        else row["total_amount_cents"] - row["total_paid_amount_cents"],
        "file_url": None,
        "xml_url": None,
        "version_number": row["version_number"],
        "self_billed": row["self_billed"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "voided_at": iso(row["voided_at"]),
        "customer": customers.to_json(row["customer"]),
        "metadata": row["metadata"],
        "applied_taxes": [],
        "error_details": [],
    }


def _period_to_json(period: Row, subscription: Row) -> dict[str, Any]:
    first, last = iso(period["from_datetime"]), iso(period["to_datetime"])
    return {
        "lago_subscription_id": str(subscription["id"]),
        "external_subscription_id": subscription["external_id"],
        "lago_plan_id": str(subscription["plan_id"]),
        "subscription_from_datetime": first,
        "subscription_to_datetime": last,
        "charges_from_datetime": first,
        "charges_to_datetime": last,
        "invoicing_reason": "subscription_starting",
    }


def _fee_to_json(fee: Row, invoice: Row) -> dict[str, Any]:
    fee_type = _FEE_TYPES[fee["fee_type"]]
    return {
        "lago_id": str(fee["id"]),
        "lago_invoice_id": str(fee["invoice_id"]),
        "lago_subscription_id": None if fee["subscription_id"] is None else str(fee["subscription_id"]),
        "lago_customer_id": str(invoice["customer_id"]),
        "external_customer_id": invoice["customer"]["external_id"],
        "item": {"type": fee_type, "code": fee_type, "name": fee_type.capitalize()},
        "pay_in_advance": True,
        "invoiceable": True,
        "amount_cents": fee["amount_cents"],
        "amount_currency": fee["amount_currency"],
        "taxes_amount_cents": 0,
        "taxes_rate": 0.0,
        "total_amount_cents": fee["amount_cents"],
        "total_amount_currency": fee["amount_currency"],
        "units": decimal_text(fee["units"]),
        "events_count": None,
        "payment_status": PAYMENT_STATUSES[invoice["payment_status"]],
        "created_at": iso(fee["created_at"]),
        "applied_taxes": [],
    }
