"""Invoices, as the API lists and shows them; `billing` makes them."""

from typing import Any, LiteralString

from fastapi import Request
from starlette.responses import JSONResponse, Response

from . import customers, subscriptions
from .context import lago, uuid_of
from .database import Connection, Row
from .errors import not_found
from .paging import Page
from .routing import make_router
from .values import decimal_text, iso, iso_date

TYPES = ("subscription", "add_on", "credit", "one_off", "advance_charges", "progressive_billing")
STATUSES = ("draft", "finalized", "voided", "generating", "failed", "open", "closed", "pending", "deleted")
PAYMENT_STATUSES = ("pending", "succeeded", "failed")

_SHOWN: LiteralString = (
    "select i.* from invoices i join customers c on c.id = i.customer_id where i.organization_id = %(organization)s"
)

router = make_router()


@router.get("/invoices")
async def index(request: Request) -> Response:
    """List the invoices, newest first, of the customer in `external_customer_id` if named."""
    query: LiteralString = _SHOWN
    params: dict[str, Any] = {"organization": lago(request).organization}
    if "external_customer_id" in request.query_params:
        query += " and c.external_id = %(customer)s"
        params["customer"] = request.query_params["external_customer_id"]
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(connection, query, params)
        await _add_customers(connection, rows)
    return JSONResponse({"invoices": [to_json(row) for row in rows], "meta": meta})


@router.get("/invoices/{lago_id:undotted}")
async def show(request: Request) -> Response:
    """Show one invoice with its subscriptions and fees."""
    async with lago(request).pool.connection() as connection:
        return await _answer(request, connection, await _find(request, connection))


async def _find(request: Request, connection: Connection) -> Row:
    cursor = await connection.execute(
        f"{_SHOWN} and i.id = %(id)s",
        {
            "organization": lago(request).organization,
            "id": uuid_of(request.path_params["lago_id"], "invoice"),
        },
    )
    invoice = await cursor.fetchone()
    if invoice is None:
        raise not_found("invoice")
    await _add_customers(connection, [invoice])
    return invoice


async def _add_customers(connection: Connection, rows: list[Row]) -> None:
    """Add to each invoice its customer, removed or not, as `customer`."""
    cursor = await connection.execute(
        "select * from customers where id = any(%s)", ([row["customer_id"] for row in rows],)
    )
    by_id = {customer["id"]: customer for customer in await cursor.fetchall()}
    for row in rows:
        row["customer"] = by_id[row["customer_id"]]


async def _answer(request: Request, connection: Connection, invoice: Row) -> Response:
    """Return the invoice with its subscriptions, billing periods and fees."""
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
    """Return an invoice as the API lists one; `row` has its customer."""
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
        "total_due_amount_cents": row["total_amount_cents"] - row["total_paid_amount_cents"],
        "file_url": None,
        "xml_url": None,
        "version_number": row["version_number"],
        "self_billed": row["self_billed"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "voided_at": None,
        "customer": customers.to_json(row["customer"]),
        "metadata": [],
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
    return {
        "lago_id": str(fee["id"]),
        "lago_invoice_id": str(fee["invoice_id"]),
        "lago_subscription_id": str(fee["subscription_id"]),
        "lago_customer_id": str(invoice["customer_id"]),
        "external_customer_id": invoice["customer"]["external_id"],
        "item": {"type": "subscription", "code": "subscription", "name": "Subscription"},
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
