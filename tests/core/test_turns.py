"""Scenarios of several runs take turns: an exclusive one runs beside no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from creditflow.core import turns as module
from creditflow.core.interruption import interruption
from creditflow.core.turns import NoTurnError, Turns

Start = Callable[[Turns, bool], threading.Event]


@pytest.fixture
def run(tmp_path: Path) -> Turns:
    return beginning(tmp_path)


def beginning(folder: Path) -> Turns:
    begun = Turns()
    begun.begin(folder)
    return begun


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a scenario of a run in a thread; the event is set when its turn comes."""
    threads: list[threading.Thread] = []

    def started(run: Turns, exclusive: bool) -> threading.Event:
        its_turn = threading.Event()

        def scenario() -> None:
            with run.taken(exclusive):
                its_turn.set()

        threads.append(threading.Thread(target=scenario))
        threads[-1].start()
        return its_turn

    yield started
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def tried(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set when a thread has found a lock taken."""
    found = threading.Event()
    pause = threading.Event()

    def sleep(_: float) -> None:
        found.set()
        pause.wait(0.001)

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    return found


def test_scenarios_of_several_runs_run_side_by_side(run: Turns, tmp_path: Path, start: Start) -> None:
    with run.taken(False):
        assert start(beginning(tmp_path), False).wait(10)


@pytest.mark.parametrize(("mine", "other"), [(True, False), (False, True), (True, True)])
def test_an_exclusive_scenario_runs_beside_no_other(
    mine: bool, other: bool, run: Turns, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tried(monkeypatch)
    with run.taken(mine):
        turn = start(beginning(tmp_path), other)
        assert found.wait(10)
        assert not turn.is_set()
    assert turn.wait(10)


def test_who_waits_for_an_exclusive_turn_is_not_overtaken(
    run: Turns, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tried(monkeypatch)
    with run.taken(False):
        exclusive = start(beginning(tmp_path), True)
        assert found.wait(10)
        late = start(beginning(tmp_path), False)
        found.clear()
        assert found.wait(10)
        assert not late.is_set()
        assert not exclusive.is_set()
    assert exclusive.wait(10)
    assert late.wait(10)


def test_a_wait_ends_with_a_sentence(run: Turns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.0)
    with (
        run.taken(True),
        pytest.raises(NoTurnError, match=r"Another run has used the target alone for 0 s: wait for its end"),
        beginning(tmp_path).taken(False),
    ):
        pass


def test_a_signal_ends_a_wait(run: Turns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "signal", 15)
    with run.taken(True), beginning(tmp_path).taken(False):
        assert interruption.signal


def test_before_a_run_begins_nobody_waits(run: Turns) -> None:
    with run.taken(True), Turns().taken(True):
        assert run is not None
