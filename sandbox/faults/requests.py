"""Faults of how an LLM request is received, repeated and answered."""

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, credit_accounts, idempotency, litellm, tokens
from sandbox.ops_center.chat import ChatRequest, Order
from sandbox.ops_center.credit_accounts import Allocation, Individual
from sandbox.ops_center.litellm import LiteLLM

_CLAIM = "await idempotency.claim(services.database, caller.user_id, request)"


@fault("EP9", "the repeated request got the answer's id")
def idempotency_key_is_ignored() -> None:
    """Ignore the idempotency key, so that a repeated request is charged a second time."""
    rewrite(chat.complete, _CLAIM, "None")


@fault("EP9", "the repeated request got the answer's id")
def idempotency_key_of_a_stream_is_ignored() -> None:
    """Keep only whole answers, so that a repeated stream is sent and charged again."""
    rewrite(chat.complete, _CLAIM, f"None if question.stream else {_CLAIM}")


@fault("EP9", "9,982 credits in the API, expected 9,991")
def replay_is_charged() -> None:
    """Charge again for an answer that is only replayed."""
    rewrite(
        chat.complete,
        "            return _replayed(",
        "            account = await payers.account_of(services, caller, payers.named_organization(request))\n"
        "            async with services.database.transaction() as db:\n"
        "                await account.pay(db, 0, 9)\n"
        "            return _replayed(",
    )


@fault("EP9", "the individual has used 2 calls in the usage, expected 1")
def replay_is_counted() -> None:
    """Count a replayed answer as a call of the month's quota."""
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
    """Answer another question under a used key with the first answer."""
    replace(idempotency, "hash_of", lambda _body: "0" * 64)


@fault("EP9", "unicorn_db idempotency_keys")
def idempotency_keys_are_shared_by_everybody() -> None:
    """Share idempotency keys among users, so that one user's key blocks another user's request."""
    rewrite(idempotency.claim, "Claim(user_id,", "Claim(UUID(int=0),")


@fault("EP9", "2 answers arrived, expected 1")
def repetition_of_a_running_request_is_sent() -> None:
    """Look up the key among finished requests only, so that an early repetition is charged too."""
    rewrite(
        idempotency.claim,
        "return kept(wanted, await found.fetchone())",
        "first = await found.fetchone()\n        return kept(wanted, first) if first and first['status'] else wanted",
    )


@fault("EP9", "2 in the provider's journal, expected 1")
def provider_is_asked_twice() -> None:
    """Send every question twice, so that the platform pays the provider for both answers."""
    rewrite(
        chat._whole,
        "completion = await",
        "await services.litellm.complete(order.body()); completion = await",
    )


@fault("C1.E1", "the member: provider calls", "1 in the provider's journal, expected 0")
def provider_is_asked_before_the_credits_are_checked() -> None:
    """Send a request before the credits are checked, so that the platform pays for refused ones."""
    rewrite(
        chat.answer,
        "standing = await reservations.reserve(",
        "await services.litellm.complete(Order(call, question, own_key, claim).body()); "
        "standing = await reservations.reserve(",
    )


@fault("F1.E1", "9,991 credits in the API, expected 9,996")
def length_of_the_answer_is_not_passed_on() -> None:
    """Drop the limit of the answer's length, so that users get, and pay for, a longer answer."""
    rewrite(Order.body, "(exclude_unset=True)", '(exclude_unset=True, exclude={"max_tokens"})')


@fault("F1.S5", "reads in the answer that it cost none credits, expected 9")
def answer_does_not_say_what_it_cost() -> None:
    """Leave the price out of the answer, so that scripts can't add up their spending."""
    rewrite(Order.costs, '"cost_credits": payment.credits,', "")


@fault("F1.S5", "reads in the answer that '9,991' (of the type str) credits are left")
def answer_states_credits_as_text() -> None:
    """Write the credits left as text with a comma, on which programs fail."""
    rewrite(Order.costs, "payment.remaining,", 'f"{payment.remaining:,}",')


@fault("F1.S5", "their own key paid: yes, expected no")
def answer_says_that_the_own_key_paid() -> None:
    """Say in the answer that the user's own key was used, though platform credits paid."""
    rewrite(Order.costs, "self.own_key is not None", "True")


@fault("F2.S6", "9,991 credits are left, expected 2,491")
def answer_shows_the_organization_to_its_member() -> None:
    """Show a member the organisation's credits as their own remaining credits."""
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
    """Give answers another `object` than OpenAI does, so that clients that check it refuse them."""
    rewrite(Order.costs, '"model":', '"object": "completion", "model":')


