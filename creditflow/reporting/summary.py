"""The last lines of a run, and its exit status.

The last line is "N passed, N failed". If the run itself failed, it is the reason instead: nothing was selected,
everything was skipped, a setting is wrong, or a waiver has expired. The line before counts all other outcomes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent

from behave.configuration import Configuration

from creditflow.core.wait_statistics import waits
from creditflow.reporting import record, report_files
from creditflow.reporting.outcome import Kind, Outcome, Run, full_title, place, sentence
from creditflow.reporting.record import RunRecord
from creditflow.reporting.recorder import recorder
from creditflow.reporting.results import folder_of

SLOWEST = 10
"""The number of scenarios in the list of the slowest."""


@dataclass(frozen=True)
class Verdict:
    """The verdict of a run.

    Attributes:
        counts: the lines that count the outcomes; empty if the run could not begin.
        reason: why the run as a whole is red; empty if it is not.
        status: the exit status.
    """

    counts: tuple[str, ...]
    reason: str
    status: int

    @property
    def line(self) -> str:
        """The last line of the run."""
        return self.reason or self.counts[-1]

    def but(self, reason: str) -> Verdict:
        """Return the verdict with a reason for red that came later; unchanged if there is none."""
        return replace(self, reason=reason, status=max(self.status, 1)) if reason else self


class Summary:
    """Counts the outcomes of the selected scenarios and prints them."""

    def __init__(self, report: Run, config: Configuration) -> None:
        self._report = report
        self._config = config
        self._began = time.monotonic()
        self._set_up = 0.0

    def set_up_took(self, seconds: float) -> None:
        """Record the seconds of the set-up (`before_all`).

        With `-D started=UNIX_TIME` the set-up began at that time, before this process.
        """
        started = self._config.userdata.getfloat("started", 0)
        self._set_up = time.time() - started if started else seconds
        self._began = time.monotonic()

    def judge(self, behave_failed: bool) -> Verdict:
        """Return the verdict; its exit status is that of an error in `before_all`, if there was one."""
        outcomes = [self._report.outcome(scenario) for scenario in self._report.selected]
        counts = Counter(outcome.kind for outcome in outcomes)
        outside = self._report.outside()
        for problem in self._report.problems:
            if problem.ends_the_run:
                return Verdict((), problem.message, int(getattr(problem.error, "exit_status", 1)))
        red = sum(number for kind, number in counts.items() if kind.is_red) + len(outside)
        rest = [f"{counts[kind]} {kind}" for kind in Kind if kind not in (Kind.PASSED, Kind.FAILED) and counts[kind]]
        rest += [f"{len(outside)} failed outside of scenarios"] if outside else []
        lines = [", ".join(rest)] if rest else []
        reason = self._no_verdict(counts, red, behave_failed) or _not_judged(outcomes)
        return Verdict(
            (*lines, f"{counts[Kind.PASSED]} passed, {red} failed"), reason, int(bool(red or reason or behave_failed))
        )

    def show(self, verdict: Verdict) -> Verdict:
        """Draw the page if it is asked for, and print the summary.

        Returns:
            The verdict, which is red if the page can't be drawn.
        """
        if verdict.counts:
            took = time.monotonic() - self._began
            verdict = verdict.but(self._show_details(took))
        for line in (*verdict.counts, verdict.reason):
            if line:
                print(line)
        return verdict

    def _no_verdict(self, counts: Counter[Kind], red: int, behave_failed: bool) -> str:
        """Return why the run has no verdict; empty if it has one."""
        if not self._report.selected:
            return (
                "No scenario was selected, so nothing was checked: check the tags, names and files given to behave "
                "against features/."
            )
        if self._report.problems:
            first = self._report.problems[0]
            return f"{first.where} of the run: {first.message.splitlines()[0]}"
        if counts[Kind.SKIPPED] + counts[Kind.WAIVED] == len(self._report.selected):
            how = "skipped or waived" if counts[Kind.WAIVED] else "skipped"
            return f"Every selected scenario was {how}, so nothing was checked: the reasons are given above."
        if counts[Kind.UNTESTED] and not red:
            return "The run was stopped before every selected scenario had run, so there is no verdict."
        if behave_failed and not red:
            return "behave reports a failed run, although no scenario failed: see its messages above."
        return ""

    def _show_details(self, took: float) -> str:
        """Print failures, slow scenarios and the report's path; return why there is no report, if there is none."""
        report = self._report
        outcomes = {id(s): report.outcome(s) for s in report.selected}
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
            services = (f"{name} {seconds:.1f} s ({calls}x)" for name, seconds, calls in waited)
            print("Waited for: " + ", ".join(services))
        page_error = self._report_page()
        print(f"Set-up {self._set_up:.1f} s, run {took:.1f} s")
        return page_error

    def _report_page(self) -> str:
        """Print where the reports are. With `-D report=yes`, make them first and return why that failed, if it did."""
        results = folder_of(self._config)
        if results is None:
            return ""
        if not self._config.userdata.getbool("report", False):
            print(f"Results: {_shown(results)} (`make report` makes the reports)")
            return ""
        from creditflow.reporting import html, traceability  # noqa: PLC0415 - only a run with a page needs Node

        reason = ""
        try:
            print(f"Report: {_shown(html.draw(results))}")
        except html.NotDrawnError as error:
            reason = str(error)
        try:
            print(f"Traceability: {_shown(traceability.make(results))}")
        except traceability.NotMadeError as error:
            print(error)
        made = record.examine(results).record
        if made and recorder.report_dir:
            try:
                write_texts(made, recorder.report_dir, reason)
            except Exception as error:
                reason = f"{reason} {sentence(error)}".strip()
        return reason


def write_texts(made: RunRecord, folder: Path, page_error: str = "") -> None:
    """Write the text reports and the sign-off sheet at the end of a run, and print where they are.

    Args:
        made: the record of the run.
        folder: the folder of the reports.
        page_error: why the page could not be drawn, which is the verdict then.

    Raises:
        NotWrittenError: they can't be written.
    """
    if page_error:
        made = made.model_copy(update={"verdict": page_error, "exit_status": made.exit_status or 1})
    for what, path in report_files.make(made, folder).items():
        print(f"{what}: {_shown(path)}")


def _not_judged(outcomes: Iterable[Outcome]) -> str:
    """Return why scenarios failed without a failed check; empty if a check failed or all passed."""
    reds = [outcome for outcome in outcomes if outcome.kind.is_red]
    if not reds or any(outcome.kind is Kind.FAILED for outcome in reds):
        return ""
    first = (reds[0].message.splitlines() or ["no reason was given"])[0]
    return f"No check failed, but {len(reds)} could not be judged, the first as {reds[0].kind}: {first}"


def _shown(path: Path) -> str:
    """Return a path relative to the working directory, if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
