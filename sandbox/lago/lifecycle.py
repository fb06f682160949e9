"""How a subscription begins and ends: the writing behind `subscriptions`."""

from uuid import UUID

from . import billing, jobs
from .database import Connection, Row
from .errors import VALUE_ALREADY_EXIST, VALUE_IS_INVALID, invalid
from .values import utc_now

STATUSES = ("pending", "active", "terminated", "canceled", "incomplete")
PENDING, ACTIVE, _, _, _ = range(5)


async def subscribe(queue: jobs.JobQueue, connection: Connection, customer: Row, plan: Row, external_id: str) -> UUID:
    """Subscribe the customer to the plan, inside the transaction, and return the id of the subscription.

    Returns the active subscription when there is one on this plan. Raises 422 when the `external_id` is active for
    another customer or on another plan.
    """
    cursor = await connection.execute(
        "select * from subscriptions where organization_id = %s and external_id = %s and status = 1",
        (customer["organization_id"], external_id),
    )
    current = await cursor.fetchone()
    if current is None:
        return await _start(queue, connection, customer, plan, external_id)
    if current["customer_id"] != customer["id"]:
        raise invalid(external_id=VALUE_ALREADY_EXIST)
    if current["plan_id"] != plan["id"]:
        raise invalid(plan_code=VALUE_IS_INVALID)
    return _id(current)


async def _start(queue: jobs.JobQueue, connection: Connection, customer: Row, plan: Row, external_id: str) -> UUID:
    """Start a subscription now, and queue its invoice: every plan is paid in advance."""
    subscription_id = await _insert(
        connection,
        {
            "organization": customer["organization_id"],
            "customer": customer["id"],
            "plan": plan["id"],
            "external_id": external_id,
            "status": ACTIVE,
            "started_at": utc_now(),
        },
    )
    await billing.put_starting_invoice(queue, connection, subscription_id)
    return subscription_id


async def _insert(connection: Connection, values: dict[str, object]) -> UUID:
    cursor = await connection.execute(
        "insert into subscriptions (organization_id, customer_id, plan_id, external_id, status, subscription_at,"
        " started_at) values (%(organization)s, %(customer)s, %(plan)s, %(external_id)s, %(status)s, %(started_at)s,"
        " %(started_at)s) returning id",
        values,
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("PostgreSQL returned no row for a subscription that was just inserted; look at its log.")
    return _id(row)


async def terminate(connection: Connection, subscription_id: UUID) -> None:
    """End an active subscription now."""
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now() where id = %s",
        (subscription_id,),
    )


async def end_all(connection: Connection, customer_id: str) -> None:
    """End all active subscriptions of a customer."""
    await connection.execute(
        "update subscriptions set status = 2, terminated_at = now(), updated_at = now()"
        " where customer_id = %s and status = 1",
        (customer_id,),
    )


def _id(row: Row) -> UUID:
    subscription_id: UUID = row["id"]
    return subscription_id
