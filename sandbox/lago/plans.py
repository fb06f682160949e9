"""Plans: what a subscription costs a month, and the metrics that it is charged for; `seeds` makes them."""

from typing import Any, LiteralString

from fastapi import Request
from starlette.responses import JSONResponse, Response

from .context import lago
from .database import Connection, Row
from .errors import not_found
from .paging import Page
from .routing import make_router
from .values import iso

_WITH_CHARGES: LiteralString = (
    "select p.*, (select coalesce(jsonb_agg(jsonb_build_object("
    "'lago_id', c.id, 'lago_billable_metric_id', m.id, 'billable_metric_code', m.code, 'created_at', c.created_at,"
    " 'properties', c.properties) order by c.created_at, c.id), '[]')"
    " from charges c join billable_metrics m on m.id = c.billable_metric_id where c.plan_id = p.id) as charges"
    " from plans p where p.organization_id = %(organization)s"
)

router = make_router()


@router.get("/plans")
async def index(request: Request) -> Response:
    """List the plans, newest first."""
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(
            connection, _WITH_CHARGES, {"organization": lago(request).organization}
        )
    return JSONResponse({"plans": [to_json(row) for row in rows], "meta": meta})


async def find(request: Request, connection: Connection, code: str | None) -> Row:
    """Return the plan with this code; raise 404 `plan_not_found`."""
    cursor = await connection.execute(
        "select * from plans where organization_id = %s and code = %s", (lago(request).organization, code)
    )
    plan = await cursor.fetchone()
    if plan is None:
        raise not_found("plan")
    return plan


def to_json(row: Row) -> dict[str, Any]:
    """Return a plan as the API shows one; `row` has its charges."""
    return {
        "lago_id": str(row["id"]),
        "name": row["name"],
        "invoice_display_name": None,
        "created_at": iso(row["created_at"]),
        "code": row["code"],
        "interval": "monthly",
        "description": None,
        "amount_cents": row["amount_cents"],
        "amount_currency": row["amount_currency"],
        "trial_period": None,
        "pay_in_advance": row["pay_in_advance"],
        "bill_charges_monthly": None,
        "parent_id": None,
        "pending_deletion": False,
        # Lago answers 0 for these since it stopped counting them.
        "customers_count": 0,
        "active_subscriptions_count": 0,
        "draft_invoices_count": 0,
        "charges": [_charge_to_json(charge) for charge in row["charges"]],
        "fixed_charges": [],
        "usage_thresholds": [],
        "taxes": [],
    }


def _charge_to_json(charge: dict[str, Any]) -> dict[str, Any]:
    return {
        **charge,
        "created_at": charge["created_at"].partition(".")[0] + "Z",
        "charge_model": "standard",
        "invoice_display_name": None,
        "pay_in_advance": False,
        "invoiceable": True,
        "prorated": False,
        "regroup_paid_fees": None,
        "min_amount_cents": 0,
        "filters": [],
        "taxes": [],
    }
