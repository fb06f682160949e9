"""The time limits of a step, a scenario and the run. When one passes, the work is interrupted with a clear message.

They are the last resort: every driver has a shorter request timeout, which names its system. A step or a hook is
interrupted at once (SIGALRM, main thread only). The clean-up has a time limit of its own, so that it still runs.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from creditflow.core.errors import ExpectedError
from creditflow.core.wait_statistics import waits

_AGAIN_S = 1.0
"""Seconds until code that did not stop at the first interruption is interrupted again."""


class TimeLimitError(ExpectedError):
    """A time limit passed; the message says which, what the code waited for, and what to do."""


class Alarm(BaseException):
    """Interrupts the code; not an `Exception`, so that `except Exception` does not catch it."""


@dataclass(frozen=True)
class _TimeLimit:
    what: str
    setting: str
    seconds: float
    until: float

    def sentence(self) -> str:
        open_waits = waits.now()
        services = " and ".join(f"for {service} ({seconds:.1f} s)" for service, seconds in open_waits[:3])
        return (
            f"{self.what} took longer than {self.seconds:g} s and was ended, "
            f"{f'waiting {services}' if services else 'waiting for no system'}: "
            f"check {open_waits[0][0] if open_waits else 'this machine'}, or raise {self.setting}."
        )


class Limits(Protocol):
    """The settings that this module reads, in seconds; 0 means no limit."""

    @property
    def step_timeout_s(self) -> float:
        """The limit of one step or hook."""

    @property
    def scenario_timeout_s(self) -> float:
        """The limit of one scenario."""

    @property
    def run_timeout_s(self) -> float:
        """The limit of the whole run."""


class TimeLimits:
    """The time limits of the run, and of the current scenario and step.

    Attributes:
        left_something: whether code was interrupted, so that a thread or a connection may still wait.
    """

    def __init__(self) -> None:
        self._step_s = self._scenario_s = self._run_s = 0.0
        self._run = self._scenario = _TimeLimit("", "", 0, float("inf"))
        self.left_something = False

    def begin(self, limits: Limits) -> None:
        """Start the time limit of the run."""
        self._step_s, self._scenario_s = limits.step_timeout_s, limits.scenario_timeout_s
        self._run_s = limits.run_timeout_s
        self._run = self._of("The run", "RUN_TIMEOUT_S", self._run_s)

    def scenario_begins(self) -> None:
        """Start the time limit of a scenario."""
        self._scenario = self._of("The scenario", "SCENARIO_TIMEOUT_S", self._scenario_s)

    @property
    def run_is_over(self) -> str:
        """Why no further scenario may begin; empty until the run's time limit has passed."""
        if time.monotonic() < self._run.until:
            return ""
        return f"The run took longer than {self._run_s:g} s, so the rest was not run: raise RUN_TIMEOUT_S."

    @contextmanager
    def step(self, what: str = "The step") -> Iterator[None]:
        """Interrupt this block when the time limit of the step, the scenario or the run passes.

        Raises:
            TimeLimitError: a limit passed.
        """
        limits = (self._of(what, "STEP_TIMEOUT_S", self._step_s), self._scenario, self._run)
        with self._interrupted_after(min(limits, key=lambda limit: limit.until)):
            yield

    @contextmanager
    def afterwards(self, what: str) -> Iterator[None]:
        """Interrupt this block, which runs after a scenario, when it takes longer than a step may.

        Raises:
            TimeLimitError: the limit passed.
        """
        with self._interrupted_after(self._of(what, "STEP_TIMEOUT_S", self._step_s)):
            yield

    @contextmanager
    def _interrupted_after(self, limit: _TimeLimit) -> Iterator[None]:
        seconds = limit.until - time.monotonic()
        if seconds == float("inf") or threading.current_thread() is not threading.main_thread():
            yield
            return
        message = ""

        def ring(_number: int, _frame: FrameType | None) -> None:
            nonlocal message
            message = message or limit.sentence()
            raise Alarm

        handler = signal.signal(signal.SIGALRM, ring)
        before = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.000_001), _AGAIN_S)
        began = time.monotonic()
        try:
            try:
                yield
            finally:
                _restore(handler, before, began)
        except Alarm:
            _restore(handler, before, began)
            self.left_something = True
            raise TimeLimitError(message) from None

    def _of(self, what: str, setting: str, seconds: float) -> _TimeLimit:
        return _TimeLimit(what, setting, seconds, time.monotonic() + seconds if seconds else float("inf"))


def _restore(handler: Any, timer: tuple[float, float], began: float) -> None:
    """Restore the previous handler and timer, with the time that is left."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    if timer[0]:
        signal.setitimer(signal.ITIMER_REAL, max(timer[0] - (time.monotonic() - began), 0.001), timer[1])


time_limits = TimeLimits()
"""The time limits of this process; none until `begin` is called."""
