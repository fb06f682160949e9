"""Subscriptions: started, upgraded, downgraded and terminated, always by `external_id`."""

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from fastapi import Request
from starlette.responses import JSONResponse, Response

from . import customers, lifecycle, plans
from .context import lago, root_of
from .database import Connection, Row
from .errors import (
    VALUE_IS_MANDATORY,
    FieldErrors,
    forbidden,
    invalid,
    not_found,
)
from .lifecycle import ACTIVE, BILLING_TIMES, PENDING, STATUSES
from .paging import Page
from .periods import current_period
from .routing import make_router
from .values import choice, iso, iso_date, iso_ms, last_second, midnight, moment, text

CREDIT_NOTE_OPTIONS = ("credit", "skip", "refund", "offset")
INVOICE_OPTIONS = ("generate", "skip")

_SHOWN: LiteralString = (
    "select s.*, c.external_id as external_customer_id, p.code as plan_code, p.amount_cents,"
    " p.amount_currency,"
    " p.interval, p.pay_in_advance, pp.code as previous_plan_code,"
    " (select np.code from subscriptions n join plans np on np.id = n.plan_id"
    "  where n.previous_subscription_id = s.id and n.status <> 3 order by n.created_at desc limit 1)"
    " as next_plan_code"
    " from subscriptions s join customers c on c.id = s.customer_id join plans p on p.id = s.plan_id"
    " left join subscriptions ps on ps.id = s.previous_subscription_id left join plans pp on pp.id ="
    " ps.plan_id"
    " where s.organization_id = %(organization)s"
)

router = make_router()


@router.get("/subscriptions")
async def index(request: Request) -> Response:
    """The subscriptions, newest first: the active ones, or those of the statuses in `status[]`.

    Also filters by `external_customer_id` and `plan_code`. A plain `status=` is ignored, as in Lago.
    """
    return await list_for(request, request.query_params.get("external_customer_id"))


@router.post("/subscriptions")
async def create(request: Request) -> Response:
    """Start a subscription, or move the one with this `external_id` to another plan.

    The checks come in Lago's order: plan, premium features, customer, then the other fields; an unknown
    customer is made only after them.
    """
    params = await root_of(request, "subscription")
    async with lago(request).pool.connection() as connection:
        plan = await plans.find(request, connection, text(params, "plan_code"))
        if "plan_overrides" in params:
            raise forbidden("feature_unavailable")
        external_customer_id = text(params, "external_customer_id")
        if external_customer_id is None:
            raise invalid(external_customer_id=VALUE_IS_MANDATORY)
        wanted = lifecycle.Wanted(params)
        async with connection.transaction():
            # Two customers may ask for the same external_id at once; nothing in the tables forbids it.
            await connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"subscription {wanted.external_id}",),
            )
            customer = await customers.lock_or_create(request, connection, external_customer_id)
            await customers.set_currency(connection, customer["id"], plan["amount_currency"])
            subscription_id = await lifecycle.subscribe(lago(request).jobs, connection, customer, plan, wanted)
        return await _answer(request, connection, subscription_id)


@router.get("/subscriptions/{external_id:dotted}")
async def show(request: Request) -> Response:
    """One subscription: the active one with this id, or the newest of the status in `status`."""
    status = request.query_params.get("status") or "active"
    async with lago(request).pool.connection() as connection:
        if status not in STATUSES:
            raise not_found("subscription")
        found = await _find(request, connection, STATUSES.index(status))
        return await _answer(request, connection, found["id"])


@router.put("/subscriptions/{external_id:dotted}")
async def update(request: Request) -> Response:
    """Change the name or the end of the active subscription, or of the pending one (`status=pending`)."""
    params = await root_of(request, "subscription")
    errors = FieldErrors()
    ending_at = moment(params, "ending_at", errors)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        found = await _find(request, connection, _pending_or_active(request))
        await connection.execute(
            "update subscriptions set name = coalesce(%s, name), ending_at = coalesce(%s, ending_at),"
            " updated_at = now() where id = %s",
            (text(params, "name"), ending_at, found["id"]),
        )
        if ending_at is not None:
            await lifecycle.put_end(lago(request).jobs, connection, found["id"], ending_at)
        return await _answer(request, connection, found["id"])


