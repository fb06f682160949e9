"""Billing periods: calendar months in UTC."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

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


def period_of(day: date) -> Period:
    """Return the period that contains `day`."""
    return Period(day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1]))


def current_period() -> Period:
    """Return the period that contains today."""
    return period_of(utc_now().date())
