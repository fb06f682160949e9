"""Faults of how an LLM request is taken, repeated and answered."""

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, idempotency, litellm, purses, tokens
from sandbox.ops_center.chat import ChatRequest, Order
from sandbox.ops_center.litellm import LiteLLM
from sandbox.ops_center.purses import Allocation, Individual

_CLAIM = "await idempotency.claim(services.database, caller.user_id, request)"


@fault("EP9", "the repeated request got the answer's id")
def idempotency_key_is_ignored() -> None:
    """A client that repeats a request after a broken connection is answered, and charged, a second time."""
    rewrite(chat.complete, _CLAIM, "None")


@fault("EP9", "the repeated request got the answer's id")
def idempotency_key_of_a_stream_is_ignored() -> None:
    """A repeated stream is sent to the provider and charged again: only whole answers are kept."""
    rewrite(chat.complete, _CLAIM, f"None if question.stream else {_CLAIM}")


@fault("EP9", "9,982 credits in the API, expected 9,991")
def replay_is_charged() -> None:
    """A repeated request gets the first answer again, and the user pays for it again."""
    rewrite(
        chat.complete,
        "            return _replayed(",
        "            purse = await payers.purse_of(services, caller, payers.named_organization(request))\n"
        "            async with services.database.transaction() as db:\n"
        "                await purse.pay(db, 0, 9)\n"
        "            return _replayed(",
    )


@fault("EP9", "the individual has used 2 calls in the usage, expected 1")
def replay_is_counted() -> None:
    """A repeated request gets the first answer again and uses up a call of the month's quota."""
    rewrite(
        chat.complete,
        "            return _replayed(",
        "            call = Call(request.state.request_id, caller.user_id, question.model, None)\n"
        "            await reservations.reserve(services, call, 0, standing)\n"
        "            await reservations.fail(services, call, 200)\n"
        "            return _replayed(",
    )


@fault("EP9", "the individual got the status 200, expected 422")
def replay_answers_another_question() -> None:
    """A key that was used with another question is answered with the first one's answer."""
    replace(idempotency, "hash_of", lambda _body: "0" * 64)


@fault("EP9", "unicorn_db idempotency_keys")
def idempotency_keys_are_shared_by_everybody() -> None:
    """Keys are not kept by user: whoever happens to choose a key that somebody else used is refused, or worse."""
    rewrite(idempotency.claim, "Claim(user_id,", "Claim(UUID(int=0),")


@fault("EP9", "2 answers arrived, expected 1")
def repetition_of_a_running_request_is_sent() -> None:
    """A key is looked up only among the finished requests: a repetition that comes early is charged too."""
    rewrite(
        idempotency.claim,
        "return kept(wanted, await found.fetchone())",
        "first = await found.fetchone()\n        return kept(wanted, first) if first and first['status'] else wanted",
    )


@fault("EP9", "2 in the provider's journal, expected 1")
def provider_is_asked_twice() -> None:
    """Every question goes to the provider twice, and the platform pays for both answers."""
    rewrite(
        chat._whole,
        "completion = await",
        "await services.litellm.complete(order.body()); completion = await",
    )


@fault("C1.E1", "the member: provider calls", "1 in the provider's journal, expected 0")
def provider_is_asked_before_the_credits_are_checked() -> None:
    """A request that nobody can pay is sent all the same: the user is refused and the platform has the cost."""
    rewrite(
        chat.answer,
        "standing = await reservations.reserve(",
        "await services.litellm.complete(Order(call, question, own_key, claim).body()); "
        "standing = await reservations.reserve(",
    )


@fault("F1.E1", "9,991 credits in the API, expected 9,996")
def length_of_the_answer_is_not_passed_on() -> None:
    """The limit that a user sets is not passed on: they get, and pay, a longer answer than they asked for."""
    rewrite(Order.body, "(exclude_unset=True)", '(exclude_unset=True, exclude={"max_tokens"})')


@fault("F1.S5", "reads in the answer that it cost none credits, expected 9")
def answer_does_not_say_what_it_cost() -> None:
    """The answer comes without its price: scripts that add up their spending have nothing to add."""
    rewrite(Order.costs, '"cost_credits": payment.credits,', "")


@fault("F1.S5", "reads in the answer that '9,991' (of the type str) credits are left")
def answer_states_credits_as_text() -> None:
    """Figures are written as people write them, with a comma, on which programs that compute with them fail."""
    rewrite(Order.costs, "payment.remaining,", 'f"{payment.remaining:,}",')


@fault("F1.S5", "their own key paid: yes, expected no")
def answer_says_that_the_own_key_paid() -> None:
    """The answer claims that the user's own key was used although platform credits paid."""
    rewrite(Order.costs, "self.own_key is not None", "True")


@fault("F2.S6", "9,991 credits are left, expected 2,491")
def answer_shows_the_organization_to_its_member() -> None:
    """A member reads the whole organisation's credits as what is left for themselves."""
    rewrite(
        Allocation.pay,
        "_organization, member = await self._locked(db)",
        "organization, member = await self._locked(db)",
    )
    rewrite(
        Allocation.pay,
        "return Payment(credits, left - credits)",
        'return Payment(credits, organization["total_credits"] - credits)',
    )


@fault("EP9", "not every part of the answer is a chat.completion")
def answer_is_not_of_openais_kind() -> None:
    """Answers call themselves something else than OpenAI's do: clients that check it refuse them."""
    rewrite(Order.costs, '"model":', '"object": "completion", "model":')


