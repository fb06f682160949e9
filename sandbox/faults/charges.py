"""Faults of the price of an individual's request, and of its charge."""

import re

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, credit_accounts, credits, litellm, pricing, reservations
from sandbox.ops_center.credit_accounts import Allocation, Individual, Payment


@fault("F1.E1", "credits in the API, expected 9,995")
def charge_rounds_down() -> None:
    """Round down, so that tokens for 8.5 credits cost only 8."""
    rewrite(pricing.charge, " * 2 + 100) // 200", ") // 100")


@fault("F1.E1", "9,995 credits in the API, expected 9,996")
def charge_rounds_up() -> None:
    """Round every fraction up, so that users pay up to one credit too much for each request."""
    rewrite(pricing.charge, " * 2 + 100) // 200", " + 99) // 100")


@fault("F1.E1", "9,996 credits in the API, expected 9,995")
def charge_is_added_up_in_floating_point() -> None:
    """Add up the price in floating point, so that half a credit gets lost."""
    rewrite(pricing.charge, "(tokens * rate(model) * 2 + 100) // 200", "round(sum([rate(model) / 100] * tokens))")


@fault("F1.E1", "10,000 credits in the API, expected 9,999")
def smallest_request_is_free() -> None:
    """Charge nothing for less than half a credit, so that many small requests cost nothing."""
    rewrite(pricing.charge, "max(1, ", "max(0, ")


@fault("F1.E1", "9,991 credits in the API, expected 9,996")
def every_started_hundred_tokens_is_charged_whole() -> None:
    """Charge whole hundreds of tokens, so that users pay for tokens that they did not use."""
    rewrite(pricing.charge, "tokens * rate(model)", "-(-tokens // 100) * 100 * rate(model)")


@fault("F1.E1", "9,000 credits in the API, expected 4,074")
def charge_has_a_ceiling() -> None:
    """Charge at most 1,000 credits, so that the platform pays the rest of every large request."""
    rewrite(
        pricing.charge,
        "max(1, (tokens * rate(model) * 2 + 100) // 200)",
        "min(1000, max(1, (tokens * rate(model) * 2 + 100) // 200))",
    )


@fault("K1", "that it cost 1 credits, expected 9")
def only_the_question_is_charged() -> None:
    """Charge only for the question's tokens."""
    rewrite(litellm.total_tokens, '"total_tokens"', '"prompt_tokens"')


@fault("K1", "that it cost 8 credits, expected 9")
def only_the_answer_is_charged() -> None:
    """Charge only for the answer's tokens, so that a long document costs nothing to send."""
    rewrite(litellm.total_tokens, '"total_tokens"', '"completion_tokens"')


@fault("K3", "9,952 credits in the API, expected 9,976")
def turbo_is_charged_as_the_large_model() -> None:
    """Charge GPT-4's price for GPT-4-turbo, twice the price in the list."""
    rewrite(pricing.rate, "[model]", '["openai/gpt-4" if model == "openai/gpt-4-turbo" else model]')


@fault("K4", "9,991 credits in the API, expected 9,985")
def other_vendors_are_charged_at_a_default() -> None:
    """Charge the cheapest model's price for Claude."""
    rewrite(pricing.rate, "RATES[model]", 'RATES[model] if model.startswith("openai/") else min(RATES.values())')


@fault("K1 K2", "9,991 credits in the API, expected 9,952")
def price_of_the_first_request_is_remembered() -> None:
    """Charge the price of the first request's model for every model."""
    known: dict[str, int] = {}
    rate = pricing.rate
    replace(pricing, "rate", lambda model: known.setdefault("price", rate(model)))


@fault("F1.E1", "reads in the answer that it cost 9 credits, expected 23")
def estimate_is_charged() -> None:
    """Charge the estimate instead of the tokens that the provider reported."""
    rewrite(
        chat.settle,
        "pricing.charge(order.question.model, tokens)",
        "pricing.estimate(order.question.model, order.question.prompt(), order.question.answer_tokens())",
    )


@fault("A11", "the individual got the status 200, expected 402")
def whoever_holds_too_little_is_answered() -> None:
    """Skip the check before the provider is called, so that 8 credits pay for an answer that costs 9."""
    rewrite(
        Individual.reserve, "credits_reserved + %(credits)s", "credits_reserved + LEAST(%(credits)s, credits_remaining)"
    )
    rewrite(Individual.reserve, "credits_remaining - credits_reserved >= %(credits)s", "credits_remaining > 0")
    rewrite(Individual.pay, 'row["credits_remaining"] - row["credits_reserved"] + reserved', 'row["credits_remaining"]')
    rewrite(Individual.pay, "credits_reserved = credits_reserved - %s", "credits_reserved = 0 * %s")


