"""What a scenario shows to the reader of the report: texts, tables and values, through the redactor.

Inside of a scenario an attachment goes to the step that is running, outside to the run as a whole; without
an Allure formatter it goes nowhere. Attaching never fails a scenario.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import allure
from allure import attachment_type

from creditflow.core.redaction import redactor
from creditflow.reporting.environment import environment

__all__ = ["attach_json", "attach_table", "attach_text", "describe_target", "section"]

_STYLE = (
    "body{font:14px/1.4 sans-serif;color:#222;background:#fff;margin:8px}"
    "table{border-collapse:collapse}"
    "th,td{border:1px solid #ccc;padding:4px 10px;text-align:left;vertical-align:top}"
    "td.number{text-align:right;font-variant-numeric:tabular-nums}"
    "th{background:#f2f2f2}tr.marked td{background:#fde8e8;font-weight:600}"
)


def attach_text(name: str, text: str) -> None:
    """Show a text as it is, but for the secrets in it."""
    _attach(name, text, attachment_type.TEXT)


def attach_json(name: str, value: Any) -> None:
    """Show a value as indented JSON; what JSON does not know is written as text."""
    cleaned = redactor.clean_value(value)
    _attach(name, json.dumps(cleaned, indent=2, ensure_ascii=False, default=str), attachment_type.JSON)


def attach_table(
    name: str, headers: Sequence[str], rows: Iterable[Sequence[object]], marked: Collection[int] = ()
) -> None:
    """Show a table that a product owner reads.

    Args:
        name: what the table says.
        headers: the columns.
        rows: their values; whole numbers are written with thousands separators, None as nothing.
        marked: the rows, counted from 0, that stand out, such as those that differ.
    """
    head = "".join(f"<th>{escape(str(header))}</th>" for header in headers)
    body = "".join(_row(row, index in marked) for index, row in enumerate(rows))
    page = (
        f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    _attach(name, page, attachment_type.HTML)


@contextmanager
def section(title: str) -> Iterator[None]:
    """Gather what is attached within under a title of its own, in a step or in a hook of the scenario.

    Whatever the body raises is raised; the section is then shown as failed, with the message.
    """
    with allure.step(redactor.clean(title)):
        yield


def describe_target(facts: Mapping[str, str]) -> None:
    """Tell the report's first page about the target: by system, its address and version, no secrets."""
    environment.tell(facts)


def _row(row: Sequence[object], marked: bool) -> str:
    return f"<tr{' class=marked' if marked else ''}>{''.join(map(_cell, row))}</tr>"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape('' if value is None else str(value))}</td>"


def _attach(name: str, body: str, kind: Any) -> None:
    allure.attach(redactor.clean(body), name=redactor.clean(name), attachment_type=kind)
