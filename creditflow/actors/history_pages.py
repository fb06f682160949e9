"""Reading a history page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from creditflow.actors import under_way
from creditflow.actors.llm_requests import LlmRequest
from creditflow.actors.people import Person
from creditflow.target.drivers.http import Reply, objects
from creditflow.target.drivers.ops_center import OpsCenter
from creditflow.target.target import Target

MOST_PAGES = 50
"""A history that has not ended after so many pages never ends."""


def read(
    ops_center: OpsCenter,
    person: Person,
    size: int,
    after_each: Callable[[], object] = lambda: None,
    first: Sequence[Reply] = (),
) -> list[Reply]:
    """Read a person's history from the first page to the first one with fewer than `size` entries.

    Args:
        ops_center: the API.
        person: whose history it is.
        size: the number of entries on a page.
        after_each: what happens between two pages.
        first: the first pages, if they were read already.
    """
    pages = [*first]
    while len(pages) < MOST_PAGES:
        pages.append(ops_center.history(person.token, size, size * len(pages)))
        if len(objects(pages[-1].body.get("items"))) < size:
            break
        after_each()
    return pages


def read_around(target: Target, person: Person, size: int, request: LlmRequest) -> list[Reply]:
    """Read a person's history; a request of theirs is under way at the first page, and has ended before the second."""
    first: list[Reply] = []
    under_way.send_during(
        target, [(person, request)], lambda: first.append(target.ops_center.history(person.token, size, 0))
    )
    return read(target.ops_center, person, size, first=first)
