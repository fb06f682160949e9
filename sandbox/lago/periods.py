"""Billing periods in UTC: calendar months, or months from the day of a subscription on."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

from .database import Row
from .values import utc_now


@dataclass(frozen=True)
class Period:
    """A billing period, first and last day included."""

    first: date
    last: date

    @property
    def next_first(self) -> date:
        """The first day of the next period."""
        return self.last + timedelta(days=1)


def period_of(day: date, anchor: date | None) -> Period:
    """Return the period that contains `day`; `anchor` is the first day of anniversary billing, None for calendar."""
    start = anchor or day.replace(day=1)
    elapsed = (day.year - start.year) * 12 + day.month - start.month
    if _month_after(start, elapsed) > day:
        elapsed -= 1
    return Period(_month_after(start, elapsed), _month_after(start, elapsed + 1) - timedelta(days=1))


def current_period(subscription: Row) -> Period:
    """Return the period of a subscription that contains today."""
    anchor = subscription["subscription_at"].date() if subscription["billing_time"] else None
    return period_of(utc_now().date(), anchor)


def _month_after(anchor: date, months: int) -> date:
    """Return the same day some months later, or the month's last day where it has no such day."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))
