"""The month's quota: what counts, what is left, and what happens at its end."""

from behave import given, then, when
from behave.runner import Context

from creditflow.checks import diagnosis, refusals
from creditflow.core import period
from creditflow.core.expect import counted, holds
from features.memory import last_reply


@given("{who} has/have already made {number} calls this month")
def made_calls(context: Context, who: str, count: int) -> None:
    person = context.cast.subject(who)
    context.target.grants.place_calls(person.id, count, period.start())


@given("{who} made {number} calls last month")
def made_calls_last_month(context: Context, who: str, count: int) -> None:
    person = context.cast.subject(who)
    context.target.grants.place_calls(person.id, count, period.end_of_the_previous())


@when("{whose} counter is lost")
def counter_lost(context: Context, who: str) -> None:
    context.target.counters.forget(context.cast.subject(who).id)


@then("{who} has/have used {number} of {number} calls")
def calls_used(context: Context, who: str, used: int, limit: int) -> None:
    context.accounts.calls(context.cast.subject(who), used, limit)


@then("{who} has/have used {number} calls, without a limit")
def calls_used_without_limit(context: Context, who: str, used: int) -> None:
    context.accounts.calls(context.cast.subject(who), used, None)


@then("it says that {number} of {number} calls are left until the first of next month")
def rate_limit(context: Context, remaining: int, limit: int) -> None:
    with last_reply(context) as reply:
        refusals.rate_limit(reply, remaining, limit)


@then("the message names the reset date")
def message_reset_date(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.names_reset_date(reply)


@then("the provider was called {number} time(s) for {who}")
def provider_called(context: Context, count: int, who: str) -> None:
    context.accounts.provider_total(context.cast.subject(who), count)


@then("the provider was not called for {who}")
def provider_not_called(context: Context, who: str) -> None:
    context.accounts.provider_total(context.cast.subject(who), 0)


@then("{whose} counter in Redis is at {number}")
def counter_at(context: Context, who: str, count: int) -> None:
    context.accounts.counter(context.cast.subject(who), count)


@then("Redis remembers {whose} plan for {number} seconds at most")
def plan_remembered(context: Context, who: str, seconds: int) -> None:
    person = context.cast.subject(who)
    left = context.target.counters.seconds_of_the_plan(person.id)
    holds(
        0 <= left <= seconds,
        f"Redis remembers the plan of {person.alias} for {counted(left, 'second')} (-1: for ever, -2: not at all), "
        f"expected {seconds} at most",
        lambda: diagnosis.of_person(context.target, person),
    )


@then("{whose} counter in Redis expires after the month and at the latest a month later")
def counter_expires(context: Context, who: str) -> None:
    person = context.cast.subject(who)
    left, month = context.target.counters.seconds_to_expiry(person.id, period.name()), period.seconds_left()
    holds(
        month - 2 <= left <= month + 31 * 24 * 3600,
        f"the counter of {person.alias} expires in {counted(left, 'second')} (-1: never, -2: no counter), "
        f"the month ends in {counted(month, 'second')}",
        lambda: diagnosis.of_person(context.target, person),
    )