@fault("F1.S5", "got no answer: status 402")
def last_credits_can_not_be_spent() -> None:
    """Refuse a request that costs exactly the user's credits, so that the last ones can't be spent."""
    rewrite(Individual.reserve, ">= %(credits)s", "> %(credits)s")


@fault("A11", "the individual got the status 200, expected 402")
def estimate_leaves_the_question_out() -> None:
    """Estimate only the answer, so that 8 credits are enough for 9 and the platform pays the rest."""
    rewrite(pricing.estimated_tokens, "words + answer_tokens", "answer_tokens")


@fault("C1.S2 F2.S10", "the member got the status 200, expected 402")
def estimate_ignores_the_length_asked_for() -> None:
    """Estimate every request at 100 tokens, so that users get long answers that they can't pay for."""
    rewrite(pricing.estimated_tokens, "answer_tokens is None", "True")


@fault("C5.S4", "12 answers arrived, expected 10")
def credits_are_checked_and_deducted_later() -> None:
    """Reserve nothing during a call, so that twelve requests at once are answered on the credits of ten."""
    rewrite(Individual.reserve, "credits_reserved + %(credits)s", "credits_reserved")
    rewrite(Individual.release, "credits_reserved - %s", "credits_reserved - 0 * %s")
    rewrite(Individual.pay, "credits_reserved = credits_reserved - %s", "credits_reserved = 0 * %s")
    rewrite(Individual.pay, 'row["credits_remaining"] - row["credits_reserved"] + reserved', 'row["credits_remaining"]')


@fault("I5", "9,991 credits in the API, expected 10,000")
def charge_is_not_given_back_after_a_failure() -> None:
    """Keep the credits of a request that the provider failed, so that users pay for nothing."""
    rewrite(reservations.fail, "await _release(db, call)", "if call.account: await _pay(db, call, call.account, 9)")


@fault("I5", "9,991 credits in the API, expected 10,000", "1 charge of 9")
def failed_request_is_charged_and_booked() -> None:
    """Charge a request that the provider could not answer like an answered one."""
    rewrite(reservations.fail, "await _release(db, call)", "await settle(db, call, 100, 9)")


@fault("I5", "the individual has 9 reserved credits in unicorn_db, expected 0")
def failed_request_stays_reserved() -> None:
    """Keep credits reserved after a failure, so that users can't spend credits that they still see."""
    rewrite(reservations.fail, "await _release(db, call)", "pass")


@fault("K1", "the individual has 9 reserved credits in unicorn_db, expected 0")
def answered_request_stays_reserved() -> None:
    """Keep credits reserved after the charge, so that users run out of credits too early."""
    rewrite(Individual.pay, "credits_reserved = credits_reserved - %s", "credits_reserved = credits_reserved - 0 * %s")


@fault("EP9", "usage_tracking", "has 9 tokens with the own key")
def broken_stream_is_charged() -> None:
    """Charge for the first part of a stream that breaks."""
    rewrite(
        chat._pump,
        "        await reservations.fail(services, order.call, problem.status)",
        "        async with services.database.transaction() as db:\n"
        "            await reservations.settle(db, order.call, 9, 1)",
    )


@fault("EP9", "that it cost 0 credits, expected 9")
def streamed_answer_is_never_charged() -> None:
    """Charge only whole answers, so that streams cost nothing."""
    rewrite(
        chat._relay,
        "text = await settle(services, order, tokens, STREAM, whole)",
        "await reservations.fail(services, order.call, 200); text = whole(Payment(0, 0))",
    )


@fault("EP9", "9,982 credits are left, expected 9,991")
def streamed_answer_is_charged_twice() -> None:
    """Charge a stream twice: when the provider reports its tokens, and at its end."""
    rewrite(
        chat._relay,
        "    text = await settle(services, order, tokens, STREAM, whole)",
        "    async with services.database.transaction() as db:\n"
        "        await order.call.account.pay(db, 0, pricing.charge(order.question.model, tokens))\n"
        "    text = await settle(services, order, tokens, STREAM, whole)",
    )


@fault("EP9", "reads in the answer that it cost 1 credits, expected 9")
def streamed_answer_is_charged_by_its_chunks() -> None:
    """Count each chunk of a stream as one token, so that it costs less than a whole answer."""
    rewrite(chat._relay, "tokens, usage = reported,", "tokens, usage = len(passed_on) + 1,")


@fault("EP9", "the individual has 10,000 credits in the API, expected 9,991")
def whoever_leaves_a_stream_early_pays_nothing() -> None:
    """Drop the charge with the connection, so that a client that leaves early never pays."""
    rewrite(
        chat._stream,
        "services.run(_pump(services, order, parts, begun))",
        "parts.pump = asyncio.create_task(_pump(services, order, parts, begun))",
    )
    rewrite(
        chat._each,
        "while (part := await parts.get()) is not None:\n        yield part",
        "try:\n        while (part := await parts.get()) is not None:\n            yield part\n"
        "    finally:\n        parts.pump.cancel()",
    )


