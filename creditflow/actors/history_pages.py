"""Reading a history page by page."""

from __future__ import annotations

from collections.abc import Callable

from creditflow.actors.people import Person
from creditflow.target.drivers.http import Reply, objects
from creditflow.target.drivers.ops_center import OpsCenter

MOST_PAGES = 50
"""A history that has not ended after so many pages never ends."""


def read(
    ops_center: OpsCenter, person: Person, size: int, after_each: Callable[[], object] = lambda: None
) -> list[Reply]:
    """Read a person's history from the first page to the first one with fewer than `size` entries.

    Args:
        ops_center: the API.
        person: whose history it is.
        size: the number of entries on a page.
        after_each: what happens between two pages.
    """
    pages: list[Reply] = []
    while len(pages) < MOST_PAGES:
        pages.append(ops_center.history(person.token, size, size * len(pages)))
        if len(objects(pages[-1].body.get("items"))) < size:
            break
        after_each()
    return pages
