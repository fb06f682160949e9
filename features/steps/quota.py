"""The month's quota: what counts, what is left, and what happens at its end."""

from behave import given, then, when

from creditflow.actors import past_calls
from creditflow.checks import expiry, refusals
from features.memory import CreditContext, last_reply


@given("{who} has/have already made {number} calls this month")
def made_calls(context: CreditContext, who: str, count: int) -> None:
    past_calls.place_this_month(context.target, context.cast.subject(who), count)


@given("{who} made {number} calls last month")
def made_calls_last_month(context: CreditContext, who: str, count: int) -> None:
    past_calls.place_last_month(context.target, context.cast.subject(who), count)


@when("{whose} counter is lost")
def counter_lost(context: CreditContext, who: str) -> None:
    context.target.counters.forget(context.cast.subject(who).id)


@then("{who} has/have used {number} of {number} calls")
def calls_used(context: CreditContext, who: str, used: int, limit: int) -> None:
    context.accounts.calls(context.cast.subject(who), used, limit)


@then("soon {who} has/have used {number} of {number} calls")
def calls_used_soon(context: CreditContext, who: str, used: int, limit: int) -> None:
    context.session.soon(lambda: context.accounts.calls(context.cast.subject(who), used, limit))


@then("{who} has/have used {number} calls, without a limit")
def calls_used_without_limit(context: CreditContext, who: str, used: int) -> None:
    context.accounts.calls(context.cast.subject(who), used, None)


@then("it says that {number} of {number} calls are left until the first of next month")
def rate_limit(context: CreditContext, remaining: int, limit: int) -> None:
    with last_reply(context) as reply:
        refusals.rate_limit(reply, remaining, limit)


@then("the message names the reset date")
def message_reset_date(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.names_reset_date(reply)


@then("the provider was called {number} time(s) for {who}")
def provider_called(context: CreditContext, count: int, who: str) -> None:
    context.accounts.provider_total(context.cast.subject(who), count)


@then("the provider was not called for {who}")
def provider_not_called(context: CreditContext, who: str) -> None:
    context.accounts.provider_total(context.cast.subject(who), 0)


@then("{whose} counter in Redis is at {number}")
def counter_at(context: CreditContext, who: str, count: int) -> None:
    context.accounts.counter(context.cast.subject(who), count)


@then("Redis remembers {whose} plan for {number} seconds at most")
def plan_remembered(context: CreditContext, who: str, seconds: int) -> None:
    expiry.require_plan_expires(context.target, context.cast.subject(who), seconds)


@then("{whose} counter in Redis expires after the month and at the latest a month later")
def counter_expires(context: CreditContext, who: str) -> None:
    expiry.require_counter_expires(context.target, context.cast.subject(who))


@then("within {number} seconds {who} has/have used {number} of {number} calls")
def calls_used_within(context: CreditContext, seconds: int, who: str, used: int, limit: int) -> None:
    person = context.cast.subject(who)
    context.session.soon(lambda: context.accounts.calls(person, used, limit), seconds)


@when("{who} make(s) {number} more calls this month, which cost nothing")
def makes_more_calls(context: CreditContext, who: str, count: int) -> None:
    person = context.cast.subject(who)
    past_calls.place_this_month(context.target, person, count)
    context.target.counters.forget(person.id)