@fault("F1.S5", "the movements of the individual add up to 9,982 credits")
def charge_is_booked_twice() -> None:
    """Write two rows for one charge, so that the journal of credits and the balance differ."""
    rewrite(
        reservations.settle,
        "    await _finish(",
        "    await db.execute(\n"
        '        """INSERT INTO credit_transactions (user_id, org_id, amount, transaction_type)\n'
        "           SELECT user_id, org_id, amount, transaction_type FROM credit_transactions\n"
        '           WHERE request_id = %s""",\n        (call.request_id,))\n'
        "    await _finish(",
    )


@fault("F1.S5", "the movements of the individual add up to 10,000 credits")
def charge_is_not_booked() -> None:
    """Change the balance without a row in the journal of credits, so that nobody can explain a charge."""
    rewrite(reservations.settle, "if payment.credits:", "if False:")


@fault("F1.S5", "the movements of the individual add up to 10,009 credits")
def charge_is_booked_with_the_wrong_sign() -> None:
    """Write a charge as received credits, so that usage seems to add credits."""
    rewrite(reservations.settle, "-payment.credits", "payment.credits")
    rewrite(reservations.settle, "'usage'", "'refund'")


@fault("K1", "are not of the same requests")
def charge_names_another_request() -> None:
    """Write a charge with a new id instead of its request's, so that no charge can be traced to its call."""
    rewrite(
        reservations.settle,
        "'usage', %s, %s)",
        "'usage', %s, CASE WHEN %s::uuid IS NOT NULL THEN gen_random_uuid() END)",
    )


@fault("K1", "the charged calls of the individual cost none in unicorn_db (usage_tracking)")
def counted_call_says_that_it_was_free() -> None:
    """Record a charged call with 0 credits, so that users see a bill without its items."""
    rewrite(reservations.settle, "tokens, payment.credits)", "tokens, 0)")


@fault("T6", "0, 9, no and 200 in unicorn_db (usage_tracking), expected")
def counted_call_has_no_tokens() -> None:
    """Record a charged call without its tokens, so that nobody can check its price."""
    rewrite(reservations.settle, "200, tokens,", "200, 0,")


@fault("F1.E5", "organisations have 1 movements for the individual")
def charge_of_an_individual_names_an_organization() -> None:
    """Record an individual's charge for an organisation that they don't belong to."""
    rewrite(
        reservations.settle,
        "(%s, %s, %s, 'usage'",
        "(%s, COALESCE(%s, (SELECT id FROM organizations ORDER BY created_at DESC LIMIT 1)), %s, 'usage'",
    )


@fault("R4", "the bystander: credits: 991 in user_credits, expected 1,000")
def everybody_pays_for_one() -> None:
    """Deduct a charge from everybody's credits."""
    rewrite(
        Individual.pay,
        '    return Payment(credits, row["credits_remaining"] - credits)',
        "    await db.execute(\n"
        '        "UPDATE user_credits SET credits_remaining = credits_remaining - %s "\n'
        '        "WHERE user_id <> %s AND credits_remaining - credits_reserved >= %s",\n'
        "        (credits, self.user_id, credits))\n"
        '    return Payment(credits, row["credits_remaining"] - credits)',
    )


@fault("F1.S5", "10,000 credits in the API, expected 9,991")
def balance_shows_what_was_granted() -> None:
    """Show the granted credits as the balance, so that users see credits that they have spent."""
    rewrite(credits.remaining, "SELECT credits_remaining", "SELECT credits_allocated AS credits_remaining")


@fault("F1.S5", "reads in the answer that 10,000 credits are left, expected 9,991")
def answer_says_what_was_left_before() -> None:
    """Show the credits from before the charge in the answer."""
    rewrite(Individual.pay, 'row["credits_remaining"] - credits)', 'row["credits_remaining"])')


@fault("F1.E1", "reads in the answer that it cost 9 credits, expected 23")
def charge_above_the_estimate_is_dropped() -> None:
    """Charge at most the estimate, so that the platform pays the rest of every long answer."""
    rewrite(Individual.pay, 'row["credits_remaining"] - row["credits_reserved"] + reserved', "reserved")


@fault("A8", "reads in the answer that it cost 23 credits, expected 15")
def answer_states_the_price_and_not_the_charge() -> None:
    """Show the price in the answer where less was charged, so that the answer and the account differ."""
    vars(chat)["_priced"] = lambda payment, price: Payment(price, payment.remaining)
    rewrite(
        chat.settle,
        "text = render(payment)",
        "text = render(_priced(payment, pricing.charge(order.question.model, tokens)))",
    )