@router.delete("/subscriptions/{external_id:dotted}")
async def destroy(request: Request) -> Response:
    """Terminate the active subscription, or cancel the pending one with `status=pending`."""
    errors = FieldErrors()
    query = request.query_params
    credit_note = query.get("on_termination_credit_note")
    invoice = query.get("on_termination_invoice")
    choice("on_termination_credit_note", credit_note, CREDIT_NOTE_OPTIONS, errors)
    choice("on_termination_invoice", invoice, INVOICE_OPTIONS, errors)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        async with connection.transaction():
            found = await _find(request, connection, _pending_or_active(request))
            if found["status"] == PENDING:
                await lifecycle.cancel(connection, found["id"])
            else:
                await lifecycle.terminate(connection, found["id"], credit_note, invoice)
        return await _answer(request, connection, found["id"])


async def list_for(request: Request, external_customer_id: str | None) -> Response:
    """A page of subscriptions, of one customer if named."""
    query: LiteralString = _SHOWN
    params: dict[str, Any] = {
        "organization": lago(request).organization,
        "statuses": [
            STATUSES.index(status) for status in request.query_params.getlist("status[]") if status in STATUSES
        ]
        or [ACTIVE],
    }
    query += " and s.status = any(%(statuses)s)"
    if external_customer_id is not None:
        query += " and c.external_id = %(external_customer_id)s"
        params["external_customer_id"] = external_customer_id
    for name, condition in _FILTERS.items():
        if name in request.query_params:
            query += condition
            params[name] = request.query_params[name]
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(connection, query, params)
    return JSONResponse({"subscriptions": [to_json(row) for row in rows], "meta": meta})


_FILTERS: dict[str, LiteralString] = {
    "plan_code": " and p.code = %(plan_code)s",
    "external_id": " and s.external_id = %(external_id)s",
}


def _pending_or_active(request: Request) -> int:
    return PENDING if request.query_params.get("status") == "pending" else ACTIVE


async def _find(request: Request, connection: Connection, status: int) -> Row:
    """The newest subscription of the path's id and of this status; raises 404."""
    cursor = await connection.execute(
        f"{_SHOWN} and s.external_id = %(external_id)s and s.status = %(status)s"
        " order by s.started_at desc nulls last, s.created_at desc limit 1 for update of s",
        {
            "organization": lago(request).organization,
            "external_id": request.path_params["external_id"],
            "status": status,
        },
    )
    found = await cursor.fetchone()
    if found is None:
        raise not_found("subscription")
    return found


async def _answer(request: Request, connection: Connection, subscription_id: UUID) -> Response:
    rows = await by_ids(connection, lago(request).organization, [subscription_id])
    return JSONResponse({"subscription": to_json(rows[0])})


async def by_ids(connection: Connection, organization: UUID, ids: list[UUID]) -> list[Row]:
    """The rows of these subscriptions, with what `to_json` shows."""
    cursor = await connection.execute(
        f"{_SHOWN} and s.id = any(%(ids)s) order by s.created_at, s.id",
        {"organization": organization, "ids": ids},
    )
    return await cursor.fetchall()


def to_json(row: Row) -> dict[str, Any]:
    """A subscription as the API shows one."""
    period = current_period(row)
    started_at: datetime | None = row["started_at"]
    downgrades = row["status"] == ACTIVE and row["next_plan_code"] is not None
    return {
        "lago_id": str(row["id"]),
        "external_id": row["external_id"],
        "lago_customer_id": str(row["customer_id"]),
        "external_customer_id": row["external_customer_id"],
        "name": row["name"],
        "plan_code": row["plan_code"],
        "plan_amount_cents": row["amount_cents"],
        "plan_amount_currency": row["amount_currency"],
        "status": STATUSES[row["status"]],
        "billing_time": BILLING_TIMES[row["billing_time"]],
        "subscription_at": iso(row["subscription_at"]),
        "started_at": iso_ms(started_at),
        "trial_ended_at": iso(row["trial_ended_at"]),
        "ending_at": iso(row["ending_at"]),
        "terminated_at": iso(row["terminated_at"]),
        "canceled_at": iso(row["canceled_at"]),
        "created_at": iso(row["created_at"]),
        "previous_plan_code": row["previous_plan_code"],
        "next_plan_code": row["next_plan_code"],
        "downgrade_plan_date": iso_date(period.next_first) if downgrades else None,
        "current_billing_period_started_at": iso(
            None if started_at is None else max(midnight(period.first), started_at)
        ),
        "current_billing_period_ending_at": iso(None if started_at is None else last_second(period.last)),
        "on_termination_credit_note": row["on_termination_credit_note"],
        "on_termination_invoice": row["on_termination_invoice"],
        "progressive_billing_disabled": False,
        "consolidate_invoice": True,
        "purchase_order_number": None,
        "cancellation_reason": None,
        "activated_at": iso(started_at),
        "payment_method": {"payment_method_id": None, "payment_method_type": "provider"},
    }
