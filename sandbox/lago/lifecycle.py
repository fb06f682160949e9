"""How a subscription begins, changes to another plan and ends: the writing behind `subscriptions`."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from . import billing, jobs
from .database import Connection, Row
from .errors import VALUE_ALREADY_EXIST, invalid
from .periods import current_period
from .values import midnight, utc_now

STATUSES = ("pending", "active", "terminated", "canceled", "incomplete")
PENDING, ACTIVE, _, _, _ = range(5)
BILLING_TIMES = ("calendar", "anniversary")
START = "start_subscription"


@dataclass(frozen=True)
class Wanted:
    """A subscription as it was asked for; `billing_time` is Lago's number."""

    plan: Row
    external_id: str
    billing_time: int


async def subscribe(queue: jobs.JobQueue, connection: Connection, customer: Row, wanted: Wanted) -> UUID:
    """Subscribe the customer to the plan, inside the transaction, and return the id of the subscription.

    An active subscription with this `external_id` changes its plan: at once to a dearer one or one of the same price,
    else at the end of the period. Whatever was to follow it is canceled. On the same plan it stays as it is. Raises
    422 when the `external_id` is active for another customer.
    """
    plan = wanted.plan
    cursor = await connection.execute(
        "select s.*, p.amount_cents from subscriptions s join plans p on p.id = s.plan_id"
        " where s.organization_id = %s and s.external_id = %s and s.status = 1",
        (customer["organization_id"], wanted.external_id),
    )
    current = await cursor.fetchone()
    if current is None:
        return await _start(queue, connection, customer, wanted)
    if current["customer_id"] != customer["id"]:
        raise invalid(external_id=VALUE_ALREADY_EXIST)
    if current["plan_id"] == plan["id"]:
        return _id(current)
    await _cancel_successor(connection, current["id"])
    if plan["amount_cents"] >= current["amount_cents"]:
        return await _upgrade(queue, connection, current, plan)
    await _schedule_downgrade(queue, connection, current, plan)
    return _id(current)


async def _start(queue: jobs.JobQueue, connection: Connection, customer: Row, wanted: Wanted) -> UUID:
    """Start a subscription now, and queue its invoice: every plan is paid in advance."""
    now = utc_now()
    subscription_id = await _insert(
        connection,
        {
            "organization": customer["organization_id"],
            "customer": customer["id"],
            "plan": wanted.plan["id"],
            "external_id": wanted.external_id,
            "billing_time": wanted.billing_time,
            "status": ACTIVE,
            "subscription_at": now,
            "started_at": now,
            "previous": None,
        },
    )
    await billing.put_starting_invoice(queue, connection, subscription_id)
    return subscription_id


async def _upgrade(queue: jobs.JobQueue, connection: Connection, current: Row, plan: Row) -> UUID:
    """End the current subscription now, and start the one on the other plan."""
    await _end(connection, current["id"])
    subscription_id = await _insert(connection, _successor(current, plan) | {"status": ACTIVE, "started_at": utc_now()})
    await billing.put_starting_invoice(queue, connection, subscription_id)
    return subscription_id


async def _schedule_downgrade(queue: jobs.JobQueue, connection: Connection, current: Row, plan: Row) -> None:
    """Let the subscription on the other plan wait for the end of the period."""
    subscription_id = await _insert(connection, _successor(current, plan) | {"status": PENDING, "started_at": None})
    await queue.put(
        connection, START, {"subscription_id": str(subscription_id)}, midnight(current_period(current).next_first)
    )


def _successor(current: Row, plan: Row) -> dict[str, Any]:
    return {
        "organization": current["organization_id"],
        "customer": current["customer_id"],
        "plan": plan["id"],
        "external_id": current["external_id"],
        "billing_time": current["billing_time"],
        "subscription_at": current["subscription_at"],
        "previous": current["id"],
    }


async def _insert(connection: Connection, values: dict[str, object]) -> UUID:
    cursor = await connection.execute(
        "insert into subscriptions (organization_id, customer_id, plan_id, external_id, status, billing_time,"
        " subscription_at, started_at, previous_subscription_id) values (%(organization)s, %(customer)s, %(plan)s,"
        " %(external_id)s, %(status)s, %(billing_time)s, %(subscription_at)s, %(started_at)s, %(previous)s)"
        " returning id",
        values,
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("PostgreSQL returned no row for a subscription that was just inserted; look at its log.")
    return _id(row)


async def start(queue: jobs.JobQueue, connection: Connection, payload: dict[str, Any]) -> None:
    """Do the job: start a pending subscription and end the one before; do nothing if it was canceled."""
    cursor = await connection.execute(
        "update subscriptions set status = 1, started_at = now(), updated_at = now()"
        " where id = %s and status = 0 returning id, previous_subscription_id",
        (payload["subscription_id"],),
    )
    begun = await cursor.fetchone()
    if begun is not None:
        await _end(connection, begun["previous_subscription_id"])
        await billing.put_starting_invoice(queue, connection, begun["id"])


async def terminate(connection: Connection, subscription_id: UUID) -> None:
    """End an active subscription now, and cancel the one that was to follow it."""
    await _end(connection, subscription_id)
    await _cancel_successor(connection, subscription_id)


async def cancel(connection: Connection, subscription_id: UUID) -> None:
    """Cancel a pending subscription."""
    await connection.execute(
        "update subscriptions set status = 3, canceled_at = now(), updated_at = now() where id = %s",
        (subscription_id,),
    )


async def end_all(connection: Connection, customer_id: str) -> None:
    """End all active subscriptions of a customer, and cancel the pending ones."""
    await connection.execute(
        "update subscriptions set status = case status when 0 then 3 else 2 end,"
        " canceled_at = case status when 0 then now() end, terminated_at = case status when 1 then now() end,"
        " updated_at = now() where customer_id = %s and status in (0, 1)",
        (customer_id,),
    )


def jobs_of(queue: jobs.JobQueue) -> dict[str, jobs.Handler]:
    """Return the jobs of subscriptions, which put further jobs into the queue."""
    return {START: partial(start, queue)}


async def _end(connection: Connection, subscription_id: UUID) -> None:
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now() where id = %s and status = 1",
        (subscription_id,),
    )


async def _cancel_successor(connection: Connection, subscription_id: UUID) -> None:
    await connection.execute(
        "update subscriptions set status = 3, canceled_at = now(), updated_at = now()"
        " where previous_subscription_id = %s and status = 0",
        (subscription_id,),
    )


def _id(row: Row) -> UUID:
    subscription_id: UUID = row["id"]
    return subscription_id
