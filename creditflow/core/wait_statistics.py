"""Measures how long the run waits for each system."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from creditflow.core.workers import Shared, workers


class WaitStatistics(Shared):
    """Seconds and calls by system. Threads that wait at the same time each add their own seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._open: dict[object, tuple[str, float]] = {}

    @contextmanager
    def on(self, service: str) -> Iterator[None]:
        """Count the time of this block as a wait for a service, such as "Keycloak"."""
        began, this = time.monotonic(), object()
        self._open[this] = service, began
        try:
            yield
        finally:
            took = time.monotonic() - began
            self._open.pop(this, None)
            with self._lock:
                self._seconds[service] += took  # type: ignore[assignment]  # a Counter adds floats as well
                self._calls[service] += 1

    def now(self) -> list[tuple[str, float]]:
        """Return each system that a thread waits for now and the seconds of its longest wait, longest first."""
        since: dict[str, float] = {}
        for service, began in list(self._open.values()):
            since[service] = min(began, since.get(service, began))
        return sorted(((service, time.monotonic() - began) for service, began in since.items()), key=lambda w: -w[1])

    def begin_in_worker(self) -> None:
        """Forget the waits of the process of the run."""
        self.news()

    def news(self) -> Any:
        """Return the seconds and calls since the last news, and forget them."""
        with self._lock:
            found = self._seconds.copy(), self._calls.copy()
            self._seconds.clear()
            self._calls.clear()
        return found

    def take(self, worker: int, news: Any) -> None:
        """Add the seconds and calls of a worker."""
        with self._lock:
            self._seconds.update(news[0])
            self._calls.update(news[1])

    def longest_first(self) -> list[tuple[str, float, int]]:
        """Return each system with its seconds and its number of calls, longest first."""
        with self._lock:
            return [(name, float(seconds), self._calls[name]) for name, seconds in self._seconds.most_common()]


waits = WaitStatistics()
"""The waits of this run; every driver adds to them."""

workers.join(waits)
