"""Finds out steps that claim an outcome and compare nothing."""

from __future__ import annotations

from typing import Any

from behave.model import Step
from behave.model_type import Status
from behave.runner import Context

from creditflow.errors import NothingChecked
from creditflow.expect import checks


class CheckedSteps:
    """behave's registry of step definitions; a `Then`, with its `And` and `But`, has to make a check or is red."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def find_match(self, step: Step) -> Any:
        """The definition that fits a step, as behave's registry finds it."""
        match = self._registry.find_match(step)
        if match is not None and step.step_type == "then":
            match.run = _checked(match, step)
        return match

    def __getattr__(self, name: str) -> Any:
        """Whatever else the registry knows."""
        return getattr(self._registry, name)


def _checked(match: Any, step: Step) -> Any:
    run = match.run

    def run_and_look(context: Context) -> None:
        before = checks.made
        run(context)
        if checks.made == before and step.status is Status.untested:
            raise NothingChecked(
                f"Nothing was checked: “{step.keyword} {step.name}” claims an outcome and compared nothing. Let its "
                f"definition ({match.location}) look it up and compare it through creditflow.expect, or say it as "
                f"Given or When."
            )

    return run_and_look
