"""Subscriptions: started, upgraded, downgraded and terminated, always by `external_id`."""

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from fastapi import Request
from starlette.responses import JSONResponse, Response

from . import billing, customers, jobs, plans
from .context import lago, root_of
from .database import Connection, Row
from .errors import (
    VALUE_ALREADY_EXIST,
    VALUE_IS_INVALID,
    VALUE_IS_MANDATORY,
    FieldErrors,
    forbidden,
    invalid,
    not_found,
)
from .paging import Page
from .periods import PERIODS_A_YEAR, current_period
from .routing import make_router
from .values import choice, iso, iso_date, iso_ms, last_second, midnight, moment, text, utc_now

STATUSES = ("pending", "active", "terminated", "canceled", "incomplete")
PENDING, ACTIVE, TERMINATED, CANCELED, _INCOMPLETE = range(5)
BILLING_TIMES = ("calendar", "anniversary")
CREDIT_NOTE_OPTIONS = ("credit", "skip", "refund", "offset")
INVOICE_OPTIONS = ("generate", "skip")

START = "start_subscription"

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
        wanted = _Wanted(params)
        async with connection.transaction():
            # Two customers may ask for the same external_id at once; nothing in the tables forbids it.
            await connection.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"subscription {wanted.external_id}",),
            )
            customer = await customers.lock_or_create(request, connection, external_customer_id)
            await customers.set_currency(connection, customer["id"], plan["amount_currency"])
            subscription_id = await _subscribe(request, connection, customer, plan, wanted)
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
                await _cancel(connection, found["id"])
            else:
                await _terminate(connection, found["id"], credit_note, invoice)
        return await _answer(request, connection, found["id"])


class _Wanted:
    """The fields of a new subscription; raises 422 for all that are wrong."""

    def __init__(self, params: dict[str, Any]) -> None:
        errors = FieldErrors()
        now = utc_now()
        self.name = text(params, "name")
        self.external_id = text(params, "external_id") or ""
        if not self.external_id:
            errors.add("external_id", VALUE_IS_MANDATORY)
        self.billing_time = choice("billing_time", text(params, "billing_time"), BILLING_TIMES, errors) or 0
        self.subscription_at = moment(params, "subscription_at", errors) or now
        self.ending_at = moment(params, "ending_at", errors)
        if self.ending_at is not None and self.ending_at <= max(now, self.subscription_at):
            errors.add("ending_at", VALUE_IS_INVALID)
        errors.raise_if_any()


async def _subscribe(
    request: Request, connection: Connection, customer: Row, plan: Row, wanted: _Wanted
) -> UUID:
    """Write what the customer wants, inside the transaction; the id of the subscription to answer with."""
    cursor = await connection.execute(
        "select s.*, p.amount_cents, p.interval from subscriptions s join plans p on p.id = s.plan_id"
        " where s.organization_id = %s and s.external_id = %s and (s.status = 1 or s.customer_id = %s"
        " and s.status = 0 and s.previous_subscription_id is null)"
        " order by s.customer_id = %s desc, s.status desc, s.started_at desc",
        (lago(request).organization, wanted.external_id, customer["id"], customer["id"]),
    )
    current = await cursor.fetchone()
    if current is None:
        return await _start(request, connection, customer, plan, wanted)
    if current["customer_id"] != customer["id"]:
        raise invalid(external_id=VALUE_ALREADY_EXIST)
    if current["plan_id"] == plan["id"]:
        return _id(current)
    if current["status"] == PENDING:
        await connection.execute(
            "update subscriptions set plan_id = %s, name = coalesce(%s, name), updated_at = now()"
            " where id = %s",
            (plan["id"], wanted.name, current["id"]),
        )
        return _id(current)
    await connection.execute(
        "update subscriptions set status = 3, canceled_at = now(), updated_at = now()"
        " where previous_subscription_id = %s and status = 0",
        (current["id"],),
    )
    if _yearly_cents(plan) >= _yearly_cents(current):
        return await _upgrade(request, connection, current, plan, wanted)
    await _schedule_downgrade(request, connection, current, plan, wanted)
    return _id(current)


async def _start(request: Request, connection: Connection, customer: Row, plan: Row, wanted: _Wanted) -> UUID:
    """A new subscription: active from today or an earlier day, else pending until its day."""
    today = utc_now().date()
    begins = wanted.subscription_at.date()
    pending = begins > today
    subscription_id = await _insert(
        connection,
        {
            "organization": lago(request).organization,
            "customer": customer["id"],
            "plan": plan["id"],
            "external_id": wanted.external_id,
            "name": wanted.name,
            "status": PENDING if pending else ACTIVE,
            "billing_time": wanted.billing_time,
            "subscription_at": wanted.subscription_at,
            "started_at": None if pending else wanted.subscription_at,
            "ending_at": wanted.ending_at,
            "previous": None,
        },
    )
    if pending:
        await _put_start(request, connection, subscription_id, wanted.subscription_at)
    elif begins == today and plan["pay_in_advance"]:
        # Lago bills no period that began on an earlier day.
        await billing.put_starting_invoice(lago(request).jobs, connection, subscription_id)
    return subscription_id


