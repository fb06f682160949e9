"""Faults of what an individual's request costs, and of when it is charged."""

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, credits, litellm, pricing, reservations
from sandbox.ops_center.purses import Individual


@fault("F1.E1", "credits in the API, expected 9,995")
def charge_rounds_down() -> None:
    """Half a credit is given away: whoever asks for tokens that cost 8.5 credits pays 8."""
    rewrite(pricing.charge, " * 2 + 100) // 200", ") // 100")


@fault("F1.E1", "9,995 credits in the API, expected 9,996")
def charge_rounds_up() -> None:
    """Every fraction of a credit is charged as a whole one: the user pays up to one credit too much a request."""
    rewrite(pricing.charge, " * 2 + 100) // 200", " + 99) // 100")


@fault("F1.E1", "9,996 credits in the API, expected 9,995")
def charge_is_added_up_in_floating_point() -> None:
    """The price is added up token by token in fractions that are not exact, and half a credit gets lost on the way."""
    rewrite(pricing.charge, "(tokens * rate(model) * 2 + 100) // 200", "round(sum([rate(model) / 100] * tokens))")


@fault("F1.S5", "10,000 credits in the API, expected 9,999")
def smallest_request_is_free() -> None:
    """A request that costs less than half a credit is free, so that somebody who asks often enough never pays."""
    rewrite(pricing.charge, "max(1, ", "max(0, ")


@fault("F1.E1", "9,991 credits in the API, expected 9,996")
def every_started_hundred_tokens_is_charged_whole() -> None:
    """A short request costs as much as one of 100 tokens: users pay for tokens that they did not use."""
    rewrite(pricing.charge, "tokens * rate(model)", "-(-tokens // 100) * 100 * rate(model)")


@fault("F1.S5", "9,000 credits in the API, expected 4,074")
def charge_has_a_ceiling() -> None:
    """No request costs more than 1,000 credits: the platform pays the rest of every large one."""
    rewrite(
        pricing.charge,
        "max(1, (tokens * rate(model) * 2 + 100) // 200)",
        "min(1000, max(1, (tokens * rate(model) * 2 + 100) // 200))",
    )


@fault("K1", "that it cost 1 credits, expected 9")
def only_the_question_is_charged() -> None:
    """The answer's tokens are left out of the charge: users pay for the question alone."""
    rewrite(litellm.total_tokens, '"total_tokens"', '"prompt_tokens"')


@fault("K1", "that it cost 8 credits, expected 9")
def only_the_answer_is_charged() -> None:
    """The question's tokens are left out of the charge, so that a long document costs nothing to send."""
    rewrite(litellm.total_tokens, '"total_tokens"', '"completion_tokens"')


@fault("K3", "9,952 credits in the API, expected 9,976")
def turbo_is_charged_as_the_large_model() -> None:
    """GPT-4-turbo is charged at the price of GPT-4, twice of what the price list says."""
    rewrite(pricing.rate, "[model]", '["openai/gpt-4" if model == "openai/gpt-4-turbo" else model]')


@fault("K4", "9,991 credits in the API, expected 9,985")
def other_vendors_are_charged_at_a_default() -> None:
    """Claude is not looked up under its vendor's name, and is charged at the price of the cheapest model."""
    rewrite(pricing.rate, "RATES[model]", 'RATES[model] if model.startswith("openai/") else min(RATES.values())')


@fault("K1 K2", "9,991 credits in the API, expected 9,952")
def price_of_the_first_request_is_remembered() -> None:
    """The price is looked up once and kept: every model costs what the first one cost that anybody asked."""
    known: dict[str, int] = {}
    rate = pricing.rate
    replace(pricing, "rate", lambda model: known.setdefault("price", rate(model)))


@fault("F1.S5", "9,991 credits in the API, expected 9,986")
def estimate_is_charged() -> None:
    """The charge is what was estimated beforehand and not what the provider reported."""
    rewrite(
        chat.settle,
        "pricing.charge(order.question.model, tokens)",
        "pricing.estimate(order.question.model, order.question.prompt(), order.question.answer_tokens())",
    )


