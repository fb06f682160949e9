"""The people of a load test, made side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

from creditflow.actors.cast import SIDE_BY_SIDE, Cast
from creditflow.actors.load.plan import User
from creditflow.actors.people import Person
from creditflow.target.target import Target

Kind = Literal["individual", "member", "BYOK user"]
"""Somebody who pays with their own credits, with an allocation, or with their own key."""


@dataclass(frozen=True)
class Group:
    """A number of alike users.

    Attributes:
        count: how many.
        kind: who pays for them.
        credits: that each has, or is allocated.
        streams: how many of them ask for streams.
    """

    count: int
    kind: Kind
    credits: int
    streams: int


def scaled(groups: Sequence[Group], users: int) -> list[Group]:
    """Return the groups with the same shares of another number of users; the first group gets what is left over."""
    total = sum(group.count for group in groups)
    found = [replace(g, count=g.count * users // total, streams=g.streams * users // total) for g in groups]
    found[0] = replace(found[0], count=found[0].count + users - sum(group.count for group in found))
    return found


def make(target: Target, cast: Cast, groups: Sequence[Group]) -> tuple[User, ...]:
    """Make the people of some groups, mixed so that the first few are like all of them."""
    mixed: list[tuple[float, User]] = []
    for number, group in enumerate(groups):
        role = group.kind if number == 0 or groups[number - 1].kind != group.kind else f"other {group.kind}"
        for index, person in enumerate(_people(target, cast, role, group)):
            stream = (index + 1) * group.streams // group.count > index * group.streams // group.count
            place = (index + 0.5) / group.count
            mixed.append((place, User(person, group.credits, own_key=group.kind == "BYOK user", stream=stream)))
    return tuple(user for _, user in sorted(mixed, key=lambda each: each[0]))


def slow_down(cast: Cast, users: Sequence[User], seconds: float) -> None:
    """Let the provider's stand-in take its time for everybody, for their requests past Ops-Center too."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(lambda user: cast.trouble(user.person, "slow", seconds), users))


def _people(target: Target, cast: Cast, role: str, group: Group) -> list[Person]:
    if group.kind == "member":
        people = cast.people_at_once(role, group.count, "platform")
        organization = cast.find_organization("the organisation")
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(lambda person: cast.join(person, organization, group.credits), people))
        return people
    people = cast.people_at_once(role, group.count, "professional", group.credits)
    if group.kind == "BYOK user":
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(lambda person: _store_key(target, cast, person), people))
    return people


def _store_key(target: Target, cast: Cast, person: Person) -> None:
    key = cast.provider_key()
    reply = target.ops_center.store_key(person.token, "openrouter", key)
    if reply.status != 201:
        raise AssertionError(f"{person.alias} could not store a key: Ops-Center answered {reply.status}")
    person.keys.append(key)
