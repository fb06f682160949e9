"""The workers of a run: processes that run its scenarios side by side (`behave --jobs`).

A worker is a copy of the process that began the run. Each part of the suite that such a copy can't use unchanged, or
that has something to tell the run, is a `Shared` part and joins :data:`workers`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")

_BLOCK = 1_000_000
"""The numbers of each process; names and journals contain them."""


class Shared:
    """A part of the suite that all processes of a run share. Every method may do nothing."""

    def begin_in_worker(self) -> None:
        """Make the part usable in a new worker."""

    def news(self) -> Any:
        """Return what the run has to know, in a worker after a scenario; it must be possible to pickle it."""
        return None

    def take(self, worker: int, news: Any) -> None:
        """Add the news of a worker, in the process of the run."""

    def worker_died(self, worker: int) -> str:
        """Remove what is left of a worker that died, in the process of the run; return what can't be removed."""
        return ""


class Workers:
    """The parts that the processes of a run share.

    Attributes:
        number: the number of this worker, which no other worker of the run has; 0 in the process of the run.
    """

    def __init__(self) -> None:
        self.number = 0
        self._parts: list[Shared] = []

    @property
    def first_number(self) -> int:
        """The first of the numbers that only this process gives to what it makes."""
        return self.number * _BLOCK + 1

    def join(self, *parts: Shared) -> None:
        """Add parts; a new worker begins them in this order."""
        self._parts += [part for part in parts if all(part is not known for known in self._parts)]

    def begin(self, number: int) -> None:
        """Make this process a worker."""
        self.number = number
        for part in self._parts:
            part.begin_in_worker()

    def news(self) -> list[Any]:
        """Return the news of all parts, in a worker."""
        return [part.news() for part in self._parts]

    def take(self, worker: int, news: list[Any]) -> None:
        """Add the news of a worker to all parts."""
        for part, one in zip(self._parts, news, strict=True):
            part.take(worker, one)

    def died(self, worker: int) -> str:
        """Let all parts remove what is left of a worker; return what can't be removed."""
        return " ".join(filter(None, [part.worker_died(worker) for part in self._parts]))


workers = Workers()
"""The workers of this run."""


def worker_of(number: int) -> int:
    """Return the worker that gave a number to what it made."""
    return number // _BLOCK


def pool(size: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of threads that is usable also in a worker, which has no thread of the process that it copies."""
    made = ThreadPoolExecutor(size, thread_name_prefix=name)
    os.register_at_fork(after_in_child=lambda: ThreadPoolExecutor.__init__(made, size, thread_name_prefix=name))
    return made


def together(hands: ThreadPoolExecutor, calls: Sequence[Callable[[], T]], here: int) -> list[T]:
    """Call functions at the same time, and return what they return.

    Args:
        hands: threads for them.
        calls: the functions.
        here: how many of them are called one after the other in this thread, which would only wait otherwise.
    """
    others = [hands.submit(call) for call in calls[here:]]
    try:
        return [call() for call in calls[:here]] + [other.result() for other in others]
    finally:
        wait(others)
