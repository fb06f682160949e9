"""The whole report of a run as text, in the format of the test plan (section "Report Format", plan item RP1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from creditflow.core.expect import counted
from creditflow.core.prices import PLAN
from creditflow.reporting.outcome import Kind
from creditflow.reporting.plain_text import (
    duration,
    facts,
    heading,
    indented,
    joined,
    one_line,
    table,
    title,
    wrapped,
)
from creditflow.reporting.plan import CASES, EDGE_CASES, SECTIONS, Part, Section, Standing, item, part
from creditflow.reporting.record import Account, Benchmark, RunRecord, Scenario

NAME = "credit_flow_e2e_report.txt"
"""The name that the plan gives the report."""

MEASURED = {
    "B1": ("User Authentication", 300, 100, 500),
    "B2": ("LLM Request (GPT-3.5)", 1_500, 500, 3_000),
    "B3": ("Credit Deduction", 50, 10, 100),
    "B4": ("Usage Tracking", 20, 5, 50),
    "B5": ("Org Credit Check", 30, 10, 100),
    "B6": ("BYOK Detection", 10, 1, 50),
}
"""The plan's benchmarks: name, expected time, and acceptable range, in milliseconds (section "Expected Metrics")."""

PRICES = dict(zip(("K1", "K2", "K3", "K4"), PLAN, strict=True))
"""The models of the plan's prices, by plan item."""

CALLS = "calls of this month"
"""What the ledger calls the calls of a user."""

_DATA = {CALLS: "api_calls", "counter": "api_calls_counter"}
"""The names of figures whose names in the plan differ from those of the ledger."""

_STEPS = {"passed": "✓", "failed": "✗", "broken": "✗", "not run": "–"}  # noqa: RUF001 - a dash, not a minus
_UNCHANGED = "as before"
"""What the ledger says about people who took no part."""

_NOT_RUN = (Kind.SKIPPED, Kind.WAIVED, Kind.UNTESTED)


def report(record: RunRecord, items: Mapping[str, str]) -> str:
    """Return the report.

    Args:
        record: the run.
        items: what each item of the plan says, by its id.
    """
    lines = [*title("CREDIT FLOW E2E TEST REPORT"), ""]
    lines += [f"{name}: {fact}" for name, fact in facts(record)]
    lines += [f"Verdict: {one_line(record.verdict)} (exit status {record.exit_status})", ""]
    lines += [*heading("SUMMARY"), *at_a_glance(record), ""]
    if record.outside:
        lines += [*title("OUTSIDE OF SCENARIOS"), "Status: FAILED", ""]
        for problem in record.outside:
            lines += [f"✗ {one_line(problem.where)}: {problem.outcome.upper()}", *indented(problem.message, 6), ""]
    for section in SECTIONS:
        lines += _section(record, section, items)
    lines += [*_others(record), *_performance(record), "", *_prices(record)]
    return joined(lines)


def at_a_glance(record: RunRecord) -> list[str]:
    """Return one line for each chapter, with a reason below those that are not passed."""
    lines = []
    for section in SECTIONS:
        found = part(record, section.has)
        lines.append(f"{found.standing.sign} {section.name}: {found.standing}")
        if found.standing is not Standing.PASSED:
            lines.append(f"     {found.counts()}")
    return lines


def _section(record: RunRecord, section: Section, items: Mapping[str, str]) -> list[str]:
    found = part(record, section.has)
    lines = [*title(section.heading), f"Status: {found.standing}", f"Scenarios: {found.counts()}"]
    if found.left_out:
        lines.append(f"Not counted: {counted(len(found.left_out), 'scenario')} that a usual run leaves out")
    if ids := section.items(items):
        lines += ["", "The plan's items:"]
        lines += [f"   {item(record, one).standing.sign} {one}  {items[one]}" for one in ids]
    if section is EDGE_CASES:
        lines.append("")
        for case in CASES:
            lines += _case(record, case)
    else:
        lines.append("")
        features = groupby((s for s in found.scenarios if section.is_home_of(s)), lambda s: s.feature)
        for feature, scenarios in features:
            lines += heading(one_line(feature))
            for scenario in scenarios:
                lines += [*_scenario(scenario), ""]
    return [*lines, *_elsewhere(found, section), *_not_selected(found, section)]


