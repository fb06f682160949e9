"""How long the run waited for which system."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Waits:
    """Adds up seconds and calls by system. Threads that wait side by side each add their own seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    @contextmanager
    def on(self, service: str) -> Iterator[None]:
        """Count the time of this block as waiting for ``service`` (``keycloak``, ``litellm``, ...)."""
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            with self._lock:
                self._seconds[service] += took  # type: ignore[assignment]  # a Counter adds floats as well
                self._calls[service] += 1

    def longest_first(self) -> list[tuple[str, float, int]]:
        """Each system with its seconds and its number of calls."""
        with self._lock:
            return [(name, float(seconds), self._calls[name]) for name, seconds in self._seconds.most_common()]


waits = Waits()
"""The waits of this run; every driver adds to them."""
