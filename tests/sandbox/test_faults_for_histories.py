"""Which faults random histories should find: each other one is left out for a stated reason."""

from __future__ import annotations

import pytest

from sandbox.faults import catalogue, exploration
from sandbox.faults.exploration import BY_NAME, KEPT, MODULES, concerned, left_out, sample
from sandbox.faults.matrix import Ran, Trial

FAULT = catalogue()["charge-rounds-down"]
RED = Ran("Random histories", "features/qualities/5_random_histories.feature:9", True, "the charge is wrong\nmore")


def test_only_faults_that_exist_are_named() -> None:
    modules = {fault.switch_on.__module__ for fault in catalogue().values()}
    assert {*BY_NAME, *KEPT} <= set(catalogue())
    assert set(MODULES) <= modules
    assert not set(BY_NAME) & KEPT


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("charge-rounds-down", ""),
        ("quota-ends-one-call-early", ""),
        ("foreign-organization-as-payer-overlooked", ""),
        ("reset-date-not-named", ""),
        ("token-of-another-client-accepted", "it concerns how people sign in"),
        ("key-stored-in-clear", "it concerns who can read a key"),
        ("invoice-is-missing", "it is a fault of a stand-in"),
        ("services-are-not-asked-how-they-are", "it is a fault of the suite"),
    ],
)
def test_a_fault_is_looked_for_or_left_out_for_a_reason(name: str, why: str) -> None:
    assert left_out(catalogue()[name]) == why


def test_most_faults_of_the_reference_are_looked_for() -> None:
    found = concerned(list(catalogue().values()))
    assert len(found) > 200
    assert all(fault.service == "ops-center" for fault in found)


def test_a_sample_is_always_the_same() -> None:
    faults = concerned(list(catalogue().values()))
    assert sample(faults, 80) == sample(faults, 80)
    assert len(sample(faults, 80)) == 80
    assert sample(faults, 10_000) == faults


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (Trial(FAULT, 1, (RED,), 9.0, "    Found after 7 s: the charge"), "found by a random history after 7 s"),
        (Trial(FAULT, 0, (), 60.0, "1 passed"), "not found"),
        (Trial(FAULT, 2, (), 1.0, "The run can't begin"), "not judged (status 2)"),
    ],
)
def test_a_row_says_after_how_many_seconds_a_fault_was_found(trial: Trial, said: str) -> None:
    row = exploration.row(trial)
    assert (row["fault"], row["verdict"]) == ("charge-rounds-down", said)
    assert row["message"] == {0: "", 1: "the charge is wrong", 2: "The run can't begin"}[trial.status]
