"""Billing periods in UTC: which one a day lies in, by a plan's interval and a subscription's billing time."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

from .database import Row
from .values import utc_now

INTERVALS = ("weekly", "monthly", "yearly", "quarterly", "semiannual")
"""Plan intervals, in the order of Lago's enum."""

WEEKLY = INTERVALS.index("weekly")
_MONTHS = (0, 1, 12, 3, 6)
PERIODS_A_YEAR = (52, 12, 1, 4, 2)
"""How many periods a year has, by interval: what upgrade and downgrade are judged by."""


@dataclass(frozen=True)
class Period:
    """A billing period, first and last day included."""

    first: date
    last: date

    @property
    def next_first(self) -> date:
        """The first day of the period after this one."""
        return self.last + timedelta(days=1)


def _month_after(anchor: date, months: int) -> date:
    """The same day `months` later, or the month's last day where it has no such day."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def period_of(day: date, interval: int, anchor: date | None) -> Period:
    """The period that `day` lies in.

    `anchor` is the subscription's first day for anniversary billing, None for calendar billing (weeks begin
    on Monday, months on the 1st, longer periods in January).
    """
    if interval == WEEKLY:
        offset = (day - anchor).days % 7 if anchor else day.weekday()
        first = day - timedelta(days=offset)
        return Period(first, first + timedelta(days=6))
    months = _MONTHS[interval]
    start = anchor or date(day.year, 1, 1)
    elapsed = ((day.year - start.year) * 12 + day.month - start.month) // months
    if _month_after(start, elapsed * months) > day:
        elapsed -= 1
    return Period(
        _month_after(start, elapsed * months),
        _month_after(start, (elapsed + 1) * months) - timedelta(days=1),
    )


def current_period(row: Row) -> Period:
    """The billing period that a subscription is in today, or will begin in.

    `row` is one of `subscriptions` with its plan's `interval`.
    """
    day = max(utc_now().date(), row["subscription_at"].date())
    return period_of(day, row["interval"], row["subscription_at"].date() if row["billing_time"] else None)
