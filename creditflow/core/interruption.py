"""What SIGINT and SIGTERM do to a run: the scenario ends where it is, removal is not disturbed, results are complete.

A signal breaks into a step or a hook at once. Anywhere else it is noted, and the run ends at the next scenario. One
more signal while things are removed ends the removal: what is left is journalled.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SETTLES_S = 1.0
"""Seconds within which what was under way when the signal came has come to its end."""


class RemovalInterruptedError(Exception):
    """A second signal came while things were removed."""


class Interruption:
    """The signals that came.

    Attributes:
        signal: the number of the first; 0 while none came.
        given_up: whether one more came while things were removed.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.given_up = False
        self._breaks_in = False
        self._removing = False
        self._settled = 0.0
        self._came = itertools.count()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM; in another thread than the main one nothing can be taken."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._take) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def breaks_in(self) -> Iterator[None]:
        """Let the first signal raise `KeyboardInterrupt` in what follows; at once where it has come already."""
        if self.signal:
            raise KeyboardInterrupt
        try:
            self._breaks_in = True
            yield
        finally:
            self._breaks_in = False

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Let only a second signal disturb what follows.

        Raises:
            RemovalInterruptedError: the second signal has come, before or during it.
        """
        if self.given_up:
            raise RemovalInterruptedError
        try:
            self._removing = True
            yield
        finally:
            self._removing = False

    def settle(self) -> None:
        """After a signal, wait until what was under way has ended; without one do nothing."""
        if self.signal:
            threading.Event().wait(self._settled - time.monotonic())

    def _take(self, number: int, frame: FrameType | None) -> None:
        if next(self._came) == 0:  # in one step, as one signal may come while another is taken
            self.signal, self._settled = number, time.monotonic() + SETTLES_S
            if self._breaks_in:
                raise KeyboardInterrupt
        elif self._removing:
            self.signal, self.given_up = self.signal or number, True
            raise RemovalInterruptedError


interruption = Interruption()
"""Of this process, which has one main thread."""
