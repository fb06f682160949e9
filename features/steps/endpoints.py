"""The form of the answers, and who may ask."""

from collections.abc import Callable

from behave import then, when

from creditflow.actors import forged_tokens, history_pages, llm_requests
from creditflow.actors.attempts import MALFORMED
from creditflow.actors.llm_requests import LlmRequest
from creditflow.checks import Finding, agree, response_shapes
from creditflow.checks.refusals import Refusal
from features.language import number
from features.memory import CreditContext


@when("{caller} asks every endpoint")
def asks_every_endpoint(context: CreditContext, caller: str) -> None:
    person, target = context.cast.subject("they"), context.target
    tokens: dict[str, Callable[[], str | None]] = {
        "without a token": lambda: None,
        "with a made-up token": lambda: "made-up",
        "with a changed token": lambda: forged_tokens.changed(person.token),
        "with a token signed by somebody else": lambda: forged_tokens.signed_by_another(person.token),
        "with an unsigned token": lambda: forged_tokens.unsigned(person.token),
        "with an identity token": lambda: target.keycloak.identity_token(person.name, person.password),
        "with a token of another issuer": lambda: forged_tokens.of_another_issuer(target, person),
        "with a token of another client": lambda: forged_tokens.of_another_client(target, person),
        "with an expired token": lambda: forged_tokens.expired(target, person),
    }
    context.memory.forget_replies()
    context.memory.caller = caller
    context.memory.endpoint_replies = response_shapes.every_endpoint(target.ops_center, tokens[caller]())


@then("every endpoint refuses them with 401 Unauthorized and asks for a bearer token")
def all_turned_away(context: CreditContext) -> None:
    response_shapes.all_turned_away(context.memory.endpoint_replies, context.memory.caller)


@then("each malformed request is refused with {refusal}")
def malformed_requests(context: CreditContext, refusal: Refusal) -> None:
    token, ops_center = context.cast.subject("they").token, context.target.ops_center
    found = {row["what is wrong"]: ops_center.chat(token, MALFORMED[row["what is wrong"]]) for row in context.table}
    agree(
        [
            Finding(f"a request with {what} is answered with", reply.status, refusal.status)
            for what, reply in found.items()
        ],
    )


@when("{who} look(s) at their balance")
def looks_at_balance(context: CreditContext, who: str) -> None:
    context.memory.reply = context.target.ops_center.balance(context.cast.subject(who).token)


@when("{who} look(s) at their balance and claim(s) to be {who}")
def looks_as_another(context: CreditContext, who: str, other: str) -> None:
    claimed, person = context.cast.mentioned(other), context.cast.subject(who)
    context.memory.reply = forged_tokens.balance_as_another(context.target.ops_center, person, claimed)


@when("{who} look(s) at their usage")
def looks_at_usage(context: CreditContext, who: str) -> None:
    context.memory.reply = context.target.ops_center.usage(context.cast.subject(who).token)


@when("{who} look(s) at their history, {number} entries from the {ordinal} on")
def looks_at_history(context: CreditContext, who: str, limit: int, first: int) -> None:
    context.memory.reply = context.target.ops_center.history(context.cast.subject(who).token, limit, first - 1)


@then("they are the {ordinal} and the {ordinal} of {whose} whole history")
def part_of_history(context: CreditContext, first: int, last: int, who: str) -> None:
    person = context.cast.subject(who)
    whole = context.target.ops_center.history(person.token).body.get("items", [])
    response_shapes.part_of(context.memory.reply, whole, first, last, person.alias)


@when("{who} look(s) at their keys")
def looks_at_keys(context: CreditContext, who: str) -> None:
    context.memory.reply = context.target.ops_center.keys(context.cast.subject(who).token)


@when("{who} look(s) at the organisation's credits")
def looks_at_organization_credits(context: CreditContext, who: str) -> None:
    organization = context.cast.find_organization("the organisation")
    context.memory.reply = context.target.ops_center.organization_credits(
        context.cast.subject(who).token, organization.id
    )


