"""What people ask the models, and what comes back."""

from behave import given, then, when
from behave.runner import Context

from creditflow.actors import llm_requests
from creditflow.actors.llm_requests import Question
from creditflow.checks import diagnosis, refusals
from creditflow.checks.accounts import HistoryEntry
from creditflow.checks.refusals import Refusal
from creditflow.core import expect
from creditflow.core.expect import Finding
from creditflow.core.prices import MODELS
from features.language import number
from features.memory import keep


@when("{who} ask(s) {model} a question of {number} tokens")
def asks(context: Context, who: str, model: str, tokens: int) -> None:
    _ask(context, who, Question(model, tokens))


@when("{who} ask(s) {model} a question of {number} tokens {manner}")
def asks_in_a_manner(context: Context, who: str, model: str, tokens: int, manner: dict[str, bool | str]) -> None:
    if manner.get("key") == "new":
        context.key = llm_requests.new_key()
    key = {"key": context.key} if "key" in manner else {}
    _ask(context, who, Question(model, tokens, **(manner | key)))


@when("{who} ask(s) {model} a question of {number} tokens, which costs {number} credits")
def asks_what_costs(context: Context, who: str, model: str, tokens: int, credits: int) -> None:
    context.accounts.priced(model, tokens, credits)
    _ask(context, who, Question(model, tokens))


@when("{who} ask(s) {model} a question of {number} tokens in the name of {organization}")
def asks_in_the_name_of(context: Context, who: str, model: str, tokens: int, organization: str) -> None:
    _ask(context, who, Question(model, tokens, organization=context.cast.find_organization(organization)))


@when("{who} ask(s) {model} a question of {number} tokens as a stream and leave(s) after the first words")
def leaves_early(context: Context, who: str, model: str, tokens: int) -> None:
    question = Question(model, tokens, stream=True)
    keep(context, [llm_requests.ask_and_leave(context.target.ops_center, context.cast.subject(who), question)])


@when("{who} ask(s) {model} {string}")
def asks_the_plan_question(context: Context, who: str, model: str, text: str) -> None:
    _ask(context, who, Question(model, 100, text=text))


@when("{who} ask(s) {model} a question of {number} words and set(s) no limit to the answer")
def asks_without_limit(context: Context, who: str, model: str, words: int) -> None:
    """A stand-in answers a question that is longer than an answer usually is with one word."""
    text = " ".join(["word"] * (words - 2))
    _ask(context, who, Question(model, words + 1, text=text))


@when("{who} ask(s) {model} {number} questions of {number} tokens")
def asks_many(context: Context, who: str, model: str, count: int, tokens: int) -> None:
    person = context.cast.subject(who)
    keep(
        context,
        llm_requests.ask_in_turn(context.target.ops_center, person, lambda: Question(model, tokens), count),
    )


@when("{who} ask(s) for a model that is not on offer")
def asks_unknown_model(context: Context, who: str) -> None:
    person = context.cast.subject(who)
    body = Question("GPT-4", 100).body(person.name) | {"model": "openai/gpt-0"}
    context.reply = context.target.ops_center.chat(person.token, body)


@when("{who} send(s) the same request again")
def asks_again(context: Context, who: str) -> None:
    context.first = context.answer
    _ask(context, who, context.answer.question)


@given("for {who} the provider {trouble}")
def provider_in_trouble(context: Context, who: str, trouble: str) -> None:
    context.cast.trouble(context.cast.subject(who), trouble)


@given("the provider takes {number} second(s) to answer {who}")
def provider_slow(context: Context, seconds: int, who: str) -> None:
    context.cast.trouble(context.cast.subject(who), "slow", seconds)


@given("the provider has answered {who} once without Ops-Center")
def provider_asked_past_ops_center(context: Context, who: str) -> None:
    person = context.cast.subject(who)
    status = context.target.litellm.chat(Question("GPT-3.5-turbo", 100).body(person.name))
    calls = context.target.provider.calls(person.name)
    expect.agree(
        [
            Finding("LiteLLM answered with status", status, 200),
            Finding("the provider was called", len(calls), 1, "times"),
        ],
    )