def _others(record: RunRecord) -> list[str]:
    """Return the scenarios that stand in no chapter's folder; without any there is no chapter."""
    found = part(record, lambda carrier: not any(section.is_home_of(carrier) for section in SECTIONS))
    if not found.scenarios:
        return []
    lines = [*title("OTHER SCENARIOS"), f"Status: {found.standing}", f"Scenarios: {found.counts()}", ""]
    for scenario in found.scenarios:
        lines += [*_scenario(scenario), ""]
    return lines


def _case(record: RunRecord, case: Section) -> list[str]:
    found = part(record, case.has)
    name = next((one_line(c.feature) for c in found.carriers if case.is_home_of(c)), case.name.capitalize())
    lines = [*heading(name), f"Status: {found.standing}", f"Scenarios: {found.counts()}", ""]
    for scenario in filter(case.is_home_of, found.scenarios):
        lines += [*_scenario(scenario), ""]
    return [*lines, *_elsewhere(found, case)]


def _scenario(scenario: Scenario) -> list[str]:
    """Return a scenario with its figures and the result of each of its steps."""
    sign, word = _mark(scenario)
    lines = [f"{sign} {one_line(scenario.title)}: {word}"]
    if scenario.message:
        lines += ["   Error:" if scenario.outcome.is_red else "   Reason:", *indented(scenario.message, 5)]
    data = list(_balances(scenario.accounts))
    data += [(f"{_name(b.operation)}_median_ms", f"{b.median:g}") for b in scenario.benchmarks]
    if scenario.began:
        data.append(("duration_ms", str(scenario.milliseconds)))
    if scenario.items:
        data.append(("plan_items", ", ".join(scenario.items)))
    data.append(("place", scenario.place))
    lines += ["   Data:", *(f"     - {name}: {one_line(value)}" for name, value in data)]
    if scenario.steps:
        lines.append("   Steps:")
    for step in scenario.steps:
        took = f" ({duration(step.milliseconds)})" if step.state != "not run" else ""
        lines.append(f"     {_STEPS[step.state]} {one_line(step.text)}{took}")
    return lines


def _mark(scenario: Scenario) -> tuple[str, str]:
    if scenario.outcome is Kind.PASSED:
        return Standing.PASSED.sign, "PASSED"
    if scenario.outcome in _NOT_RUN:
        return Standing.NOT_RUN.sign, scenario.outcome.upper()
    return Standing.FAILED.sign, scenario.outcome.upper()


def _balances(accounts: Iterable[Account]) -> Iterator[tuple[str, str]]:
    """Yield the figures before and after, in the plan's names; with several owners each name has its owner."""
    rows = list(accounts)
    several = len({row.who for row in rows if row.after != _UNCHANGED}) > 1
    for row in rows:
        named = several or row.after == _UNCHANGED
        for name, value in _figures(row):
            yield (f"{name} ({one_line(row.who)})" if named else name), value


def _figures(row: Account) -> Iterator[tuple[str, str]]:
    """Yield a row of the ledger: credits before and after, of everything else what there is now."""
    name, before, after = _DATA.get(row.what, _name(row.what)), row.before, row.after
    changed = before - after if isinstance(before, int) and isinstance(after, int) else 0
    if changed and _is_money(row):
        yield f"{name}_before", str(before)
        yield f"{name}_after", str(after)
    elif (before, after) != (0, 0) or _is_money(row):
        yield f"{name}_used" if row.what == CALLS else name, "none" if after is None else str(after)
    if changed and (_is_money(row) or row.what == CALLS):
        yield f"{name}_{'deducted' if changed > 0 else 'increased'}", str(abs(changed))
    if row.differs:
        yield f"{name}_expected", str(row.expected)
        yield from ((f"{name}_in_{_name(system)}", str(value)) for system, value in row.differs.items())


def _is_money(row: Account) -> bool:
    return "credits" in row.what or "allocation" in row.what


def _name(text: str) -> str:
    """Return a text in the form of the plan's names of figures, such as "reserved_credits"."""
    return "_".join(re.findall(r"[a-z0-9.]+", text.lower().replace("'", "")))


