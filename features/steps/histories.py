"""Random histories: what the suite makes up itself, and what must be true after any of it."""

from behave import then, when

from creditflow.run.exploration import judging, run
from features.memory import CreditContext


@when("{number} random histories of {cast} happen, made of the seed {number}")
def histories_happen(context: CreditContext, count: int, roles: tuple[str, ...], seed: int) -> None:
    context.memory.finding = run.some(context, context.session, count, roles, seed)


@when("random histories happen for the time of the settings")
def histories_happen_for_a_time(context: CreditContext) -> None:
    context.memory.finding = run.by_the_settings(context, context.session)


@then("every answer and every charge of them is as agreed")
def all_as_agreed(context: CreditContext) -> None:
    run.require_none(context, context.session, context.memory.finding)


@then("every answer and every charge is as agreed")
def as_agreed(context: CreditContext) -> None:
    judging.require_agreement(context.session, context.cast)
