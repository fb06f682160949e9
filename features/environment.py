"""The hooks of a run: connect, cast, audit, clean up. The work is done in `creditflow`."""

from __future__ import annotations

from behave.model import Feature, Scenario
from behave.runner import Context

from creditflow.run import require_settings

require_settings()

from creditflow.run import session  # noqa: E402 - in another working directory, its files may hide packages of these
from features import language  # noqa: E402
from features.memory import Memory  # noqa: E402

language.speak()


def before_all(context: Context) -> None:
    """Find or start the target, check it (X3, X4), and announce what it can't show."""
    context.session = session.begin(context.config.userdata, context.add_cleanup)


def before_scenario(context: Context, scenario: Scenario) -> None:
    """Give the scenario its own cast; everything that the cast makes is removed when the scenario ends."""
    if "opt-in" in scenario.effective_tags and not context.config.userdata.getbool("opt_in"):
        scenario.skip("an opt-in run of its own: behave -D opt_in=yes --tags=@opt-in")
        return
    context.target, context.memory = context.session.target, Memory()
    context.cast, context.accounts = context.session.scene(context.add_cleanup)


def after_scenario(context: Context, scenario: Scenario) -> None:
    """Audit everyone whom the scenario made, whether it passed or failed."""
    if "cast" in context:
        context.session.audit(context.cast, green=not scenario.status.has_failed())


def after_feature(context: Context, feature: Feature) -> None:
    """Leave the services as they were before the feature made some of them fail."""
    if "session" in context:
        context.session.target.outages.close()
