"""Attaches texts, tables and values to the report. Everything passes the redactor.

In a scenario an attachment goes to the current step, elsewhere to the run as a whole. Without an Allure formatter it
is ignored. An attachment never makes a scenario fail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import allure
from allure import attachment_type

from creditflow.core.redaction import redactor

_STYLE = (
    "body{font:14px/1.4 sans-serif;color:#222;background:#fff;margin:8px}"
    "table{border-collapse:collapse}"
    "th,td{border:1px solid #ccc;padding:4px 10px;text-align:left;vertical-align:top}"
    "td.number{text-align:right;font-variant-numeric:tabular-nums}"
    "th{background:#f2f2f2}tr.marked td{background:#fde8e8;font-weight:600}"
)


def attach_text(name: str, text: str) -> None:
    """Attach a text."""
    _attach(name, text, attachment_type.TEXT)


def attach_table(
    name: str, headers: Sequence[str], rows: Iterable[Sequence[object]], marked: Collection[int] = ()
) -> None:
    """Attach a table.

    Args:
        name: the title of the attachment.
        headers: the column headings.
        rows: the cells; integers get thousands separators, None is an empty cell.
        marked: the indexes of the highlighted rows, such as those that differ.
    """
    head = "".join(f"<th>{escape(str(header))}</th>" for header in headers)
    body = "".join(_row(row, index in marked) for index, row in enumerate(rows))
    page = (
        f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    _attach(name, page, attachment_type.HTML)


def attach_page(name: str, page: str) -> None:
    """Attach a page in HTML that another tool wrote."""
    _attach(name, page, attachment_type.HTML)


def attach_picture(name: str, svg: bytes) -> None:
    """Attach a picture; it is drawn from figures and contains no secret."""
    allure.attach(svg, name=redactor.clean(name), attachment_type=attachment_type.SVG)


@contextmanager
def section(title: str) -> Iterator[None]:
    """Group the attachments of this block under a title, in a step or in a hook of the scenario.

    An exception in the block is raised unchanged; the report then shows the section as failed, with the message.
    """
    with allure.step(redactor.clean(title)):
        yield


def _row(row: Sequence[object], marked: bool) -> str:
    return f"<tr{' class=marked' if marked else ''}>{''.join(map(_cell, row))}</tr>"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape('' if value is None else str(value))}</td>"


def _attach(name: str, body: str, kind: Any) -> None:
    allure.attach(redactor.clean(body), name=redactor.clean(name), attachment_type=kind)
