"""Faults of what people read of themselves: balance, usage, history, models and status."""

from uuid import UUID

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, credits, status, usage
from sandbox.ops_center.services import Services


@fault("EP8", "the history of the individual reads openai/gpt-3.5-turbo")
def history_begins_with_the_oldest() -> None:
    """Whoever looks for their last request finds their first."""
    rewrite(usage.calls, "ORDER BY created_at DESC", "ORDER BY created_at")


@fault("EP8", "the page of the history of the neighbour shows 1 entries, expected 0")
def history_shows_requests_of_others() -> None:
    """Everybody can read what everybody else has asked for, and what it cost."""
    for function in (usage.calls, usage.number_of_calls):
        rewrite(function, "WHERE user_id = %s", "WHERE %s::uuid IS NOT NULL")


@fault("EP8", "the history of the individual has 2 entries in all, expected 4")
def total_of_the_history_is_that_of_the_page() -> None:
    """Nobody can turn to the second page, as the first says that it is all."""
    rewrite(
        usage.history,
        '"total": await number',
        '"total": len(await calls(db, caller.user_id, limit, offset)) or await number',
    )


@fault("EP8", "the page of the history of the individual shows 3 entries, expected 2")
def history_ignores_the_limit() -> None:
    """Whoever asks for a page gets everything there is."""
    rewrite(usage.calls, "(user_id, limit, offset)", "(user_id, 1000, offset)")


@fault("EP8", "the page shows the entries 1 and 2 of the history of the individual, expected 2 and 3")
def history_ignores_the_offset() -> None:
    """Every page is the first one."""
    rewrite(usage.calls, "(user_id, limit, offset)", "(user_id, limit, 0)")


@fault("EP8", "expected a time in UTC within the last minutes")
def history_tells_local_time_as_utc() -> None:
    """Every request seems to have been made two hours later than it was."""
    rewrite(usage.calls, 'periods.iso(row["timestamp"])', 'periods.iso(row["timestamp"] + periods.timedelta(hours=2))')


@fault("EP8", "the history of the BYOK user reads", "0 and no, expected")
def history_does_not_mark_own_keys() -> None:
    """Nobody can tell which requests their own key has paid."""
    rewrite(
        usage.calls,
        "created_at AS timestamp, request_id, model, tokens, credits, byok,",
        "created_at AS timestamp, request_id, model, tokens, credits, false AS byok,",
    )


@fault("EP8", "the history of the BYOK user reads", "9 and yes, expected")
def history_prices_what_own_keys_paid() -> None:
    """Whoever paid with their own key reads that it cost them credits too."""
    rewrite(usage.calls, "tokens, credits,", "tokens, CASE WHEN byok THEN 9 ELSE credits END AS credits,")


@fault("EP7", "the usage page of the individual shows 10,000 credits, expected 0")
def spent_credits_include_grants() -> None:
    """Whoever was given credits reads that they have spent them."""
    rewrite(
        usage.credits_used,
        "COALESCE(sum(credits), 0)::bigint AS credits FROM usage_tracking",
        "COALESCE(sum(abs(amount)), 0)::bigint AS credits FROM credit_transactions",
    )


@fault("R4", "the usage page of the neighbour shows 48 credits, expected 0")
def spent_credits_include_those_of_others() -> None:
    """Everybody reads the spending of all users as their own."""
    rewrite(usage.credits_used, "WHERE user_id = %s", "WHERE %s::uuid IS NOT NULL")


@fault("EP7", "the period begins on", "expected")
def period_begins_a_month_early() -> None:
    """The usage page speaks of two months, and the quota of one."""
    rewrite(
        usage.current,
        "periods.iso(standing.period.start)",
        "periods.iso(periods.of(standing.period.start - periods.timedelta(days=1)).start)",
    )


@fault("EP7", "the quota starts anew on")
def reset_date_is_the_last_day_of_the_month() -> None:
    """Whoever waits until the day they read is refused for another day."""
    rewrite(
        usage.current,
        "periods.iso(standing.period.end)",
        "periods.iso(standing.period.end - periods.timedelta(days=1))",
    )


