"""What a worker tells the process of the run about a scenario: everything that its outputs need, as plain data."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from behave.model import Feature, Rule, Scenario, Step
from behave.model_type import Status

from creditflow.reporting.outcome import CarriedError, Kind, Problem, note, noted, of_step
from creditflow.reporting.recorder import Findings


class StepsPassed:
    """The steps of a scenario that have passed, in memory that a worker shares with the process of the run.

    It costs nothing to tell that a step has passed. Any other end of a step is a message, :class:`StepEnded`.

    Args:
        most: the steps of the longest scenario.
    """

    def __init__(self, most: int) -> None:
        self._numbers = memoryview(mmap.mmap(-1, 8 * (most + 1))).cast("d")

    def reset(self) -> None:
        """Begin a scenario: none of its steps has begun."""
        self._numbers[0] = -1

    def begin(self) -> None:
        """Note that the first step began; each following one begins when the one before has passed."""
        self._numbers[0] = 0

    def add(self, number: int, seconds: float) -> None:
        """Note that the step at this position has passed."""
        self._numbers[number + 1] = seconds
        self._numbers[0] = number + 1

    @property
    def number(self) -> int | None:
        """How many have passed, which is the position of the next step; None if none has begun."""
        return None if self._numbers[0] < 0 else int(self._numbers[0])

    def ended(self) -> dict[int, StepEnded]:
        """Return the steps that have passed, by position."""
        return {
            number: StepEnded(number, True, {"status": Status.passed, "duration": self._numbers[number + 1]}, [])
            for number in range(self.number or 0)
        }


@dataclass(frozen=True)
class StepEnded:
    """What a step left behind.

    Attributes:
        number: its position in the scenario.
        ran: whether it ran, or was found undefined.
        fields: the attributes that behave gives a step.
        problems: its problems.
    """

    number: int
    ran: bool
    fields: dict[str, Any]
    problems: list[Problem]

    @classmethod
    def of(cls, step: Step, number: int, ran: bool) -> StepEnded:
        """Return what a step has left behind."""
        return cls(number, ran, _fields(step, "status", "duration"), [problem.carried() for problem in of_step(step)])

    def apply(self, step: Step) -> None:
        """Give a step what the same step of the worker has."""
        vars(step).update(self.fields, carried=self.problems)


@dataclass(frozen=True)
class ScenarioEnded:
    """What a scenario left behind.

    Attributes:
        started: whether the scenario began; not if a hook before its feature or rule failed.
        seconds: its duration with hooks and clean-up.
        fields: the attributes that behave gives a scenario.
        problems: the problems of its hooks and clean-up.
        steps: its steps.
        outside: the problems of the feature (0) and its rules (1 and so on).
        of_run: the problems of the run.
        findings: what the record adds.
        result: what Allure has collected, if it is used.
        news: the news of the shared parts.
        signal: the signal that the worker received; 0 if none.
        given_up: whether a second signal ended its clean-up.
        aborted: whether no further scenario may begin.
    """

    started: bool
    seconds: float
    fields: dict[str, Any]
    problems: list[Problem]
    steps: list[StepEnded]
    outside: list[tuple[int, Problem]]
    of_run: list[Problem]
    findings: Findings
    result: Any
    news: list[Any] = field(default_factory=list)
    signal: int = 0
    given_up: bool = False
    aborted: bool = False

    def apply(self, scenario: Scenario) -> None:
        """Give a scenario, its feature and its rules what those of the worker have."""
        vars(scenario).update(self.fields)
        for problem in self.problems:
            note(scenario, problem)
        for step, ended in zip(scenario.all_steps, self.steps, strict=True):
            ended.apply(step)
        for number, problem in self.outside:
            note_once(parts_of(scenario.feature)[number], problem)


def fields_of(scenario: Scenario) -> dict[str, Any]:
    """Return the attributes that behave gives a scenario while it runs."""
    return _fields(scenario, "_cached_status", "should_skip", "skip_reason")


def _fields(statement: Any, *names: str) -> dict[str, Any]:
    error = statement.exception
    return {
        **{name: getattr(statement, name) for name in names},
        "hook_failed": statement.hook_failed,
        "error_message": statement.error_message,
        "exception": error and CarriedError(statement.error_message or str(type(error).__name__), "", ""),
        "_captured": statement.captured,
    }


def apply_death(scenario: Scenario, ended: dict[int, StepEnded], at: int | None, message: str) -> list[bool]:
    """Make a scenario red whose worker died.

    Args:
        scenario: the scenario.
        ended: the steps that had ended, by position.
        at: the step that was running, or one that had ended if none was; None before the first one.
        message: what happened.

    Returns:
        For each step whether it ran.
    """
    scenario.set_status(Status.error)
    for number, step in enumerate(scenario.all_steps):
        if number in ended:
            ended[number].apply(step)
        elif number == at:
            problem = Problem(Kind.ERROR, f"{step.keyword} {step.name}", message)
            vars(step).update(status=Status.error, error_message=message, carried=[problem])
        else:
            step.status = Status.skipped
    if at is None or at in ended or at >= len(list(scenario.all_steps)):
        where = "after_scenario" if ended else "before_scenario"
        note(scenario, Problem(Kind.ERROR, where, message))
    return [number in ended or number == at for number, _ in enumerate(scenario.all_steps)]


def parts_of(feature: Feature) -> list[Feature | Rule]:
    """Return a feature and its rules."""
    return [feature, *feature.iter_rules()]


def note_once(statement: object, problem: Problem) -> None:
    """Record a problem unless the same one is recorded; each worker may have it."""
    if not has(noted(statement), problem):
        note(statement, problem)


def has(known: Iterable[Problem], problem: Problem) -> bool:
    """Return whether a problem of the same kind, place and message is known."""
    return any((p.kind, p.where, p.message) == (problem.kind, problem.where, problem.message) for p in known)
