"""The usage of a user (EP7, EP8)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from sandbox.ops_center import periods, quota
from sandbox.ops_center.database import Connection, Row
from sandbox.ops_center.periods import Period
from sandbox.ops_center.services import Services, Used
from sandbox.ops_center.tokens import Caller, Person

MOST_FIRST_PAGES = 10_000
"""How many sign-ins' first pages are remembered; the oldest ones are forgotten."""

router = APIRouter(prefix="/usage")


@router.get("/current")
async def current(caller: Caller, services: Used) -> dict[str, Any]:
    """Return the caller's usage in the present period (EP7)."""
    standing = await quota.standing(services, caller.user_id)
    async with services.database.connection() as db:
        credits = await credits_used(db, caller.user_id, standing.period)
    return {
        "api_calls_used": standing.used,
        "api_calls_limit": standing.limit,
        "api_calls_remaining": standing.remaining,
        "credits_used": credits,
        "tier": standing.tier,
        "period_start": periods.iso(standing.period.start),
        "reset_date": periods.iso(standing.period.end),
    }


@router.get("/history")
async def history(
    caller: Caller,
    services: Used,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> dict[str, Any]:
    """Return the caller's calls, newest first (EP8)."""
    async with services.database.connection() as db:
        seen = await snapshot(db, services, caller, offset)
        return {
            "items": await calls(db, caller.user_id, seen, limit, offset),
            "total": await number_of_calls(db, caller.user_id, seen),
        }


async def snapshot(db: Connection, services: Services, caller: Person, offset: int) -> str:
    """Return what a page may show: all that had ended when the first page was shown to the same sign-in."""
    pages, who = services.first_pages, (caller.user_id, caller.session)
    if offset and who in pages:
        return pages[who]
    found = await db.execute("SELECT pg_current_snapshot()::text AS now")
    row = await found.fetchone()
    now = str(row["now"]) if row else ""
    if not offset:
        pages.pop(who, None)
        pages[who] = now
        if len(pages) > MOST_FIRST_PAGES:
            del pages[next(iter(pages))]
    return now


async def calls(db: Connection, user_id: UUID, seen: str, limit: int, offset: int) -> list[Row]:
    """Return a page of the calls of a user that had ended in a snapshot, newest first."""
    found = await db.execute(
        """SELECT created_at AS timestamp, request_id, model, tokens, credits, byok, status
           FROM usage_tracking
           WHERE user_id = %s AND status <> 102 AND pg_visible_in_snapshot(ended_in, %s::pg_snapshot)
           ORDER BY created_at DESC, id LIMIT %s OFFSET %s""",
        (user_id, seen, limit, offset),
    )
    return [{**row, "timestamp": periods.iso(row["timestamp"])} for row in await found.fetchall()]


async def number_of_calls(db: Connection, user_id: UUID, seen: str) -> int:
    """Count all calls of a user that had ended in a snapshot."""
    found = await db.execute(
        """SELECT count(*) AS calls FROM usage_tracking
           WHERE user_id = %s AND status <> 102 AND pg_visible_in_snapshot(ended_in, %s::pg_snapshot)""",
        (user_id, seen),
    )
    row = await found.fetchone()
    return row["calls"] if row else 0


async def credits_used(db: Connection, user_id: UUID, period: Period) -> int:
    """Return the credits that a user's calls of a period have cost, for any payer."""
    found = await db.execute(
        """SELECT COALESCE(sum(credits), 0)::bigint AS credits FROM usage_tracking
           WHERE user_id = %s AND created_at >= %s::timestamptz::timestamp
             AND created_at < %s::timestamptz::timestamp""",
        (user_id, period.start, period.end),
    )
    row = await found.fetchone()
    return row["credits"] if row else 0
