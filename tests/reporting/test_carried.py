"""What the process of the run knows about a worker that died."""

from __future__ import annotations

import pytest
from behave.model import Scenario
from behave.model_type import Status
from behave.parser import parse_feature

from creditflow.reporting.carried import StepsPassed, apply_death
from creditflow.reporting.outcome import Kind, noted, of_step

DIED = "The process that ran this scenario was killed by SIGKILL."


def of_two_steps() -> Scenario:
    feature = parse_feature("Feature: one\n  Scenario: of two steps\n    Given a first step\n    Then a second step\n")
    (scenario,) = feature.walk_scenarios()
    return scenario


@pytest.mark.parametrize(
    ("passed", "statuses", "where"),
    [
        (None, [Status.skipped, Status.skipped], "before_scenario"),
        (0, [Status.error, Status.skipped], ""),
        (1, [Status.passed, Status.error], ""),
        (2, [Status.passed, Status.passed], "after_scenario"),
    ],
)
def test_the_step_after_those_that_have_passed_is_red(passed: int | None, statuses: list[Status], where: str) -> None:
    steps, scenario = StepsPassed(2), of_two_steps()
    steps.reset()
    if passed is not None:
        steps.begin()
    for number in range(passed or 0):
        steps.add(number, 0.5)
    ran = apply_death(scenario, steps.ended(), steps.number, DIED)
    assert [step.status for step in scenario.all_steps] == statuses
    assert ran == [status is not Status.skipped for status in statuses]
    problems = [*noted(scenario), *(problem for step in scenario.all_steps for problem in of_step(step))]
    assert [(problem.kind, problem.message) for problem in problems] == [(Kind.ERROR, DIED)]
    assert [problem.where for problem in noted(scenario)] == [where] * bool(where)
    assert [step.duration for step in scenario.all_steps if step.status is Status.passed] == [0.5] * (passed or 0)


def test_the_steps_of_the_scenario_before_are_forgotten() -> None:
    steps = StepsPassed(2)
    steps.add(1, 0.5)
    steps.reset()
    assert (steps.number, steps.ended()) == (None, {})
