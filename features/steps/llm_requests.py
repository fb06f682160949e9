"""The requests that people send to the models, and the answers."""

from dataclasses import replace

from behave import given, then, when

from creditflow.actors import MODELS, llm_requests
from creditflow.actors.attempts import MALFORMED, UNKNOWN
from creditflow.actors.llm_requests import LlmRequest
from creditflow.actors.request_shapes import ADDITIONS
from creditflow.checks import Finding, agree, diagnosis, holds, refusals
from creditflow.checks.accounts import HistoryEntry
from creditflow.checks.refusals import Refusal
from features.language import number
from features.memory import CreditContext


@when("{who} send(s) {kind} {model} request that uses {number} token(s)")
def sends(context: CreditContext, who: str, streamed: bool, model: str, tokens: int) -> None:
    _send(context, who, LlmRequest(model, tokens, stream=streamed))


@when("{who} send(s) {kind} {model} request that uses {number} token(s) with their own key")
def sends_with_own_key(context: CreditContext, who: str, streamed: bool, model: str, tokens: int) -> None:
    _send(context, who, LlmRequest(model, tokens, stream=streamed, own_key=True))


@when("{who} send(s) {kind} {model} request that uses {number} token(s) under an idempotency key")
def sends_under_new_key(context: CreditContext, who: str, streamed: bool, model: str, tokens: int) -> None:
    context.memory.idempotency_key = llm_requests.new_key()
    _send(context, who, LlmRequest(model, tokens, stream=streamed, key=context.memory.idempotency_key))


@when("{who} send(s) {kind} {model} request that uses {number} token(s) under the same idempotency key")
def sends_under_same_key(context: CreditContext, who: str, streamed: bool, model: str, tokens: int) -> None:
    _send(context, who, LlmRequest(model, tokens, stream=streamed, key=context.memory.idempotency_key))


@when("{who} send(s) {kind} {model} request that uses {number} token(s) with their own key under an idempotency key")
def sends_with_own_key_under_new_key(context: CreditContext, who: str, streamed: bool, model: str, tokens: int) -> None:
    context.memory.idempotency_key = llm_requests.new_key()
    _send(context, who, LlmRequest(model, tokens, stream=streamed, own_key=True, key=context.memory.idempotency_key))


@when("{who} send(s) a {model} request {shape} that uses {number} tokens")
def sends_shape(context: CreditContext, who: str, model: str, shape: str, tokens: int) -> None:
    _send(context, who, LlmRequest(model, tokens, shape=shape))


@when("{who} send(s) a {model} request that uses {number} token(s) and add(s) {addition}")
def sends_addition(context: CreditContext, who: str, model: str, tokens: int, addition: str) -> None:
    _send(context, who, LlmRequest(model, tokens, more=ADDITIONS[addition]))


@when("{who} send(s) a request with {mistake}")
def sends_malformed(context: CreditContext, who: str, mistake: str) -> None:
    person = context.cast.subject(who)
    context.memory.reply = context.target.ops_center.chat(person.token, MALFORMED[mistake])


@when("{who} send(s) a {model} request that uses {number} token(s) and costs {number} credit(s)")
def sends_what_costs(context: CreditContext, who: str, model: str, tokens: int, credits: int) -> None:
    context.accounts.priced(model, tokens, credits)
    _send(context, who, LlmRequest(model, tokens))


@when("{who} send(s) a {model} request that uses {number} token(s) on behalf of {organization}")
def sends_on_behalf_of(context: CreditContext, who: str, model: str, tokens: int, organization: str) -> None:
    _send(context, who, LlmRequest(model, tokens, organization=context.cast.find_organization(organization)))


@when("{who} send(s) a streamed {model} request that uses {number} token(s) and disconnect(s) after the first words")
def disconnects_early(context: CreditContext, who: str, model: str, tokens: int) -> None:
    request = LlmRequest(model, tokens, stream=True)
    context.memory.keep([llm_requests.send_and_leave(context.target.ops_center, context.cast.subject(who), request)])


@when("{who} ask(s) {model} {string}")
def sends_text(context: CreditContext, who: str, model: str, text: str) -> None:
    _send(context, who, LlmRequest(model, 100, text=text))


