"""The clock of a sandbox: the real time, or the moment in a file, to test the end of a month on any day."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

_file: Path | None = None


def use(file: Path | None) -> None:
    """Take the time from a file (ISO 8601 in UTC) as long as it exists."""
    global _file  # noqa: PLW0603 - a process has one clock
    _file = file


def now() -> datetime:
    """Return the present time, in UTC."""
    if _file is not None:
        with suppress(FileNotFoundError):
            return datetime.fromisoformat(_file.read_text("utf-8"))
    return datetime.now(UTC)
