"""The quota period: a calendar month in UTC (contract, "Words")."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


def name(moment: datetime | None = None) -> str:
    """A period as the counters name it, `YYYY-MM`."""
    return (moment or now()).strftime("%Y-%m")


def start(moment: datetime | None = None) -> datetime:
    """The first moment of the period that a moment lies in."""
    return (moment or now()).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def reset(moment: datetime | None = None) -> datetime:
    """The first moment of the following period, when the quota starts anew."""
    first = start(moment)
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def seconds_left(moment: datetime | None = None) -> int:
    """Seconds until the following period starts."""
    at = moment or now()
    return round((reset(at) - at).total_seconds())


def last_moment_of_the_last() -> datetime:
    """The last second of the period before this one, the nearest that no longer counts."""
    return start() - timedelta(seconds=1)
