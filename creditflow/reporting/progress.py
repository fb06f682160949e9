"""The line of progress: how many scenarios have ended, how many are red and left, and about how long the rest takes."""

from __future__ import annotations

import sys
import time

LINE_S = 30.0
"""Seconds between two lines where the output is not a terminal."""

REFRESH_S = 0.5
"""Seconds between two versions of the line on a terminal."""


class Progress:
    """Shows the line: on a terminal always the same one, elsewhere a new one at times."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._shown = time.monotonic()
        self._open = False

    @property
    def due(self) -> bool:
        """Whether it is time for a new version of the line."""
        return time.monotonic() - self._shown >= (REFRESH_S if self._terminal else LINE_S)

    def show(self, done: int, red: int, left: int, seconds: float) -> None:
        """Show the line if it is time; `seconds` is about how long the rest takes."""
        if not self.due:
            return
        self._shown = time.monotonic()
        line = f"{done} done, {red} red, {left} left, about {seconds:.0f} s to go"
        if self._terminal:
            sys.stdout.write(f"\r{line}\033[K")
            self._open = True
        else:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._open:
            sys.stdout.write("\r\033[K")
            sys.stdout.flush()
            self._open = False
