"""The items of the test plan: what they say, which scenarios carry them, and the verdict of a run on each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from creditflow.reporting.plan import Carrier, Part, Standing, item
from creditflow.reporting.plan_files import FOLDER, ITEMS, LATER, rows
from creditflow.reporting.record import RunRecord

PARTS = {
    "F1": "Flow 1: an individual pays with their own credits",
    "F2": "Flow 2: a member pays with the organisation's credits",
    "F3": "Flow 3: a user pays with their own provider key (BYOK)",
    "C1": "Case 1: not enough organisation credits",
    "C2": "Case 2: the quota is exceeded",
    "C3": "Case 3: no organisation",
    "C4": "Case 4: no allocation",
    "C5": "Case 5: requests at the same moment",
    "B": "Benchmarks",
    "K": "Costs",
    "R": "Risks",
    "A": "Acceptance criteria",
    "N": "Nice to have",
    "EP": "Endpoints",
    "T": "Tables",
    "I": "Integrations",
    "RP": "Reports",
    "X": "Running the tests",
    "H": "Troubleshooting",
    "SO": "Sign-off",
}
"""The parts of the plan, by the first letters of their items' ids, in the order of the items."""

_PART = re.compile(r"[A-Z]+\d+(?=\.)|[A-Z]+(?=\d)")
_LIKE_AN_ID = re.compile(r"(?:[FC]\d\.[A-Z]|B|K|R|A|N|EP|T|I|RP|X|H|SO)\d+")


class PlanError(Exception):
    """The plan can't be read, or does not fit the record of a run; the message says what to do."""


@dataclass(frozen=True)
class Item:
    """An item of the plan: its id and what it says."""

    id: str
    says: str

    @property
    def part(self) -> str:
        """The letters of its part, such as "F1"."""
        return part_of(self.id)


@dataclass(frozen=True)
class Plan:
    """The items in their order, and what the items for later wait for, by id."""

    items: tuple[Item, ...]
    later: Mapping[str, str]


class ItemVerdict(StrEnum):
    """The verdict of a run on an item: what the run shows about it, or that it is for later."""

    PASSED = "passed"
    FAILED = "failed"
    PARTIAL = "partial"
    NOT_RUN = "not run"
    LATER = "for later"


@dataclass(frozen=True)
class ItemResult:
    """The result of a run for an item: the scenarios that carry it, and what it waits for if it is for later."""

    item: Item
    part: Part
    waits_for: str

    @property
    def verdict(self) -> ItemVerdict:
        """The verdict of the run; an item for later has another one only if its scenarios ran."""
        if self.waits_for and self.part.standing is Standing.NOT_RUN:
            return ItemVerdict.LATER
        return ItemVerdict(self.part.standing.lower())


def read(folder: Path = FOLDER) -> Plan:
    """Read the plan.

    Raises:
        PlanError: a file is missing or can't be read, or a row is not whole.
    """
    try:
        items, later = rows(folder / ITEMS), rows(folder / LATER)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PlanError(f"The plan in {folder} can't be read ({why}): restore its files.") from None
    for row, columns in (*((row, 2) for row in items), *((row, 1) for row in later)):
        if len(row.rest) != columns or not all((row.id, *row.rest)) or not _PART.match(row.id):
            raise PlanError(f"{row.where}: the row of '{row.id}' is not whole: run `make lint`, and correct it.")
    if not items:
        raise PlanError(f"The plan in {folder} has no items: restore items.tsv.")
    return Plan(tuple(Item(row.id, row.rest[1]) for row in items), {row.id: row.rest[0] for row in later})


def part_of(item_id: str) -> str:
    """Return the letters of an item's part, such as "F1" for F1.S5 and "EP" for EP14."""
    found = _PART.match(item_id)
    return found.group() if found else item_id


def results(record: RunRecord, plan: Plan) -> tuple[ItemResult, ...]:
    """Return the result of a run for each item of the plan, in the plan's order.

    Raises:
        PlanError: a scenario carries an item that the plan does not have.
    """
    _require_known((*record.scenarios, *record.not_selected), {one.id for one in plan.items})
    return tuple(ItemResult(one, item(record, one.id), plan.later.get(one.id, "")) for one in plan.items)


def _require_known(scenarios: Iterable[Carrier], ids: set[str]) -> None:
    for scenario in scenarios:
        like_ids = (tag for tag in scenario.tags if _LIKE_AN_ID.fullmatch(tag))
        for item_id in (*scenario.items, *like_ids):
            if item_id not in ids:
                raise PlanError(
                    f"{scenario.place} carries the plan item {item_id}, which plan/items.tsv does not have: "
                    "correct the tag or the plan, and run behave again."
                )
