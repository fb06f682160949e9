"""The first page says in the plan's words what holds, and never more than a run has shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditflow.reporting import overview
from creditflow.reporting.outcome import Kind
from creditflow.reporting.record import RunRecord

if TYPE_CHECKING:
    from tests.reporting.made_up import CASE_1, CREDITS, FLOW_1, FLOW_2, left_out, run, scenario
else:
    from made_up import CASE_1, CREDITS, FLOW_1, FLOW_2, left_out, run, scenario


def lines(record: RunRecord) -> dict[str, str]:
    return overview.figures(record, {}, None)


def test_a_part_holds_if_all_its_features_hold() -> None:
    found = lines(run(scenario(1), scenario(2, FLOW_2), scenario(3, CASE_1)))
    assert found["Verdict"] == "The credit flow holds: 3 passed, 0 failed"
    assert found["Flows"] == "2 of 2 hold"
    assert found["Edge cases"] == "1 of 1 hold"
    assert "Risks" not in found


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (Kind.FAILED, "1 of 2 hold; fails: Flow 2"),
        (Kind.MISSING, "1 of 2 hold; fails: Flow 2"),
        (Kind.ERROR, "1 of 2 hold; not judged: Flow 2"),
        (Kind.NOT_TESTABLE, "1 of 2 hold; not judged: Flow 2"),
        (Kind.WAIVED, "1 of 2 hold; holds as far as it ran: Flow 2"),
        (Kind.SKIPPED, "1 of 2 hold; holds as far as it ran: Flow 2"),
        (Kind.UNTESTED, "1 of 2 hold; holds as far as it ran: Flow 2"),
    ],
)
def test_one_scenario_that_did_not_pass_is_enough(kind: Kind, verdict: str) -> None:
    found = lines(run(scenario(1), scenario(2, FLOW_2), scenario(3, FLOW_2, kind)))
    assert found["Flows"] == verdict


def test_a_feature_that_did_not_run_does_not_hold() -> None:
    partly = run(scenario(1), not_selected=(left_out(2), left_out(3, FLOW_2)), selection=("--tags=@K1",))
    assert lines(partly)["Flows"] == "0 of 2 hold; holds as far as it ran: Flow 1; not run: Flow 2"
    assert lines(partly)["Verdict"].startswith("Everything that ran holds: ")
    none = run(scenario(1, kind=Kind.SKIPPED), scenario(2, FLOW_2, Kind.UNTESTED))
    assert lines(none)["Flows"] == "not run"
    assert lines(none)["Verdict"].startswith("Nothing was checked: ")


def test_scenarios_that_a_usual_run_leaves_out_are_not_missed() -> None:
    usual = run(
        scenario(1), scenario(2, kind=Kind.SKIPPED, tags=("opt-in",)), not_selected=(left_out(3, FLOW_1, "opt-in"),)
    )
    assert lines(usual)["Flows"] == "1 of 1 hold"


@pytest.mark.parametrize(
    ("kind", "status", "headline"),
    [
        (Kind.FAILED, 1, "the credit flow fails"),
        (Kind.CLEANUP_ERROR, 1, "the credit flow could not be judged"),
        (Kind.PASSED, 130, "the credit flow could not be judged"),
        (Kind.PASSED, 0, "the credit flow holds"),
    ],
)
def test_a_red_run_has_no_green_headline(kind: Kind, status: int, headline: str) -> None:
    assert overview.headline(run(scenario(1), scenario(2, kind=kind), exit_status=status)) == headline


def test_an_item_passed_only_if_every_scenario_that_carries_it_did() -> None:
    made = run(
        scenario(1, items=("F1.S1", "F1.S2", "K1")),
        scenario(2, kind=Kind.FAILED, items=("F1.S2",)),
        scenario(3, kind=Kind.WAIVED, items=("K1",)),
    )
    assert (
        overview.facts(made, ["F1.S1", "F1.S2", "K1", "X1", "X2"])["Plan"] == "1 of 5 items passed, 1 red, 3 not shown"
    )


def test_the_money_line_counts_credits_and_compared_figures() -> None:
    wrong = CREDITS.model_copy(update={"differs": {"unicorn_db": 9_982}, "after": 9_982})
    agree = run(scenario(1, accounts=(CREDITS,)), scenario(2, accounts=(CREDITS,)))
    differ = run(scenario(1, accounts=(CREDITS, wrong)))
    assert lines(agree)["Money"] == "18 credits spent; 4 figures compared with the ledger, all agree"
    assert lines(differ)["Money"] == "27 credits spent; 4 figures compared with the ledger, 1 differ"
    assert "Money" not in lines(run(scenario(1)))


def test_the_changes_since_the_last_run_are_counted() -> None:
    before = {"a": "passed", "b": "failed", "c": "broken", "d": "passed", "e": "passed", "gone": "passed"}
    now = {"a": "failed", "b": "passed", "c": "failed", "d": "skipped", "e": "passed", "new": "passed"}
    found = overview.figures(run(scenario(1)), now, before)["Since the last run"]
    assert found == "1 newly red, 1 still red, 1 fixed, 1 added, 1 not in this run"
    assert overview.figures(run(scenario(1)), now, now)["Since the last run"] == "2 still red"


def test_the_first_run_has_nothing_to_be_compared_with() -> None:
    assert lines(run(scenario(1)))["Since the last run"] == "this is the first run in the history"
    assert overview.figures(run(scenario(1)), {"a": "passed"}, {"a": "passed"})["Since the last run"] == (
        "nothing has changed"
    )


def test_the_facts_identify_the_run() -> None:
    assert overview.facts(run(scenario(1), selection=("features/flows",)), ()) == {
        "Target": "http://sut.example:8084",
        "Run": "cf-abc123",
        "Suite": "0.1.0 0123456789ab",
        "Selection": "features/flows",
    }
    changed = overview.facts(run(scenario(1), commit="0123456789abcdef-dirty", on_sandbox=True), ())
    assert changed["Suite"] == "0.1.0 0123456789ab (dirty)"
    assert changed["Target"] == "http://sut.example:8084 (sandbox)"
