"""The folder of Allure results: which one a run writes to, forgetting the last run's, and whether a run is whole.

A run that writes results leaves a mark beside them until it has told everything. A mark that is still there says that
the run was killed on its way, or could not begin, so that nobody takes what is there for a whole run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from behave.configuration import Configuration

from creditflow.core.redaction import redactor
from creditflow.reporting.characters import writable

FORMATTER = "creditflow.reporting.allure:Formatter"
"""The formatter that writes the results, as `behave.ini` names it."""

_WRITTEN = ("*-result.json", "*-container.json", "*-globals.json", "*-attachment.*", "environment.properties")
_MARK = ".run-without-verdict"


@dataclass(frozen=True)
class Unfinished:
    """A run that told no verdict: in which scenario it was, or why it could not begin."""

    scenario: str = ""
    reason: str = ""

    def sentence(self) -> str:
        """What to tell the reader of its results."""
        if self.reason:
            why = self.reason.removeprefix("The run can't begin: ")
            return f"The last run could not begin: {why}"
        where = f"in the scenario {self.scenario}" if self.scenario else "before its first scenario"
        return f"The last run ended without a verdict, {where}: what it told until then is not the whole."


def folder_of(config: Configuration) -> Path | None:
    """The folder that the Allure formatter was given, none when the run has no such formatter.

    A formatter is given its output by position: the first ``-o`` belongs to the first ``-f``.
    """
    for formatter, output in zip(config.format or (), config.outputs, strict=False):
        if formatter == FORMATTER and output.name:
            return Path(output.name)
    return None


def page_of(results: Path) -> Path:
    """The page that is drawn of the results in a folder."""
    return results.absolute().parent / "allure-report" / "index.html"


def forget(folder: Path, config: Configuration) -> None:
    """Remove the results of the last run, so that no report mixes two runs or shows a run that never began.

    JUnit's files go too where this run writes such, and the page where this run draws it. ``-D keep_results=yes``
    keeps all, for several runs that share one report. A dry run leaves everything alone.
    """
    if config.dry_run or config.userdata.getbool("keep_results", False):
        return
    for left in _left_in(folder, config):
        left.unlink(missing_ok=True)


def _left_in(folder: Path, config: Configuration) -> Iterator[Path]:
    for pattern in _WRITTEN:
        yield from folder.glob(pattern)
    if config.junit:
        yield from Path(str(config.junit_directory)).glob("TESTS-*.xml")
    if config.userdata.getbool("report", False):
        yield page_of(folder)


def mark(folder: Path, unfinished: Unfinished) -> None:
    """Say beside the results that their run has told no verdict yet, and how far it is."""
    told = {name: writable(redactor.clean(text)) for name, text in asdict(unfinished).items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text(json.dumps(told), encoding="utf-8")


def unmark(folder: Path) -> None:
    """Say that the run has told everything."""
    (folder / _MARK).unlink(missing_ok=True)


def unfinished(folder: Path) -> Unfinished | None:
    """What the mark beside the results says; none when their run told everything."""
    path = folder / _MARK
    if not path.is_file():
        return None
    with suppress(OSError, ValueError, TypeError):
        return Unfinished(**json.loads(path.read_text(encoding="utf-8")))
    return Unfinished()