async def _upgrade(
    request: Request, connection: Connection, current: Row, plan: Row, wanted: _Wanted
) -> UUID:
    """The current subscription ends now, and the new one begins."""
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now() where id = %s",
        (current["id"],),
    )
    subscription_id = await _insert(
        connection, _successor(current, plan, wanted) | {"status": ACTIVE, "started_at": utc_now()}
    )
    if plan["pay_in_advance"]:
        await billing.put_starting_invoice(lago(request).jobs, connection, subscription_id)
    return subscription_id


async def _schedule_downgrade(
    request: Request, connection: Connection, current: Row, plan: Row, wanted: _Wanted
) -> None:
    """The new subscription waits for the end of the current one's period."""
    subscription_id = await _insert(
        connection, _successor(current, plan, wanted) | {"status": PENDING, "started_at": None}
    )
    await _put_start(request, connection, subscription_id, midnight(current_period(current).next_first))


def _successor(current: Row, plan: Row, wanted: _Wanted) -> dict[str, Any]:
    return {
        "organization": current["organization_id"],
        "customer": current["customer_id"],
        "plan": plan["id"],
        "external_id": current["external_id"],
        "name": wanted.name or current["name"],
        "billing_time": current["billing_time"],
        "subscription_at": current["subscription_at"],
        "ending_at": wanted.ending_at or current["ending_at"],
        "previous": current["id"],
    }


async def _insert(connection: Connection, values: dict[str, Any]) -> UUID:
    cursor = await connection.execute(
        "insert into subscriptions (organization_id, customer_id, plan_id, external_id, name,"
        " status, billing_time,"
        " subscription_at, started_at, ending_at, previous_subscription_id) values"
        " (%(organization)s, %(customer)s,"
        " %(plan)s, %(external_id)s, %(name)s, %(status)s, %(billing_time)s, %(subscription_at)s,"
        " %(started_at)s,"
        " %(ending_at)s, %(previous)s) returning id",
        values,
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError(
            "PostgreSQL returned no row for a subscription that was just inserted; look at its log."
        )
    return _id(row)


async def _put_start(request: Request, connection: Connection, subscription_id: UUID, at: datetime) -> None:
    await lago(request).jobs.put(connection, START, {"subscription_id": str(subscription_id)}, at)


async def start(queue: jobs.JobQueue, connection: Connection, payload: dict[str, Any]) -> None:
    """Job: a pending subscription's day has come; the one before it ends. One canceled meanwhile stays so."""
    cursor = await connection.execute(
        "update subscriptions s set status = 1, started_at = now(), updated_at = now() from plans p"
        " where s.id = %s and s.status = 0 and p.id = s.plan_id"
        " returning s.id, s.previous_subscription_id, p.pay_in_advance",
        (payload["subscription_id"],),
    )
    begun = await cursor.fetchone()
    if begun is None:
        return
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now() where id ="
        " %s and status = 1",
        (begun["previous_subscription_id"],),
    )
    if begun["pay_in_advance"]:
        await billing.put_starting_invoice(queue, connection, begun["id"])


async def _terminate(
    connection: Connection, subscription_id: UUID, credit_note: str | None, invoice: str | None
) -> None:
    """End an active subscription now; the one that was to follow it is canceled."""
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now(),"
        " on_termination_credit_note = coalesce(%s, on_termination_credit_note),"
        " on_termination_invoice = coalesce(%s, on_termination_invoice) where id = %s",
        (credit_note, invoice, subscription_id),
    )
    await connection.execute(
        "update subscriptions set status = 3, canceled_at = now(), updated_at = now()"
        " where previous_subscription_id = %s and status = 0",
        (subscription_id,),
    )


async def _cancel(connection: Connection, subscription_id: UUID) -> None:
    await connection.execute(
        "update subscriptions set status = 3, canceled_at = now(), updated_at = now() where id = %s",
        (subscription_id,),
    )


async def list_for(request: Request, external_customer_id: str | None) -> Response:
    """A page of subscriptions, of one customer if named."""
    query: LiteralString = _SHOWN
    params: dict[str, Any] = {
        "organization": lago(request).organization,
        "statuses": [
            STATUSES.index(status)
            for status in request.query_params.getlist("status[]")
            if status in STATUSES
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


def _id(row: Row) -> UUID:
    subscription_id: UUID = row["id"]
    return subscription_id


def _yearly_cents(plan: Row) -> int:
    """What a year costs: by which Lago tells an upgrade from a downgrade."""
    return int(plan["amount_cents"]) * PERIODS_A_YEAR[plan["interval"]]


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
