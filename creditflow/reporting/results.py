"""The folder of Allure results: its path, the removal of old results, and whether the last run finished.

A run keeps a mark beside its results until it has written everything. A mark that is left shows that the run was
killed or could not begin, so that its results are incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from behave.configuration import Configuration

from creditflow.core.errors import CannotRunError
from creditflow.core.redaction import redactor
from creditflow.reporting.characters import writable

FORMATTER = "creditflow.reporting.allure:Formatter"
"""The formatter that writes the results, as in `behave.ini`."""

_WRITTEN = (
    "*-result.json",
    "*-container.json",
    "*-globals.json",
    "*-attachment.*",
    "*-perf.json",
    "environment.properties",
    "credit-flow-run*.json",
)
_MARK = ".run-without-verdict"


@dataclass(frozen=True)
class Unfinished:
    """A run that did not finish: its last scenario, or the reason why it could not begin."""

    scenario: str = ""
    reason: str = ""

    def sentence(self) -> str:
        """Return the sentence for the reader of the results."""
        if self.reason:
            why = self.reason.removeprefix("The run can't begin: ")
            return f"The last run could not begin: {why}"
        where = f"in the scenario {self.scenario}" if self.scenario else "before its first scenario"
        return f"The last run ended without a verdict, {where}: its results are incomplete."


def folder_of(config: Configuration) -> Path | None:
    """Return the folder of the Allure formatter, or None if the run has no such formatter.

    behave matches outputs by position: the first `-o` belongs to the first `-f`.
    """
    for formatter, output in zip(config.format or (), config.outputs, strict=False):
        if formatter == FORMATTER and output.name:
            return Path(output.name)
    return None


def page_of(results: Path) -> Path:
    """Return the path of the report for a folder of results."""
    return results.absolute().parent / "allure-report" / "index.html"


def forget(folder: Path, config: Configuration) -> None:
    """Remove the results of the last run, so that a report never mixes two runs.

    JUnit files and the HTML pages are removed too if this run writes them. `-D keep_results=yes` keeps everything, for
    several runs with one report. A dry run removes nothing.

    Raises:
        CannotRunError: one can't be removed.
    """
    if config.dry_run or config.userdata.getbool("keep_results", False):
        return
    with writing(folder):
        for left in _left_in(folder, config):
            left.unlink(missing_ok=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Refuse a run whose results can't be written.

    Raises:
        CannotRunError: this block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        reason = f"the results can't be written to {folder} ({error.strerror}): check who owns it"
        raise CannotRunError(f"The run can't begin: {reason}, or name another folder with -o.") from error


def _left_in(folder: Path, config: Configuration) -> Iterator[Path]:
    for pattern in _WRITTEN:
        yield from folder.glob(pattern)
    if config.junit:
        yield from Path(str(config.junit_directory)).glob("TESTS-*.xml")
    if config.userdata.getbool("report", False):
        yield from page_of(folder).parent.glob("*.html")


def mark(folder: Path, unfinished: Unfinished) -> None:
    """Record beside the results that their run has not finished, and how far it is."""
    fields = {name: writable(redactor.clean(text)) for name, text in asdict(unfinished).items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text(json.dumps(fields), encoding="utf-8")


def unmark(folder: Path) -> None:
    """Record that the run has written everything."""
    (folder / _MARK).unlink(missing_ok=True)


def unfinished(folder: Path) -> Unfinished | None:
    """Return what the mark beside the results contains, or None if their run finished."""
    path = folder / _MARK
    if not path.is_file():
        return None
    with suppress(OSError, ValueError, TypeError):
        return Unfinished(**json.loads(path.read_text(encoding="utf-8")))
    return Unfinished()