@when("{who} look(s) at their allocation")
def looks_at_allocation(context: CreditContext, who: str) -> None:
    organization = context.cast.find_organization("the organisation")
    context.memory.reply = context.target.ops_center.my_allocation(context.cast.subject(who).token, organization.id)


@then("it contains exactly")
def contains_exactly(context: CreditContext) -> None:
    response_shapes.holds_fields(context.memory.reply, _stated(context), context.cast, exactly=True)


@then("it contains at least")
def contains_at_least(context: CreditContext) -> None:
    response_shapes.holds_fields(context.memory.reply, _stated(context), context.cast, exactly=False)


@then("it shows {number} of {number} entries")
def shows_entries(context: CreditContext, shown: int, total: int) -> None:
    whose = f"the history of {context.cast.subject('they').alias}"
    agree(
        [
            Finding(f"the page of {whose} shows", len(context.memory.reply.body.get("items", [])), shown, "entries"),
            Finding(f"{whose} has", context.memory.reply.body.get("total"), total, "entries in all"),
        ],
        lambda: context.memory.reply.text[:300],
    )


@then("every entry is one of their own requests, answered, of {number} tokens for {number} credits")
def own_entries(context: CreditContext, tokens: int, credits: int) -> None:
    context.accounts.page(context.cast.subject("they"), context.memory.reply, tokens, credits)


@then("{whose} plan is {plan}")
def plan_is(context: CreditContext, who: str, plan: str) -> None:
    person = context.cast.subject(who)
    balance, usage = (
        context.target.ops_center.balance(person.token),
        context.target.ops_center.usage(person.token),
    )
    agree(
        [
            Finding(f"the plan of {person.alias} in the balance is", balance.body.get("tier"), plan),
            Finding(f"the plan of {person.alias} in the usage is", usage.body.get("tier"), plan),
        ],
    )


def _stated(context: CreditContext) -> dict[str, str]:
    return {row["field"]: row["value"] for row in context.table}


@when("{who} page(s) through their history, {number} entries at a time")
def pages_through_history(context: CreditContext, who: str, size: int) -> None:
    context.memory.forget_replies()
    context.memory.pages = history_pages.read(context.target.ops_center, context.cast.subject(who), size)


@when("{who} page(s) through their history, {number} entries at a time, and send(s) a {model} request after each page")
def pages_and_sends(context: CreditContext, who: str, size: int, model: str) -> None:
    person, ops_center = context.cast.subject(who), context.target.ops_center
    context.memory.forget_replies()
    context.memory.pages = history_pages.read(
        ops_center, person, size, lambda: llm_requests.send(ops_center, person, LlmRequest(model, 100))
    )


@then("they see each of {number} entries exactly once")
def sees_each_once(context: CreditContext, count: int) -> None:
    context.accounts.pages(context.cast.subject("they"), context.memory.pages, count)


@when("{who} look(s) at the organisation")
def looks_at_organization(context: CreditContext, who: str) -> None:
    organization = context.cast.find_organization("the organisation")
    context.memory.reply = context.target.ops_center.organization(context.cast.subject(who).token, organization.id)


@then("it lists exactly these people")
def lists_people(context: CreditContext) -> None:
    wanted = [
        (context.cast.mentioned(row["person"]), row["role"], number(row["allocated"]), number(row["used"]))
        for row in context.table
    ]
    context.accounts.people(context.memory.reply, context.cast.find_organization("the organisation"), wanted)


@when(
    "{who} page(s) through their history, {number} entries at a time, "
    "and a {model} request that is under way ends after the first page"
)
def pages_around_request(context: CreditContext, who: str, size: int, model: str) -> None:
    person = context.cast.subject(who)
    context.memory.forget_replies()
    context.memory.pages = history_pages.read_around(context.target, person, size, LlmRequest(model, 100))
