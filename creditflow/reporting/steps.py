"""Wraps every step definition: with a time limit, signals, containment, and the rule that a `Then` checks something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from behave.model import Step
from behave.model_type import Status
from behave.runner import Context

from creditflow.core.ending import contained
from creditflow.core.errors import NothingCheckedError
from creditflow.core.expect import checks
from creditflow.core.interruption import interruption
from creditflow.core.run_limits import time_limits


class Steps:
    """behave's registry of step definitions.

    A definition can't end the run, a signal interrupts it, and so does its time limit. A `Then`, with its `And` and
    `But`, fails unless it makes a check.
    """

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._known: dict[tuple[str, str], Any] = {}

    def find_definition(self, step: Step) -> Any:
        """Return the definition of a step, or None; the same sentence is looked up once."""
        key = step.step_type, step.name
        if key not in self._known:
            self._known[key] = self._registry.find_step_definition(step)
        return self._known[key]

    def find_match(self, step: Step) -> Any:
        """Return the definition that matches a step with the values of its words, or None."""
        definition = self.find_definition(step)
        match = definition and definition.match(step.name)
        if match is not None:
            match.run = _guarded(match, step)
        return match

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the registry."""
        return getattr(self._registry, name)


def _guarded(match: Any, step: Step) -> Any:
    run, name = match.run, f"“{step.keyword} {step.name}”"

    def guarded(context: Context) -> None:
        with contained("The step"), interruption.interruptible(), time_limits.step(name), _checking(match, step):
            run(context)

    return guarded


@contextmanager
def _checking(match: Any, step: Step) -> Iterator[None]:
    before = checks.made
    yield
    if step.step_type == "then" and checks.made == before and step.status is Status.untested:
        raise NothingCheckedError(
            f"Nothing was checked: “{step.keyword} {step.name}” states an outcome and compared nothing. Let its "
            f"definition ({match.location}) read a value and compare it through creditflow.core.expect, or write it "
            f"as Given or When."
        )
