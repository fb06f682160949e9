"""The summary of a run for one screen, and the log of its errors, as text (plan items RP2 and RP3)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC

from creditflow.core.expect import counted
from creditflow.reporting.outcome import Kind
from creditflow.reporting.plain_text import (
    duration,
    facts,
    heading,
    indented,
    joined,
    moment,
    one_line,
    shortened,
    table,
    title,
    wrapped,
)
from creditflow.reporting.plan import Standing, standing_of_run
from creditflow.reporting.record import RunRecord
from creditflow.reporting.text_report import at_a_glance

FOLDER = "credit_flow_reports"
"""The folder of the summaries, as the plan names it."""

ERRORS = "credit_flow_errors.log"
"""The name that the plan gives the log of errors."""

SLOWEST = 5
"""How many of the slowest scenarios the summary names."""

_AT_MOST = 20
"""How many scenarios a list of the summary names."""


def name(record: RunRecord) -> str:
    """Return the name of a run's summary, with the moment of the run's end in UTC."""
    return f"credit_flow_summary_{record.ended.astimezone(UTC):%Y%m%d_%H%M%S}.txt"


def summary(record: RunRecord) -> str:
    """Return the summary: the verdict, the services, the durations, and what was not tested."""
    standing = standing_of_run(record)
    lines = [*title("CREDIT FLOW TEST SUMMARY"), "", f"{standing.sign} {standing}: {shortened(record.verdict)}", ""]
    lines += [f"{fact}: {value}" for fact, value in facts(record)]
    lines += ["", *heading("AT A GLANCE"), *at_a_glance(record)]
    chapters = {
        "NOT PASSED": _red(record),
        "SERVICES AT THE BEGINNING OF THE RUN": _services(record),
        "DURATION": _durations(record),
        "OUTCOMES": _outcomes(record),
        "NOT TESTED": _not_tested(record),
        "NOT RUN": _not_run(record),
    }
    for chapter, content in chapters.items():
        if content:
            lines += ["", *heading(chapter), *content]
    return joined(lines)


def errors(record: RunRecord) -> str:
    """Return the log of errors: for each its time, its place, its kind and its message; empty if there was none."""
    lines = []
    for problem in record.outside:
        lines += [f"{moment(record.ended)}  {one_line(problem.where)}  {problem.outcome}"]
        lines += [*indented(problem.message, 4), ""]
    for scenario in record.scenarios:
        if scenario.outcome.is_red:
            began = moment(scenario.began) if scenario.began else "did not begin"
            lines += [f"{began}  {scenario.place}  {scenario.outcome}: {one_line(scenario.title)}"]
            lines += [*indented(scenario.message, 4), ""]
    if not lines:
        return ""
    return joined(
        [f"Errors of run {record.run} on {record.target or 'no target'}, ended {moment(record.ended)}", "", *lines]
    )


def _red(record: RunRecord) -> list[str]:
    red = [(one_line(p.where), p.outcome, p.message) for p in record.outside]
    red += [(f"{one_line(s.title)} ({s.place})", s.outcome, s.message) for s in record.scenarios if s.outcome.is_red]
    lines = []
    for where, outcome, message in red[:_AT_MOST]:
        lines += [f"{Standing.FAILED.sign} {where}: {outcome}", *wrapped(shortened(message), 5)]
    return [*lines, *_more(len(red), f"the report and {ERRORS} have all of them")]


def _services(record: RunRecord) -> list[str]:
    return table([(service.state, service.name, service.version, service.address) for service in record.services])


def _durations(record: RunRecord) -> list[str]:
    whole_run = duration((record.ended - record.began).total_seconds() * 1_000)
    began = [scenario.began for scenario in record.scenarios if scenario.began]
    lines = [f"Whole run: {whole_run}"]
    if began:
        lines.append(f"Until its first scenario: {duration((min(began) - record.began).total_seconds() * 1_000)}")
    for wait in record.waits:
        lines.append(f"Waited for {wait.system}: {duration(wait.milliseconds)} in {counted(wait.calls, 'call')}")
    slowest = sorted((s for s in record.scenarios if s.began), key=lambda s: -s.milliseconds)[:SLOWEST]
    if slowest:
        lines.append("Slowest scenarios:")
        rows = [("  ", duration(scenario.milliseconds), scenario.title) for scenario in slowest]
        lines += table(rows, right=(1,))
    return lines


def _outcomes(record: RunRecord) -> list[str]:
    outcomes = Counter(scenario.outcome for scenario in record.scenarios)
    rows = [(f"{outcomes[kind]:,}", str(kind)) for kind in Kind if outcomes[kind]]
    rows += [(f"{len(record.not_selected):,}", "not selected")] if record.not_selected else []
    rows += [(f"{len(record.outside):,}", "failed outside of scenarios")] if record.outside else []
    return table(rows, right=(0,))


def _not_tested(record: RunRecord) -> list[str]:
    """Return what the target can't show, and the scenarios that were not testable on it."""
    lines = [line for limit in record.not_testable for line in wrapped(limit, 0, "- ")]
    kinds = (Kind.NOT_TESTABLE, Kind.MISSING, Kind.TOO_BUSY, Kind.WAIVED)
    found = [scenario for scenario in record.scenarios if scenario.outcome in kinds]
    for scenario in found[:_AT_MOST]:
        lines += [f"- {one_line(scenario.title)}: {scenario.outcome}", *wrapped(scenario.message, 5)]
    return [*lines, *_more(len(found), "the report has all of them")]


def _not_run(record: RunRecord) -> list[str]:
    """Return the reasons why scenarios did not run, each with how many."""
    run = (s for s in record.scenarios if s.outcome in (Kind.SKIPPED, Kind.UNTESTED))
    reasons = Counter(f"{s.outcome}: {one_line(s.message) or 'no reason was given'}" for s in run)
    lines = [line for why, n in reasons.items() for line in wrapped(f"{counted(n, 'scenario')} {why}", 0, "- ")]
    if record.not_selected:
        features = Counter(one_line(scenario.feature or scenario.title) for scenario in record.not_selected)
        chosen = f" ({one_line(', '.join(record.selection))})" if record.selection else ""
        lines.append(f"- {counted(len(record.not_selected), 'scenario')} not selected{chosen}:")
        lines += table([("  ", f"{number:,}", feature) for feature, number in features.items()], right=(1,))
    return lines


def _more(number: int, where: str) -> list[str]:
    return [f"  and {number - _AT_MOST:,} more: {where}"] if number > _AT_MOST else []
