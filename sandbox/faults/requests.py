"""Faults of how an LLM request is received, repeated and answered."""

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import app, chat, credit_accounts, idempotency, litellm, payers, reservations, tokens
from sandbox.ops_center.chat import ChatRequest, Order
from sandbox.ops_center.credit_accounts import Allocation, Individual
from sandbox.ops_center.litellm import LiteLLM

_CLAIM = "await idempotency.claim(services.database, caller.user_id, request, payers.named_payer(request))"


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
    replace(idempotency, "hash_of", lambda _body, _payer: "0" * 64)


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


@fault("EP9", "the broken stream claims to have ended")
def broken_stream_ends_as_if_it_were_whole() -> None:
    """End a broken stream like a whole one, so that users take half an answer for all of it."""
    error = '_event({"error": {"message": problem.detail, "type": problem.code, "code": problem.code}})'
    rewrite(chat._pump, error, error + ' + "data: [DONE]\\n\\n"')


@fault("EP9", "the broken stream carries no error")
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


@fault("I5", "the neighbour got no answer: status 502")
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


@fault("EP9", "the BYOK user got the status 200, expected 422")
def replay_ignores_the_payer() -> None:
    """Answer a repetition that names another payer with the first answer, though somebody else paid for it."""
    rewrite(idempotency.claim, "await request.body(), payer)", 'await request.body(), "")')


@fault("EP9", "the individual got the status 200, expected 402")
def refusals_are_not_kept() -> None:
    """Keep only answers, so that a repetition that nobody waits for is charged after all."""
    rewrite(idempotency.is_final, "status < 500", "status < 400")


@fault("EP9", "the individual got no answer: status 502 provider_error")
def failures_are_kept() -> None:
    """Keep a failure of the provider like an answer, so that a client never succeeds with the same key."""
    rewrite(idempotency.is_final, "status < 500", "True")


@fault("EP3", "the second organisation has 0 credits in the API, expected 500")
def idempotency_keys_hold_for_every_path() -> None:
    """Bind a key to the user only, so that a purchase for a second organisation buys nothing."""
    rewrite(idempotency.claim, "request.url.path", '"every path"')


@fault("EP9", "the individual has 9,991 credits in the API, expected 9,982")
def client_chooses_the_request_id() -> None:
    """Take the client's request id and charge each id once, so that a repeated id gives requests for free."""
    rewrite(
        app.EveryAnswer.__call__,
        "request_id = uuid4()",
        'request_id = uuid4().__class__(dict(scope["headers"]).get(b"x-request-id", str(uuid4()).encode()).decode())',
    )
    rewrite(reservations.reserve, '%s::timestamptz)"""', '%s::timestamptz) ON CONFLICT (request_id) DO NOTHING"""')
    rewrite(
        reservations.settle,
        "    payment = await _pay(",
        "    charged = await db.execute(\n"
        '        "SELECT 1 FROM usage_tracking WHERE request_id = %s AND status = 200", (call.request_id,))\n'
        "    if await charged.fetchone():\n"
        "        await _release(db, call)\n"
        "        return Payment(0, 0)\n"
        "    payment = await _pay(",
    )


@fault("EP9", "a request with the address of another provider is answered with 502, expected 200")
def address_in_the_body_is_passed_on() -> None:
    """Pass on an address in the body, so that a client chooses where the platform's key is sent."""
    _pass_on("api_base")


@fault("EP9", "a request with the key of another account is answered with 401, expected 200")
def key_in_the_body_is_passed_on() -> None:
    """Pass on a key in the body, so that users pay credits for what another account pays too."""
    _pass_on("api_key")


@fault("EP9", "another model to fall back to that reached the provider are models, expected none")
def models_to_fall_back_to_are_passed_on() -> None:
    """Pass on a list of models, so that a user gets an expensive model at the price of a cheap one."""
    _pass_on("models")


@fault("EP9", "a body of its own for the provider that reached the provider are transforms, expected none")
def switches_of_the_gateway_are_passed_on() -> None:
    """Pass on what the gateway adds to a body, so that a client writes the provider's request itself."""
    _pass_on("extra_body")


@fault("EP9", "a field that OpenAI does not know that reached the provider are unheard_of, expected none")
def unknown_fields_are_passed_on() -> None:
    """Pass on fields that OpenAI does not know, so that nobody knows what a request does at the provider."""
    _pass_on("unheard_of")


@fault("EP9", "the tokens that the events of the stream report are 100, expected none")
def everybody_gets_the_usage_of_a_stream() -> None:
    """Send a chunk without choices to all clients, on which those fail that did not ask for it."""
    rewrite(ChatRequest.wants_usage, "bool(self.stream_options and self.stream_options.include_usage)", "True")