@fault("EP9", "the answer's model is", "expected openai/gpt-3.5-turbo")
def answer_names_a_model_of_the_gateway() -> None:
    """The answer names the model as the gateway calls it and not as the user asked for it."""
    rewrite(Order.costs, "self.question.model", 'f"openrouter/{self.question.model}"')


@fault("EP9", "the stream of the individual does not end with [DONE]")
def stream_has_no_end() -> None:
    """Streams do not say that they are over: OpenAI's clients wait, or take the answer for broken."""
    rewrite(chat._relay, '"data: [DONE]\\n\\n"', '""')


@fault("EP9", "reads in the answer that it cost none credits, expected 9")
def stream_does_not_say_what_it_cost() -> None:
    """The last event of a stream comes without cost and credits left, which a whole answer has."""
    rewrite(chat._relay, "_event(last | order.costs(payment))", "_event(last)")


@fault("I5", "the broken stream claims to have ended")
def broken_stream_ends_as_if_it_were_whole() -> None:
    """A stream that broke off ends like a whole one: users take half an answer for all of it."""
    rewrite(
        chat._pump,
        "        parts.put_nowait(None)",
        '        parts.put_nowait("data: [DONE]\\n\\n"); parts.put_nowait(None)',
    )


@fault("I5", "the broken stream carries no error")
def broken_stream_says_nothing() -> None:
    """A stream that breaks just stops: the user does not learn that something went wrong, nor what."""
    rewrite(
        chat._pump, '_event({"error": {"message": problem.detail, "type": problem.code, "code": problem.code}})', '""'
    )


@fault("EP10", "openai/gpt-4-turbo 48")
def models_list_shows_an_old_price() -> None:
    """The price that users look up is another one than they are charged."""
    rewrite(
        chat.models,
        '"credits_per_100_tokens": rate}',
        '"credits_per_100_tokens": 48 if model == "openai/gpt-4-turbo" else rate}',
    )


@fault("EP10", "the models on offer cost", "anthropic/claude-3-sonnet 15")
def models_list_lacks_a_model() -> None:
    """A model that can be used is not on offer: whoever chooses from the list never finds it."""
    rewrite(chat.models, "in pricing.RATES.items()", 'in pricing.RATES.items() if "claude" not in model')


@fault("EP9", "a question with an unknown model is answered with 500, expected 422")
def unknown_model_is_a_server_error() -> None:
    """A misspelt model is looked up in the price list and not found: the user sees a server error."""
    rewrite(chat.read, "question.model not in pricing.RATES", "not pricing.RATES[question.model]")


@fault("EP9", "a question with an unknown model is answered with 200, expected 422")
def unknown_model_is_answered_by_another() -> None:
    """Whoever misspells a model is answered, and charged, by one that they did not ask for."""
    rewrite(
        chat.read,
        "    if question.model not in pricing.RATES:\n",
        "    if question.model not in pricing.RATES:\n        question.model = 'openai/gpt-3.5-turbo'\n    if False:\n",
    )


@fault("EP9", "a question with 128,001 tokens of answer is answered with 402, expected 422")
def length_of_the_answer_has_no_limit() -> None:
    """Any length of answer is let through to the credit check: the user is asked to buy what no model can give."""
    _unlimit("max_tokens", "Le")


@fault("EP9", "a question with 0 tokens of answer is answered with", "expected 422")
def empty_answer_can_be_asked_for() -> None:
    """A length of 0 or less reaches the provider, and the user pays for nothing or sees a failure."""
    _unlimit("max_tokens", "Ge")


@fault("EP9", "a question with an empty list of messages is answered with", "expected 422")
def question_may_be_empty() -> None:
    """A request without any message reaches the provider, which fails, and the user waits for it."""
    _unlimit("messages", "MinLen")


@fault("I1", "an LLM request", "is answered with 422, expected 401")
def request_is_judged_before_its_sender() -> None:
    """Somebody without a token learns what is wrong with their question instead of that they are not let in."""
    vars(tokens)["_read"] = chat.read
    rewrite(
        tokens.authenticate,
        "    scheme, _, token =",
        "    if request.url.path.endswith('/chat/completions'):\n"
        "        _read(await request.body())\n"
        "    scheme, _, token =",
    )


@fault("EP9", "the individual got no answer: status 402")
def whoever_was_refused_stays_refused() -> None:
    """Somebody who ran out of credits is remembered as such, and is refused after they got new ones."""
    vars(purses)["_broke"] = set()
    rewrite(
        Individual.hold,
        "if held.rowcount == 0:",
        "if held.rowcount == 0 or self.user_id in _broke:\n        _broke.add(self.user_id)",
    )


@fault("R4", "the neighbour got no answer: status 502")
def failure_of_one_request_stops_everybody() -> None:
    """After one failure nobody is sent to the provider any more, whoever they are and whatever they ask."""
    vars(litellm)["_failures"] = []
    rewrite(LiteLLM._sent, "    with _troubles", "    if _failures: raise provider_error()\n    with _troubles")
    rewrite(LiteLLM._sent, "raise refused(", "_failures.append(answer.status_code); raise refused(")


def _unlimit(field: str, limit: str) -> None:
    """Take a limit off a field of the request."""
    of_field = ChatRequest.model_fields[field]
    of_field.metadata = [rule for rule in of_field.metadata if type(rule).__name__ != limit]
    ChatRequest.model_rebuild(force=True)
