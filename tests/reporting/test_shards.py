"""The shards of a run are parts of it: each scenario is in exactly one, and their results make one report."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from creditflow.reporting import record

if TYPE_CHECKING:
    from tests.reporting.conftest import Behave, RunOutput

SELECTION = ("features/a_checks.feature", "features/i_claims.feature")


def shard(behave: Behave, number: int, of: int) -> RunOutput:
    return behave(*SELECTION, "-D", f"shard={number}/{of}", "-D", "keep_results=yes", "--jobs", "2")


def told(output: RunOutput) -> record.Reading:
    return record.examine(output.folder / "allure-results", output.folder / "plan")


@pytest.mark.parametrize("of", [2, 3])
def test_each_scenario_is_in_exactly_one_shard_and_the_record_of_all_is_that_of_a_whole_run(
    behave: Behave, of: int
) -> None:
    outputs = [shard(behave, number, of) for number in range(1, of + 1)]
    joined = told(outputs[-1])
    assert joined.doubt == ""
    assert joined.record
    whole = behave(*SELECTION).record
    assert [(s.place, s.outcome) for s in joined.record.scenarios] == [(s.place, s.outcome) for s in whole.scenarios]
    assert joined.record.selection == whole.selection
    assert joined.record.not_selected == whole.not_selected
    assert joined.record.exit_status == whole.exit_status == 1
    assert joined.record.verdict == whole.verdict


def test_a_shard_that_is_missing_is_named(behave: Behave) -> None:
    shard(behave, 1, 4)
    output = shard(behave, 3, 4)
    assert told(output).doubt == (
        f"{output.folder / 'allure-results'} has the results of 2 shards, but not those of shard 2 and 4: put them "
        f"into this folder too."
    )


def test_shards_of_different_runs_are_not_joined(behave: Behave) -> None:
    shard(behave, 1, 2)
    other = behave(SELECTION[0], "-D", "shard=2/2", "-D", "keep_results=yes")
    assert " are of shards that are not parts of one whole: they differ in their number, " in told(other).doubt


def test_a_single_shard_has_a_report_of_its_own(behave: Behave) -> None:
    output = shard(behave, 2, 3)
    reading = told(output)
    assert reading.doubt == ""
    assert reading.record
    assert reading.record.selection == ("-D shard=2/3", *SELECTION)
    shutil.rmtree(output.folder / "allure-results")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--jobs", "0"), "--jobs is 0, so no scenario would run: give it 1 or more."),
        (("-D", "shard=6/5"), "there is no shard '6/5': write -D shard=2/5 for the second of five."),
        (("-D", "shard=0/5"), "there is no shard '0/5': write -D shard=2/5 for the second of five."),
        (("-D", "shard=x"), "there is no shard 'x': write -D shard=2/5 for the second of five."),
        (("-D", "order=name"), "there is no order 'name': write -D order=random, or -D order=random:SEED."),
        (("-D", "order=random:x"), "there is no order 'random:x': write -D order=random, or -D order=random:SEED."),
    ],
)
def test_a_wrong_number_of_jobs_shard_or_order_is_refused_in_one_sentence(
    behave: Behave, arguments: tuple[str, ...], sentence: str
) -> None:
    output = behave(*SELECTION, *arguments)
    assert (output.status, output.last_line) == (2, f"The run can't begin: {sentence}")
    assert len(output.console.splitlines()) <= 2
