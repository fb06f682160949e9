"""Quota periods: calendar months in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC; columns without a zone hold UTC."""
    return moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Period:
    """One calendar month: from `start` until just before `end`, both in UTC."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """YYYY-MM."""
        return f"{self.start:%Y-%m}"

    @property
    def reset_epoch(self) -> int:
        """When the next period starts, in epoch seconds."""
        return int(self.end.timestamp())

    def clamp(self, moment: datetime) -> datetime:
        """A moment, or the period's last one when it is over."""
        return min(moment, self.end - timedelta(microseconds=1))

    def seconds_left(self) -> int:
        """Whole seconds until the next period, at least 1."""
        return max(1, self.reset_epoch - int(now().timestamp()))


def of(moment: datetime) -> Period:
    """The period that a moment in UTC is in."""
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return Period(start, following)


def current() -> Period:
    """The period that runs now."""
    return of(now())
