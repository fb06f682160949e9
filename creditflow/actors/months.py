"""The end of a month, on a target with a clock that can be set."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import Answer, LlmRequest, send
from creditflow.actors.people import Person
from creditflow.core import period, polling
from creditflow.core.expect import holds

LONGEST_WAIT_S = 5
"""How long it may take until a request has reserved its credits, in seconds."""


def begin_the_last_second(cast: Cast) -> None:
    """Let the clock stand still in the last second of this month."""
    cast.stop_the_clock(period.reset() - timedelta(seconds=1))


def begin_the_next_paid_month(cast: Cast, person: Person) -> None:
    """Let the month that a person has paid for be over: the clock stands still in the first second of the next one.

    Raises:
        AssertionError: Lago does not say until when the person has paid.
    """
    found = cast.target.lago.subscription(person.subscription) or {}
    until = str(found.get("current_billing_period_ending_at"))
    try:
        last = datetime.fromisoformat(until)
    except ValueError:
        raise AssertionError(f"Lago does not say until when {person.alias} has paid: it says '{until}'.") from None
    cast.stop_the_clock(last + timedelta(seconds=2))


def send_into_the_next(cast: Cast, person: Person, request: LlmRequest) -> Answer:
    """Send an LLM request, and let the next month begin while it waits for the provider."""
    target = cast.target
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, target.ops_center, person, request)

        def under_way() -> None:
            reserved = target.unicorn.reserved_credits(person.id, person.email)
            holds(bool(reserved) or sending.done(), "the request has reserved nothing yet")

        polling.soon(under_way, LONGEST_WAIT_S, 0.02)
        cast.stop_the_clock(period.reset() + timedelta(seconds=1))
        return sending.result()
