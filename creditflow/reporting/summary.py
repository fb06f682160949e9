"""The last lines of a run, and its exit status.

The very last line is ``N passed, N failed``. Where the run itself is red (nothing selected, all skipped, settings that
can't be used, an exception that is over) it is the reason instead. The line before counts what is neither, and what
failed otherwise than by a check.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent

from behave.configuration import Configuration

from creditflow.core.wait_statistics import Waits, waits
from creditflow.reporting.outcome import Kind, Outcome, Run, full_title, place
from creditflow.reporting.results import folder_of

__all__ = ["Summary", "Waits", "waits"]

SLOWEST = 10


class Summary:
    """Counts what became of the selected scenarios and says it."""

    def __init__(self, report: Run, config: Configuration) -> None:
        self._report = report
        self._config = config
        self._began = time.monotonic()
        self._set_up = 0.0

    def set_up_took(self, seconds: float) -> None:
        """Note how long the run prepared itself (``before_all``).

        ``-D started=UNIX_TIME`` says when a set-up before this process began; it then counts from there.
        """
        started = self._config.userdata.getfloat("started", 0)
        self._set_up = time.time() - started if started else seconds
        self._began = time.monotonic()

    def tell(self, behave_failed: bool) -> int:
        """Print the summary.

        Returns:
            the exit status: 0 all passed, 1 something did not, another where ``before_all`` asked for it.
        """
        took = time.monotonic() - self._began
        outcomes = {id(s): self._report.outcome(s) for s in self._report.selected}
        counts = Counter(outcome.kind for outcome in outcomes.values())
        outside = self._report.outside()
        for problem in self._report.problems:
            if problem.ends_the_run:
                print(problem.message)
                return int(getattr(problem.error, "exit_status", 1))
        red = sum(number for kind, number in counts.items() if kind.is_red) + len(outside)
        problem_with_page = self._tell_details(outcomes, took)
        said_apart = (kind for kind in Kind if kind not in (Kind.PASSED, Kind.FAILED))
        rest = [f"{counts[kind]} {kind}" for kind in said_apart if counts[kind]]
        rest += [f"{len(outside)} failed outside of scenarios"] if outside else []
        if rest:
            print(", ".join(rest))
        print(f"{counts[Kind.PASSED]} passed, {red} failed")
        reason = problem_with_page or self._no_verdict(counts, red, behave_failed) or _not_judged(outcomes.values())
        if reason:
            print(reason)
        return 1 if red or reason or behave_failed else 0

    def _no_verdict(self, counts: Counter[Kind], red: int, behave_failed: bool) -> str:
        """Why the numbers alone are no verdict, or nothing."""
        if not self._report.selected:
            return (
                "No scenario was selected, so nothing was checked: see whether the tags, names and files "
                "given to behave are spelt as in features/."
            )
        if self._report.problems:
            first = self._report.problems[0]
            return f"{first.where} of the run: {first.message.splitlines()[0]}"
        if counts[Kind.SKIPPED] + counts[Kind.WAIVED] == len(self._report.selected):
            how = "skipped or excused" if counts[Kind.WAIVED] else "skipped"
            return f"Every selected scenario was {how}, so nothing was checked: the reasons are given above."
        if counts[Kind.UNTESTED] and not red:
            return "The run was stopped before every selected scenario had run, so there is no verdict."
        if behave_failed and not red:
            return "behave calls the run failed, although no scenario is: see its messages above."
        return ""

    def _tell_details(self, outcomes: dict[int, Outcome], took: float) -> str:
        """Say what did not pass, what was slow, where the report is; returns why the report is not there."""
        report = self._report
        print()
        red = [s for s in report.selected if outcomes[id(s)].kind.is_red]
        outside = report.outside()
        if red or outside:
            print("Not passed:")
        for scenario in red:
            print(f"  {place(scenario)}  {full_title(scenario)}  {outcomes[id(scenario)].kind}")
        for part, problem in outside:
            print(f"  {place(part) if part else 'the run'}  {problem.where}  {problem.kind}")
            if part is None:
                print(indent(problem.message, " " * 4))
                if route := problem.route():
                    print(indent(route, " " * 6))
        slowest = sorted(report.selected, key=report.took, reverse=True)[:SLOWEST]
        if slowest:
            print("Slowest scenarios:")
            for scenario in slowest:
                print(f"  {report.took(scenario):7.2f} s  {full_title(scenario)}")
        if waited := waits.longest_first():
            told = (f"{name} {seconds:.1f} s ({calls}x)" for name, seconds, calls in waited)
            print("Waited for: " + ", ".join(told))
        failure = self._report_page()
        print(f"Set-up {self._set_up:.1f} s, run {took:.1f} s")
        return failure

    def _report_page(self) -> str:
        """Say where the report is, drawing it first when ``-D report=yes`` asks for it."""
        results = folder_of(self._config)
        if results is None:
            return ""
        if not self._config.userdata.getbool("report", False):
            print(f"Results: {_shown(results)} (`make report` draws the page)")
            return ""
        from creditflow.reporting import html  # noqa: PLC0415 - only a run that asks for the page needs Node

        try:
            page = html.draw(results)
        except html.NotDrawnError as error:
            return str(error)
        print(f"Report: {_shown(page)}")
        return ""


def _not_judged(outcomes: Iterable[Outcome]) -> str:
    """Where no check failed and yet something is red: what kept it from being judged; else nothing."""
    reds = [outcome for outcome in outcomes if outcome.kind.is_red]
    if not reds or any(outcome.kind is Kind.FAILED for outcome in reds):
        return ""
    said = (reds[0].message.splitlines() or ["no reason was given"])[0]
    return f"No check failed, but {len(reds)} could not be judged, the first as {reds[0].kind}: {said}"


def _shown(path: Path) -> str:
    """A path as a person would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
