"""Parts that the text reports share: chapters, moments, durations, and texts on several lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from creditflow.core.expect import counted
from creditflow.reporting.record import RunRecord

WIDTH = 80
"""Characters of a line, where the text can be wrapped."""

LONGEST = 220
"""Characters of a message where a report for one screen quotes it."""


def title(text: str) -> list[str]:
    """Return the lines of a heading of the first level."""
    return ["=" * WIDTH, text, "=" * WIDTH]


def heading(text: str) -> list[str]:
    """Return the lines of a heading of the second level."""
    return [text, "-" * WIDTH]


def facts(record: RunRecord) -> list[tuple[str, str]]:
    """Return the facts that every report of a run begins with, by name."""
    keycloak = next((service.address for service in record.services if service.name == "Keycloak"), "")
    deployment = "the sandbox of this suite, not a deployment" if record.on_sandbox else "a deployment"
    chosen = f" ({one_line(', '.join(record.selection))})" if record.selection else ""
    return [
        ("Generated", moment(record.ended)),
        ("API Base URL", record.target or "not known"),
        ("Keycloak URL", keycloak or "not known"),
        ("Target", deployment if record.target else "not known, because the run could not begin"),
        ("Run", f"{record.run}, begun {moment(record.began)}"),
        ("Suite", f"version {record.suite}, commit {record.commit or 'not known'}"),
        ("Selected", f"{len(record.scenarios):,} of {counted(record.scenarios_in_suite, 'scenario')}{chosen}"),
    ]


def moment(at: datetime) -> str:
    """Return a moment in UTC: 2025-11-15T10:30:00Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(milliseconds: float) -> str:
    """Return a duration as people read it: 412 ms, 12.3 s, 5 min 3 s."""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1_000), 60)
    return f"{minutes:,} min {seconds} s"


def one_line(text: str) -> str:
    """Return a text without line breaks, so that it can't be mistaken for several lines of a report."""
    return " ".join(text.split())


def shortened(text: str) -> str:
    """Return a text in one line of `LONGEST` characters at most, which ends with a mark if something is left out."""
    return textwrap.shorten(text, LONGEST, placeholder=" …")


def indented(text: str, by: int) -> list[str]:
    """Return the lines of a text, each with an indentation of some characters."""
    return [" " * by + line for line in text.splitlines() if line.strip()]


def wrapped(text: str, by: int, bullet: str = "") -> list[str]:
    """Return a sentence as lines of `WIDTH` characters with an indentation, and a bullet before the first line."""
    return textwrap.wrap(
        one_line(text),
        WIDTH,
        initial_indent=" " * by + bullet,
        subsequent_indent=" " * (by + len(bullet)),
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Return the lines of a table without borders.

    Args:
        rows: the cells, those of the head first.
        right: the columns that are aligned at their right end.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    ends = set(right)
    return [
        "  ".join(
            c.rjust(w) if at in ends else c.ljust(w) for at, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def joined(lines: Iterable[str]) -> str:
    """Return lines as a text that ends with a line break."""
    return "\n".join(lines).rstrip() + "\n"
