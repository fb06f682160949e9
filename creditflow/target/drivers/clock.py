"""Ops-Center's clock, which a sandbox reads from a file as long as the file exists."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path


class Clock:
    """The clock of a sandbox's Ops-Center.

    Args:
        file: the file that it reads.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def stands_still(self) -> bool:
        """Whether the clock shows the moment in the file."""
        return self._file.exists()

    def stop_at(self, moment: datetime) -> None:
        """Make the clock show a moment (UTC), and stand still."""
        new = self._file.with_suffix(".new")
        new.write_text(moment.isoformat(), "utf-8")
        os.replace(new, self._file)

    def go_on(self) -> None:
        """Make the clock show the real time again."""
        self._file.unlink(missing_ok=True)
