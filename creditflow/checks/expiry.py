"""How long Redis keeps what it knows about a person (plan item I3)."""

from __future__ import annotations

from creditflow.actors.people import Person
from creditflow.checks import diagnosis
from creditflow.core import period
from creditflow.core.expect import counted, holds
from creditflow.target.target import Target

_CLOCKS_S = 2
"""Seconds by which the clocks of Redis and this machine may differ."""

_LONGEST_MONTH_S = 31 * 24 * 3600


def require_plan_expires(target: Target, person: Person, seconds: int) -> None:
    """Require that Redis keeps a person's plan for so many seconds at most."""
    left = target.counters.seconds_of_the_plan(person.id)
    holds(
        0 <= left <= seconds,
        f"Redis remembers the plan of {person.alias} for {counted(left, 'second')} (-1: for ever, -2: not at all), "
        f"expected {seconds} at most",
        lambda: diagnosis.of_person(target, person),
    )


def require_counter_expires(target: Target, person: Person) -> None:
    """Require that a person's counter expires after the end of the month and at the latest a month later."""
    left, month = target.counters.seconds_to_expiry(person.id, period.name()), period.seconds_left()
    holds(
        month - _CLOCKS_S <= left <= month + _LONGEST_MONTH_S,
        f"the counter of {person.alias} expires in {counted(left, 'second')} (-1: never, -2: no counter), "
        f"the month ends in {counted(month, 'second')}",
        lambda: diagnosis.of_person(target, person),
    )
