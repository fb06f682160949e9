"""Adds texts, tables and pictures to the report. Everything passes the redactor.

In a scenario a table goes to its page and anything else to the current step; outside of scenarios all go to the run as
a whole. Without an Allure formatter they are ignored. None of them makes a scenario fail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import allure
from allure import attachment_type

from creditflow.core.redaction import redactor
from creditflow.reporting import scenario_page
from creditflow.reporting.size_limits import TEXT, shortened


def attach_text(name: str, text: str) -> None:
    """Attach a text; the report shows the beginning and the end of a long one."""
    allure.attach(shortened(text, TEXT), name=redactor.clean(name), attachment_type=attachment_type.TEXT)


def attach_table(
    name: str, headers: Sequence[str], rows: Iterable[Sequence[object]], marked: Collection[int] = ()
) -> None:
    """Show a table on the scenario's page, below its description, so that nobody has to open it.

    Args:
        name: the title.
        headers: the column headings.
        rows: the cells; integers get thousands separators, None is an empty cell.
        marked: the indexes of the highlighted rows, such as those that differ.
    """
    table = redactor.clean(scenario_page.table(name, headers, rows, marked))
    allure.dynamic.description_html(table)  # type: ignore[no-untyped-call]  # the library is typed only in part


def attach_page(name: str, page: str) -> None:
    """Attach a page in HTML that another tool wrote."""
    allure.attach(redactor.clean(page), name=redactor.clean(name), attachment_type=attachment_type.HTML)


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
