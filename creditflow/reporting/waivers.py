"""Deliberate exceptions: what a target can't show for now, each with a reason and a last day (`plan/waivers.tsv`).

An exception excuses a scenario that is not testable on the target that it names, until its day is over. It never
excuses a check that failed. One that is over, that names no scenario, or that is not needed any more makes a run red.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from creditflow.core.errors import CannotRunError

FILE = Path("plan", "waivers.tsv")
"""Where the exceptions are written, seen from the folder that holds the features' folder."""
COLUMNS = ("scenario", "target", "until", "reason")


@dataclass(frozen=True)
class Waiver:
    """One row.

    Attributes:
        scenario: feature, rule and title as the report's "full name" has them, joined by ": ".
        target: the host of `OPS_CENTER_URL` that it holds for.
        until: the last day on which it holds, in UTC.
        reason: why the target can't show it.
        where: file and line.
        line: the row as it is written.
    """

    scenario: str
    target: str
    until: date
    reason: str
    where: str
    line: str

    def covers(self, scenario: str, target: str, today: date) -> bool:
        """Whether it excuses a scenario on a target on a day."""
        return (self.scenario, self.target) == (scenario, target) and today <= self.until

    def sentence(self) -> str:
        """What a reader of the report is told in place of a verdict."""
        return f"Excused until {self.until} ({self.where}): {self.reason.rstrip('.')}."


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


def read(path: Path) -> tuple[Waiver, ...]:
    """Read the exceptions; none where there is no such file.

    Raises:
        CannotRunError: a row is not as it has to be; the sentence says which and how.
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
        waivers.append(_excuse(cells, f"{shown}:{number}", line))
        if any((e.scenario, e.target) == (waivers[-1].scenario, waivers[-1].target) for e in waivers[:-1]):
            raise CannotRunError(f"{shown}:{number} excuses a scenario that a line above excuses already: remove one.")
    return tuple(waivers)


def out_of_date(
    waivers: Collection[Waiver], names: Collection[str], target: str, tested: Collection[str], day: date
) -> Iterator[tuple[Waiver, str]]:
    """The exceptions that have to be looked after, each with a sentence of why and what to do.

    Args:
        excuses: all that are written.
        names: the full names of every scenario of the suite.
        target: the host that this run was against.
        tested: the full names of the scenarios that this run could test there.
        day: today.
    """
    for waiver in waivers:
        if waiver.scenario not in names:
            told = f"no scenario is called “{waiver.scenario}”: correct the name, or remove the line “{waiver.line}”."
            yield waiver, told
        elif day > waiver.until:
            yield (
                waiver,
                (
                    f"the exception for “{waiver.scenario}” on {waiver.target} ended on {waiver.until} "
                    f"({waiver.reason.rstrip('.')}): make it testable and remove the line, or agree on a later day."
                ),
            )
        elif waiver.target == target and waiver.scenario in tested:
            yield (
                waiver,
                (
                    f"the exception for “{waiver.scenario}” is no longer needed, because {target} shows it: "
                    f"remove the line “{waiver.line}”."
                ),
            )


def _excuse(cells: tuple[str, ...], where: str, line: str) -> Waiver:
    if len(cells) != len(COLUMNS) or not all(cells):
        raise CannotRunError(
            f"{where} is not whole: give it {', '.join(COLUMNS)}, separated by tabs, none of them empty."
        )
    scenario, target, until, reason = cells
    if any(mark in target for mark in "/:@ "):
        raise CannotRunError(f"{where} names the target '{target}': write only the host of OPS_CENTER_URL.")
    try:
        day = datetime.strptime(until, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise CannotRunError(f"{where} ends on '{until}', which is no day: write it as 2026-12-31.") from None
    return Waiver(scenario, target, day, reason, where, line)
