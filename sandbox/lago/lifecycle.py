"""How a subscription begins, moves to another plan and ends: the writing behind `subscriptions`."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import sql

from . import billing, jobs
from .database import Connection, Row
from .errors import VALUE_ALREADY_EXIST, VALUE_IS_INVALID, VALUE_IS_MANDATORY, FieldErrors, invalid
from .periods import PERIODS_A_YEAR, current_period
from .values import choice, midnight, moment, text, utc_now

STATUSES = ("pending", "active", "terminated", "canceled", "incomplete")
PENDING, ACTIVE, TERMINATED, CANCELED, _INCOMPLETE = range(5)
BILLING_TIMES = ("calendar", "anniversary")

START = "start_subscription"
END = "end_subscription"


class Wanted:
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


async def subscribe(queue: jobs.JobQueue, connection: Connection, customer: Row, plan: Row, wanted: Wanted) -> UUID:
    """Write what the customer wants, inside the transaction; the id of the subscription to answer with."""
    cursor = await connection.execute(
        "select s.*, p.amount_cents, p.interval from subscriptions s join plans p on p.id = s.plan_id"
        " where s.organization_id = %s and s.external_id = %s and (s.status = 1 or s.customer_id = %s"
        " and s.status = 0 and s.previous_subscription_id is null)"
        " order by s.customer_id = %s desc, s.status desc, s.started_at desc",
        (customer["organization_id"], wanted.external_id, customer["id"], customer["id"]),
    )
    current = await cursor.fetchone()
    if current is None:
        return await _start(queue, connection, customer, plan, wanted)
    if current["customer_id"] != customer["id"]:
        raise invalid(external_id=VALUE_ALREADY_EXIST)
    if current["plan_id"] == plan["id"]:
        return _id(current)
    if current["status"] == PENDING:
        await connection.execute(
            "update subscriptions set plan_id = %s, name = coalesce(%s, name), updated_at = now() where id = %s",
            (plan["id"], wanted.name, current["id"]),
        )
        return _id(current)
    await _cancel_successor(connection, current["id"])
    if _yearly_cents(plan) >= _yearly_cents(current):
        return await _upgrade(queue, connection, current, plan, wanted)
    await _schedule_downgrade(queue, connection, current, plan, wanted)
    return _id(current)


async def _start(queue: jobs.JobQueue, connection: Connection, customer: Row, plan: Row, wanted: Wanted) -> UUID:
    """A new subscription: active from today or an earlier day, else pending until its day."""
    today = utc_now().date()
    begins = wanted.subscription_at.date()
    pending = begins > today
    subscription_id = await _insert(
        queue,
        connection,
        {
            "organization": customer["organization_id"],
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
        await queue.put(connection, START, {"subscription_id": str(subscription_id)}, wanted.subscription_at)
    elif begins == today and plan["pay_in_advance"]:
        # Lago bills no period that began on an earlier day.
        await billing.put_starting_invoice(queue, connection, subscription_id)
    return subscription_id


async def _upgrade(queue: jobs.JobQueue, connection: Connection, current: Row, plan: Row, wanted: Wanted) -> UUID:
    """The current subscription ends now, and the new one begins."""
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now() where id = %s",
        (current["id"],),
    )
    subscription_id = await _insert(
        queue, connection, _successor(current, plan, wanted) | {"status": ACTIVE, "started_at": utc_now()}
    )
    if plan["pay_in_advance"]:
        await billing.put_starting_invoice(queue, connection, subscription_id)
    return subscription_id


async def _schedule_downgrade(
    queue: jobs.JobQueue, connection: Connection, current: Row, plan: Row, wanted: Wanted
) -> None:
    """The new subscription waits for the end of the current one's period."""
    subscription_id = await _insert(
        queue, connection, _successor(current, plan, wanted) | {"status": PENDING, "started_at": None}
    )
    await queue.put(
        connection,
        START,
        {"subscription_id": str(subscription_id)},
        midnight(current_period(current).next_first),
    )


def _successor(current: Row, plan: Row, wanted: Wanted) -> dict[str, Any]:
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


async def _insert(queue: jobs.JobQueue, connection: Connection, values: dict[str, Any]) -> UUID:
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
        raise RuntimeError("PostgreSQL returned no row for a subscription that was just inserted; look at its log.")
    if values["ending_at"] is not None:
        await put_end(queue, connection, _id(row), values["ending_at"])
    return _id(row)


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
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now() where id = %s and status = 1",
        (begun["previous_subscription_id"],),
    )
    if begun["pay_in_advance"]:
        await billing.put_starting_invoice(queue, connection, begun["id"])


async def terminate(
    connection: Connection, subscription_id: UUID, credit_note: str | None, invoice: str | None
) -> None:
    """End an active subscription now; the one that was to follow it is canceled."""
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now(),"
        " on_termination_credit_note = coalesce(%s, on_termination_credit_note),"
        " on_termination_invoice = coalesce(%s, on_termination_invoice) where id = %s",
        (credit_note, invoice, subscription_id),
    )
    await _cancel_successor(connection, subscription_id)


async def _cancel_successor(connection: Connection, subscription_id: UUID) -> None:
    """Whatever was to follow a subscription will not."""
    await connection.execute(
        "update subscriptions set status = 3, canceled_at = now(), updated_at = now()"
        " where previous_subscription_id = %s and status = 0",
        (subscription_id,),
    )


async def cancel(connection: Connection, subscription_id: UUID) -> None:
    """Cancel a pending subscription."""
    await connection.execute(
        "update subscriptions set status = 3, canceled_at = now(), updated_at = now() where id = %s",
        (subscription_id,),
    )


async def put_end(queue: jobs.JobQueue, connection: Connection, subscription_id: UUID, at: datetime) -> None:
    """Let a job end a subscription at its `ending_at`."""
    await queue.put(connection, END, {"subscription_id": str(subscription_id)}, at)


async def end(connection: Connection, payload: dict[str, Any]) -> None:
    """Job: a subscription has come to its `ending_at`, unless that was moved on meanwhile."""
    cursor = await connection.execute(
        "select id from subscriptions where id = %s and status = 1 and ending_at <= now() for update",
        (payload["subscription_id"],),
    )
    ending = await cursor.fetchone()
    if ending is not None:
        await terminate(connection, ending["id"], None, None)


async def end_all(connection: Connection, owner: Literal["customer_id", "plan_id"], owner_id: str) -> None:
    """End all that a customer or a plan still has: what is active is terminated, what is pending canceled."""
    await connection.execute(
        sql.SQL(
            "update subscriptions set status = case status when 0 then 3 else 2 end,"
            " canceled_at = case status when 0 then now() else canceled_at end,"
            " terminated_at = case status when 1 then now() else terminated_at end, updated_at = now()"
            " where {owner} = %s and status in (0, 1)"
        ).format(owner=sql.Identifier(owner)),
        (owner_id,),
    )


def _id(row: Row) -> UUID:
    subscription_id: UUID = row["id"]
    return subscription_id


def _yearly_cents(plan: Row) -> int:
    """What a year costs: by which Lago tells an upgrade from a downgrade."""
    return int(plan["amount_cents"]) * PERIODS_A_YEAR[plan["interval"]]
