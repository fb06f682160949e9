"""The deadlines of a step, a scenario and the run: when one passes, what is under way ends, and why is told.

They are the last resort: every driver has a deadline of its own, which names its system sooner. A step or a hook ends
where it is (SIGALRM, main thread); removal has a deadline of its own, so that it still happens.
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
"""Seconds after which what did not end at once is broken off anew."""


class TimeLimitError(ExpectedError):
    """A deadline passed; the sentence says which, for what was waited, and what to do."""


class Alarm(BaseException):
    """Not to be caught on its way by what catches every `Exception`."""


@dataclass(frozen=True)
class _Deadline:
    what: str
    setting: str
    seconds: float
    until: float

    def sentence(self) -> str:
        asked = waits.now()
        told = " and ".join(f"for {service} since {seconds:.1f} s" for service, seconds in asked[:3])
        return (
            f"{self.what} took longer than {self.seconds:g} s and was ended, "
            f"{f'waiting {told}' if told else 'waiting for none of the systems'}: "
            f"see how {asked[0][0] if asked else 'this machine'} is, or raise {self.setting}."
        )


class Limits(Protocol):
    """The settings that this needs, in seconds."""

    @property
    def step_timeout_s(self) -> float:
        """Of one step or hook."""

    @property
    def scenario_timeout_s(self) -> float:
        """Of one scenario."""

    @property
    def run_timeout_s(self) -> float:
        """Of the whole run."""


class Deadlines:
    """Of the run, and of the scenario and the step that are under way."""

    def __init__(self) -> None:
        self._step_s = self._scenario_s = self._run_s = 0.0
        self._run = self._scenario = _Deadline("", "", 0, float("inf"))
        self.left_something = False

    def begin(self, limits: Limits) -> None:
        """Begin the run's deadline; a limit of 0 seconds is none."""
        self._step_s, self._scenario_s = limits.step_timeout_s, limits.scenario_timeout_s
        self._run_s = limits.run_timeout_s
        self._run = self._of("The run", "RUN_TIMEOUT_S", self._run_s)

    def scenario_begins(self) -> None:
        """Begin a scenario's deadline."""
        self._scenario = self._of("The scenario", "SCENARIO_TIMEOUT_S", self._scenario_s)

    @property
    def run_is_over(self) -> str:
        """Why no further scenario may begin; empty as long as the run's deadline has not passed."""
        if time.monotonic() < self._run.until:
            return ""
        return f"The run took longer than {self._run_s:g} s, so that the rest was not run: raise RUN_TIMEOUT_S."

    @contextmanager
    def step(self, what: str = "The step") -> Iterator[None]:
        """Break off what follows when the deadline of the step, the scenario or the run passes.

        Raises:
            TimeLimitError: it did.
        """
        deadlines = (self._of(what, "STEP_TIMEOUT_S", self._step_s), self._scenario, self._run)
        with self._broken_off(min(deadlines, key=lambda deadline: deadline.until)):
            yield

    @contextmanager
    def afterwards(self, what: str) -> Iterator[None]:
        """Break off what is done after a scenario when it takes longer than a step may.

        Raises:
            TimeLimitError: it did.
        """
        with self._broken_off(self._of(what, "STEP_TIMEOUT_S", self._step_s)):
            yield

    @contextmanager
    def _broken_off(self, deadline: _Deadline) -> Iterator[None]:
        seconds = deadline.until - time.monotonic()
        if seconds == float("inf") or threading.current_thread() is not threading.main_thread():
            yield
            return
        told = ""

        def ring(_number: int, _frame: FrameType | None) -> None:
            nonlocal told
            told = told or deadline.sentence()
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
            raise TimeLimitError(told) from None

    def _of(self, what: str, setting: str, seconds: float) -> _Deadline:
        return _Deadline(what, setting, seconds, time.monotonic() + seconds if seconds else float("inf"))


def _restore(handler: Any, timer: tuple[float, float], began: float) -> None:
    """Give the alarm back to whom it belonged, with what is left of it."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    if timer[0]:
        signal.setitimer(signal.ITIMER_REAL, max(timer[0] - (time.monotonic() - began), 0.001), timer[1])


deadlines = Deadlines()
"""Of this process; without settings there are none."""
