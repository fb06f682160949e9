"""Many requests at the same moment."""

from behave import then, when

from creditflow.actors import llm_requests
from creditflow.actors.llm_requests import LlmRequest
from creditflow.checks import Finding, agree, diagnosis
from creditflow.checks.refusals import Refusal
from features.memory import CreditContext


@when("{who} send(s) {number} {model} requests that each use {number} tokens, all at the same time")
def sends_at_once(context: CreditContext, who: str, count: int, model: str, tokens: int) -> None:
    _at_once(context, [who], count, model, tokens)


@when("{who} send(s) {number} streamed {model} requests that each use {number} tokens, all at the same time")
def sends_streamed_at_once(context: CreditContext, who: str, count: int, model: str, tokens: int) -> None:
    _at_once(context, [who], count, model, tokens, stream=True)


@when("{who} send(s) {number} {model} requests that each use {number} tokens with their own key, all at the same time")
def sends_with_own_key_at_once(context: CreditContext, who: str, count: int, model: str, tokens: int) -> None:
    _at_once(context, [who], count, model, tokens, own_key=True)


@when(
    "{who} send(s) {number} {model} requests that each use {number} tokens and cost {number} credits, "
    "all at the same time"
)
def sends_priced_at_once(context: CreditContext, who: str, count: int, model: str, tokens: int, credits: int) -> None:
    context.accounts.priced(model, tokens, credits)
    _at_once(context, [who], count, model, tokens)


@when(
    "{who} and {who} each send {number} {model} requests that each use {number} tokens and cost {number} credits, "
    "all at the same time"
)
def both_send_at_once(
    context: CreditContext, who: str, other: str, count: int, model: str, tokens: int, credits: int
) -> None:
    context.accounts.priced(model, tokens, credits)
    _at_once(context, [who, other], count, model, tokens)


@when("{who} send(s) the same {model} request, which uses {number} tokens, twice at the same time")
def sends_twice_at_once(context: CreditContext, who: str, model: str, tokens: int) -> None:
    person = context.cast.subject(who)
    request = LlmRequest(model, tokens, key=llm_requests.new_key())
    answers = llm_requests.send_simultaneously(context.target.ops_center, [(person, request)] * 2)
    context.memory.keep_together(answers, ())


@when("the admin allocates {number} credits to {who} {number} times at the same time")
def allocates_at_once(context: CreditContext, credits: int, who: str, count: int) -> None:
    organization, person = context.cast.find_organization("the organisation"), context.cast.subject(who)
    token, ops_center = organization.admin.token, context.target.ops_center
    replies = llm_requests.simultaneously(
        lambda _: ops_center.allocate(token, organization.id, person.email, credits), range(count)
    )
    context.memory.keep_together((), replies)


@then("{number} of them succeed and {number} are refused with {refusal}")
def some_succeed(context: CreditContext, succeeded: int, refused: int, refusal: Refusal) -> None:
    replies = context.memory.replies
    alike = [reply for reply in replies if refusal.fits(reply)]
    agree(
        [
            Finding("in all", sum(r.status == 200 for r in replies), succeeded, "succeeded"),
            Finding("in all", len(alike), refused, f"were refused with {refusal.status} {refusal.words}".rstrip()),
        ],
        lambda: diagnosis.of_organization(context.target, context.cast.find_organization("the organisation")),
    )


def _at_once(
    context: CreditContext,
    who: list[str],
    count: int,
    model: str,
    tokens: int,
    stream: bool = False,
    own_key: bool = False,
) -> None:
    people = [context.cast.subject(alias) for alias in who]
    asked = [
        (person, LlmRequest(model, tokens, stream=stream, own_key=own_key)) for _ in range(count) for person in people
    ]
    context.memory.keep_together(llm_requests.send_simultaneously(context.target.ops_center, asked), ())


@when(
    "the admin purchases {number} credits {number} times while {who} sends {number} {model} requests "
    "that each use {number} tokens and cost {number} credits"
)
def purchases_meanwhile(
    context: CreditContext, bought: int, times: int, who: str, count: int, model: str, tokens: int, credits: int
) -> None:
    context.accounts.priced(model, tokens, credits)
    organization, person = context.cast.find_organization("the organisation"), context.cast.subject(who)
    requests = [(person, LlmRequest(model, tokens)) for _ in range(count)]
    answers, replies = llm_requests.send_and_purchase(
        context.target.ops_center, requests, organization, [bought] * times
    )
    context.memory.keep_together(answers, replies)


@when(
    "{who} send(s) {number} {model} requests at the same time that are each estimated at {number} tokens "
    "and use {number}"
)
def sends_above_estimate_at_once(
    context: CreditContext, who: str, count: int, model: str, estimate: int, tokens: int
) -> None:
    person = context.cast.subject(who)
    requests = [LlmRequest(model, tokens, text="How does this work in general?") for _ in range(count)]
    context.accounts.estimated(person, requests[0], estimate)
    llm_requests.lengthen_answer(context.cast, person, requests[0], seconds=1)
    asked = [(person, request) for request in requests]
    context.memory.keep_together(llm_requests.send_simultaneously(context.target.ops_center, asked), ())


@when("the admin purchases {number} credits twice at the same time under one idempotency key")
def purchases_twice_at_once(context: CreditContext, credits: int) -> None:
    organization, key = context.cast.find_organization("the organisation"), llm_requests.new_key()
    token, ops_center = organization.admin.token, context.target.ops_center
    replies = llm_requests.simultaneously(lambda _: ops_center.purchase(token, organization.id, credits, key), range(2))
    context.memory.keep_together((), replies)
