"""The tier of a user: the plan code of their active Lago subscription (contract, EP9, "Quotas")."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sandbox.ops_center.cache import CacheError
from sandbox.ops_center.lago import LagoError, Subscription

if TYPE_CHECKING:
    from sandbox.ops_center.services import Services

QUOTAS: dict[str, int | None] = {
    "trial": 700,
    "starter": 1_000,
    "professional": 10_000,
    "platform": 10_000,
    "enterprise": None,
}
"""Calls in a period, by tier; None for an unlimited quota."""
DEFAULT = "trial"


def quota_of(tier: str) -> int | None:
    """Return a tier's calls in a period; an unknown tier has the trial's."""
    return QUOTAS.get(tier, QUOTAS[DEFAULT])


def best(subscriptions: Sequence[Subscription]) -> Subscription | None:
    """Return the subscription with the largest quota."""
    unlimited = 2**31
    return max(
        subscriptions,
        key=lambda each: unlimited if (quota := quota_of(each.plan_code)) is None else quota,
        default=None,
    )


async def tier_of(services: "Services", user_id: UUID) -> str:
    """Return a user's tier: from Redis, Lago, the last known one, or trial. Raises `UnavailableError`."""
    key = f"tier:{user_id}"
    try:
        cached = await services.cache.get(key)
    except CacheError:
        cached = None
    if cached:
        return cached
    try:
        subscription = best(await services.lago.active_subscriptions(user_id))
    except LagoError:
        return await _last_known(services, user_id)
    tier = subscription.plan_code if subscription else DEFAULT
    await _remember(services, user_id, tier, subscription)
    with contextlib.suppress(CacheError):
        await services.cache.put(key, tier, services.settings.tier_seconds)
    return tier


async def _last_known(services: "Services", user_id: UUID) -> str:
    async with services.database.connection() as db:
        found = await db.execute("SELECT tier FROM known_tiers WHERE user_id = %s", (user_id,))
        row = await found.fetchone()
    return row["tier"] if row else DEFAULT


async def _remember(services: "Services", user_id: UUID, tier: str, subscription: Subscription | None) -> None:
    async with services.database.connection() as db:
        await db.execute(
            """INSERT INTO known_tiers (user_id, tier, subscription_id) VALUES (%s, %s, %s)
               ON CONFLICT (user_id) DO UPDATE
                   SET tier = EXCLUDED.tier, subscription_id = EXCLUDED.subscription_id""",
            (user_id, tier, subscription.external_id if subscription else None),
        )
