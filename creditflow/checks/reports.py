"""The reports of a run that a feature describes, and what they must tell their readers (N1, RP1 to RP3, SO1 to SO3).

The run did not happen. Its reports are made by the same functions as those of any run.
"""

from __future__ import annotations

import io
import re
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from creditflow.core.expect import Finding, agree, holds
from creditflow.core.prices import PLAN
from creditflow.reporting import plan_files, sign_off, summary, text_report, text_summary
from creditflow.reporting.outcome import Kind
from creditflow.reporting.record import Account, Benchmark, RunRecord, Scenario, Service, Step, Unselected

PARTS = {
    "individual flow": ("Individual Flow", "flows/1_individual_user", r"F1\.|K\d|A[145]$"),
    "organisation flow": ("Org Flow", "flows/2_organization_user", r"F2\.|A2$|A10"),
    "BYOK flow": ("BYOK Flow", "flows/3_byok_user", r"F3\.|A[37]$"),
    "edge cases": ("Edge Cases", "edge_cases/1_insufficient_organization_credits", r"C\d|A[68]$"),
    "platform": ("Platform", "platform/1_services", r"(?:EP|T|I|X|H)\d|A11"),
    "risks": ("Risks", "risks/1_double_charging", r"R[1-4]"),
    "qualities": ("Qualities", "qualities/1_performance", r"B\d|A9|R[56]|N"),
}
"""The parts of the plan: the name in the reports, the feature, and the plan items of its scenarios."""

NOT_SELECTED = "not selected"
"""The outcome of a scenario that the run did not select."""

_SUMMARY = "credit_flow_summary_"
_ALWAYS = (text_report.NAME, _SUMMARY, sign_off.TEXT, sign_off.PAGE)
"""The reports that every run makes: their names, or the beginning of them."""

_BEGAN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
_CRITICAL = "critical"


