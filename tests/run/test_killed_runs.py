"""A sweep removes everything that a killed run left, whenever it was killed, with or without its journal.

Without the journal, an unused account at the stand-in provider can't be recognised as the run's. Therefore the runs
without a journal have people without such accounts.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from creditflow.cleanup.sweep import sweep
from creditflow.core import polling
from creditflow.core.expect import holds
from creditflow.core.naming import RUN
from creditflow.target.settings import PROJECT
from creditflow.target.target import Target

MOMENTS = 20
LINES = 120
"""The lines in the journal of a run after its first four or five scenarios."""
SEED = 20_260_801
FEATURES = PROJECT / "features" / "flows"
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
        running = start(FEATURES / chance.choice(WITH_JOURNAL if keeps else WITHOUT))
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
            f"{number + 1:>2}  line {lines:>3} + {moment * 1000:>3.0f} ms  {found_by:<8}  {journalled:>4}  "
            f"{len(swept.removed):>5}  {_listed(_more(before, count())):<7}  {_listed(left)}"
        )
    with capsys.disabled():
        print("\n #  killed at          found by  owed  swept  after    left beyond what there was before")
        print("\n".join(table))
    assert target.unicorn.runs() == {RUN}


def _more(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in before if after[name] != before[name]}


def _listed(more: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:+}" for name, number in more.items()) or "nothing"
