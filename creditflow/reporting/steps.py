"""What every step definition runs within: a deadline, signals, containment, and the duty of a `Then` to check."""

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
from creditflow.core.run_limits import deadlines


class Steps:
    """behave's registry of step definitions.

    A definition can't end the run, a signal breaks into it, and it ends at its deadline. A `Then`, with its `And` and
    `But`, makes a check or is red.
    """

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def find_match(self, step: Step) -> Any:
        """Return the definition that fits a step, as behave's registry finds it; none where nothing fits."""
        match = self._registry.find_match(step)
        if match is not None:
            match.run = _guarded(match, step)
        return match

    def __getattr__(self, name: str) -> Any:
        """Return whatever else the registry knows."""
        return getattr(self._registry, name)


def _guarded(match: Any, step: Step) -> Any:
    run, name = match.run, f"“{step.keyword} {step.name}”"

    def guarded(context: Context) -> None:
        with contained("The step"), interruption.breaks_in(), deadlines.step(name), _checking(match, step):
            run(context)

    return guarded


@contextmanager
def _checking(match: Any, step: Step) -> Iterator[None]:
    before = checks.made
    yield
    if step.step_type == "then" and checks.made == before and step.status is Status.untested:
        raise NothingCheckedError(
            f"Nothing was checked: “{step.keyword} {step.name}” claims an outcome and compared nothing. Let its "
            f"definition ({match.location}) look it up and compare it through creditflow.core.expect, or say it as "
            f"Given or When."
        )
