"""The calls that a user has left in the period (contract, EP9, "Quotas", and "Redis").

The counter in Redis is a copy of the count in `usage_tracking`. It changes only under the user's lock,
so that a lost counter can be rebuilt exactly.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from sandbox.ops_center import periods, tiers
from sandbox.ops_center.cache import Cache, CacheError
from sandbox.ops_center.database import Connection
from sandbox.ops_center.periods import Period
from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.services import Services

COUNTERS = "usage:*:calls"
"""The pattern of all counters."""
NO_LIMIT = -1
REFUSED = -1
KEPT_SECONDS = 3600
"""How long a counter outlives its period."""

TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or ARGV[3])
if not used then return false end
local limit = tonumber(ARGV[1])
if limit >= 0 and used >= limit then return -1 end
redis.call('SET', KEYS[1], used + 1, 'EXAT', ARGV[2])
return used + 1
"""
GIVE_BACK = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECR', KEYS[1]) end"


@dataclass(frozen=True)
class Standing:
    """A user's tier, limit and used calls in the present period."""

    tier: str
    limit: int | None
    used: int
    period: Period

    @property
    def remaining(self) -> int | None:
        """The calls left, never below 0; None for an unlimited quota."""
        return None if self.limit is None else max(0, self.limit - self.used)


def counter(user_id: UUID, period: Period) -> str:
    """Return the Redis key of a user's counter."""
    return f"usage:{user_id}:{period.name}:calls"


def used_up(standing: Standing) -> bool:
    """Return whether the quota allows no further call."""
    return standing.limit is not None and standing.used >= standing.limit


def exceeded(services: Services, standing: Standing) -> ProblemError:
    """Return a 429 that says when the quota starts again, and where to upgrade."""
    reset = periods.iso(standing.period.end)
    url = f"{services.settings.public_url}/billing/upgrade"
    return ProblemError(
        429,
        "quota_exceeded",
        f"All {standing.limit} API calls of this month's {standing.tier} quota are used. "
        f"Wait until {reset}, or upgrade your plan at {url}.",
        headers={"Retry-After": str(standing.period.seconds_left())},
    )


def headers(standing: Standing) -> dict[str, str]:
    """Return the rate-limit headers for the chat endpoint."""
    return {
        "X-RateLimit-Limit": _number(standing.limit),
        "X-RateLimit-Remaining": _number(standing.remaining),
        "X-RateLimit-Reset": str(standing.period.reset_epoch),
    }


def _number(value: int | None) -> str:
    return "unlimited" if value is None else str(value)


async def standing(services: Services, user_id: UUID) -> Standing:
    """Return a user's tier, limit and used calls. Raises `UnavailableError`."""
    period = periods.current()
    tier = await tiers.tier_of(services, user_id)
    return Standing(tier, tiers.quota_of(tier), await used(services, user_id, period), period)


async def used(services: Services, user_id: UUID, period: Period) -> int:
    """Return the used calls: from the counter in Redis, or else from the database."""
    try:
        if not services.cache.in_doubt and (count := await services.cache.get(counter(user_id, period))) is not None:
            return int(count)
    except CacheError:
        pass
    async with services.database.connection() as db:
        return await count_calls(db, user_id, period)


async def count_calls(db: Connection, user_id: UUID, period: Period) -> int:
    """Count a user's calls of a period in `usage_tracking`, those under way included."""
    found = await db.execute(
        """SELECT count(*)::integer AS calls FROM usage_tracking
           WHERE user_id = %s AND created_at >= %s::timestamptz::timestamp
             AND created_at < %s::timestamptz::timestamp""",
        (user_id, period.start, period.end),
    )
    row = await found.fetchone()
    return int(row["calls"]) if row else 0


async def restore(cache: Cache) -> None:
    """Ping Redis, and remove counters that may be wrong. Raises `CacheError`."""
    await cache.ping()
    await cache.renew(COUNTERS)


async def lock(db: Connection, user_id: UUID) -> None:
    """Lock the user's quota until the transaction ends."""
    await db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"quota {user_id}",))


async def take(services: Services, db: Connection, user_id: UUID, standing: Standing) -> Standing:
    """Count one call more. The caller has the user's lock, and writes the row afterwards. Raises 429."""
    try:
        now_used = await _take_in_cache(services.cache, db, user_id, standing)
    except CacheError:
        now_used = await _take_in_database(db, user_id, standing)
    if now_used == REFUSED:
        raise exceeded(services, replace(standing, used=standing.limit or 0))
    return replace(standing, used=now_used)


async def _take_in_cache(cache: Cache, db: Connection, user_id: UUID, standing: Standing) -> int:
    await cache.renew(COUNTERS)
    key = counter(user_id, standing.period)
    limit = NO_LIMIT if standing.limit is None else standing.limit
    expiry = standing.period.reset_epoch + KEPT_SECONDS
    taken = await cache.run(TAKE, key, limit, expiry)
    if taken is None:
        taken = await cache.run(TAKE, key, limit, expiry, await count_calls(db, user_id, standing.period))
    return int(taken)


async def _take_in_database(db: Connection, user_id: UUID, standing: Standing) -> int:
    calls = await count_calls(db, user_id, standing.period)
    return REFUSED if used_up(replace(standing, used=calls)) else calls + 1


async def give_back(services: Services, user_id: UUID, period: Period) -> None:
    """Count one call less. The caller has the user's lock, and has removed the row."""
    try:
        await services.cache.run(GIVE_BACK, counter(user_id, period))
    except CacheError:
        services.cache.doubt()
