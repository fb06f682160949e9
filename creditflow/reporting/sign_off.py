"""The sign-off sheet of a run: the plan's checklists, each line with what the run shows (plan items SO1 to SO3).

A line is done only where the run shows it. What only people can say stays open. A run that is red, or that left out
a scenario, can't be approved: its sheet says so in place of the lines for the signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from creditflow.core.expect import counted
from creditflow.reporting.plain_text import facts, heading, joined, one_line, shortened, title, wrapped
from creditflow.reporting.plan import (
    BYOK,
    EDGE_CASES,
    INDIVIDUAL,
    ORGANIZATION,
    Part,
    Standing,
    item,
    part,
    standing_of_run,
    whole,
)
from creditflow.reporting.record import RunRecord
from creditflow.reporting.text_report import MEASURED, NAME, measured
from creditflow.reporting.text_summary import name as summary_name

TEXT = "credit_flow_sign_off.txt"
PAGE = "credit_flow_sign_off.html"
"""The names of the sheet as text, and as a page to print."""

SIGNATURE = ("Approved by", "Date", "Signature")
"""The lines that a person fills in."""

_WARNING = "The run tested the sandbox of this suite, so a signature says nothing about a deployment."
_MUST = tuple(f"A{number}" for number in range(1, 8))
_SHOULD = tuple(f"A{number}" for number in range(8, 12))
_CRITICAL = {"blocker", "critical"}
_HIGH_RISKS = ("R1", "R2", "R3")
"""The plan's risks that are called HIGH or CRITICAL."""


@dataclass(frozen=True)
class Line:
    """A line of a checklist: what has to be true, whether the run shows it, and the evidence or what is missing."""

    text: str
    done: bool
    evidence: str


@dataclass(frozen=True)
class Sheet:
    """The sheet.

    Attributes:
        facts: the facts about the run, by name.
        checklists: the lines of each checklist, by its title.
        refusal: why the run can't be approved; empty if it can.
        warning: what a signature would not say; empty if there is nothing.
    """

    facts: tuple[tuple[str, str], ...]
    checklists: Mapping[str, tuple[Line, ...]]
    refusal: str
    warning: str

    @property
    def open(self) -> list[str]:
        """The lines that are not done."""
        return [line.text for lines in self.checklists.values() for line in lines if not line.done]


def sheet(record: RunRecord, items: Mapping[str, str]) -> Sheet:
    """Return the sheet of a run.

    Args:
        record: the run.
        items: what each item of the plan says, by its id.
    """
    return Sheet(
        (
            *facts(record),
            ("Verdict", f"{standing_of_run(record)}: {shortened(record.verdict)}"),
            ("Evidence", f"{NAME} has each scenario, by chapter"),
        ),
        {
            "Test Execution": tuple(_execution(record, items)),
            "Test Results": tuple(_results(record)),
            "Must Pass": tuple(_criterion(record, items, one) for one in _MUST),
            "Should Pass": tuple(_criterion(record, items, one) for one in _SHOULD),
            "Deployment Approval": tuple(_approval(record)),
        },
        _refusal(record),
        _WARNING if record.on_sandbox else "",
    )


def as_text(found: Sheet) -> str:
    """Return the sheet as text."""
    lines = [*title("CREDIT FLOW SIGN-OFF"), ""]
    if found.refusal:
        lines += [*wrapped(found.refusal, 0), ""]
    lines += [f"{name}: {fact}" for name, fact in found.facts]
    for name, checklist in found.checklists.items():
        lines += ["", *heading(name)]
        for line in checklist:
            lines += [f"- [{'x' if line.done else ' '}] {line.text}", *wrapped(line.evidence, 6)]
    lines += ["", "-" * 80]
    if found.refusal:
        lines += wrapped(found.refusal, 0)
    else:
        lines += [*wrapped(_before_signing(found), 0), *(f"\n{name}: ___________________" for name in SIGNATURE)]
    return joined(lines)


def as_page(found: Sheet) -> str:
    """Return the sheet as a page for A4 paper, black on white, which loads nothing."""
    banner = f'<p class="refusal">{escape(found.refusal)}</p>' if found.refusal else ""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in found.facts)
    lists = "".join(_table(name, lines) for name, lines in found.checklists.items())
    end = banner or f"<p>{escape(_before_signing(found))}</p>" + "".join(
        f'<p class="line"><b>{name}</b><span></span></p>' for name in SIGNATURE
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>Credit flow sign-off</title><style>{_STYLE}</style></head><body><main><h1>Credit flow sign-off</h1>"
        f'{banner}<table class="facts">{rows}</table>{lists}<section class="end">{end}</section></main></body></html>\n'
    )


_STYLE = (
    "@page{size:A4;margin:14mm 16mm}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:#fff;color:#000;font:9.5pt/1.3 'Liberation Sans',Arial,sans-serif}"
    "main{max-width:178mm;margin:0 auto;padding:4mm}"
    "h1{font-size:16pt;margin:0 0 3mm}h2{font-size:11pt;margin:4mm 0 1mm;border-bottom:.3mm solid #000}"
    "table{width:100%;border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.6mm 1.5mm}"
    ".facts th{width:30mm;font-weight:normal;color:#333}"
    ".list td{border-bottom:.1mm solid #999;overflow-wrap:anywhere}"
    ".list td:nth-child(1){width:8mm;font-family:monospace;white-space:pre}.list td:nth-child(2){width:62mm}"
    ".refusal{border:.8mm solid #000;padding:2mm 3mm;font-size:12pt;font-weight:bold;margin:2mm 0}"
    ".line{display:flex;gap:3mm;align-items:flex-end;margin:7mm 0 0}.line b{width:30mm}"
    ".line span{flex:1;border-bottom:.3mm solid #000}"
    "tr,.end{break-inside:avoid}h2{break-after:avoid}"
    "@media print{main{max-width:none;padding:0}}"
)