def _elsewhere(found: Part, section: Section) -> list[str]:
    """Return one line for each scenario that belongs to a section and stands in another one."""
    others = [s for s in found.scenarios if not section.is_home_of(s)]
    if not others:
        return []
    lines = ["Shown in other chapters:"]
    for scenario in others:
        sign, word = _mark(scenario)
        lines.append(f"   {sign} {one_line(scenario.title)}: {word} ({scenario.place})")
    return [*lines, ""]


def _not_selected(found: Part, section: Section) -> list[str]:
    """Return one line for each scenario of a chapter that was not selected; none if that is the whole chapter."""
    missing = [s for s in found.not_selected if section.is_home_of(s)]
    if not missing or found.standing is Standing.NOT_RUN:
        return []
    sign = Standing.NOT_RUN.sign
    return ["Not selected:", *(f"   {sign} {one_line(s.title)}: NOT RUN ({s.place})" for s in missing), ""]


def measured(record: RunRecord, id_: str) -> list[Benchmark]:
    """Return what a run measured for a benchmark of the plan."""
    _, expected, _, limit = MEASURED[id_]
    figures = [figure for scenario in item(record, id_).scenarios for figure in scenario.benchmarks]
    return [figure for figure in figures if (figure.expected, figure.limit) == (expected, limit)]


def _performance(record: RunRecord) -> list[str]:
    """Return what was measured beside what the plan expects, and which benchmarks this run did not measure."""
    rows = [("", "Operation", "Expected", "Acceptable", "Median", "p95", "Within")]
    missing, of_the_plan = [], list[Benchmark]()
    for id_, (name, expected, fastest, limit) in MEASURED.items():
        found = measured(record, id_)
        of_the_plan += found
        missing += [] if found else [name]
        shown: list[Benchmark | None] = [*found] or [None]
        for one in shown:
            figures = (f"{expected:,} ms", f"{fastest:,}-{limit:,} ms", *_times(one))
            rows.append((_sign(item(record, id_), one), name, *figures))
    for scenario in record.scenarios:
        for benchmark in scenario.benchmarks:
            if not any(benchmark is one for one in of_the_plan):
                expects = f"{benchmark.expected:,} ms" if benchmark.expected else ""
                figures = (expects, f"up to {benchmark.limit:,} ms", *_times(benchmark))
                rows.append((_sign(Part((scenario,)), benchmark), benchmark.operation, *figures))
    lines = [*title("PERFORMANCE METRICS"), f"Status: {item(record, *MEASURED).standing}", ""]
    lines += table(rows, right=(2, 3, 4, 5, 6))
    if missing:
        lines += ["", *wrapped(f"Not measured in this run: {', '.join(missing)}.", 0)]
    return lines


def _sign(carriers: Part, benchmark: Benchmark | None) -> str:
    if benchmark is None:
        return (Standing.FAILED if carriers.standing is Standing.FAILED else Standing.NOT_RUN).sign
    return (carriers.standing if benchmark.kept else Standing.FAILED).sign


def _times(benchmark: Benchmark | None) -> tuple[str, str, str]:
    if benchmark is None:
        return "not run", "", ""
    return f"{benchmark.median:,.1f} ms", f"{benchmark.p95:,.1f} ms", f"{benchmark.within:.0%}"


def _prices(record: RunRecord) -> list[str]:
    """Return the prices that the run charged beside what the plan expects."""
    found = item(record, *PRICES)
    rows = [("", "Model", "Expected by the plan", "Charged in this run", "Shown by")]
    for id_, model in PRICES.items():
        carriers = item(record, id_)
        charged = {s.prices[model] for s in carriers.scenarios if s.outcome is Kind.PASSED and model in s.prices}
        standing = carriers.standing
        if charged - {PLAN[model]}:
            standing = Standing.FAILED
        prices = " and ".join(f"{price} credits" for price in sorted(charged))
        rows.append((standing.sign, model, f"{PLAN[model]} credits", prices or "not shown", carriers.counts()))
    return [*title("CREDIT COSTS (100 TOKENS)"), f"Status: {found.standing}", "", *table(rows)]
