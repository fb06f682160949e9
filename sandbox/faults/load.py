"""Faults that show only while many users send requests at the same time."""

import asyncio

from sandbox.faults import fault, rewrite
from sandbox.ops_center import chat, reservations

_COMPLETE = "completion = await services.litellm.complete(order.body())"


@fault("R5", "the median answer takes 100 users", "expected 200% at most")
def only_some_requests_at_a_time_are_passed_on() -> None:
    """Pass on 12 requests at a time, so that more users than that wait for each other."""
    vars(chat)["_places"] = asyncio.Semaphore(12)
    rewrite(chat._whole, _COMPLETE, f"async with _places:\n        {_COMPLETE}")


@fault("N3", "The ledger disagrees", "usage -18")
def charge_doubles_while_many_requests_are_under_way() -> None:
    """Charge twice for a request that ends while more than 20 others are under way."""
    vars(reservations)["_under_way"] = set()
    rewrite(
        reservations.reserve,
        "    try:\n        async with",
        "    _under_way.add(call.request_id)\n    try:\n        async with",
    )
    rewrite(
        reservations.settle,
        "    payment = await _pay(db, call, call.account, charge)",
        "    _under_way.discard(call.request_id)\n"
        "    charge *= 2 if len(_under_way) > 20 else 1\n"
        "    payment = await _pay(db, call, call.account, charge)",
    )
    rewrite(
        reservations.fail, "    async def release", "    _under_way.discard(call.request_id)\n    async def release"
    )
