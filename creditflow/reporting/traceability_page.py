"""The HTML of the page of traceability: a function of a run's record, the plan, the last runs and the faults."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from html import escape
from itertools import groupby

from creditflow.core.expect import counted
from creditflow.reporting.fault_matrix import FaultMatrix, Trial
from creditflow.reporting.item_history import ItemHistory
from creditflow.reporting.outcome import Kind
from creditflow.reporting.plan import Carrier
from creditflow.reporting.plan_items import PARTS, ItemResult, ItemVerdict
from creditflow.reporting.record import RunRecord, Scenario

PAGE = "traceability.html"
"""The file of the page, beside the Allure report."""

FEW_SCENARIOS, FEW_FAULTS, FEW_PROBLEMS = 3, 1, 20
"""How many scenarios and faults of an item, and how many problems, are always shown; the others unfold."""

_MARKS = {
    ItemVerdict.PASSED: "✓",
    ItemVerdict.FAILED: "✗",
    ItemVerdict.PARTIAL: "◐",
    ItemVerdict.NOT_RUN: "–",  # noqa: RUF001
    ItemVerdict.LATER: "…",
}
_MEANINGS = {
    ItemVerdict.PASSED: "every scenario that carries the item ran and passed",
    ItemVerdict.FAILED: "a scenario that carries the item is red; its outcome says why",
    ItemVerdict.PARTIAL: "some scenarios passed, and the others did not run",
    ItemVerdict.NOT_RUN: "no scenario that carries the item ran",
    ItemVerdict.LATER: "a usual run does not show the item",
}
_CLASSES = {verdict: verdict.value.replace(" ", "-") for verdict in ItemVerdict}


def link(item_id: str) -> str:
    """Return the address of an item on the page, as seen from the Allure report."""
    return f"{PAGE}#{item_id}"


def page(record: RunRecord, results: Sequence[ItemResult], history: ItemHistory, faults: FaultMatrix) -> str:
    """Return the page: every item in the plan's order, under the part of the plan that it belongs to.

    Args:
        record: the run.
        results: the result of the run for each item.
        history: the last runs on its target, the oldest first, with this one.
        faults: the last matrix of faults.
    """
    counts = Counter(result.verdict for result in results)
    parts = [(part, list(of_part)) for part, of_part in groupby(results, key=lambda result: result.item.part)]
    body = "\n".join(
        [
            *_head(record, counts, len(results)),
            "<main>",
            *_notes(record, history, faults),
            *_filter(counts, len(results)),
            _contents(parts),
            *_problems(record),
            *(line for part, of_part in parts for line in _part(part, of_part, history, faults)),
            *_runs(history),
            "</main>",
        ]
    )
    return f"{_BEFORE}{body}\n</body>\n</html>\n"


def _head(record: RunRecord, counts: Counter[ItemVerdict], total: int) -> Iterator[str]:
    yield "<header>"
    yield "<h1>Traceability: the test plan, item by item</h1>"
    rest = "".join(
        f", {counts[verdict]} {verdict}"
        for verdict in ItemVerdict
        if counts[verdict] and verdict is not ItemVerdict.PASSED
    )
    yield f'<p class="lead">{counts[ItemVerdict.PASSED]} of {counted(total, "item")} passed{rest}.</p>'
    yield "<dl>"
    facts = {
        "Run": f"{record.run}, ended on {_time(record.ended)} after {_duration(record)}",
        "Target": f"{record.target}{' (the sandbox)' if record.on_sandbox else ''}",
        "Suite": f"{record.suite}{f', commit {record.commit[:12]}' if record.commit else ''}",
        "Scenarios": f"{len(record.scenarios)} of {record.scenarios_in_suite} selected"
        + (f", by {' '.join(record.selection)}" if record.selection else ""),
        "Last line": f"{record.verdict} (exit status {record.exit_status})",
    }
    for name, value in facts.items():
        yield f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>"
    yield "</dl>"
    yield '<p><a href="index.html">The report of this run</a></p>'
    yield "</header>"


def _notes(record: RunRecord, history: ItemHistory, faults: FaultMatrix) -> Iterator[str]:
    """Yield what a reader has to know before reading the items."""
    yield '<ul class="notes">'
    if record.exit_status:
        yield f'<li class="red">This run is red: {_text(record.verdict)}</li>'
    if record.not_selected:
        yield (
            f"<li>This run left out {len(record.not_selected)} of {counted(record.scenarios_in_suite, 'scenario')}, so "
            "it says nothing about some items.</li>"
        )
    for problem in filter(None, (faults.problem, history.warning(), _renamed(record, faults))):
        yield f"<li>{_prose(problem)}</li>"
    if faults.ended:
        killed = sum(trial.killed for trial in faults.trials)
        yield (
            f'<li class="fact">The last matrix of faults ended on {_time(faults.ended)}: '
            f"{counted(len(faults.trials), 'fault')}, of which {killed} turned a scenario red.</li>"
        )
    yield "</ul>"


def _renamed(record: RunRecord, faults: FaultMatrix) -> str:
    """Return a sentence about scenarios of the matrix that the features do not have."""
    names = {one.name for one in record.scenarios} | {one.name for one in record.not_selected}
    unknown = {name for trial in faults.trials for name in trial.killed_by} - names
    if not unknown:
        return ""
    return (
        f"{counted(len(unknown), 'scenario')} of the matrix of faults {'has' if len(unknown) == 1 else 'have'} another "
        "name now or no longer exist: run `make faults` again."
    )


def _filter(counts: Counter[ItemVerdict], total: int) -> Iterator[str]:
    yield '<fieldset class="filter"><legend>Show</legend>'
    yield f'<label><input type="radio" name="show" id="show-all" autocomplete="off" checked> all {total}</label>'
    for verdict in ItemVerdict:
        if counts[verdict]:
            name = _CLASSES[verdict]
            yield (
                f'<label title="{_MEANINGS[verdict]}"><input type="radio" name="show" id="show-{name}" '
                f'autocomplete="off"> '
                f"{_badge(verdict)} {counts[verdict]}</label>"
            )
    yield "</fieldset>"
    yield '<details class="meanings"><summary>What the marks mean</summary><dl>'
    for verdict in ItemVerdict:
        yield f"<div><dt>{_badge(verdict)}</dt><dd>{_MEANINGS[verdict]}</dd></div>"
    yield (
        "<div><dt>⚡</dt><dd>a deliberate fault; it turns an item red if a scenario of the item noticed it</dd></div>"
        "<div><dt>row of marks</dt><dd>the last runs on this target, the oldest first, this run last</dd></div>"
    )
    yield "</dl></details>"


def _contents(parts: Iterable[tuple[str, Sequence[ItemResult]]]) -> str:
    entries = "".join(
        f'<li><a href="#part-{part}">{_text(PARTS.get(part, part))}</a> '
        f'<span class="count">{_passed_of(of_part)}</span></li>'
        for part, of_part in parts
    )
    return f'<nav aria-label="Parts of the plan"><ol>{entries}</ol></nav>'


def _problems(record: RunRecord) -> Iterator[str]:
    """Yield the scenarios that are red and the problems outside of scenarios, each with its message."""
    red = [scenario for scenario in record.scenarios if scenario.outcome.is_red]
    if not red and not record.outside:
        return
    entries = [
        f"<li><b>{_text(problem.where)}</b>, {problem.outcome}{_message(problem.message)}</li>"
        for problem in record.outside
    ]
    for scenario in red:
        carried = " ".join(f'<a href="#{_text(item)}">{_text(item)}</a>' for item in scenario.items)
        entries.append(
            f'<li id="scenario-{_text(scenario.uuid)}"><b>{_text(scenario.title)}</b>, {scenario.outcome} '
            f"<code>{_text(scenario.place)}</code>{_message(scenario.message)}"
            f"{f'<p>Items: {carried}</p>' if carried else ''}</li>"
        )
    yield f'<section id="problems"><h2>Not passed in this run <span class="count">{len(entries)}</span></h2>'
    yield from _some("problems", entries, FEW_PROBLEMS)
    yield "</section>"


def _part(part: str, results: Sequence[ItemResult], history: ItemHistory, faults: FaultMatrix) -> Iterator[str]:
    classes = " ".join(sorted({_CLASSES[result.verdict] for result in results}))
    yield f'<section class="part {classes}" id="part-{part}"><h2>{_text(PARTS.get(part, part))} '
    yield f'<span class="count">{_passed_of(results)}</span></h2><ol class="items">'
    for result in results:
        yield from _item(result, history, faults)
    yield "</ol></section>"


def _item(result: ItemResult, history: ItemHistory, faults: FaultMatrix) -> Iterator[str]:
    item, verdict = result.item, result.verdict
    yield f'<li class="item {_CLASSES[verdict]}" id="{_text(item.id)}">'
    yield f'<h3><a href="#{_text(item.id)}">{_text(item.id)}</a> {_text(item.says)}</h3>'
    yield f'<p class="state">{_badge(verdict)} <span>{_text(_why(result))}</span></p>'
    yield f'<p class="past">{_past(item.id, history)}</p>'
    yield '<div class="shown">'
    carriers = [(_rank(scenario, result), scenario) for scenario in result.part.carriers]
    worst_first = sorted(carriers, key=lambda ranked: ranked[0])
    yield from _some("scenarios", [_scenario(*ranked) for ranked in worst_first], FEW_SCENARIOS)
    yield from _some("faults", list(_faults(result, faults)), FEW_FAULTS)
    yield "</div></li>"


def _why(result: ItemResult) -> str:
    """Return what the verdict is based on."""
    if result.verdict is ItemVerdict.LATER:
        return f"waits for {result.waits_for}"
    return result.part.counts() if result.part.carriers else "no scenario carries it"


class _Rank(IntEnum):
    """How a scenario of an item is shown, the worst first."""

    RED = 0
    OPEN = 1
    GREEN = 2
    LEFT_OUT = 3


_SCENARIO_MARKS = {_Rank.RED: "✗", _Rank.OPEN: "–", _Rank.GREEN: "✓", _Rank.LEFT_OUT: "–"}  # noqa: RUF001


def _rank(scenario: Carrier, result: ItemResult) -> _Rank:
    if scenario in result.part.left_out:
        return _Rank.LEFT_OUT
    if not isinstance(scenario, Scenario):
        return _Rank.OPEN
    if scenario.outcome is Kind.PASSED:
        return _Rank.GREEN
    return _Rank.RED if scenario.outcome.is_red else _Rank.OPEN


def _scenario(rank: _Rank, scenario: Carrier) -> str:
    words = scenario.outcome.value if isinstance(scenario, Scenario) else "not selected"
    if rank is _Rank.LEFT_OUT:
        words = "left out of a usual run"
    if isinstance(scenario, Scenario) and rank is _Rank.RED:
        words = f'<a href="#scenario-{_text(scenario.uuid)}">{words}</a>'
    return (
        f'<li class="{rank.name.lower()}"><span class="mark" aria-hidden="true">{_SCENARIO_MARKS[rank]}</span>'
        f'<span>{_text(scenario.title)} <span class="outcome">{words}</span> '
        f"<code>{_text(scenario.place)}</code></span></li>"
    )


def _faults(result: ItemResult, faults: FaultMatrix) -> Iterator[str]:
    """Yield the faults that turned a scenario of the item red, then those that name the item and did not."""
    names = {scenario.name for scenario in result.part.carriers}
    turned = [trial for trial in faults.trials if trial.killed and names & set(trial.killed_by)]
    turned.sort(key=lambda trial: result.item.id not in trial.breaks)
    named = [trial for trial in faults.trials if trial not in turned and result.item.id in trial.breaks]
    yield from (_fault(trial, "turns it red") for trial in turned)
    yield from (
        _fault(trial, "names it, but a scenario of another item turned red first")
        if trial.killed
        else _fault(trial, f"survived ({_text(trial.verdict.partition(': ')[2] or 'no reason given')})", "survived")
        for trial in named
    )
    if faults.trials and not turned and not named:
        yield _with_flash("No fault of the last matrix turns it red.")


def _fault(trial: Trial, what: str, kind: str = "killed") -> str:
    return _with_flash(f"<code>{_text(trial.fault)}</code> {what}: {_prose(trial.harm)}", kind)


def _with_flash(markup: str, kind: str = "none") -> str:
    return f'<li class="{kind}"><span class="mark" aria-hidden="true">⚡</span><span>{markup}</span></li>'


def _some(kind: str, entries: Sequence[str], few: int) -> Iterator[str]:
    """Yield a list; what is more than a few entries unfolds."""
    if not entries:
        return
    shown = len(entries) if len(entries) <= few + 1 else few
    yield f'<ul class="{kind}">{"".join(entries[:shown])}</ul>'
    if rest := entries[shown:]:
        yield (
            f'<details class="{kind}"><summary>{len(rest)} more {kind}</summary>'
            f'<ul class="{kind}">{"".join(rest)}</ul></details>'
        )


def _past(item_id: str, history: ItemHistory) -> str:
    """Return a mark for each of the last runs, and the same in words."""
    verdicts = [run.items.get(item_id) for run in history.runs]
    words = ", ".join(verdict.value if verdict else "no such item" for verdict in verdicts)
    marks = "".join(
        f'<span class="{_CLASSES[verdict]}">{_MARKS[verdict]}</span>' if verdict else "<span>·</span>"
        for verdict in verdicts
    )
    label = f"Last {counted(len(verdicts), 'run')}, oldest first: {words}"
    return f'<span class="marks" role="img" aria-label="{label}" title="{label}">{marks}</span>'


def _runs(history: ItemHistory) -> Iterator[str]:
    yield f'<section id="runs"><h2>The last {counted(len(history.runs), "run")}, oldest first</h2><ol>'
    for run in history.runs:
        counts = Counter(run.items.values())
        verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ItemVerdict if counts[verdict])
        yield f"<li>{_text(run.run)}, {_time(run.ended)}: {_text(run.last_line)} Items: {verdicts}.</li>"
    yield "</ol></section>"


def _badge(verdict: ItemVerdict) -> str:
    return f'<span class="badge {_CLASSES[verdict]}"><span aria-hidden="true">{_MARKS[verdict]}</span> {verdict}</span>'


def _passed_of(results: Sequence[ItemResult]) -> str:
    return f"{sum(result.verdict is ItemVerdict.PASSED for result in results)} of {len(results)}"


def _message(message: str) -> str:
    return f"<pre>{_text(message)}</pre>" if message else ""


def _duration(record: RunRecord) -> str:
    minutes, seconds = divmod(round((record.ended - record.began).total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def _text(text: str) -> str:
    return escape(text)


def _prose(text: str) -> str:
    """Return a text in which `words` between backticks are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


