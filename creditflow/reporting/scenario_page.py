"""What a scenario's page in the report shows beside its steps: texts of the feature, tables, and links."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from allure_commons.model2 import Link
from behave.configuration import Configuration
from behave.model import Feature, Rule, Scenario

from creditflow.reporting import plan_files
from creditflow.reporting.outcome import lineage, place, tags_of

TRACEABILITY = "traceability.html"
"""The page of the plan's items, in the folder of the report."""

MOST_ROWS = 200
"""How many rows of a table the page shows."""

SHORT = 24
"""Characters of a text that stays on one line of a table."""

_TABLE = ' style="display:table;width:100%;font-size:13px"'
_LONG = ' style="min-width:7em;white-space:normal;overflow-wrap:anywhere"'
_NUMBER = ' style="text-align:right;white-space:nowrap"'
_MARKED = ' style="background:#d1242f26;font-weight:700"'
# Allure removes style sheets from descriptions, but not the styles of elements. Its own let no text wrap in tables.


def plan_items(config: Configuration) -> dict[str, str]:
    """Return the items of the plan beside the features of a run."""
    return plan_files.items(Path(config.base_dir or ".").parent / plan_files.FOLDER.name)


def description(scenario: Scenario) -> str:
    """Return the title and text of the feature and the rule, and the text of the scenario, as HTML."""
    parts = []
    for part in lineage(scenario):
        if isinstance(part, Feature | Rule):
            parts.append(f"<h4>{escape(f'{part.keyword}: {part.name}')}</h4>")
        if text := " ".join(part.description):
            parts.append(f"<p>{escape(text)}</p>")
    return "".join(dict.fromkeys(parts))


def problems(message: str) -> str:
    """Return the sentences of a message as a list in HTML: what was found, what was recorded, and the hints."""
    lines = [part.strip() for line in message.splitlines() for part in line.split("; ") if part.strip()]
    parts = "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines))
    return f"<h4>What is wrong</h4><ul>{parts}</ul>"


def table(name: str, headers: Sequence[str], rows: Iterable[Sequence[object]], marked: Collection[int] = ()) -> str:
    """Return a titled table as HTML; see :func:`creditflow.reporting.evidence.attach_table`."""
    cells = [(index in marked, row) for index, row in enumerate(rows)]
    left_out = len(cells) - MOST_ROWS
    shown = sorted(cells, key=lambda row: not row[0])[:MOST_ROWS] if left_out > 0 else cells
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join(f"<tr{_MARKED if mark else ''}>{''.join(map(_cell, row))}</tr>" for mark, row in shown)
    more = f"<p>The table has {len(cells):,} rows; {left_out:,} of them are left out here.</p>" if left_out > 0 else ""
    whole = f"<table{_TABLE}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    region = f'<div role="region" aria-label="{escape(name)}" tabindex="0" style="overflow-x:auto">{whole}</div>'
    return f"<h4>{escape(name)}</h4>{region}{more}"


def alone(part: str) -> str:
    """Return a part of a page as a page of its own, for an attachment."""
    style = "body{font:14px/1.4 sans-serif;color:#222;background:#fff}th,td{border:1px solid #888;padding:4px}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Table</title><style>{style}</style>'
    return head + part


def links(scenario: Scenario, items: Mapping[str, str], pages: Path) -> list[Link]:
    """Return links to the scenario's line in its feature, and to its items of the plan.

    Args:
        scenario: the scenario.
        items: what each item says, by its id.
        pages: the folder of the report, which the addresses are relative to.
    """
    found = [Link(type="link", url=_address(scenario, pages), name=place(scenario))]
    return found + [
        Link(type="tms", url=f"{TRACEABILITY}#{tag}", name=f"{tag} {items[tag]}")
        for tag in tags_of(scenario)
        if tag in items
    ]


def _address(scenario: Scenario, pages: Path) -> str:
    """Return the address of the scenario's line: in the repository if GitHub runs this, else of the local file."""
    server, repository, commit = (os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "SHA"))
    if server and repository and commit:
        return f"{server}/{repository}/blob/{commit}/{scenario.filename}#L{scenario.line}"
    return Path(os.path.relpath(scenario.filename, pages)).as_posix()


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<td{_NUMBER}>{value:,}</td>"
    text = "" if value is None else str(value)
    return f"<td{_LONG if len(text) > SHORT else ''}>{escape(text)}</td>"
