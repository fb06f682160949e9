"""Services that fail, and work again."""

from dataclasses import replace

from behave import given, then, when

from creditflow.actors import llm_requests, under_way
from creditflow.actors.llm_requests import LlmRequest
from creditflow.actors.load.plan import User
from creditflow.checks import platform, resilience
from creditflow.checks.refusals import Refusal
from features.memory import CreditContext


@given("{service} {way}")
@when("{service} {way}")
def fails(context: CreditContext, service: str, way: str) -> None:
    context.cast.take_away(service, way)


@when("{service} is back")
def is_back(context: CreditContext, service: str) -> None:
    context.cast.bring_back(service)


@when("{service} {way} while each of them waits for the answer to a {model} request that uses {number} tokens")
def fails_meanwhile(context: CreditContext, service: str, way: str, model: str, tokens: int) -> None:
    requests = [(user.person, _request(user, model, tokens)) for user in context.memory.users]
    context.memory.keep(
        under_way.send_during(context.target, requests, lambda: context.cast.take_away(service, way)),
    )


@when(
    "{service} {way} while each of them waits for the answer to a {model} request that uses {number} tokens "
    "under an idempotency key"
)
def fails_meanwhile_under_keys(context: CreditContext, service: str, way: str, model: str, tokens: int) -> None:
    requests = [
        (user.person, replace(_request(user, model, tokens), key=llm_requests.new_key()))
        for user in context.memory.users
    ]
    context.memory.keep(
        under_way.send_during(context.target, requests, lambda: context.cast.take_away(service, way)),
    )


@when("each of them sends the same request again")
def everybody_sends_again(context: CreditContext) -> None:
    requests = [(answer.person, answer.request) for answer in context.memory.answers]
    context.memory.keep(llm_requests.send_simultaneously(context.target.ops_center, requests))


@when("each of them sends a {model} request that uses {number} tokens")
def everybody_sends(context: CreditContext, model: str, tokens: int) -> None:
    requests = [(user.person, _request(user, model, tokens)) for user in context.memory.users]
    context.memory.keep(llm_requests.send_simultaneously(context.target.ops_center, requests))


@when("Keycloak gets a new signing key")
def new_signing_key(context: CreditContext) -> None:
    context.cast.change_signing_key()


@when("Keycloak withdraws that signing key")
def withdrawn_signing_key(context: CreditContext) -> None:
    context.cast.withdraw_signing_key()


@then("within {number} seconds {whose} sign-in with that key is refused with 401")
def sign_in_is_refused(context: CreditContext, seconds: int, who: str) -> None:
    person = context.cast.subject(who)
    token = person.token
    context.session.soon(lambda: resilience.token_refused(context.target, person, token), seconds)


@then("soon Ops-Center reports {service} as up")
def reported_up(context: CreditContext, service: str) -> None:
    context.session.soon(lambda: platform.require_reported_up(context.target, service))


@then("nobody can sign in")
def nobody_signs_in(context: CreditContext) -> None:
    resilience.cannot_sign_in(context.target)


@then("each of them is refused with {refusal}, or their stream breaks off with it")
def everybody_is_refused(context: CreditContext, refusal: Refusal) -> None:
    resilience.refused(context.target, context.memory.answers, refusal)


@then("no answer arrives")
def no_answer_arrives(context: CreditContext) -> None:
    resilience.unanswered(context.memory.answers)


@then("each of them has paid {number} credits for each answer, and nothing else")
def paid_for_answers(context: CreditContext, credits: int) -> None:
    users = context.memory.users
    context.session.soon(lambda: resilience.paid_for_answers(context.accounts, users, credits))


@then("soon no credits are reserved for any of them")
def nothing_reserved_for_any(context: CreditContext) -> None:
    context.session.soon(lambda: resilience.nothing_reserved(context.accounts, context.memory.users))


def _request(user: User, model: str, tokens: int) -> LlmRequest:
    return LlmRequest(model, tokens, own_key=user.own_key, stream=user.stream)
