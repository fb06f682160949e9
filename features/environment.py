"""The hooks of a run: connect, cast, audit, clean up. Wiring only; what is done stands in `creditflow`."""

from __future__ import annotations

from behave.model import Scenario
from behave.runner import Context

from creditflow.reporting import from_anywhere

from_anywhere.require_settings()

from creditflow.run import session  # noqa: E402 - a folder that behave was started in can hide packages that this imports
from features import language  # noqa: E402

language.speak()


def before_all(context: Context) -> None:
    """Find or start the target, check it (X3, X4), and say what it can't show."""
    context.session = session.begin(context.config.userdata, context.add_cleanup)


def before_scenario(context: Context, scenario: Scenario) -> None:
    """Give the scenario a cast of its own; whatever it makes is removed when the scenario ends."""
    if "opt-in" in scenario.effective_tags and not context.config.userdata.getbool("opt_in"):
        scenario.skip("an opt-in run of its own: behave -D opt_in=yes --tags=@opt-in")
        return
    context.target = context.session.target
    context.cast, context.accounts = context.session.scene(context.add_cleanup)


def after_scenario(context: Context, scenario: Scenario) -> None:
    """Audit everyone whom the scenario made, whatever became of it."""
    if "cast" in context:
        context.session.audit(context.cast, green=not scenario.status.has_failed())