@fault("EP9", "the provider reported none tokens, expected 100")
def nobody_gets_the_usage_of_a_stream() -> None:
    """Keep the usage of a stream from clients that asked for it."""
    rewrite(ChatRequest.wants_usage, "bool(self.stream_options and self.stream_options.include_usage)", "False")


@fault("EP9", "the stream of the individual does not end with [DONE]")
def client_can_switch_off_the_usage() -> None:
    """Pass on a client's wish for no usage, so that nobody knows what the stream costs."""
    rewrite(
        Order.body,
        '{**(body.get("stream_options") or {}), "include_usage": True}',
        '{"include_usage": True, **(body.get("stream_options") or {})}',
    )


@fault("R1", "the individual got the status 402, expected 502")
def empty_account_of_the_platform_is_told_as_the_users() -> None:
    """Pass on the provider's 402, so that a user buys credits because the platform's account is empty."""
    _tell_as_it_is(402)


@fault("R1", "the individual got the status 429, expected 502")
def rate_limit_of_the_platform_is_told_as_the_users() -> None:
    """Pass on the provider's 429, so that a user takes the platform's limit for their own quota."""
    _tell_as_it_is(429)


@fault("EP9", "the individual has 9,991 credits in the API, expected 9,982")
def equal_requests_are_one() -> None:
    """Take an equal request without a key for a repetition, so that a user never gets a second answer."""
    rewrite(
        idempotency.claim,
        "if key is None:\n        return None",
        "if key is None:\n        key = hash_of(await request.body(), payer)",
    )


@fault("R1", "the individual reads in the answer that 9,982 credits are left, expected 9,991")
def answers_that_nobody_received_are_not_kept() -> None:
    """Forget an answer whose client has left, so that a client that lost the connection pays for its retry."""
    rewrite(chat.complete, "return await answer(", "reply = await answer(")
    rewrite(
        chat.complete,
        "standing=standing)\n        except",
        "standing=standing)\n"
        "            if claim and await request.is_disconnected():\n"
        "                async with services.database.connection() as db:\n"
        '                    await db.execute("DELETE FROM idempotency_keys WHERE key = %s", (claim.key,))\n'
        "            return reply\n"
        "        except",
    )


def _tell_as_it_is(status: int) -> None:
    rewrite(
        litellm.refused,
        "    if status in (408, 504):",
        f"    if status == {status} and not own_key:\n"
        f'        return ProblemError({status}, "provider_error", "The provider refused it. Try again later.")\n'
        "    if status in (408, 504):",
    )


def _pass_on(field: str) -> None:
    """Pass on one field of the body that is not OpenAI's."""
    ChatRequest.model_config["extra"] = "allow"
    ChatRequest.model_rebuild(force=True)
    rewrite(
        Order.body,
        "(exclude_unset=True)",
        f'(exclude_unset=True, exclude=set(self.question.model_extra or ()) - {{"{field}"}})',
    )


@fault("EP9", "a request with -1 answers is answered with", "expected 422")
def less_than_one_answer_can_be_asked_for() -> None:
    """Accept a negative number of answers, which makes the estimate of any request one credit."""
    _unlimit("n", "Ge")


@fault("EP9", "a request with -1 tokens of answer by the newer limit is answered with", "expected 422")
def newer_limit_is_not_checked() -> None:
    """Send any `max_completion_tokens` to the provider, so that users of new clients wait for an error."""
    _unlimit("max_completion_tokens", "Ge")


@fault("EP9", "the error of the broken stream has the code none, expected provider_error")
def broken_stream_has_no_code() -> None:
    """Leave the code out of the error of a broken stream, so that a client can't tell whether to try again."""
    rewrite(chat._pump, ', "code": problem.code}', "}")


@fault("EP9", "the individual got the status 500, expected 422")
def malformed_payer_is_a_server_error() -> None:
    """Answer a malformed id of an organisation with a server error instead of naming the mistake."""
    rewrite(payers.named_organization, "except ValueError as error", "except ZeroDivisionError as error")


@fault("R1", "the provider was called 4 times for the individual, expected 2")
def gateway_repeats_what_failed() -> None:
    """Let the gateway send a failed request again on its own, so that the platform pays the provider several times."""
    rewrite(LiteLLM.__init__, '"x-litellm-num-retries": "0"', '"x-litellm-num-retries": "2"')


@fault("F1.E4", "X-RateLimit-Limit is none, expected 10,000")
def streams_carry_no_quota_headers() -> None:
    """Leave the quota headers out of streams, so that most clients never learn of the quota."""
    rewrite(chat._stream, "headers=quota.headers(standing)", "headers={}")
