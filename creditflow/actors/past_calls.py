"""Calls that a person made before the scenario begins."""

from __future__ import annotations

from creditflow.actors.people import Person
from creditflow.core import period
from creditflow.target.target import Target


def place_this_month(target: Target, person: Person, count: int) -> None:
    """Record calls of a person in the running month."""
    target.grants.place_calls(person.id, count, period.start())


def place_last_month(target: Target, person: Person, count: int) -> None:
    """Record calls of a person in the last second of the month before."""
    target.grants.place_calls(person.id, count, period.end_of_the_previous())
