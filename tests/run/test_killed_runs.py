"""A sweep removes everything that a killed run left, whenever it was killed, with or without its journal.

It also brings back a service that the run made fail.

Without the journal, an unused account at the stand-in provider can't be recognised as the run's. Therefore the runs
without a journal have people without such accounts.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from creditflow.cleanup.resources import Outage
from creditflow.cleanup.sweep import sweep
from creditflow.core import polling
from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.expect import holds
from creditflow.core.naming import RUN
from creditflow.target.settings import PROJECT
from creditflow.target.target import Target
from sandbox import handle

MOMENTS = 20
LINES = 120
"""The lines in the journal of a run after its first four or five scenarios."""
SEED = 20_260_801
FEATURES = PROJECT / "features" / "flows"
RESILIENCE = PROJECT / "features" / "qualities" / "3_resilience.feature"
WITH_JOURNAL = ("3_byok_user.feature", "2_organization_user.feature", "1_individual_user.feature")
WITHOUT = ("2_organization_user.feature", "1_individual_user.feature")


@pytest.mark.timeout(900)
def test_after_a_kill_at_any_moment_and_a_sweep_there_is_as_much_of_everything_as_before(
    start: Callable[..., Any],
    target: Target,
    count: Callable[[], dict[str, int]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(SEED)
    before = count()
    table = []
    for number in range(MOMENTS):
        keeps = number % 2 == 0
        lines, moment = chance.randint(1, LINES), chance.uniform(0, 0.4)
        jobs = 4 if number % 4 < 2 else 1
        running = start(FEATURES / chance.choice(WITH_JOURNAL if keeps else WITHOUT), f"--jobs={jobs}")
        running.until_journal_has(lines)
        running.for_seconds(moment)
        running.kill()
        assert running.process.returncode == -9, f"the run was over before it was killed:\n{running.output}"
        journalled = len(running.journal.left)
        left = _more(before, count())
        if not keeps:
            shutil.rmtree(running.journals, ignore_errors=True)

        swept = sweep(target)

        assert not swept.left, swept.left
        polling.soon(lambda: holds(count() == before, f"there is {_more(before, count())} more than before"), 60)
        assert not list(running.journals.glob("*/*.jsonl")), "the journal of a run of which nothing is left stays"
        found_by = "journal" if keeps else "name"
        table.append(
            f"{number + 1:>2}  {jobs:>4}  line {lines:>3} + {moment * 1000:>3.0f} ms  {found_by:<8}  {journalled:>4}  "
            f"{len(swept.removed):>5}  {_listed(_more(before, count())):<7}  {_listed(left)}"
        )
    with capsys.disabled():
        print("\n #  jobs  killed at          found by  owed  swept  after    left beyond what there was before")
        print("\n".join(table))
    assert target.unicorn.runs() == {RUN}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["is away", "is paused"])
def test_a_sweep_brings_back_a_service_that_a_killed_run_made_fail(
    start: Callable[..., Any],
    target: Target,
    count: Callable[[], dict[str, int]],
    deployment: dict[str, str],
    own: handle.Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    for name, value in own.where.environment().items():
        monkeypatch.setenv(name, value)
    before = count()
    running = start(f"--name=The quota holds while Redis {way}", RESILIENCE)
    polling.soon(lambda: _require_redis(target, "down"), 120, 0.05)
    running.kill()
    assert running.process.returncode == -9, f"the run was over before it was killed:\n{running.output}"
    assert [str(left) for left in running.journal.left if isinstance(left, Outage)] == ["the outage of Redis"]
    _require_redis(target, "down")

    planned = sweep(target, dry_run=True)
    assert any(isinstance(resource, Outage) for resource in planned.removed)
    _require_redis(target, "down")
    swept = sweep(target)

    assert not swept.left, swept.left
    assert isinstance(swept.removed[0], Outage)
    polling.soon(lambda: _require_redis(target, "up"), 10)
    polling.soon(lambda: holds(count() == before, f"there is {_more(before, count())} more than before"), 60)
    assert not list(running.journals.glob("*/*.jsonl")), "the journal of a run of which nothing is left stays"


def _require_redis(target: Target, state: str) -> None:
    try:
        found = target.ops_center.status().body["services"]["redis"]
    except ServiceUnavailableError as restarting:
        found = str(restarting)
    holds(found == state, f"Ops-Center reports Redis as {found}, expected {state}")


def _more(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in before if after[name] != before[name]}


def _listed(more: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:+}" for name, number in more.items()) or "nothing"
