"""What a user has used (EP7, EP8)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from sandbox.ops_center import periods, quota
from sandbox.ops_center.services import Used
from sandbox.ops_center.tokens import Caller

router = APIRouter(prefix="/usage")


@router.get("/current")
async def current(caller: Caller, services: Used) -> dict[str, Any]:
    """EP7: the running period."""
    standing = await quota.standing(services, caller.user_id)
    async with services.database.connection() as db:
        found = await db.execute(
            """SELECT COALESCE(sum(credits), 0)::bigint AS credits FROM usage_tracking
               WHERE user_id = %s AND created_at >= %s::timestamptz::timestamp
                 AND created_at < %s::timestamptz::timestamp""",
            (caller.user_id, standing.period.start, standing.period.end),
        )
        row = await found.fetchone()
    return {
        "api_calls_used": standing.used,
        "api_calls_limit": standing.limit,
        "api_calls_remaining": standing.remaining,
        "credits_used": row["credits"] if row else 0,
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
    """EP8: the caller's calls, the newest first."""
    async with services.database.connection() as db:
        found = await db.execute(
            """SELECT created_at AS timestamp, request_id, model, tokens, credits, byok, status
               FROM usage_tracking WHERE user_id = %s AND status <> 102
               ORDER BY created_at DESC, id LIMIT %s OFFSET %s""",
            (caller.user_id, limit, offset),
        )
        items = [{**row, "timestamp": periods.iso(row["timestamp"])} for row in await found.fetchall()]
        counted = await db.execute(
            "SELECT count(*) AS total FROM usage_tracking WHERE user_id = %s AND status <> 102",
            (caller.user_id,),
        )
        row = await counted.fetchone()
    return {"items": items, "total": row["total"] if row else 0}
