"""The run reports how long it waited for each system."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from creditflow.core import wait_statistics as module
from creditflow.core.wait_statistics import WaitStatistics


def test_waits_add_up_by_system_from_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = threading.local()
    now = SimpleNamespace(monotonic=lambda: getattr(clock, "seconds", 0.0))
    monkeypatch.setattr(module, "time", now)
    waits = WaitStatistics()
    together = threading.Barrier(4)

    def wait() -> None:
        together.wait(timeout=60)
        with waits.on("litellm"):
            clock.seconds = 0.25

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    with waits.on("keycloak"):
        pass
    assert waits.longest_first() == [("litellm", 1.0, 4), ("keycloak", 0.0, 1)]


def test_a_wait_that_ends_in_an_error_counts_too() -> None:
    waits = WaitStatistics()
    with pytest.raises(TimeoutError), waits.on("redis"):
        raise TimeoutError
    assert [(name, calls) for name, _, calls in waits.longest_first()] == [("redis", 1)]