class DescribedRun:
    """A run as a feature describes it: its scenarios, and what is known about them."""

    def __init__(self) -> None:
        self._scenarios: list[Scenario] = []
        self._not_selected: list[Unselected] = []
        self._services: tuple[Service, ...] = (Service(name="Keycloak", address="", version="26.0", state="up"),)
        self._minutes = 10

    @classmethod
    def of_all_parts(cls, outcomes: Mapping[str, str] | None = None, others: str = "passed") -> DescribedRun:
        """Return a run with a scenario for each part of the plan.

        Args:
            outcomes: the outcome of some parts.
            others: the outcome of the others.
        """
        run = cls()
        for part in PARTS:
            outcome = (outcomes or {}).get(part, others)
            run.add(part, f"The {part} is as the plan says", outcome, "" if outcome == "passed" else "a described run")
        return run

    @classmethod
    def of(cls, scenarios: Iterable[tuple[str, str, str, str]]) -> DescribedRun:
        """Return a run of some scenarios: part, title, outcome and message of each, see `add`."""
        run = cls()
        for scenario in scenarios:
            run.add(*scenario)
        return run

    def add(self, part: str, title: str, outcome: str, message: str = "") -> None:
        """Add a scenario that carries every plan item of a part of the plan.

        Args:
            part: one of `PARTS`.
            title: its title.
            outcome: one of `Kind`, or `NOT_SELECTED`.
            message: what is wrong with it.
        """
        _, feature, ids = PARTS[part]
        items = tuple(one for one in plan_files.items() if re.match(ids, one))
        tags = (*items, _CRITICAL)
        place = f"features/{feature}.feature:{len(self._scenarios) + 1}"
        if outcome == NOT_SELECTED:
            self._not_selected.append(
                Unselected(name=title, title=title, feature=part, place=place, items=items, tags=tags)
            )
            return
        kind = Kind(outcome)
        self._scenarios.append(
            Scenario(
                uuid=title,
                name=title,
                title=title,
                feature=part,
                rule="",
                place=place,
                items=items,
                tags=tags,
                severity=_CRITICAL,
                outcome=kind,
                message=message,
                began=None if kind in (Kind.SKIPPED, Kind.WAIVED, Kind.UNTESTED) else _BEGAN,
                prices=PLAN,
                benchmarks=_benchmarks() if part == "qualities" and kind is Kind.PASSED else (),
            )
        )

    def steps(self, steps: Iterable[tuple[str, str, int]]) -> None:
        """Set the steps of the last scenario: sentence, state and milliseconds."""
        made = [Step.model_validate({"text": t, "state": s, "milliseconds": ms}) for t, s, ms in steps]
        self._set(steps=tuple(made), milliseconds=sum(step.milliseconds for step in made))

    def ledger(self, rows: Iterable[tuple[str, str, int, int]]) -> None:
        """Set the ledger of the last scenario: who, what, before and after."""
        accounts = [Account(who=who, what=what, before=b, after=a, expected=a) for who, what, b, a in rows]
        self._set(accounts=tuple(accounts))

    def services(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Set the services: name, version and state."""
        self._services = tuple(Service(name=n, address="", version=v, state=s) for n, v, s in rows)

    def takes(self, minutes: int) -> None:
        """Set how long it took, in minutes."""
        self._minutes = minutes

    def record(self) -> RunRecord:
        """Return its record."""
        red = sum(scenario.outcome.is_red for scenario in self._scenarios)
        green = sum(scenario.outcome is Kind.PASSED for scenario in self._scenarios)
        return RunRecord(
            run="cf-report",
            began=_BEGAN,
            ended=_BEGAN + timedelta(minutes=self._minutes),
            suite="",
            commit="",
            target="",
            on_sandbox=True,
            services=self._services,
            scenarios_in_suite=len(self._scenarios) + len(self._not_selected),
            not_selected=tuple(self._not_selected),
            scenarios=tuple(self._scenarios),
            verdict=f"{green} passed, {red} failed",
            exit_status=int(red > 0),
        )

    def _set(self, **parts: object) -> None:
        self._scenarios[-1] = self._scenarios[-1].model_copy(update=parts)


def _benchmarks() -> tuple[Benchmark, ...]:
    return tuple(
        Benchmark(
            operation=name, percent=95, limit=limit, expected=expected, median=expected, p95=limit, within=1, kept=True
        )
        for name, expected, _, limit in text_report.MEASURED.values()
    )


@dataclass(frozen=True)
class Reports:
    """What a run leaves in the folder of its reports, and prints.

    Attributes:
        texts: the texts of the files, by name.
        modes: their modes, by name.
        lines: the lines that the run prints about them.
    """

    texts: Mapping[str, str]
    modes: Mapping[str, int]
    lines: str

    def text(self, name: str) -> str:
        """Return the text of a report.

        Args:
            name: its file name, or the beginning of it.
        """
        found = [text for file, text in self.texts.items() if file.startswith(name)]
        holds(len(found) == 1, f"the run left {len(found)} reports {name}, expected 1")
        return found[0]


def made(*runs: DescribedRun) -> Reports:
    """Make the reports of runs, one after the other in the same folder, and return what is there at the end."""
    lines = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(lines):
        for run in runs:
            summary.write_texts(run.record(), Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return Reports(
            {path.name: path.read_text("utf-8") for path in files},
            {path.name: stat.S_IMODE(path.stat().st_mode) for path in files},
            lines.getvalue(),
        )


def require_all(reports: Reports) -> None:
    """Require the report, the summary and both forms of the sheet."""
    for name in _ALWAYS:
        holds(bool(reports.text(name)), f"the report {name} is empty")


def require_named(reports: Reports) -> None:
    """Require that the last lines of the run name each report."""
    unnamed = sorted(name for name in reports.texts if f"{name}\n" not in reports.lines)
    agree([Finding("the reports that the last lines do not name are", unnamed, [])])


def require_private(reports: Reports) -> None:
    """Require that only the owner can read the reports."""
    readable = sorted(name for name, mode in reports.modes.items() if mode & 0o077)
    agree([Finding("the reports that others can read are", readable, [])])


def require_standing(reports: Reports, part: str, standing: str) -> None:
    """Require what the report and the summary say about a part of the plan at a glance."""
    name = PARTS[part][0]
    agree(
        Finding(f"the {part} is", _standing(reports.text(file), name), standing, system=shown)
        for file, shown in ((text_report.NAME, "the report"), (_SUMMARY, "the summary"))
    )


def require_figures(reports: Reports, title: str, figures: Mapping[str, int]) -> None:
    """Require figures of a scenario in the report, such as "credits before"."""
    block = _block(reports, title)
    agree(
        Finding(f"'{title}' has the {what}", _figure(block, what.replace(" ", "_")), value, system="the report")
        for what, value in figures.items()
    )


def require_steps(reports: Reports, title: str, steps: Iterable[tuple[str, str, int]]) -> None:
    """Require each step of a scenario in the report, in order, with its state and its milliseconds."""
    signs = {"✓": "passed", "✗": "failed", "–": "not run"}  # noqa: RUF001 - a dash, not a minus
    found = re.findall(r"^     (\S) (.+?)(?: \((\d+) ms\))?$", _block(reports, title), re.MULTILINE)
    shown = [(text, signs[sign], int(took or 0)) for sign, text, took in found if sign in signs]
    agree([Finding(f"'{title}' has the steps", shown, list(steps), system="the report")])


def require_measured(reports: Reports, rows: Iterable[tuple[str, int, int, int]]) -> None:
    """Require operations in the report: name, expected time, acceptable time and median, in milliseconds."""
    pattern = r"^✓ +(\S.*?) +([\d,]+) ms +[\d,]+-([\d,]+) ms +([\d,]+)\.0 ms "
    lines = re.findall(pattern, reports.text(text_report.NAME), re.MULTILINE)
    found = [(name, *(int(figure.replace(",", "")) for figure in figures)) for name, *figures in lines]
    agree([Finding("the operations with a tick are", found, list(rows), system="the report")])


def require_services(reports: Reports, rows: Iterable[tuple[str, str, str]]) -> None:
    """Require services in the summary: name, version and state."""
    lines = [line.split() for line in reports.text(_SUMMARY).splitlines()]
    agree(
        Finding(f"the line of {name} reads", next((x[:3] for x in lines if name in x[1:2]), []), [state, name, version])
        for name, version, state in rows
    )


def require_duration(reports: Reports, minutes: int) -> None:
    """Require how long the run took in the summary."""
    found = re.search(r"^Whole run: (\d+) min 0 s$", reports.text(_SUMMARY), re.MULTILINE)
    agree([Finding("the whole run took", int(found[1]) if found else None, minutes, "minutes", "the summary")])


def require_errors(reports: Reports, errors: Mapping[str, str]) -> None:
    """Require that the log has exactly these errors, each with its time and its message, by the scenario's title."""
    text = reports.text(text_summary.ERRORS)
    pattern = rf"^{_BEGAN:%Y-%m-%dT%H:%M:%S}Z  features/\S+  [a-z -]+: (.+)\n    (.+)$"
    agree([Finding("the errors are", dict(re.findall(pattern, text, re.MULTILINE)), errors, system="the log")])


def require_no_errors(reports: Reports) -> None:
    """Require that there is no log of errors."""
    agree([Finding("the logs of errors are", [n for n in reports.texts if n == text_summary.ERRORS], [])])


def require_lines(reports: Reports, checklist: str, lines: Mapping[str, str]) -> None:
    """Require lines of a checklist of the sheet, each with its state: "done" or "open"."""
    text = reports.text(sign_off.TEXT).partition(f"\n{checklist}\n")[2].partition("\n\n")[0]
    found = {name: "done" if x == "x" else "open" for x, name in re.findall(r"^- \[(.)\] (.+)$", text, re.MULTILINE)}
    agree([Finding(f"the checklist '{checklist}' is", found, dict(lines), system="the sign-off sheet")])


def require_signature(reports: Reports) -> None:
    """Require blank lines for the signature, and no word against it, in both forms of the sheet."""
    text, page = reports.text(sign_off.TEXT), reports.text(sign_off.PAGE)
    blank = re.findall(r"^(.+): _+$", text, re.MULTILINE)
    agree(
        [
            Finding("the blank lines are", blank, list(sign_off.SIGNATURE), system="the sheet"),
            Finding("the blank lines are", page.count('<p class="line">'), len(blank), system="the page"),
            Finding("it is refused", "Not for approval" in text + page, False),
        ]
    )


def require_refusal(reports: Reports, reason: str) -> None:
    """Require that both forms of the sheet refuse the approval with a reason, and have no line for a signature."""
    text, page = reports.text(sign_off.TEXT), reports.text(sign_off.PAGE)
    blank = [name for name in sign_off.SIGNATURE if name in text + page]
    found = re.search(r"Not for approval: ([^.(:;]+[a-z])", text)
    agree(
        [
            Finding("the approval is refused because", found[1] if found else None, reason, system="the sheet"),
            Finding("the approval is refused", "Not for approval" in page, True, system="the page"),
            Finding("the lines for a signature are", blank, []),
        ]
    )


def _standing(text: str, name: str) -> str | None:
    found: list[str] = re.findall(rf"^\S {name}: ([A-Z ]+)$", text, re.MULTILINE)
    return found[0] if len(found) == 1 else None


def _block(reports: Reports, title: str) -> str:
    """Return what the report says about a scenario."""
    found = re.search(rf"^\S {re.escape(title)}: .+\n((?:   .+\n)*)", reports.text(text_report.NAME), re.MULTILINE)
    return found[1] if found else ""


def _figure(block: str, name: str) -> int | None:
    found = re.search(rf"^     - {name}: (\d+)$", block, re.MULTILINE)
    return int(found[1]) if found else None
