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
    period = period_of(date.fromisoformat(day))
    assert (period.first, period.last) == (date.fromisoformat(first), date.fromisoformat(last))
