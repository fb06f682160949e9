"""Many requests at the same moment."""

from behave import then, when
from behave.runner import Context

from creditflow.actors import llm_requests
from creditflow.actors.llm_requests import Question
from creditflow.checks import diagnosis
from creditflow.checks.refusals import Refusal
from creditflow.core import expect
from creditflow.core.expect import Finding
from features.memory import keep


@when("{who} ask(s) {model} {number} questions of {number} tokens at once")
def asks_at_once(context: Context, who: str, model: str, count: int, tokens: int) -> None:
    _at_once(context, [who], model, count, tokens)


@when("{who} ask(s) {model} {number} questions of {number} tokens at once, each of which costs {number} credits")
def asks_priced_at_once(context: Context, who: str, model: str, count: int, tokens: int, credits: int) -> None:
    context.accounts.priced(model, tokens, credits)
    _at_once(context, [who], model, count, tokens)


@when(
    "{who} and {who} each ask {model} {number} questions of {number} tokens at once, "
    "each of which costs {number} credits"
)
def both_ask_at_once(context: Context, who: str, other: str, model: str, count: int, tokens: int, credits: int) -> None:
    context.accounts.priced(model, tokens, credits)
    _at_once(context, [who, other], model, count, tokens)


@when("{who} send(s) the same request of {number} tokens to {model} twice at once")
def sends_twice_at_once(context: Context, who: str, tokens: int, model: str) -> None:
    person = context.cast.subject(who)
    question = Question(model, tokens, key=llm_requests.new_key())
    keep(context, llm_requests.ask_at_once(context.target.ops_center, [(person, question)] * 2))


@when("the admin allocates {number} credits to {who} {number} times at once")
def allocates_at_once(context: Context, credits: int, who: str, count: int) -> None:
    organization, person = context.cast.find_organization("the organisation"), context.cast.subject(who)
    token, ops_center = organization.admin.token, context.target.ops_center
    context.replies = llm_requests.at_once(
        lambda _: ops_center.allocate(token, organization.id, person.email, credits), range(count)
    )


@then("{number} of them succeed and {number} are refused as {refusal}")
def some_succeed(context: Context, succeeded: int, refused: int, refusal: Refusal) -> None:
    replies = context.replies
    alike = [reply for reply in replies if refusal.fits(reply)]
    expect.agree(
        [
            Finding("in all", sum(r.status == 200 for r in replies), succeeded, "succeeded"),
            Finding("in all", len(alike), refused, f"were refused as {refusal.status} {refusal.words}".rstrip()),
        ],
        lambda: diagnosis.of_organization(context.target, context.cast.find_organization("the organisation")),
    )


def _at_once(context: Context, who: list[str], model: str, count: int, tokens: int) -> None:
    people = [context.cast.subject(alias) for alias in who]
    asked = [(person, Question(model, tokens)) for _ in range(count) for person in people]
    keep(context, llm_requests.ask_at_once(context.target.ops_center, asked))
