"""Subscriptions: started, changed, shown and terminated, always by `external_id`."""

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from fastapi import Request
from starlette.responses import JSONResponse, Response

from . import customers, lifecycle, plans
from .context import lago, root_of
from .database import Connection, Row
from .errors import VALUE_IS_MANDATORY, FieldErrors, invalid, not_found
from .lifecycle import ACTIVE, BILLING_TIMES, PENDING, STATUSES
from .paging import Page
from .periods import current_period
from .routing import make_router
from .values import choice, iso, iso_date, iso_ms, last_second, midnight, text

_SHOWN: LiteralString = (
    "select s.*, c.external_id as external_customer_id, p.code as plan_code, p.amount_cents, p.amount_currency,"
    " pp.code as previous_plan_code, (select np.code from subscriptions n join plans np on np.id = n.plan_id"
    " where n.previous_subscription_id = s.id and n.status <> 3 order by n.created_at desc limit 1) as next_plan_code"
    " from subscriptions s join customers c on c.id = s.customer_id join plans p on p.id = s.plan_id"
    " left join subscriptions ps on ps.id = s.previous_subscription_id left join plans pp on pp.id = ps.plan_id"
    " where s.organization_id = %(organization)s"
)

router = make_router()


@router.get("/subscriptions")
async def index(request: Request) -> Response:
    """List the subscriptions, newest first: the active ones, or those with a status in `status[]`.

    Filters by `external_customer_id` too. A plain `status=` is ignored, as in Lago.
    """
    query: LiteralString = f"{_SHOWN} and s.status = any(%(statuses)s)"
    wanted = [STATUSES.index(status) for status in request.query_params.getlist("status[]") if status in STATUSES]
    params: dict[str, Any] = {"organization": lago(request).organization, "statuses": wanted or [ACTIVE]}
    if "external_customer_id" in request.query_params:
        query += " and c.external_id = %(customer)s"
        params["customer"] = request.query_params["external_customer_id"]
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(connection, query, params)
    return JSONResponse({"subscriptions": [to_json(row) for row in rows], "meta": meta})


@router.post("/subscriptions")
async def create(request: Request) -> Response:
    """Start a subscription, or change the plan of the active one that has this `external_id`.

    The checks come in Lago's order: plan, customer, `external_id`. An unknown customer is created only after them.
    """
    params = await root_of(request, "subscription")
    async with lago(request).pool.connection() as connection:
        plan = await plans.find(request, connection, text(params, "plan_code"))
        external_customer_id = text(params, "external_customer_id")
        if external_customer_id is None:
            raise invalid(external_customer_id=VALUE_IS_MANDATORY)
        external_id = text(params, "external_id")
        if external_id is None:
            raise invalid(external_id=VALUE_IS_MANDATORY)
        errors = FieldErrors()
        billing_time = choice("billing_time", text(params, "billing_time"), BILLING_TIMES, errors) or 0
        errors.raise_if_any()
        async with connection.transaction():
            # Two customers may ask for the same external_id at once, and no constraint of the table forbids it.
            await connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"subscription {external_id}",)
            )
            customer = await customers.lock_or_create(request, connection, external_customer_id)
            await customers.set_currency(connection, customer["id"], plan["amount_currency"])
            wanted = lifecycle.Wanted(plan, external_id, billing_time)
            subscription_id = await lifecycle.subscribe(lago(request).jobs, connection, customer, wanted)
        return await _answer(request, connection, subscription_id)


@router.get("/subscriptions/{external_id:dotted}")
async def show(request: Request) -> Response:
    """Show the subscription with this id: the active one, or the newest with the status in `status`."""
    status = request.query_params.get("status") or "active"
    if status not in STATUSES:
        raise not_found("subscription")
    async with lago(request).pool.connection() as connection:
        return await _answer(request, connection, await _find(request, connection, STATUSES.index(status)))


@router.delete("/subscriptions/{external_id:dotted}")
async def destroy(request: Request) -> Response:
    """Terminate the active subscription with this id, or cancel the pending one with `status=pending`."""
    pending = request.query_params.get("status") == "pending"
    async with lago(request).pool.connection() as connection:
        async with connection.transaction():
            subscription_id = await _find(request, connection, PENDING if pending else ACTIVE)
            await (lifecycle.cancel if pending else lifecycle.terminate)(connection, subscription_id)
        return await _answer(request, connection, subscription_id)


async def _find(request: Request, connection: Connection, status: int) -> UUID:
    """Return the id of the newest subscription with the path's id and a status, and lock it; raise 404."""
    cursor = await connection.execute(
        "select id from subscriptions where organization_id = %s and external_id = %s and status = %s"
        " order by created_at desc limit 1 for update",
        (lago(request).organization, request.path_params["external_id"], status),
    )
    found = await cursor.fetchone()
    if found is None:
        raise not_found("subscription")
    subscription_id: UUID = found["id"]
    return subscription_id


async def _answer(request: Request, connection: Connection, subscription_id: UUID) -> Response:
    rows = await by_ids(connection, lago(request).organization, [subscription_id])
    return JSONResponse({"subscription": to_json(rows[0])})


async def by_ids(connection: Connection, organization: UUID, ids: list[UUID]) -> list[Row]:
    """Return the rows of these subscriptions, with what `to_json` needs."""
    cursor = await connection.execute(
        f"{_SHOWN} and s.id = any(%(ids)s) order by s.created_at, s.id",
        {"organization": organization, "ids": ids},
    )
    return await cursor.fetchall()


def to_json(row: Row) -> dict[str, Any]:
    """Return a subscription as the API shows one."""
    period = current_period(row)
    started_at: datetime | None = row["started_at"]
    downgrades = row["status"] == ACTIVE and row["next_plan_code"] is not None
    return {
        "lago_id": str(row["id"]),
        "external_id": row["external_id"],
        "lago_customer_id": str(row["customer_id"]),
        "external_customer_id": row["external_customer_id"],
        "name": None,
        "plan_code": row["plan_code"],
        "plan_amount_cents": row["amount_cents"],
        "plan_amount_currency": row["amount_currency"],
        "status": STATUSES[row["status"]],
        "billing_time": BILLING_TIMES[row["billing_time"]],
        "subscription_at": iso(row["subscription_at"]),
        "started_at": iso_ms(started_at),
        "trial_ended_at": None,
        "ending_at": None,
        "terminated_at": iso(row["terminated_at"]),
        "canceled_at": iso(row["canceled_at"]),
        "created_at": iso(row["created_at"]),
        "previous_plan_code": row["previous_plan_code"],
        "next_plan_code": row["next_plan_code"],
        "downgrade_plan_date": iso_date(period.next_first) if downgrades else None,
        "current_billing_period_started_at": iso(max(midnight(period.first), started_at) if started_at else None),
        "current_billing_period_ending_at": iso(last_second(period.last) if started_at else None),
        "on_termination_credit_note": None,
        "on_termination_invoice": "generate",
        "progressive_billing_disabled": False,
        "consolidate_invoice": True,
        "purchase_order_number": None,
        "cancellation_reason": None,
        "activated_at": iso(started_at),
        "payment_method": {"payment_method_id": None, "payment_method_type": "provider"},
    }
