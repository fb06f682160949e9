"""The end of a month, on a target with a clock that can be set."""

from behave import given, then, when

from creditflow.actors import months
from creditflow.actors.llm_requests import LlmRequest
from features.memory import CreditContext


@given("the last second of the month has begun")
def last_second(context: CreditContext) -> None:
    months.begin_the_last_second(context.cast)


@when("{who} send(s) a {model} request that uses {number} tokens, and the next month begins before its answer")
def sends_into_next_month(context: CreditContext, who: str, model: str, tokens: int) -> None:
    person = context.cast.subject(who)
    context.memory.keep([months.send_into_the_next(context.cast, person, LlmRequest(model, tokens))])


@then("{whose} call counts in the old month and not in the new one")
def counts_in_old_month(context: CreditContext, who: str) -> None:
    context.accounts.counted_in_the_month_of_its_beginning(context.cast.subject(who))


@when("the month that is paid for is over")
def paid_month_is_over(context: CreditContext) -> None:
    months.begin_the_next_paid_month(context.cast, context.cast.subject("they"))


@then(
    "within {number} seconds {who} has/have used {number} of {number} calls and {number} credits "
    "in the month that follows"
)
def used_in_next_month(context: CreditContext, seconds: int, who: str, calls: int, limit: int, credits: int) -> None:
    person = context.cast.subject(who)
    context.session.soon(
        lambda: context.accounts.used_in_the_month_that_follows(person, calls, limit, credits), seconds
    )


@when("the clock shows the real time again")
def clock_goes_on(context: CreditContext) -> None:
    context.target.clock.go_on()