_STYLE = """
:root { color-scheme: light; --line: #c9ced6; --quiet: #4a5361; }
* { box-sizing: border-box; }
body { font: 16px/1.45 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; color: #16191d; background: #fff;
  max-width: 76rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: .2rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-bottom: .3rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1rem; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
h3 a { font: 600 .85rem ui-monospace, "Liberation Mono", monospace; margin-right: .4rem; }
a { color: #0b4f9e; }
a:focus-visible, input:focus-visible, summary:focus-visible { outline: 3px solid #0b4f9e; outline-offset: 2px; }
code { font: .82rem ui-monospace, "Liberation Mono", monospace; color: var(--quiet); overflow-wrap: anywhere; }
pre { font: .85rem/1.4 ui-monospace, "Liberation Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  background: #f4f5f7; border-left: 4px solid #8f1109; padding: .5rem .7rem; margin: .4rem 0; }
ul, ol, dl { padding: 0; margin: .4rem 0; list-style: none; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
header dl div { display: grid; grid-template-columns: 6.5rem 1fr; }
.lead { font-size: 1.15rem; margin: .2rem 0 .6rem; }
.notes li { border-left: 4px solid #7a3e00; background: #fdf6ea; padding: .4rem .7rem; margin: .35rem 0;
  overflow-wrap: anywhere; }
.notes .red { border-color: #8f1109; background: #fdecea; font-weight: 600; }
.notes .fact { border-color: var(--line); background: #f4f5f7; }
.filter { border: 1px solid var(--line); border-radius: .4rem; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem;
  padding: .5rem .8rem; margin: 1rem 0 .5rem; }
.filter label { white-space: nowrap; cursor: pointer; }
.meanings { font-size: .9rem; }
.meanings div { display: grid; grid-template-columns: 7rem 1fr; margin: .2rem 0; }
nav ol { columns: 19rem; font-size: .95rem; margin: 1rem 0; }
.count { white-space: nowrap; font-weight: 400; font-size: .95rem; color: var(--quiet); }
.badge { display: inline-block; border-radius: .3rem; padding: 0 .45rem; font-size: .85rem; white-space: nowrap; }
.badge.passed, .marks .passed { background: #dff2e3; color: #0b4d1a; }
.badge.failed, .marks .failed { background: #8f1109; color: #fff; }
.badge.partial, .marks .partial { background: #fff1b8; color: #4d3d00; }
.badge.not-run, .marks .not-run { background: #e8eaed; color: #3d444e; }
.badge.for-later, .marks .for-later { background: #e1e9f8; color: #1c3a73; }
.item { display: grid; grid-template-columns: 1fr 17rem; gap: .1rem 1.2rem; padding: .6rem .4rem;
  border-bottom: 1px solid var(--line); break-inside: avoid; }
.item p { margin: 0; }
.item:target { background: #fff9d6; outline: 2px solid #7a3e00; }
.state { font-size: .85rem; color: var(--quiet); grid-column: 2; grid-row: 1; }
.past { grid-column: 2; grid-row: 2; }
.shown { grid-column: 1; grid-row: 2; font-size: .9rem; }
.shown ul { margin: .15rem 0; }
.shown li { display: grid; grid-template-columns: 1.4rem 1fr; }
.faults { color: var(--quiet); }
.survived { font-weight: 600; }
.green .mark { color: #0b4d1a; }
.red .mark, .red .outcome { color: #8f1109; font-weight: 600; }
.green .outcome { display: none; }
.outcome { font-size: .82rem; color: var(--quiet); }
.marks { display: inline-flex; gap: 2px; }
.marks span:last-child { outline: 1.5px solid #4a5361; }
.marks span { width: 1.35rem; line-height: 1.35rem; text-align: center; font-size: .8rem; border-radius: .2rem; }
summary { cursor: pointer; color: #0b4f9e; width: fit-content; }
#problems li, #runs li { margin: .5rem 0; overflow-wrap: anywhere; }
@media (max-width: 46rem) {
  .item { display: block; }
  .item p, .shown { margin-top: .25rem; }
}
@media print {
  body { max-width: none; font-size: 10pt; padding: 0; }
  .filter, nav { display: none; }
  a { color: inherit; text-decoration: none; }
  * { print-color-adjust: exact; }
  .scenarios::details-content, .problems::details-content { content-visibility: visible; block-size: auto; }
  .meanings { display: none; }
  summary { list-style: none; }
}
"""


def _filter_style() -> str:
    rules = (
        f"body:has(#show-{name}:checked) .item:not(.{name}), body:has(#show-{name}:checked) .part:not(.{name}) "
        "{ display: none; }"
        for name in _CLASSES.values()
    )
    return "\n".join([*rules, "body:not(:has(#show-all:checked)) :is(nav, #problems, #runs) { display: none; }"])


_BEFORE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Traceability: credit flow acceptance</title>
<style>{_STYLE}{_filter_style()}
</style>
</head>
<body>
"""
