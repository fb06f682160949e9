"""The quota period: a calendar month in UTC (contract, "Words")."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def name(moment: datetime | None = None) -> str:
    """Return the name of the period that contains a moment, as the counters write it: `YYYY-MM`."""
    return (moment or now()).strftime("%Y-%m")


def start(moment: datetime | None = None) -> datetime:
    """Return the first moment of the period that contains a moment."""
    return (moment or now()).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def reset(moment: datetime | None = None) -> datetime:
    """Return the first moment of the next period, when the quota is reset."""
    first = start(moment)
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def seconds_left(moment: datetime | None = None) -> int:
    """Return the seconds until the next period starts."""
    at = moment or now()
    return round((reset(at) - at).total_seconds())


def end_of_the_previous() -> datetime:
    """Return the last second of the previous period, the latest moment that no longer counts."""
    return start() - timedelta(seconds=1)
