"""From reservation to settlement: the steps of a call that change credits or counts (contract, EP9, 6 to 8).

Each step is one short transaction. Between the first and the last step the call's `usage_tracking` row has
status 102, and its credits are reserved.
"""

from dataclasses import dataclass
from uuid import UUID

from sandbox.ops_center import lago_events, periods, quota
from sandbox.ops_center.credit_accounts import CreditAccount, Payment
from sandbox.ops_center.database import Connection
from sandbox.ops_center.periods import Period
from sandbox.ops_center.problems import UnavailableError
from sandbox.ops_center.quota import Standing
from sandbox.ops_center.services import Services

ENDPOINT = "/api/v1/llm/chat/completions"
UNDER_WAY = 102


@dataclass(frozen=True)
class Call:
    """One request to a provider, with the account that pays; the user's own key pays when there is none."""

    request_id: UUID
    user_id: UUID
    model: str
    account: CreditAccount | None


async def reserve(services: Services, call: Call, credits: int, standing: Standing) -> Standing:
    """Reserve the estimate and take one call of the quota, both or neither; return the new standing.

    Raises a 402, 403 or 429, or `UnavailableError`.
    """
    try:
        async with services.database.transaction() as db:
            await quota.lock(db, call.user_id)
            if call.account:
                await _reserve_credits(db, call, call.account, credits)
            standing = await quota.take(services, db, call.user_id, standing)
            await db.execute(
                """INSERT INTO usage_tracking
                       (user_id, org_id, request_id, endpoint, model, tokens, credits, byok, status,
                        created_at)
                   VALUES (%s, %s, %s, %s, %s, 0, 0, %s, %s, %s::timestamptz)""",
                (
                    call.user_id,
                    call.account and call.account.org_id,
                    call.request_id,
                    ENDPOINT,
                    call.model,
                    call.account is None,
                    UNDER_WAY,
                    standing.period.clamp(periods.now()),
                ),
            )
    except UnavailableError:  # the call may be counted in Redis without a row, or have a row: the commit is in doubt
        services.cache.doubt()
        services.database.later(lambda db: _forget(services, db, call, standing.period))
        raise
    return standing


async def settle(db: Connection, call: Call, tokens: int, charge: int) -> Payment:
    """Replace the reservation by the charge, in the caller's transaction; return what was paid and what is left."""
    payment = await _pay(db, call, call.account, charge) if call.account else Payment(0, None)
    if payment.credits:
        await db.execute(
            """INSERT INTO credit_transactions
                   (user_id, org_id, amount, transaction_type, description, request_id)
               VALUES (%s, %s, %s, 'usage', %s, %s)""",
            (
                call.user_id,
                call.account and call.account.org_id,
                -payment.credits,
                f"{call.model}, {tokens} tokens",
                call.request_id,
            ),
        )
    await _finish(db, call, 200, tokens, payment.credits)
    return payment


async def fail(services: Services, call: Call, status: int) -> None:
    """Record a call that the provider failed: it counts, and nothing is charged or reserved."""

    async def release(db: Connection) -> None:
        await _release(db, call)
        await _finish(db, call, status, 0, 0)

    await services.database.certainly(release)
    services.outbox.wake()


async def withdraw(services: Services, call: Call, standing: Standing) -> None:
    """Undo a call that did not reach the provider: it does not count."""
    await services.database.certainly(lambda db: _forget(services, db, call, standing.period))


async def _forget(services: Services, db: Connection, call: Call, period: Period) -> None:
    await quota.lock(db, call.user_id)
    await _release(db, call)
    gone = await db.execute(
        "DELETE FROM usage_tracking WHERE request_id = %s AND status = %s", (call.request_id, UNDER_WAY)
    )
    if gone.rowcount:
        await quota.give_back(services, call.user_id, period)


async def _reserve_credits(db: Connection, call: Call, account: CreditAccount, credits: int) -> None:
    await account.reserve(db, credits)
    await db.execute(
        "INSERT INTO credit_reservations (request_id, user_id, member_id, credits) VALUES (%s, %s, %s, %s)",
        (call.request_id, call.user_id, account.member_id, credits),
    )


async def _pay(db: Connection, call: Call, account: CreditAccount, charge: int) -> Payment:
    reserved = await _end_reservation(db, call)
    return await account.pay(db, reserved, charge) if reserved else Payment(0, 0)


async def _release(db: Connection, call: Call) -> None:
    reserved = await _end_reservation(db, call)
    if reserved and call.account:
        await call.account.release(db, reserved)


async def _end_reservation(db: Connection, call: Call) -> int:
    """End the reservation; return its credits, or 0 if it has ended already."""
    found = await db.execute(
        "DELETE FROM credit_reservations WHERE request_id = %s RETURNING credits", (call.request_id,)
    )
    row = await found.fetchone()
    return int(row["credits"]) if row else 0


async def _finish(db: Connection, call: Call, status: int, tokens: int, credits: int) -> None:
    finished = await db.execute(
        """UPDATE usage_tracking SET status = %s, tokens = %s, credits = %s, ended_in = pg_current_xact_id()
           WHERE request_id = %s AND status = %s""",
        (status, tokens, credits, call.request_id, UNDER_WAY),
    )
    if finished.rowcount:
        await lago_events.keep(db, call.request_id)