def _table(name: str, lines: Iterable[Line]) -> str:
    rows = "".join(
        f"<tr><td>[{'x' if line.done else ' '}]</td><td>{escape(line.text)}</td><td>{escape(line.evidence)}</td></tr>"
        for line in lines
    )
    return f'<h2>{escape(name)}</h2><table class="list">{rows}</table>'


def _execution(record: RunRecord, items: Mapping[str, str]) -> Iterable[Line]:
    prerequisites = item(record, *(one for one in items if ".P" in one), "X3", "X4")
    yield _shown(prerequisites, "All prerequisites verified", "F1.P1 to F3.P4, services X3, tables X4")
    missing = [f"{service.name} is {service.state}" for service in record.services if service.state != "up"]
    missing += map(one_line, record.not_testable)
    if not record.services:
        missing = ["the run recorded no service"]
    up = f"{counted(len(record.services), 'service')} up when the run began."
    yield Line("Test environment configured", not missing, f"Open: {'; '.join(missing)}." if missing else up)
    yield _shown(item(record, "X5", "F1.P1", "F2.P1", "F3.P1"), "Test users created", "X5, F1.P1, F2.P1, F3.P1")
    standing = standing_of_run(record)
    yield Line(
        "Tests executed successfully",
        standing is Standing.PASSED,
        _sentence(standing, f"{whole(record).counts()}; {_compared(record)}"),
    )
    yield Line("Reports generated", True, f"{NAME}, {summary_name(record)}.")


def _results(record: RunRecord) -> Iterable[Line]:
    sections = {
        "Individual flow": INDIVIDUAL,
        "Organization flow": ORGANIZATION,
        "BYOK flow": BYOK,
        "Edge cases": EDGE_CASES,
    }
    for name, section in sections.items():
        found = part(record, section.has)
        yield _shown(found, f"{name}: {found.standing}", f"chapter {section.heading}")
    benchmarks = item(record, *MEASURED)
    figures = [f"{MEASURED[id_][0]} {b.p95:,.0f} of {b.limit:,} ms" for id_ in MEASURED for b in measured(record, id_)]
    measurements = f"p95: {', '.join(figures)}" if figures else "nothing was measured"
    yield _shown(benchmarks, "Performance benchmarks met", measurements)


def _approval(record: RunRecord) -> Iterable[Line]:
    critical = part(record, lambda carrier: not _CRITICAL.isdisjoint(carrier.tags))
    yield _shown(critical, "All critical tests passed", "@critical or @blocker")
    yield _shown(item(record, *_HIGH_RISKS), "No high-risk issues identified", f"risks {', '.join(_HIGH_RISKS)}")
    yield Line("Documentation updated", False, "Open: the team has to say this.")
    yield Line("Team reviewed and approved", False, "Open: the team has to say this.")


def _criterion(record: RunRecord, items: Mapping[str, str], one: str) -> Line:
    return _shown(item(record, one), f"{one}: {items.get(one, 'is no item of this plan')}", f"@{one}")


def _shown(found: Part, text: str, of: str) -> Line:
    """Return a line that is done if all scenarios of a part passed; a red part names its first red scenario."""
    red = [f"{one_line(s.title)} ({s.place})" for s in found.scenarios if s.outcome.is_red]
    first = f"; first: {red[0]}" if red else ""
    return Line(text, found.standing is Standing.PASSED, _sentence(found.standing, f"{found.counts()} ({of}){first}"))


def _sentence(standing: Standing, text: str) -> str:
    return f"{text}." if standing is Standing.PASSED else f"Open, {standing.lower()}: {text}."


def _compared(record: RunRecord) -> str:
    """Return how many accounts were compared with the ledger, and how many differ."""
    rows = [row for scenario in record.scenarios for row in scenario.accounts if row.systems]
    differ = sum(bool(row.differs) for row in rows)
    if not rows:
        return "no account was compared with the ledger"
    return f"{counted(len(rows), 'account')} compared with the ledger, {differ or 'none'} of them wrong"


def _refusal(record: RunRecord) -> str:
    standing, found = standing_of_run(record), whole(record)
    if standing is Standing.PASSED:
        return ""
    if standing is Standing.FAILED:
        red = [one_line(s.title) for s in record.scenarios if s.outcome.is_red]
        red += [one_line(problem.where) for problem in record.outside]
        names = "; ".join(red[:3]) + (f"; and {len(red) - 3:,} more" if len(red) > 3 else "")
        return f"Not for approval: the run failed ({shortened(record.verdict)}): {names}".rstrip(" .:") + "."
    chosen = f" ({one_line(', '.join(record.selection))})" if record.selection else ""
    return f"Not for approval: only a part of the plan was run{chosen}: {found.counts()}."


def _before_signing(found: Sheet) -> str:
    settle = f"Before signing, settle the {counted(len(found.open), 'open line')}: {'; '.join(found.open)}."
    return f"{settle} {found.warning}".strip()