@fault("EP7", "the individual has 10,000 calls left in the usage, expected 9,999")
def usage_shows_the_limit_as_what_is_left() -> None:
    """Nobody sees from the usage page that their calls come to an end."""
    rewrite(usage.current, '"api_calls_remaining": standing.remaining', '"api_calls_remaining": standing.limit')


@fault("F1.E2", "the trial user has used 701 calls in the balance, expected 1")
def balance_counts_the_calls_of_all_months() -> None:
    """Balance and usage tell different numbers of calls, and the balance's grows for ever."""
    rewrite(
        credits.balance,
        '"api_calls_used": standing.used',
        '"api_calls_used": await calls_of_all_time(services, caller.user_id)',
    )

    async def calls_of_all_time(services: Services, user_id: UUID) -> int:
        async with services.database.connection() as db:
            return await usage.number_of_calls(db, user_id)

    vars(credits)["calls_of_all_time"] = calls_of_all_time


@fault("F1.M3", "the limit of the individual is -1 calls in the usage, expected none")
def no_limit_is_shown_as_a_negative_one() -> None:
    """Whoever has no limit is shown one below zero, and a page that compares says that it is reached."""
    rewrite(
        usage.current,
        '"api_calls_limit": standing.limit',
        '"api_calls_limit": -1 if standing.limit is None else standing.limit',
    )


@fault("EP1", "the individual has 10000.0 credits in the API, expected 10,000")
def balance_is_no_whole_number() -> None:
    """Credits are shown with a decimal point, and sums of them drift."""
    rewrite(
        credits.balance, "await remaining(services, caller.user_id)", "float(await remaining(services, caller.user_id))"
    )


@fault("EP1", "answered 500 where figures are expected")
def balance_of_nothing_is_an_error() -> None:
    """Whoever was never given credits gets a server error in place of a zero."""
    rewrite(credits.remaining, 'purse["credits_remaining"] if purse else 0', 'purse["credits_remaining"]')


@fault("F1.S5", "the individual has 91 credits in the API, expected 43")
def balance_is_a_minute_old() -> None:
    """Whoever looks after a request still reads what they held before it."""
    before = credits.remaining
    seen: dict[UUID, int] = {}

    async def remembered(services: Services, user_id: UUID) -> int:
        if user_id not in seen:
            seen[user_id] = await before(services, user_id)
        return seen[user_id]

    replace(credits, "remaining", remembered)


@fault("EP1", "the plan of the individual in the balance is Professional, expected professional")
def plan_is_shown_by_its_title() -> None:
    """Scripts that compare the plan's code find none, and treat everybody as unknown."""
    rewrite(credits.balance, '"tier": standing.tier', '"tier": standing.tier.title()')


@fault("EP10", "the models on offer cost openai/gpt-3.5-turbo 90", "expected openai/gpt-3.5-turbo 9")
def models_are_priced_for_a_thousand_tokens() -> None:
    """Whoever compares prices reads ten times what a request costs."""
    rewrite(chat.models, '"credits_per_100_tokens": rate', '"credits_per_100_tokens": rate * 10')


@fault("EP10", "the models on offer cost", "and anthropic/claude-3-sonnet 15")
def a_model_is_missing_from_the_list() -> None:
    """A model that is on the price list can't be chosen."""
    rewrite(chat.models, "in pricing.RATES.items()", "in list(pricing.RATES.items())[:-1]")


@fault("X3", "Ops-Center reports lago as not up")
def status_calls_a_healthy_service_down() -> None:
    """The page that the operators look at raises an alarm about a service that is up."""
    rewrite(status.status, '/health"),\n    }', '/healthz"),\n    }')


@fault("X3", "Ops-Center reports on 2 services or more, expected 5")
def status_leaves_services_out() -> None:
    """The page that the operators look at says nothing of the services that most often are away."""
    rewrite(status.status, "zip(checks, states, strict=True)", "list(zip(checks, states, strict=True))[:2]")