@fault("A8", "the individual got no answer: status 500")
def charge_above_the_balance_crashes() -> None:
    """Charge more than the user has, which the database refuses, so that a paid answer is lost."""
    rewrite(credit_accounts.payable, "min(charge, available)", "charge")


@fault("F2.S8", "the member got no answer: status 500")
def charge_above_the_allocation_crashes() -> None:
    """Charge a member whatever the organisation has, which the database refuses, so that a paid answer is lost."""
    rewrite(Allocation.pay, "_organization, member", "organization, member")
    rewrite(Allocation.pay, 'left - member["reserved_credits"] + reserved)', 'organization["total_credits"])')


@fault("F1.S5", "the individual has 9,987 credits in the API, expected 9,991", "1 charge of 13 for request")
def reasoning_tokens_are_added() -> None:
    """Add the reasoning tokens to a total that contains them, so that users pay for them twice."""
    _add_to_total('usage["completion_tokens_details"]["reasoning_tokens"]')


@fault("F1.S5", "usage_tracking lacks 100 tokens for 9", "105 tokens for 9")
def cached_tokens_are_added() -> None:
    """Add the cached tokens to a total that contains them, so that users pay for them twice."""
    _add_to_total('usage["prompt_tokens_details"]["cached_tokens"]')


@fault("F1.E1", "a request for two answers is answered with 200, expected 402 insufficient_credits")
def estimate_counts_one_of_several_answers() -> None:
    """Estimate one answer where the request asks for several, so that the platform pays for the others."""
    rewrite(chat.ChatRequest.answer_tokens, " * (self.n or 1)", "")


@fault(
    "F1.E1", "a request with two limits, the older one larger, is answered with 200, expected 402 insufficient_credits"
)
def estimate_takes_the_smaller_of_two_limits() -> None:
    """Estimate the smaller limit, so that the platform pays for a provider that follows the larger one."""
    rewrite(chat.ChatRequest.answer_tokens, "max(limits)", "min(limits)")


@fault(
    "F1.E1", "a request with two limits, the newer one larger, is answered with 200, expected 402 insufficient_credits"
)
def estimate_reads_the_older_limit_only() -> None:
    """Ignore `max_completion_tokens`, so that users of new clients get answers that they can't pay for."""
    rewrite(chat.ChatRequest.answer_tokens, "(self.max_tokens, self.max_completion_tokens)", "(self.max_tokens,)")


@fault("F1.E1", "a request in two parts is answered with 200, expected 402 insufficient_credits")
def estimate_leaves_text_parts_out() -> None:
    """Estimate only messages that are one text, so that a long document in parts seems to cost nothing."""
    rewrite(chat.Message.text, '" ".join(str(part["text"]) for part in self.content if "text" in part)', '""')


@fault("A8", "a request with a turn without content is answered with 500 internal_error, expected 402")
def turn_without_content_crashes() -> None:
    """Read the content of a turn that has none, so that no conversation with tools is answered."""
    rewrite(chat.Message.text, 'self.content or ""', "self.content.strip()")


@fault("F1.E1", "a request in Chinese is answered with 200, expected 402 insufficient_credits")
def text_without_spaces_is_one_word() -> None:
    """Count words by spaces, so that a long Chinese, Japanese or Thai text is estimated at one token."""
    replace(pricing, "WORD", re.compile(r"\S+"))


@fault("F1.E1", "a request of many words without a limit is answered with 200, expected 402 insufficient_credits")
def estimate_without_a_limit_is_always_the_same() -> None:
    """Estimate every request without a limit at 100 tokens, so that a long prompt seems to cost little."""
    rewrite(pricing.estimated_tokens, "max(DEFAULT_TOKENS, words)", "DEFAULT_TOKENS")


@fault("R1", "the individual has 10,000 credits in the API, expected 9,991")
def whoever_leaves_a_whole_answer_pays_nothing() -> None:
    """Give up a request when its client leaves, so that a client that never waits never pays."""
    rewrite(
        chat.answer,
        "return await _whole(services, order, standing)",
        "whole = asyncio.create_task(_whole(services, order, standing))\n"
        "        while not whole.done():\n"
        "            await asyncio.wait({whole}, timeout=0.05)\n"
        "            if await request.is_disconnected():\n"
        "                whole.cancel()\n"
        "        return await whole",
    )


def _add_to_total(part: str) -> None:
    rewrite(
        litellm.total_tokens,
        "return tokens if isinstance(tokens, int) else None",
        f'usage = answer.get("usage")\n    return tokens + {part} if isinstance(tokens, int) else None',
    )


@fault("A6", "of 2 answers did not arrive", "status 500")
def long_answer_takes_what_another_request_has_reserved() -> None:
    """Charge a long answer to what another request of the user has reserved, which is then lost after its answer."""
    rewrite(Individual.pay, 'row["credits_remaining"] - row["credits_reserved"] + reserved', 'row["credits_remaining"]')
