"""A worker of a run has numbers of its own, and tells the run what it learns; all share counts and pools that work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial

import pytest

from creditflow.core.naming import numbers
from creditflow.core.redaction import Redactor
from creditflow.core.shared_counts import SharedCounts
from creditflow.core.wait_statistics import WaitStatistics
from creditflow.core.workers import Shared, Workers, pool, together, worker_of, workers


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let this process be a worker."""
    monkeypatch.setattr(workers, "number", 7)
    return 7


def in_a_copy(work: Callable[[], bool]) -> bool:
    """Return what a function returns in a copy of this process."""
    process = os.fork()
    if process == 0:
        os._exit(0 if work() else 1)
    return os.waitpid(process, 0)[1] == 0


def test_the_names_of_a_worker_are_no_other_workers(worker: int) -> None:
    numbers.begin_in_worker()
    first, second = next(numbers), next(numbers)
    assert worker_of(first) == worker_of(second) == worker
    assert first != second


def test_a_new_worker_begins_each_part_and_the_run_takes_the_news_of_each() -> None:
    took = []

    class Part(Shared):
        def __init__(self, name: str) -> None:
            self.name, self.began = name, False

        def begin_in_worker(self) -> None:
            self.began = True

        def news(self) -> str:
            return f"news of {self.name}"

        def take(self, worker: int, news: str) -> None:
            took.append((self.name, worker, news))

        def worker_died(self, worker: int) -> str:
            return f"{self.name} is left."

    run, one, other = Workers(), Part("one"), Part("other")
    run.join(one, other)
    run.join(one)
    run.begin(3)
    assert (one.began, other.began, run.number) == (True, True, 3)
    run.take(3, run.news())
    assert took == [("one", 3, "news of one"), ("other", 3, "news of other")]
    assert run.died(3) == "one is left. other is left."


def test_a_pool_works_in_a_copy_of_a_process_that_has_used_it() -> None:
    hands = pool(2, "test")
    assert list(hands.map(abs, [-1, -2, -3])) == [1, 2, 3]
    assert in_a_copy(lambda: list(hands.map(abs, [-4, -5])) == [4, 5])


def test_counts_of_copies_add_up() -> None:
    counts = SharedCounts()

    def count() -> bool:
        for _ in range(1_000):
            with counts.locked():
                counts.numbers[0] += 1
        return True

    processes = [os.fork() for _ in range(1)]
    if processes[0] == 0:
        os._exit(0 if count() else 1)
    count()
    os.waitpid(processes[0], 0)
    assert counts.numbers[0] == 2_000


def test_a_copy_that_dies_leaves_the_counts_usable() -> None:
    counts = SharedCounts()

    def die() -> bool:
        with counts.locked():
            os._exit(0)

    assert in_a_copy(die)
    with counts.locked():
        counts.text = "usable"
    assert counts.text == "usable"


def test_waits_of_a_worker_are_added_once() -> None:
    run, worker = WaitStatistics(), WaitStatistics()
    with run.on("Redis"), worker.on("Redis"), worker.on("Lago"):
        pass
    run.take(1, worker.news())
    run.take(1, worker.news())
    assert {(name, calls) for name, _, calls in run.longest_first()} == {("Redis", 2), ("Lago", 1)}


def test_the_run_learns_the_secrets_of_a_worker_and_only_new_ones_are_told() -> None:
    run, worker = Redactor(), Redactor()
    worker.learn("known-before")
    worker.begin_in_worker()
    worker.learn("known-later")
    news = worker.news()
    assert news == {"known-later"}
    assert worker.news() == set()
    run.take(1, news)
    assert "known-later" not in run.clean("it says known-later")


def test_functions_are_called_at_the_same_time_and_their_results_keep_their_order() -> None:
    met = threading.Barrier(3, timeout=60)

    def number(one: int) -> int:
        met.wait()
        return one

    assert together(pool(2, "test"), [partial(number, one) for one in range(3)], here=1) == [0, 1, 2]


def test_an_error_of_one_function_comes_after_the_end_of_the_others() -> None:
    begun, ended = threading.Event(), threading.Event()

    def fails() -> None:
        assert begun.wait(60)
        raise ValueError("the first one")

    def ends() -> None:
        begun.set()
        threading.Event().wait(0.05)
        ended.set()

    with pytest.raises(ValueError, match="the first one"):
        together(pool(1, "test"), [fails, ends], here=1)
    assert ended.is_set()