@then("the answer arrives")
def answer_arrives(context: Context) -> None:
    answer = context.answer
    events = answer.reply.events
    expect.holds(
        answer.reply.status != 200 or not events or events[-1] == "[DONE]",
        f"the stream of {answer.person.alias} does not end with [DONE]: its last event is {str(events[-1:])[:300]}",
        lambda: diagnosis.of_person(context.target, answer.person),
    )
    expect.holds(
        answer.arrived,
        f"{answer.person.alias} got no answer: status {answer.reply.status} {answer.code or answer.reply.text[:300]}",
        lambda: diagnosis.of_person(context.target, answer.person),
    )
    context.accounts.exact(answer)


@then("every answer arrives")
def every_answer_arrives(context: Context) -> None:
    missing = [a for a in context.answers if not a.arrived]
    first = f"; the first of them: status {missing[0].reply.status}, {missing[0].detail}" if missing else ""
    expect.holds(
        not missing,
        f"{len(missing):,} of {len(context.answers):,} answers did not arrive{first}",
        lambda: diagnosis.of_person(context.target, context.answer.person),
    )


@then("the request is refused as {refusal}")
@then("it is refused as {refusal}")
def is_refused(context: Context, refusal: Refusal) -> None:
    who = context.cast.subject("they")
    refusals.refused(context.reply, refusal, who.alias, lambda: diagnosis.of_person(context.target, who))


@then("every request is refused as {refusal}")
def all_are_refused(context: Context, refusal: Refusal) -> None:
    alike = [answer for answer in context.answers if refusal.fits(answer.reply)]
    expect.agree(
        [Finding(f"the refusals as {refusal.status} {refusal.words} are", len(alike), len(context.answers))],
        lambda: diagnosis.of_person(context.target, context.answer.person),
    )


@then("{number} answer(s) arrive(s) and {number} is/are refused as {refusal}")
def some_are_refused(context: Context, arrived: int, refused: int, refusal: Refusal) -> None:
    alike = [answer for answer in context.answers if refusal.fits(answer.reply)]
    expect.agree(
        [
            Finding("in all", sum(a.arrived for a in context.answers), arrived, "answers arrived"),
            Finding("in all", len(alike), refused, f"were refused as {refusal.status} {refusal.words}".rstrip()),
        ],
        lambda: diagnosis.of_person(context.target, context.answer.person),
    )


@then("the answer says that it cost {number} credits and leaves {number}")
def answer_says_cost(context: Context, cost: int, left: int) -> None:
    context.accounts.stated(context.answer, cost, left)


@then("the answer says that their own key paid")
def answer_says_own_key(context: Context) -> None:
    fields = context.answer.fields
    expect.agree(
        [
            Finding("the answer says 'own key used':", fields.get("byok_used"), True),
            Finding("the answer says that it cost", fields.get("cost_credits"), 0, "credits"),
        ],
        lambda: diagnosis.of_person(context.target, context.answer.person),
    )


@then("the answer breaks off with an error and without an end")
def answer_breaks_off(context: Context) -> None:
    events = context.answer.reply.events
    expect.holds("[DONE]" not in events, "the broken stream claims to have ended")
    expect.holds(
        any(isinstance(e, dict) and "error" in e for e in events),
        f"the broken stream carries no error; its last event is {events[-1] if events else 'missing'}",
    )


@then("both answers are the same")
def same_answers(context: Context) -> None:
    first, again = context.first, context.answer
    expect.agree(
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


@then("the answer has OpenAI's shape")
def openai_shape(context: Context) -> None:
    llm_requests.require_openai_shape(context.answer)


@then("{whose} history reads")
def history_reads(context: Context, who: str) -> None:
    entries = [
        HistoryEntry(MODELS[row["model"]], number(row["tokens"]), number(row["credits"]), row["own key"] == "yes")
        for row in context.table
    ]
    context.accounts.history(context.cast.subject(who), entries)


def _ask(context: Context, who: str, question: Question) -> None:
    keep(context, [llm_requests.ask(context.target.ops_center, context.cast.subject(who), question)])
