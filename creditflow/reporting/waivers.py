"""Waivers: scenarios that a target can't show for now, each with a reason and a last day (`plan/waivers.tsv`).

A waiver applies to one scenario that is not testable on one target, until its last day. It never applies to a failed
check. A waiver that has expired, names no scenario, or is no longer needed makes a run fail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from creditflow.core.errors import CannotRunError

FILE = Path("plan", "waivers.tsv")
"""The file with the waivers, relative to the parent of the features' folder."""
COLUMNS = ("scenario", "target", "until", "reason")


@dataclass(frozen=True)
class Waiver:
    """One waiver.

    Attributes:
        scenario: the full name of the scenario in the report: feature, rule and title, joined by ": ".
        target: the host of `OPS_CENTER_URL` that it applies to.
        until: its last day, in UTC.
        reason: why the target can't show the scenario.
        where: file and line.
        line: the line as it is in the file.
    """

    scenario: str
    target: str
    until: date
    reason: str
    where: str
    line: str

    def covers(self, scenario: str, target: str, today: date) -> bool:
        """Return whether it applies to a scenario on a target on a day."""
        return (self.scenario, self.target) == (scenario, target) and today <= self.until

    def sentence(self) -> str:
        """Return the sentence that the reports show."""
        return f"Waived until {self.until} ({self.where}): {self.reason.rstrip('.')}."


def today() -> date:
    """Return the current day in UTC."""
    return datetime.now(UTC).date()


def read(path: Path) -> tuple[Waiver, ...]:
    """Read the waivers; without a file there are none.

    Raises:
        CannotRunError: a line is wrong; the message says which line and what it has to be.
    """
    if not path.is_file():
        return ()
    shown = f"{path.parent.name}/{path.name}"
    waivers: list[Waiver] = []
    heading_is_due = True
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = tuple(cell.strip() for cell in line.split("\t"))
        if heading_is_due:
            heading_is_due = False
            if cells != COLUMNS:
                raise CannotRunError(
                    f"{shown}:{number} has to be the heading: {', '.join(COLUMNS)}, separated by tabs."
                )
            continue
        waiver = _waiver(cells, f"{shown}:{number}", line)
        if any((one.scenario, one.target) == (waiver.scenario, waiver.target) for one in waivers):
            raise CannotRunError(f"{shown}:{number} waives a scenario that a line above waives already: remove one.")
        waivers.append(waiver)
    return tuple(waivers)


def out_of_date(
    waivers: Collection[Waiver], names: Collection[str], target: str, tested: Collection[str], day: date
) -> Iterator[tuple[Waiver, str]]:
    """Yield the waivers that have to be changed, each with a sentence that says why and what to do.

    Args:
        waivers: all waivers of the suite.
        names: the full names of all scenarios of the suite.
        target: the host of this run's target.
        tested: the full names of the scenarios that this run could test.
        day: today.
    """
    for waiver in waivers:
        if waiver.scenario not in names:
            why = f"no scenario is called “{waiver.scenario}”: correct the name, or remove the line “{waiver.line}”."
            yield waiver, why
        elif day > waiver.until:
            why = (
                f"the waiver for “{waiver.scenario}” on {waiver.target} ended on {waiver.until} "
                f"({waiver.reason.rstrip('.')}): make it testable and remove the line, or agree on a later day."
            )
            yield waiver, why
        elif waiver.target == target and waiver.scenario in tested:
            why = (
                f"the waiver for “{waiver.scenario}” is no longer needed, because {target} shows it: "
                f"remove the line “{waiver.line}”."
            )
            yield waiver, why


def _waiver(cells: tuple[str, ...], where: str, line: str) -> Waiver:
    if len(cells) != len(COLUMNS) or not all(cells):
        raise CannotRunError(
            f"{where} is incomplete: write {', '.join(COLUMNS)}, separated by tabs, none of them empty."
        )
    scenario, target, until, reason = cells
    if any(mark in target for mark in "/:@ "):
        raise CannotRunError(f"{where} names the target '{target}': write only the host of OPS_CENTER_URL.")
    try:
        day = datetime.strptime(until, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise CannotRunError(f"{where} ends on '{until}', which is not a date: write it as 2026-12-31.") from None
    return Waiver(scenario, target, day, reason, where, line)