@fault("A11", "got the status 200, expected 402")
def whoever_holds_too_little_is_answered() -> None:
    """The check before the provider is called is left out: somebody with 8 credits gets an answer for 9."""
    rewrite(
        Individual.hold, "credits_reserved + %(credits)s", "credits_reserved + LEAST(%(credits)s, credits_remaining)"
    )
    rewrite(Individual.hold, "credits_remaining - credits_reserved >= %(credits)s", "credits_remaining > 0")
    rewrite(
        Individual.pay, 'purse["credits_remaining"] - purse["credits_reserved"] + held', 'purse["credits_remaining"]'
    )
    rewrite(Individual.pay, "credits_reserved = credits_reserved - %s", "credits_reserved = 0 * %s")


@fault("F1.S5", "got no answer: status 402")
def last_credits_can_not_be_spent() -> None:
    """A request that costs exactly what the user holds is refused: the last credits are lost to them."""
    rewrite(Individual.hold, ">= %(credits)s", "> %(credits)s")


@fault("A11", "got the status 200, expected 402")
def estimate_leaves_the_question_out() -> None:
    """Only the answer is estimated, so that somebody with 8 credits is let in for 9 and the platform pays the rest."""
    rewrite(pricing.estimated_tokens, "len(prompt.split()) + max_tokens", "max_tokens")


@fault("C1.S2 F2.S10", "got the status 200, expected 402")
def estimate_ignores_the_length_asked_for() -> None:
    """Every request is estimated at 100 tokens: a long one is answered to people who can't pay for it."""
    rewrite(pricing.estimated_tokens, "max_tokens is None", "True")


@fault("C5.S4", "12 answers arrived, expected 10")
def credits_are_checked_and_deducted_later() -> None:
    """Nothing is held while the provider works: twelve requests at once are answered on the credits of ten."""
    rewrite(Individual.hold, "credits_reserved + %(credits)s", "credits_reserved")
    rewrite(Individual.release, "credits_reserved - %s", "credits_reserved - 0 * %s")
    rewrite(Individual.pay, "credits_reserved = credits_reserved - %s", "credits_reserved = 0 * %s")
    rewrite(
        Individual.pay, 'purse["credits_remaining"] - purse["credits_reserved"] + held', 'purse["credits_remaining"]'
    )


@fault("I5", "9,991 credits in the API, expected 10,000")
def charge_is_not_given_back_after_a_failure() -> None:
    """Credits are taken before the provider is called and stay taken when it fails: users pay for nothing."""
    rewrite(reservations.fail, "await _release(db, call)", "if call.purse: await _pay(db, call, call.purse, 9)")


@fault("I5", "9,991 credits in the API, expected 10,000", "1 charge of 9")
def failed_request_is_charged_and_booked() -> None:
    """A request that the provider could not answer is charged like an answered one, with a row of its own."""
    rewrite(reservations.fail, "await _release(db, call)", "await settle(db, call, 100, 9)")


@fault("I5", "the individual has 9 reserved credits in unicorn_db, expected 0")
def failed_request_stays_reserved() -> None:
    """What was held for a request that failed is never released: users can't spend what they still see."""
    rewrite(reservations.fail, "await _release(db, call)", "pass")


@fault("F1.S5", "the individual has 9 reserved credits in unicorn_db, expected 0")
def answered_request_stays_reserved() -> None:
    """What was held for an answered request stays held beside its charge, and the user runs dry too early."""
    rewrite(Individual.pay, "credits_reserved = credits_reserved - %s", "credits_reserved = credits_reserved - 0 * %s")


@fault("I5", "the individual has 9,999 credits in the API, expected 10,000")
def broken_stream_is_charged() -> None:
    """A stream that breaks before its end is charged for the part that came."""
    rewrite(
        chat._pump,
        "        await reservations.fail(services, order.call, problem.status)",
        "        async with services.database.transaction() as db:\n"
        "            await reservations.settle(db, order.call, 9, 1)",
    )


@fault("EP9", "that it cost 0 credits, expected 9")
def streamed_answer_is_never_charged() -> None:
    """Whoever asks for a stream pays nothing: the charge hangs on an answer in one piece."""
    rewrite(
        chat._relay,
        "text = await settle(services, order, tokens, STREAM, whole)",
        "await reservations.fail(services, order.call, 200); text = whole(Payment(0, 0))",
    )


