"""Between two scenarios: services that were taken away are used again, and runs take turns where they can meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from creditflow.core.errors import ServiceUnavailableError
from creditflow.run.session import Session, _folder_of_turns
from creditflow.target.drivers.http import Reply

SERVICES = ("ops-center", "keycloak", "postgresql", "redis", "lago", "litellm")


def _status(state: str) -> Reply:
    """Return the status of Ops-Center in which one service has this state."""
    services = ", ".join(f'"{name}": "{state if name == "redis" else "up"}"' for name in SERVICES)
    return Reply(200, {}, f'{{"services": {{{services}}}}}', 0.0)


def _asked_until_the_end(happened: bool, *statuses: Reply | Exception) -> int:
    """End a scenario, and return how often the status was asked for."""
    asked = iter(statuses)
    count = 0

    def status() -> Reply:
        nonlocal count
        count += 1
        found = next(asked)
        if isinstance(found, Exception):
            raise found
        return found

    outages = SimpleNamespace(happened=False)
    target = SimpleNamespace(
        ceiling=SimpleNamespace(check=lambda: None),
        record=SimpleNamespace(take=lambda: []),
        ops_center=SimpleNamespace(status=status),
        outages=outages,
    )
    watch = SimpleNamespace(everything=lambda people: None)
    settings = SimpleNamespace(step_timeout_s=60.0, poll_timeout_s=5.0, longest_poll_s=0.0)
    finalizers: list[Callable[[], object]] = []
    session = Session(*cast("tuple[Any, ...]", (settings, target, watch, None, None)))
    session.scene(finalizers.append)
    outages.happened = happened
    for finalize in reversed(finalizers):
        finalize()
    return count


def test_after_an_outage_the_scenario_ends_when_every_service_is_used_again() -> None:
    assert _asked_until_the_end(True, *map(_status, ("down", "down", "up"))) == 3


def test_without_an_outage_no_status_is_asked_for() -> None:
    assert _asked_until_the_end(False) == 0


def test_an_ops_center_that_does_not_come_back_is_not_the_end_of_the_run() -> None:
    away = ServiceUnavailableError("Ops-Center", "http://127.0.0.1:1", "can't be reached")
    assert _asked_until_the_end(True, away) == 1


@pytest.mark.parametrize("state", ["down", "degraded"])
def test_a_service_that_stays_away_does_not_hold_the_run_for_ever(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("creditflow.core.polling.soon", lambda check, seconds: check())
    assert _asked_until_the_end(True, _status(state)) == 1


@pytest.mark.parametrize(
    ("named", "longest", "step", "waits"),
    [(0, 0, 300, 5), (60, 0, 300, 60), (60, 10, 300, 10), (60, 0, 60, 55), (0, 10, 300, 5), (60, 10, 4, 10)],
)
def test_a_wait_ends_with_the_shortest_of_its_limits(
    named: float, longest: float, step: float, waits: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("creditflow.core.polling.soon", lambda check, seconds: waited.append(seconds))
    settings = SimpleNamespace(step_timeout_s=step, poll_timeout_s=5.0, longest_poll_s=longest)
    Session(*cast("tuple[Any, ...]", (settings, None, None, None, None))).soon(lambda: None, named)
    assert waited == [waits]


def test_runs_take_turns_beside_the_clock_and_without_one_beside_their_journals(tmp_path: Path) -> None:
    journals = tmp_path / "journals"

    def folder(clock: str) -> Path:
        return _folder_of_turns(cast("Any", SimpleNamespace(ops_center_clock=clock, journal_dir=journals)))

    assert folder(str(tmp_path / "clock")) == tmp_path
    assert folder("") == folder(str(tmp_path / "removed" / "clock")) == journals
