"""Which billing period a day lies in."""

from datetime import date

import pytest

from sandbox.lago.periods import INTERVALS, period_of


@pytest.mark.parametrize(
    ("interval", "anchor", "day", "first", "last"),
    [
        ("weekly", None, "2026-08-12", "2026-08-10", "2026-08-16"),
        ("weekly", "2026-08-05", "2026-08-12", "2026-08-12", "2026-08-18"),
        ("monthly", None, "2026-02-14", "2026-02-01", "2026-02-28"),
        ("monthly", None, "2024-02-29", "2024-02-01", "2024-02-29"),
        ("monthly", "2026-01-31", "2026-02-28", "2026-02-28", "2026-03-30"),
        ("monthly", "2026-01-31", "2026-02-27", "2026-01-31", "2026-02-27"),
        ("quarterly", None, "2026-08-12", "2026-07-01", "2026-09-30"),
        ("semiannual", None, "2026-06-30", "2026-01-01", "2026-06-30"),
        ("yearly", None, "2026-12-31", "2026-01-01", "2026-12-31"),
        ("yearly", "2024-02-29", "2026-02-27", "2025-02-28", "2026-02-27"),
    ],
)
def test_a_day_lies_in_its_period(interval: str, anchor: str | None, day: str, first: str, last: str) -> None:
    start = None if anchor is None else date.fromisoformat(anchor)
    period = period_of(date.fromisoformat(day), INTERVALS.index(interval), start)
    assert (period.first, period.last) == (date.fromisoformat(first), date.fromisoformat(last))