@fault("EP9", "9,982 credits are left, expected 9,991")
def streamed_answer_is_charged_twice() -> None:
    """A stream is charged when the provider reports its tokens and once more when it ends."""
    rewrite(
        chat._relay,
        "    text = await settle(services, order, tokens, STREAM, whole)",
        "    async with services.database.transaction() as db:\n"
        "        await order.call.purse.pay(db, 0, pricing.charge(order.question.model, tokens))\n"
        "    text = await settle(services, order, tokens, STREAM, whole)",
    )


@fault("EP9", "credits, expected 9")
def streamed_answer_is_charged_by_its_chunks() -> None:
    """Every chunk of a stream counts as one token, and the question as none: a stream costs less than the answer."""
    rewrite(chat._relay, "if (reported := litellm.total_tokens(event)) is None else reported", "or 0")
    rewrite(chat._relay, "    if last:\n", "    tokens = (tokens or 0) + 1\n            if last:\n")


@fault("EP9", "the individual has 10,000 credits in the API, expected 9,991")
def whoever_leaves_a_stream_early_pays_nothing() -> None:
    """The charge is dropped with the connection: a client that goes away just before the end is never charged."""
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
    """A charge has two rows in the journal of credits: the books and the balance part."""
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
    """The balance falls and no row says why: nobody can tell a user what they paid for."""
    rewrite(reservations.settle, "if payment.credits:", "if False:")


@fault("F1.S5", "the movements of the individual add up to 10,009 credits")
def charge_is_booked_with_the_wrong_sign() -> None:
    """A charge stands in the journal as credits received, so that the books say that usage makes rich."""
    rewrite(reservations.settle, "-payment.credits", "payment.credits")
    rewrite(reservations.settle, "'usage'", "'refund'")


@fault("F1.S5", "are not of the same requests")
def charge_names_another_request() -> None:
    """A charge carries an id of its own and not its request's: no charge can be traced to the call that caused it."""
    rewrite(
        reservations.settle,
        "'usage', %s, %s)",
        "'usage', %s, CASE WHEN %s::uuid IS NOT NULL THEN gen_random_uuid() END)",
    )


@fault("F1.S5", "the charged calls of the individual cost none in unicorn_db (usage_tracking)")
def counted_call_says_that_it_was_free() -> None:
    """The usage shows no credits for a call that was charged: users see a bill without its items."""
    rewrite(reservations.settle, "tokens, payment.credits)", "tokens, 0)")


@fault("T6", "100 tokens for 9")
def counted_call_has_no_tokens() -> None:
    """A charged call is recorded without its tokens, so that nobody can check what it cost."""
    rewrite(reservations.settle, "200, tokens,", "200, 0,")


@fault("F1.E5", "organisations have 1 movements for the individual")
def charge_of_an_individual_names_an_organization() -> None:
    """What an individual paid is booked on an organisation that they have nothing to do with."""
    rewrite(
        reservations.settle,
        "(%s, %s, %s, 'usage'",
        "(%s, COALESCE(%s, (SELECT id FROM organizations ORDER BY created_at DESC LIMIT 1)), %s, 'usage'",
    )


@fault("R4", "the neighbour has 452 credits in the API, expected 500")
def everybody_pays_for_one() -> None:
    """The charge is taken from everybody's credits: a condition is missing where the balance is changed."""
    rewrite(
        Individual.pay,
        '    return Payment(credits, purse["credits_remaining"] - credits)',
        "    await db.execute(\n"
        '        "UPDATE user_credits SET credits_remaining = credits_remaining - %s "\n'
        '        "WHERE user_id <> %s AND credits_remaining - credits_reserved >= %s",\n'
        "        (credits, self.user_id, credits))\n"
        '    return Payment(credits, purse["credits_remaining"] - credits)',
    )


@fault("F1.S5", "10,000 credits in the API, expected 9,991")
def balance_shows_what_was_granted() -> None:
    """The balance stays at what was once granted: users see credits that they have spent."""
    rewrite(credits.remaining, "SELECT credits_remaining", "SELECT credits_allocated AS credits_remaining")


@fault("F1.S5", "reads in the answer that 10,000 credits are left, expected 9,991")
def answer_says_what_was_left_before() -> None:
    """The answer shows the credits from before its own charge: users believe that they have more than they do."""
    rewrite(Individual.pay, 'purse["credits_remaining"] - credits)', 'purse["credits_remaining"])')
