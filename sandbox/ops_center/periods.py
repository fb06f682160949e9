"""Quota periods: calendar months in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox import clock


def now() -> datetime:
    """Return the present time, in UTC."""
    return clock.now()


def iso(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC; a moment without a zone is UTC."""
    return moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Period:
    """One calendar month: `start` is in it, `end` is not; both in UTC."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """The month, as YYYY-MM."""
        return f"{self.start:%Y-%m}"

    @property
    def reset_epoch(self) -> int:
        """The start of the next period, in epoch seconds."""
        return int(self.end.timestamp())

    def clamp(self, moment: datetime) -> datetime:
        """Return the moment, or the period's last one if that is earlier."""
        return min(moment, self.end - timedelta(microseconds=1))

    def seconds_left(self) -> int:
        """Return the whole seconds until the next period, at least 1."""
        return max(1, self.reset_epoch - int(now().timestamp()))


def of(moment: datetime) -> Period:
    """Return the period of a moment in UTC."""
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return Period(start, following)


def current() -> Period:
    """Return the present period."""
    return of(now())