@fault("EP9", "the answer's model is", "expected openai/gpt-3.5-turbo")
def answer_names_a_model_of_the_gateway() -> None:
    """Name the model in the answer as the gateway calls it, and not as the user asked for it."""
    rewrite(Order.costs, "self.question.model", 'f"openrouter/{self.question.model}"')


@fault("EP9", "the stream of the individual does not end with [DONE]")
def stream_has_no_end() -> None:
    """Leave out the end of a stream, so that clients wait or take it for broken."""
    rewrite(chat._relay, '"data: [DONE]\\n\\n"', '""')


@fault("EP9", "reads in the answer that it cost none credits, expected 9")
def stream_does_not_say_what_it_cost() -> None:
    """Leave the cost and the credits left out of the last event of a stream."""
    rewrite(chat._relay, "_event(last | order.costs(payment))", "_event(last)")


@fault("I5", "the broken stream claims to have ended")
def broken_stream_ends_as_if_it_were_whole() -> None:
    """End a broken stream like a whole one, so that users take half an answer for all of it."""
    rewrite(
        chat._pump,
        "        parts.put_nowait(None)",
        '        parts.put_nowait("data: [DONE]\\n\\n"); parts.put_nowait(None)',
    )


@fault("I5", "the broken stream carries no error")
def broken_stream_says_nothing() -> None:
    """Stop a broken stream without an error, so that the user does not learn what went wrong."""
    rewrite(
        chat._pump, '_event({"error": {"message": problem.detail, "type": problem.code, "code": problem.code}})', '""'
    )


@fault("EP10", "openai/gpt-4-turbo 48")
def models_list_shows_an_old_price() -> None:
    """Show another price than the one that is charged."""
    rewrite(
        chat.models,
        '"credits_per_100_tokens": rate}',
        '"credits_per_100_tokens": 48 if model == "openai/gpt-4-turbo" else rate}',
    )


@fault("EP9", "a request with an unknown model is answered with 500, expected 422")
def unknown_model_is_a_server_error() -> None:
    """Answer a misspelt model with a server error."""
    rewrite(chat.read, "question.model not in pricing.RATES", "not pricing.RATES[question.model]")


@fault("EP9", "a request with an unknown model is answered with 200, expected 422")
def unknown_model_is_answered_by_another() -> None:
    """Answer a misspelt model with another one, and charge for it."""
    rewrite(
        chat.read,
        "    if question.model not in pricing.RATES:\n",
        "    if question.model not in pricing.RATES:\n        question.model = 'openai/gpt-3.5-turbo'\n    if False:\n",
    )


@fault("EP9", "a request with 128,001 tokens of answer is answered with 402, expected 422")
def length_of_the_answer_has_no_limit() -> None:
    """Accept any length, so that users are asked to buy credits for an answer that no model can give."""
    _unlimit("max_tokens", "Le")


@fault("EP9", "a request with 0 tokens of answer is answered with", "expected 422")
def empty_answer_can_be_asked_for() -> None:
    """Send a length of 0 or less to the provider, so that users pay for nothing or get an error."""
    _unlimit("max_tokens", "Ge")


@fault("EP9", "a request with an empty list of messages is answered with", "expected 422")
def question_may_be_empty() -> None:
    """Send a request without messages to the provider, which fails while the user waits."""
    _unlimit("messages", "MinLen")


@fault("I1", "an LLM request", "is answered with 422, expected 401")
def request_is_judged_before_its_sender() -> None:
    """Check the question before the token, so that a stranger learns what is wrong with it."""
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
    """Remember users without credits, so that they are refused even after they got new ones."""
    vars(credit_accounts)["_broke"] = set()
    rewrite(
        Individual.reserve,
        "if reserved.rowcount == 0:",
        "if reserved.rowcount == 0 or self.user_id in _broke:\n        _broke.add(self.user_id)",
    )


@fault("R4", "the neighbour got no answer: status 502")
def failure_of_one_request_stops_everybody() -> None:
    """Stop sending requests to the provider after one failure, for every user."""
    vars(litellm)["_failures"] = []
    rewrite(LiteLLM._sent, "    with _errors", "    if _failures: raise provider_error()\n    with _errors")
    rewrite(LiteLLM._sent, "raise refused(", "_failures.append(answer.status_code); raise refused(")


def _unlimit(field: str, limit: str) -> None:
    """Remove a limit of a field of the request."""
    of_field = ChatRequest.model_fields[field]
    of_field.metadata = [rule for rule in of_field.metadata if type(rule).__name__ != limit]
    ChatRequest.model_rebuild(force=True)
