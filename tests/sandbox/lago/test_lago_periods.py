"""The billing period of a day."""

from datetime import date

import pytest

from sandbox.lago.periods import period_of


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-02-14", "2026-02-01", "2026-02-28"),
        ("2024-02-29", "2024-02-01", "2024-02-29"),
        ("2026-12-31", "2026-12-01", "2026-12-31"),
    ],
)
def test_a_day_lies_in_its_month(day: str, first: str, last: str) -> None:
    period = period_of(date.fromisoformat(day), None)
    assert (period.first, period.last) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("anchor", "day", "first", "last"),
    [
        ("2026-11-26", "2026-11-26", "2026-11-26", "2026-12-25"),
        ("2026-11-26", "2026-12-25", "2026-11-26", "2026-12-25"),
        ("2026-11-26", "2026-12-26", "2026-12-26", "2027-01-25"),
        ("2026-01-31", "2026-02-28", "2026-02-28", "2026-03-30"),
        ("2026-01-31", "2026-02-27", "2026-01-31", "2026-02-27"),
    ],
)
def test_an_anniversary_begins_on_the_day_of_the_subscription(anchor: str, day: str, first: str, last: str) -> None:
    period = period_of(date.fromisoformat(day), date.fromisoformat(anchor))
    assert (period.first, period.last) == (date.fromisoformat(first), date.fromisoformat(last))