@when("{who} send(s) {number} {model} requests that each use {number} tokens")
def sends_many(context: CreditContext, who: str, count: int, model: str, tokens: int) -> None:
    person = context.cast.subject(who)
    context.memory.keep(
        llm_requests.send_in_turn(context.target.ops_center, person, lambda: LlmRequest(model, tokens), count),
    )


@when("{who} send(s) a request for a model that is not on offer")
def sends_for_unknown_model(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    body = LlmRequest("GPT-4", 100).body(person.name) | {"model": "openai/gpt-0"}
    context.memory.reply = context.target.ops_center.chat(person.token, body)


@when("{who} send(s) the same request again")
def sends_again(context: CreditContext, who: str) -> None:
    context.memory.first_answer = context.memory.answer
    _send(context, who, context.memory.answer.request)


@given("for {who} the provider {trouble}")
def provider_in_trouble(context: CreditContext, who: str, trouble: str) -> None:
    context.cast.trouble(context.cast.subject(who), trouble)


@given("the provider takes {number} second(s) to answer {who}")
def provider_slow(context: CreditContext, seconds: int, who: str) -> None:
    context.cast.trouble(context.cast.subject(who), "slow", seconds)


@given("the provider has answered {who} once without Ops-Center")
def provider_asked_past_ops_center(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    status = context.target.litellm.chat(LlmRequest("GPT-3.5-turbo", 100).body(person.name))
    calls = context.target.provider.calls(person.name)
    agree(
        [
            Finding("LiteLLM answered with status", status, 200),
            Finding("the provider was called", len(calls), 1, "times"),
        ],
    )


@then("the answer arrives")
def answer_arrives(context: CreditContext) -> None:
    answer = context.memory.answer
    events = answer.reply.events
    holds(
        answer.reply.status != 200 or not events or events[-1] == "[DONE]",
        f"the stream of {answer.person.alias} does not end with [DONE]: its last event is {str(events[-1:])[:300]}",
        lambda: diagnosis.of_person(context.target, answer.person),
    )
    holds(
        answer.arrived,
        f"{answer.person.alias} got no answer: status {answer.reply.status} {answer.code or answer.reply.text[:300]}",
        lambda: diagnosis.of_person(context.target, answer.person),
    )
    context.accounts.exact(answer)


@then("every answer arrives")
def every_answer_arrives(context: CreditContext) -> None:
    missing = [a for a in context.memory.answers if not a.arrived]
    first = f"; the first of them: status {missing[0].reply.status}, {missing[0].detail}" if missing else ""
    holds(
        not missing,
        f"{len(missing):,} of {len(context.memory.answers):,} answers did not arrive{first}",
        lambda: diagnosis.of_person(context.target, context.memory.answer.person),
    )


@then("the request is refused with {refusal}")
@then("it is refused with {refusal}")
def is_refused(context: CreditContext, refusal: Refusal) -> None:
    who = context.cast.subject("they")
    refusals.refused(context.memory.reply, refusal, who.alias, lambda: diagnosis.of_person(context.target, who))


@then("every request is refused with {refusal}")
def all_are_refused(context: CreditContext, refusal: Refusal) -> None:
    alike = [answer for answer in context.memory.answers if refusal.fits(answer.reply)]
    agree(
        [Finding(f"the refusals with {refusal.status} {refusal.words} are", len(alike), len(context.memory.answers))],
        lambda: diagnosis.of_person(context.target, context.memory.answer.person),
    )


@then("{number} answer(s) arrive(s) and {number} is/are refused with {refusal}")
def some_are_refused(context: CreditContext, arrived: int, refused: int, refusal: Refusal) -> None:
    alike = [answer for answer in context.memory.answers if refusal.fits(answer.reply)]
    agree(
        [
            Finding("in all", sum(a.arrived for a in context.memory.answers), arrived, "answers arrived"),
            Finding("in all", len(alike), refused, f"were refused with {refusal.status} {refusal.words}".rstrip()),
        ],
        lambda: diagnosis.of_person(context.target, context.memory.answer.person),
    )


@then("the answer says that it cost {number} credits and leaves {number}")
def answer_says_cost(context: CreditContext, cost: int, left: int) -> None:
    context.accounts.stated(context.memory.answer, cost, left)


@then("the answer says that their own key paid")
def answer_says_own_key(context: CreditContext) -> None:
    fields = context.memory.answer.fields
    agree(
        [
            Finding("the answer says 'own key used':", fields.get("byok_used"), True),
            Finding("the answer says that it cost", fields.get("cost_credits"), 0, "credits"),
        ],
        lambda: diagnosis.of_person(context.target, context.memory.answer.person),
    )


@then("the answer breaks off with an error and without an end")
def answer_breaks_off(context: CreditContext) -> None:
    events = context.memory.answer.reply.events
    holds("[DONE]" not in events, "the broken stream claims to have ended")
    errors = [event["error"] for event in events if isinstance(event, dict) and "error" in event]
    holds(bool(errors), f"the broken stream carries no error; its last event is {events[-1] if events else 'missing'}")
    code = errors[-1].get("code") if isinstance(errors[-1], dict) else errors[-1]
    agree([Finding("the error of the broken stream has the code", code, "provider_error")])


@then("both answers are the same")
def same_answers(context: CreditContext) -> None:
    first, again = context.memory.first_answer, context.memory.answer
    agree(
        [
            Finding("the repeated request got the status", again.reply.status, first.reply.status),
            Finding("the repeated request got the answer's id", again.fields.get("id"), first.fields.get("id")),
            Finding("the repeated request got the text", again.text, first.text),
            Finding(
                "the repetition says that it cost",
                again.fields.get("cost_credits"),
                first.fields.get("cost_credits"),
            ),
        ],
        lambda: diagnosis.of_person(context.target, again.person),
    )


@then("the answer has OpenAI's form")
def openai_form(context: CreditContext) -> None:
    llm_requests.require_openai_shape(context.memory.answer)


@then("{whose} history reads")
def history_reads(context: CreditContext, who: str) -> None:
    entries = [
        HistoryEntry(MODELS[row["model"]], number(row["tokens"]), number(row["credits"]), row["own key"] == "yes")
        for row in context.table
    ]
    context.accounts.history(context.cast.subject(who), entries)


@when("{who} send(s) {kind} {model} request that uses {number} token(s) and {asking}")
def sends_asking(context: CreditContext, who: str, streamed: bool, model: str, tokens: int, usage: bool | None) -> None:
    _send(context, who, LlmRequest(model, tokens, stream=streamed, usage=usage))


@when("{who} send(s) a {model} request that is estimated at {number} tokens and uses {number}")
def sends_above_estimate(context: CreditContext, who: str, model: str, estimate: int, tokens: int) -> None:
    person, request = context.cast.subject(who), LlmRequest(model, tokens, text="How does this work in general?")
    context.accounts.estimated(person, request, estimate)
    llm_requests.lengthen_answer(context.cast, person, request)
    _send(context, who, request)


@when("{who} send(s) {number} {model} requests that each use {number} tokens, all with the same request id")
def sends_under_own_id(context: CreditContext, who: str, count: int, model: str, tokens: int) -> None:
    person, own_id = context.cast.subject(who), llm_requests.new_key()
    context.memory.keep(
        llm_requests.send_in_turn(
            context.target.ops_center, person, lambda: LlmRequest(model, tokens, own_id=own_id), count, lanes=1
        )
    )


@when("{who} send(s) a {model} request that uses {number} tokens on behalf of {organization} under an idempotency key")
def sends_for_under_key(context: CreditContext, who: str, model: str, tokens: int, organization: str) -> None:
    payer, key = context.cast.find_organization(organization), llm_requests.new_key()
    _send(context, who, LlmRequest(model, tokens, key=key, organization=payer))


@when("{who} send(s) the same request again with their own key")
def sends_again_with_own_key(context: CreditContext, who: str) -> None:
    _send(context, who, replace(context.memory.answer.request, own_key=True))


@when("{who} send(s) the same request again on behalf of {organization}")
def sends_again_on_behalf_of(context: CreditContext, who: str, organization: str) -> None:
    payer = context.cast.find_organization(organization)
    _send(context, who, replace(context.memory.answer.request, organization=payer))


@when("{who} send(s) a {model} request that uses {number} token(s) and disconnect(s) before the answer")
def disconnects_unanswered(context: CreditContext, who: str, model: str, tokens: int) -> None:
    _send_and_leave(context, who, LlmRequest(model, tokens))


@when(
    "{who} send(s) a {model} request that uses {number} token(s) under an idempotency key "
    "and disconnect(s) before the answer"
)
def disconnects_unanswered_under_key(context: CreditContext, who: str, model: str, tokens: int) -> None:
    _send_and_leave(context, who, LlmRequest(model, tokens, key=llm_requests.new_key()))


@when("{who} send(s) the unanswered request again")
def sends_unanswered_again(context: CreditContext, who: str) -> None:
    _send(context, who, context.memory.unanswered)


@when("the provider answers {who} again")
def provider_answers_again(context: CreditContext, who: str) -> None:
    context.target.provider.end_trouble(context.cast.subject(who).name)


@then("the refusal is the first one again")
def refused_again(context: CreditContext) -> None:
    again, first = context.memory.answer, context.memory.first_answer
    agree([Finding("the repeated request got the refusal", again.reply.body, first.reply.body)])


@then("every answer has a request id of its own")
def own_request_ids(context: CreditContext) -> None:
    answers = context.memory.answers
    sent = {answer.request.own_id for answer in answers}
    made = {answer.request_id for answer in answers} - sent
    agree([Finding("the request ids that Ops-Center made are", len(made), len(answers))])


@then("the answer's usage lists cached and reasoning tokens")
def usage_lists_parts(context: CreditContext) -> None:
    context.accounts.parts_of_usage(context.memory.answer)


@then("the stream ends with one report of {number} tokens")
def stream_reports_usage(context: CreditContext, tokens: int) -> None:
    context.accounts.usage_in_stream(context.memory.answer, tokens)


@then("no part of the stream reports tokens")
def stream_reports_no_usage(context: CreditContext) -> None:
    context.accounts.usage_in_stream(context.memory.answer, None)


@then("each of these requests, which may use {number} tokens, is refused with {refusal}")
def shaped_requests_refused(context: CreditContext, tokens: int, refusal: Refusal) -> None:
    answers = llm_requests.send_shapes(
        context.target.ops_center, context.cast.subject("they"), _column(context), tokens
    )
    context.memory.keep(answers)
    refusals.each_refused(answers, refusal)


@then(
    "each of these requests is answered with exactly {number} credits left, "
    "uses {number} tokens and costs {number} credits"
)
def shaped_requests_answered(context: CreditContext, credits: int, tokens: int, cost: int) -> None:
    person = context.cast.subject("they")

    def grant() -> None:
        context.target.grants.grant(person.id, credits, person.plan)

    answers = llm_requests.send_shapes(context.target.ops_center, person, _column(context), tokens, grant)
    context.memory.keep(answers)
    context.accounts.each_stated(answers, cost)


@then("each of these additions to a request is kept from the provider")
def additions_kept(context: CreditContext) -> None:
    answers = llm_requests.send_additions(
        context.target.ops_center, context.cast.subject("they"), _column(context), "GPT-3.5-turbo", 100
    )
    context.memory.keep(answers.values())
    context.accounts.nothing_added(answers)


@when("{who} send(s) a {model} request that uses {number} token(s) on behalf of an organisation {unknown}")
def sends_on_behalf_of_unknown(context: CreditContext, who: str, model: str, tokens: int, which: str) -> None:
    person = context.cast.subject(who)
    headers = {"X-Organization-Id": UNKNOWN[which]}
    body = LlmRequest(model, tokens).body(person.name)
    context.memory.reply = context.target.ops_center.chat(person.token, body, headers)


def _column(context: CreditContext) -> list[str]:
    return [row[0] for row in context.table]


def _send_and_leave(context: CreditContext, who: str, request: LlmRequest) -> None:
    context.memory.forget_replies()
    context.memory.unanswered = request
    llm_requests.send_and_leave_unanswered(context.target, context.cast.subject(who), request)


def _send(context: CreditContext, who: str, request: LlmRequest) -> None:
    context.memory.keep([llm_requests.send(context.target.ops_center, context.cast.subject(who), request)])
