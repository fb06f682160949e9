"""The first page of the report in the plan's words: what holds, what the money checks found, and what has changed.

It is computed from the record of the run and from the statuses of the run before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from creditflow.core.expect import counted
from creditflow.reporting import plan
from creditflow.reporting.outcome import Kind
from creditflow.reporting.plan import OPT_IN, Standing
from creditflow.reporting.record import Account, RunRecord, Scenario, Unselected

PARTS = {
    "flows": "Flows",
    "edge_cases": "Edge cases",
    "risks": "Risks",
    "platform": "Platform",
    "qualities": "Qualities",
}
"""The parts of the plan, by the folder of their features."""

_OF_THE_PRODUCT = (Kind.FAILED, Kind.MISSING)
_DID_NOT_RUN = (Kind.SKIPPED, Kind.WAIVED, Kind.UNTESTED)
_RED_IN_ALLURE = ("failed", "broken")


@dataclass(frozen=True)
class Feature:
    """A feature in a run: its scenarios, and whether some of them did not run."""

    name: str
    scenarios: tuple[Scenario, ...]
    partly: bool

    @property
    def verdict(self) -> str:
        """Whether it holds, in one or a few words."""
        kinds = [scenario.outcome for scenario in self.scenarios]
        if any(kind in _OF_THE_PRODUCT for kind in kinds):
            return "fails"
        if any(kind.is_red for kind in kinds):
            return "not judged"
        if Kind.PASSED not in kinds:
            return "not run"
        return "holds as far as it ran" if self.partly else "holds"


def headline(record: RunRecord) -> str:
    """Return the verdict of a run in a few words, such as "the credit flow holds"."""
    if not any(scenario.outcome is Kind.PASSED or scenario.outcome.is_red for scenario in record.scenarios):
        return "nothing was checked"
    ran = [scenario.outcome for scenario in record.scenarios]
    if any(kind in _OF_THE_PRODUCT for kind in ran):
        return "the credit flow fails"
    if record.exit_status:
        return "the credit flow could not be judged"
    return "everything that ran holds" if record.selection else "the credit flow holds"


def figures(record: RunRecord, now: Mapping[str, str], before: Mapping[str, str] | None) -> dict[str, str]:
    """Return the lines of the first page by their names; Allure shows up to eight.

    Args:
        record: the record of the run.
        now: the status of each result in Allure, by its identity.
        before: the same of the run before; None if there was none.
    """
    lines = {"Verdict": f"{headline(record).capitalize()}: {record.verdict}"}
    features = _features(record)
    for folder, name in PARTS.items():
        if of_part := features.get(folder):
            lines[name] = _part(of_part)
    if any(scenario.accounts for scenario in record.scenarios):
        lines["Money"] = _money([account for scenario in record.scenarios for account in scenario.accounts])
    lines["Since the last run"] = _changes(now, before)
    return lines


def facts(record: RunRecord, items: Collection[str]) -> dict[str, str]:
    """Return what identifies a run: its target, its name, its suite, its share of the plan and its selection.

    Args:
        record: the record of the run.
        items: the ids of the plan's items.
    """
    commit, _, changed = record.commit.partition("-")
    found = {
        "Target": f"{record.target} (sandbox)" if record.on_sandbox else record.target,
        "Run": record.run,
        "Suite": f"{record.suite} {commit[:12]}{f' ({changed})' if changed else ''}".strip(),
        "Plan": _plan(record, items) if items else "",
        "Selection": " ".join(record.selection),
    }
    return {name: fact for name, fact in found.items() if fact}


def _features(record: RunRecord) -> dict[str, list[Feature]]:
    """Return the features by their folder, in their order."""
    names: dict[str, str] = {}
    run: dict[str, list[Scenario]] = defaultdict(list)
    partly = set()
    everything: tuple[Scenario | Unselected, ...] = (*record.not_selected, *record.scenarios)
    for scenario in everything:
        file = scenario.place.rpartition(":")[0] or scenario.place
        names[file] = scenario.feature.partition(":")[0] or scenario.name
        if isinstance(scenario, Scenario):
            run[file].append(scenario)
        ran = isinstance(scenario, Scenario) and scenario.outcome not in _DID_NOT_RUN
        if not ran and OPT_IN not in scenario.tags:
            partly.add(file)
    found: dict[str, list[Feature]] = defaultdict(list)
    for file, name in sorted(names.items()):
        found[PurePosixPath(file).parent.name].append(Feature(name, tuple(run[file]), file in partly))
    return found


def _part(features: Sequence[Feature]) -> str:
    """Return such as "2 of 3 hold; fails: Flow 2"."""
    others: dict[str, list[str]] = defaultdict(list)
    for feature in features:
        others[feature.verdict].append(feature.name)
    hold = others.pop("holds", [])
    if not hold and set(others) == {"not run"}:
        return "not run"
    rest = "".join(f"; {verdict}: {', '.join(names)}" for verdict, names in others.items())
    return f"{len(hold)} of {len(features)} hold{rest}"


def _plan(record: RunRecord, items: Collection[str]) -> str:
    standings = Counter(plan.item(record, item).standing for item in items)
    passed, red = standings[Standing.PASSED], standings[Standing.FAILED]
    return f"{passed} of {len(items)} items passed, {red} red, {len(items) - passed - red} not shown"


def _money(accounts: Iterable[Account]) -> str:
    rows = list(accounts)
    places, wrong = sum(len(row.systems) for row in rows), sum(len(row.differs) for row in rows)
    spent = sum(
        row.before - row.after
        for row in rows
        if row.what == "credits" and isinstance(row.before, int) and isinstance(row.after, int)
    )
    differ = f"{wrong:,} differ" if wrong else "all agree"
    return f"{spent:,} credits spent; {counted(places, 'figure')} compared with the ledger, {differ}"


def _changes(now: Mapping[str, str], before: Mapping[str, str] | None) -> str:
    if before is None:
        return "this is the first run in the history"
    added = sum(identity not in before for identity in now)
    both = [(before[identity], status) for identity, status in now.items() if identity in before]
    parts = {
        "newly red": sum(old not in _RED_IN_ALLURE and new in _RED_IN_ALLURE for old, new in both),
        "still red": sum(old in _RED_IN_ALLURE and new in _RED_IN_ALLURE for old, new in both),
        "fixed": sum(old in _RED_IN_ALLURE and new == "passed" for old, new in both),
        "added": added,
        "not in this run": sum(identity not in now for identity in before),
    }
    return ", ".join(f"{number} {what}" for what, number in parts.items() if number) or "nothing has changed"
