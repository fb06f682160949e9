"""Handles SIGINT and SIGTERM: the scenario stops, the clean-up still runs, and the results are complete.

A signal interrupts a step or a hook at once. Anywhere else it is recorded, and the run ends before the next scenario.
A second signal during the clean-up ends the clean-up; the journal contains what is left.
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
"""Seconds after a signal in which requests that were under way come to their end."""


class RemovalInterruptedError(Exception):
    """A second signal came during the clean-up."""


class Interruption:
    """The signals that this process received.

    Attributes:
        signal: the number of the first signal; 0 if there was none.
        given_up: whether another signal came during the clean-up.
        came: how many signals came.
    """

    def __init__(self) -> None:
        self.signal = self.came = 0
        self.given_up = False
        self._interruptible = False
        self._removing = False
        self._settled = 0.0
        self._numbers = itertools.count(1)

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM. Outside the main thread this does nothing."""
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
    def interruptible(self) -> Iterator[None]:
        """Let the first signal raise `KeyboardInterrupt` in this block, also if it came earlier."""
        if self.signal:
            raise KeyboardInterrupt
        before, self._interruptible = self._interruptible, True
        try:
            yield
        finally:
            self._interruptible = before

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Let only a second signal interrupt this block.

        Raises:
            RemovalInterruptedError: a second signal came, before or in the block.
        """
        if self.given_up:
            raise RemovalInterruptedError
        try:
            self._removing = True
            yield
        except RuntimeError as error:
            if not self.given_up:
                raise
            raise RemovalInterruptedError from error  # a lock that the signal found half taken
        finally:
            self._removing = False

    def settle(self) -> None:
        """After a signal, wait until requests under way have ended; without a signal do nothing."""
        if self.signal:
            threading.Event().wait(self._settled - time.monotonic())

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.came = next(self._numbers)  # atomic, because a signal may come while another is handled
        if self.came == 1:
            self.signal, self._settled = number, time.monotonic() + SETTLES_S
            if self._interruptible:
                raise KeyboardInterrupt
        elif self._removing:
            self.signal, self.given_up = self.signal or number, True
            raise RemovalInterruptedError


interruption = Interruption()
"""The signals of this process."""
