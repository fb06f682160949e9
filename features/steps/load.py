"""Many users at the same time for a longer time."""

from typing import cast

from behave import given, then, when

from creditflow.actors.load import crowd, generator
from creditflow.actors.load.crowd import Group, Kind
from creditflow.actors.load.generator import Workers
from creditflow.actors.load.plan import Plan, stages
from creditflow.checks import load, performance
from creditflow.checks.refusals import Refusal
from features.language import number
from features.memory import CreditContext


@given("{number} users, who are")
def makes_users(context: CreditContext, users: int) -> None:
    _make(context, users)


@given("as many users as the settings name, who are in proportion")
def makes_users_of_the_settings(context: CreditContext) -> None:
    _make(context, context.target.settings.load_users)


@given("a stand-in that answers these users takes {number} ms")
def provider_takes(context: CreditContext, milliseconds: int) -> None:
    """Slow the stand-in down; a real provider takes its own time."""
    if context.target.has("PROVIDER_URL"):
        crowd.slow_down(context.cast, context.memory.users, milliseconds / 1000)


@when(
    "{number} and then {number} of them send {model} requests that use {number} tokens for {number} seconds, "
    "with pauses of {number} ms"
)
def users_send(context: CreditContext, few: int, many: int, model: str, tokens: int, seconds: int, pause: int) -> None:
    parts = stages(few, many, seconds)
    _send(context, Plan(context.memory.users, model, tokens, pause / 1000, parts), Workers())


@when(
    "{number} and then all of them send {model} requests that use {number} tokens for the time of the settings, "
    "with pauses of {number} ms"
)
def users_send_by_the_settings(context: CreditContext, few: int, model: str, tokens: int, pause: int) -> None:
    settings = context.target.settings
    parts = stages(few, len(context.memory.users), settings.load_seconds)
    workers = Workers(settings.load_workers, settings.load_workers_elsewhere, settings.load_port)
    _send(context, Plan(context.memory.users, model, tokens, pause / 1000, parts), workers)


@then("no request ends in a server error")
def no_server_error(context: CreditContext) -> None:
    load.no_server_error(context.memory.load)


@then("every request is answered, or refused with {refusal} where the credits are used up")
def answered_or_refused(context: CreditContext, refusal: Refusal) -> None:
    load.answered_or_refused(context.memory.load, refusal, context.cast.prices)


@then("the median answer takes {number} users at most {number}% of what it takes {number} users")
def nearly_as_fast(context: CreditContext, many: int, most: int, few: int) -> None:
    load.median_ratio(context.memory.load, few, many, most)


@then("{number} users get at least {number}% of the answers that they get from LiteLLM directly")
def nearly_as_many(context: CreditContext, users: int, least: int) -> None:
    load.throughput_ratio(context.memory.load, users, least)


def _make(context: CreditContext, users: int) -> None:
    generator.require_allowed(context.target.settings, users)
    groups = [
        Group(
            number(row["users"]),
            cast(Kind, row["kind"]),
            number(row["credits of each"]),
            number(row["ask for streams"]),
        )
        for row in context.table
    ]
    context.memory.users = crowd.make(context.target, context.cast, crowd.scaled(groups, users))


def _send(context: CreditContext, plan: Plan, workers: Workers) -> None:
    with performance.stopwatch() as watch:
        context.memory.load = generator.run(context.target, plan, watch.probe, workers)
    load.attach(context.memory.load)
