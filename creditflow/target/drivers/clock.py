"""Ops-Center's clock, which a sandbox reads from a file as long as the file exists."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path

from creditflow.target.drivers.record import Recorder, record_nothing


class Clock:
    """The clock of a sandbox's Ops-Center.

    Args:
        file: the file that it reads.
        record: receives each change.
    """

    def __init__(self, file: Path, record: Recorder = record_nothing) -> None:
        self._file, self._record = file, record

    @property
    def stands_still(self) -> bool:
        """Whether the clock shows the moment in the file."""
        return self._file.exists()

    def stop_at(self, moment: datetime) -> None:
        """Make the clock show a moment (UTC), and stand still."""
        new = self._file.with_suffix(".new")
        new.write_text(moment.isoformat(), "utf-8")
        began = time.monotonic()
        os.replace(new, self._file)
        self._record("set_clock", None, None, began=began, moment=moment)

    def go_on(self) -> None:
        """Make the clock show the real time again."""
        began = time.monotonic()
        self._file.unlink(missing_ok=True)
        self._record("set_clock", None, None, began=began, moment=None)
