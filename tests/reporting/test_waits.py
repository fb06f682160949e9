"""The run says how long it waited for which system."""

from __future__ import annotations

import threading
import time

import pytest

from creditflow.reporting.summary import Waits


def test_waits_add_up_by_system_from_all_threads() -> None:
    waits = Waits()
    together = threading.Barrier(4)

    def wait() -> None:
        together.wait(timeout=5)
        with waits.on("litellm"):
            time.sleep(0.02)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
    with waits.on("keycloak"):
        pass
    (first, seconds, calls), (second, _, once) = waits.longest_first()
    assert (first, calls) == ("litellm", 4)
    assert 0.08 <= seconds < 4
    assert (second, once) == ("keycloak", 1)


def test_a_wait_that_ends_in_an_error_counts_too() -> None:
    waits = Waits()
    with pytest.raises(TimeoutError), waits.on("redis"):
        raise TimeoutError
    assert [(name, calls) for name, _, calls in waits.longest_first()] == [("redis", 1)]
