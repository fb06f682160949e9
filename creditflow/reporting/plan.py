"""The parts of the test plan, and what a run shows about each: passed, partial, failed or not run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from creditflow.core.expect import counted
from creditflow.reporting.outcome import Kind
from creditflow.reporting.record import RunRecord, Scenario, Unselected

OPT_IN = "opt-in"
"""The tag of scenarios that a usual run leaves out."""

Carrier = Scenario | Unselected
"""A scenario that carries a part of the plan."""

_SIGNS = {"PASSED": "✓", "PARTIAL": "◐", "FAILED": "✗", "NOT RUN": "–"}  # noqa: RUF001 - a dash, not a minus


class Standing(StrEnum):
    """What a run shows about a part of the plan."""

    PASSED = "PASSED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    NOT_RUN = "NOT RUN"

    @property
    def sign(self) -> str:
        """Its sign at the beginning of a line."""
        return _SIGNS[self]


@dataclass(frozen=True)
class Part:
    """A part of the plan with all scenarios that carry it.

    A usual run leaves out the scenarios with @opt-in. They count only where they are red, or where nothing else carries
    the part.

    Attributes:
        scenarios: the carriers that the run selected.
        not_selected: the carriers that it did not select.
    """

    scenarios: tuple[Scenario, ...]
    not_selected: tuple[Unselected, ...] = ()

    @property
    def standing(self) -> Standing:
        """`PASSED` only if every carrier that counts ran and is green; `FAILED` if any carrier is red."""
        if any(scenario.outcome.is_red for scenario in self.scenarios):
            return Standing.FAILED
        if self.carriers and all(map(_is_green, self.counting)):
            return Standing.PASSED
        return Standing.PARTIAL if any(map(_is_green, self.scenarios)) else Standing.NOT_RUN

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        """All carriers, the selected ones first."""
        return (*self.scenarios, *self.not_selected)

    @property
    def counting(self) -> list[Carrier]:
        """The carriers that count."""
        return [carrier for carrier in self.carriers if not _is_opt_in(carrier)] or [*self.carriers]

    @property
    def left_out(self) -> list[Carrier]:
        """The carriers with @opt-in that did not run, where others count."""
        if all(map(_is_opt_in, self.carriers)):
            return []
        return [carrier for carrier in self.carriers if _is_opt_in(carrier) and not _ran(carrier)]

    def counts(self) -> str:
        """Return the outcomes of the carriers, without those left out: "31 of 33 scenarios passed, 2 skipped"."""
        outcomes = Counter(map(_outcome, self.carriers))
        outcomes -= Counter(map(_outcome, self.left_out))
        total, passed = outcomes.total(), outcomes.pop(str(Kind.PASSED), 0)
        if not total:
            return "no scenario"
        others = [f"{number:,} {outcome}" for outcome, number in outcomes.items()]
        return ", ".join([f"{passed:,} of {counted(total, 'scenario')} passed", *others])


@dataclass(frozen=True)
class Section:
    """A part of the plan with its own chapter in the reports.

    Attributes:
        name: its name in the plan's summary.
        heading: its heading in the plan's report.
        folder: the beginning of the place of its scenarios, below `features`.
        ids: a regular expression of its plan items.
        tag: the tag of its scenarios in other folders.
        elsewhere: whether scenarios in other folders belong to it if they carry one of its items.
    """

    name: str
    heading: str
    folder: str
    ids: str
    tag: str = ""
    elsewhere: bool = True

    def is_home_of(self, carrier: Carrier) -> bool:
        """Whether a scenario stands in its folder."""
        return f"/{self.folder}" in f"/{carrier.place}"

    def has(self, carrier: Carrier) -> bool:
        """Whether a scenario belongs to it: by its place, its tag or its items."""
        by_items = self.elsewhere and any(re.match(self.ids, item) for item in carrier.items)
        return self.is_home_of(carrier) or bool(self.tag and self.tag in carrier.tags) or by_items

    def items(self, items: Mapping[str, str]) -> list[str]:
        """Return the ids of its plan items."""
        return [one for one in items if re.match(self.ids, one)]


INDIVIDUAL = Section("Individual Flow", "INDIVIDUAL USER FLOW", "flows/1_", r"F1\.", "flow-1")
ORGANIZATION = Section("Org Flow", "ORGANIZATION USER FLOW", "flows/2_", r"F2\.", "flow-2")
BYOK = Section("BYOK Flow", "BYOK USER FLOW", "flows/3_", r"F3\.", "flow-3")
EDGE_CASES = Section("Edge Cases", "EDGE CASES", "edge_cases/", r"C\d\.", "edge-cases")
SECTIONS = (
    INDIVIDUAL,
    ORGANIZATION,
    BYOK,
    EDGE_CASES,
    Section("Platform", "PLATFORM", "platform/", r"(?:EP|T|I|X|H|RP|SO)\d|N1", elsewhere=False),
    Section("Risks", "RISKS", "risks/", r"R\d"),
    Section("Qualities", "QUALITIES", "qualities/", r"B\d|N[234]", elsewhere=False),
)
"""The chapters of the reports, in their order."""

CASES = tuple(Section(f"Case {n}", f"CASE {n}", f"edge_cases/{n}_", rf"C{n}\.") for n in range(1, 6))
"""The plan's five edge cases."""


def part(record: RunRecord, carries: Callable[[Carrier], bool]) -> Part:
    """Return the scenarios of the suite that carry a part of the plan."""
    return Part(tuple(filter(carries, record.scenarios)), tuple(filter(carries, record.not_selected)))


def item(record: RunRecord, *ids: str) -> Part:
    """Return the scenarios that carry one of some plan items."""
    return part(record, lambda carrier: not set(ids).isdisjoint(carrier.items))


def whole(record: RunRecord) -> Part:
    """Return all scenarios."""
    return Part(record.scenarios, record.not_selected)


def standing_of_run(record: RunRecord) -> Standing:
    """Return what the run as a whole shows; a run with another exit status than 0 has failed."""
    return Standing.FAILED if record.exit_status or record.outside else whole(record).standing


def _is_opt_in(carrier: Carrier) -> bool:
    return OPT_IN in carrier.tags


def _outcome(carrier: Carrier) -> str:
    return str(carrier.outcome) if isinstance(carrier, Scenario) else "not selected"


def _ran(carrier: Carrier) -> bool:
    return isinstance(carrier, Scenario) and carrier.outcome not in (Kind.SKIPPED, Kind.WAIVED, Kind.UNTESTED)


def _is_green(carrier: Carrier) -> bool:
    return isinstance(carrier, Scenario) and carrier.outcome is Kind.PASSED
