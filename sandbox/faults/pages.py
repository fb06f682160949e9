"""Faults of what users read: balance, usage, history, models and status."""

from uuid import UUID

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, credits, reservations, status, usage
from sandbox.ops_center.lago import Lago
from sandbox.ops_center.services import Services


@fault("EP8", "the history of the individual reads openai/gpt-3.5-turbo")
def history_begins_with_the_oldest() -> None:
    """Show the oldest request first, where users look for their last one."""
    rewrite(usage.calls, "ORDER BY created_at DESC", "ORDER BY created_at")


@fault("EP8", "the page of the history of the neighbour shows 1 entries, expected 0")
def history_shows_requests_of_others() -> None:
    """Show everybody's requests, and what they cost, to everybody."""
    for function in (usage.calls, usage.number_of_calls):
        rewrite(function, "WHERE user_id = %s", "WHERE %s::uuid IS NOT NULL")


@fault("EP8", "the history of the individual has 2 entries in all, expected 4")
def total_of_the_history_is_that_of_the_page() -> None:
    """Report the length of the page as the total, so that nobody opens a second page."""
    rewrite(
        usage.history,
        '"total": await number',
        '"total": len(await calls(db, caller.user_id, seen, limit, offset)) or await number',
    )


@fault("EP8", "the page of the history of the individual shows 3 entries, expected 2")
def history_ignores_the_limit() -> None:
    """Return the whole history when a page is asked for."""
    rewrite(usage.calls, "(user_id, seen, limit, offset)", "(user_id, seen, 1000, offset)")


@fault("EP8", "the page shows the entries 1 and 2 of the history of the individual, expected 2 and 3")
def history_ignores_the_offset() -> None:
    """Return the first page of the history for every page."""
    rewrite(usage.calls, "(user_id, seen, limit, offset)", "(user_id, seen, limit, 0)")


@fault("EP8", "expected a time in UTC within the last minutes")
def history_tells_local_time_as_utc() -> None:
    """Report local time as UTC, so that every request seems two hours later than it was."""
    rewrite(usage.calls, 'periods.iso(row["timestamp"])', 'periods.iso(row["timestamp"] + periods.timedelta(hours=2))')


@fault("EP8", "the history of the BYOK user reads", "0 and no, expected")
def history_does_not_mark_own_keys() -> None:
    """Leave out of the history which requests the user's own key paid."""
    rewrite(
        usage.calls,
        "created_at AS timestamp, request_id, model, tokens, credits, byok,",
        "created_at AS timestamp, request_id, model, tokens, credits, false AS byok,",
    )


@fault("EP8", "the history of the BYOK user reads", "9 and yes, expected")
def history_prices_what_own_keys_paid() -> None:
    """Show a price in credits for requests that the user's own key paid."""
    rewrite(usage.calls, "tokens, credits,", "tokens, CASE WHEN byok THEN 9 ELSE credits END AS credits,")


@fault("EP7", "the usage page of the individual shows 10,000 credits, expected 0")
def spent_credits_include_grants() -> None:
    """Count granted credits as spent on the usage page."""
    rewrite(
        usage.credits_used,
        "COALESCE(sum(credits), 0)::bigint AS credits FROM usage_tracking",
        "COALESCE(sum(abs(amount)), 0)::bigint AS credits FROM credit_transactions",
    )


@fault("R4", "the usage page of the neighbour shows 48 credits, expected 0")
def spent_credits_include_those_of_others() -> None:
    """Show everybody the spending of all users as their own."""
    rewrite(usage.credits_used, "WHERE user_id = %s", "WHERE %s::uuid IS NOT NULL")


@fault("EP7", "the period begins on", "expected")
def period_begins_a_month_early() -> None:
    """Show a period of two months, though the quota is for one."""
    rewrite(
        usage.current,
        "periods.iso(standing.period.start)",
        "periods.iso(periods.of(standing.period.start - periods.timedelta(days=1)).start)",
    )


@fault("EP7", "the quota resets on")
def reset_date_is_the_last_day_of_the_month() -> None:
    """Show a reset date that is a day early, so that users wait and are refused again."""
    rewrite(
        usage.current,
        "periods.iso(standing.period.end)",
        "periods.iso(standing.period.end - periods.timedelta(days=1))",
    )


@fault("EP7", "the individual has 10,000 calls left in the usage, expected 9,999")
def usage_shows_the_limit_as_what_is_left() -> None:
    """Show the limit as the calls that are left, so that nobody sees the end of their quota."""
    rewrite(usage.current, '"api_calls_remaining": standing.remaining', '"api_calls_remaining": standing.limit')


@fault("F1.E2", "the trial user has used 701 calls in the balance, expected 1")
def balance_counts_the_calls_of_all_months() -> None:
    """Count the calls of all months in the balance, so that it differs from the usage and never falls."""
    rewrite(
        credits.balance,
        '"api_calls_used": standing.used',
        '"api_calls_used": await calls_of_all_time(services, caller.user_id)',
    )

    async def calls_of_all_time(services: Services, user_id: UUID) -> int:
        async with services.database.connection() as db:
            found = await db.execute("SELECT count(*) AS calls FROM usage_tracking WHERE user_id = %s", (user_id,))
            row = await found.fetchone()
            return int(row["calls"]) if row else 0

    vars(credits)["calls_of_all_time"] = calls_of_all_time


@fault("F1.M3", "the limit of the individual is -1 calls in the usage, expected none")
def no_limit_is_shown_as_a_negative_one() -> None:
    """Show an unlimited quota as -1, which a client that compares takes for a used-up one."""
    rewrite(
        usage.current,
        '"api_calls_limit": standing.limit',
        '"api_calls_limit": -1 if standing.limit is None else standing.limit',
    )


@fault("EP1", "the individual has 10000.0 credits in the API, expected 10,000")
def balance_is_no_whole_number() -> None:
    """Show credits as floating-point numbers, so that sums of them drift."""
    rewrite(
        credits.balance, "await remaining(services, caller.user_id)", "float(await remaining(services, caller.user_id))"
    )


@fault("EP1", "answered 500 where figures are expected")
def balance_of_nothing_is_an_error() -> None:
    """Answer a user without any credits with a server error instead of 0."""
    rewrite(credits.remaining, 'row["credits_remaining"] if row else 0', 'row["credits_remaining"]')


@fault("F1.S5", "the individual has 10,000 credits in the API, expected 9,991")
def balance_is_a_minute_old() -> None:
    """Show the balance from before the last request."""
    before = credits.remaining
    seen: dict[UUID, int] = {}

    async def remembered(services: Services, user_id: UUID) -> int:
        if user_id not in seen:
            seen[user_id] = await before(services, user_id)
        return seen[user_id]

    replace(credits, "remaining", remembered)


@fault("EP1", "the plan of the individual in the balance is Professional, expected professional")
def plan_is_shown_by_its_title() -> None:
    """Show the plan's title instead of its code, so that scripts find no such plan."""
    rewrite(credits.balance, '"tier": standing.tier', '"tier": standing.tier.title()')


@fault("EP10", "the models on offer cost openai/gpt-3.5-turbo 90", "expected openai/gpt-3.5-turbo 9")
def models_are_priced_for_a_thousand_tokens() -> None:
    """Show prices ten times as high as what a request costs."""
    rewrite(chat.models, '"credits_per_100_tokens": rate', '"credits_per_100_tokens": rate * 10')


@fault("EP10", "the models on offer cost", "and anthropic/claude-3-sonnet 15")
def a_model_is_missing_from_the_list() -> None:
    """Leave a model of the price list out of the list of models."""
    rewrite(chat.models, "in pricing.RATES.items()", "in list(pricing.RATES.items())[:-1]")


@fault("I6", "Ops-Center reports lago as not up")
def status_calls_a_healthy_service_down() -> None:
    """Report a healthy service as down, so that operators look for a failure that is not there."""
    rewrite(Lago.ping, "self._health_url,", 'f"{self._health_url}z",')


@fault("I6", "Ops-Center reports on 2 services, expected at least 5")
def status_leaves_services_out() -> None:
    """Leave services out of the status, so that operators don't see when one is down."""
    rewrite(status.status, "zip(checks, states, strict=True)", "list(zip(checks, states, strict=True))[:2]")


@fault("EP8", "the pages of the history of the individual show 4 entries twice, expected 0")
def new_requests_shift_the_pages() -> None:
    """Begin every page at the newest request, so that readers see some entries twice."""
    rewrite(usage.snapshot, "if offset and who in pages", "if False")


@fault("EP8", "the pages of the history of the individual show", "entries twice, expected 0")
def entries_of_one_moment_have_no_order() -> None:
    """Leave the order of entries of one moment to chance, so that pages repeat some and omit others."""
    rewrite(usage.calls, "created_at DESC, id LIMIT", "created_at DESC, random() LIMIT")


@fault("F1.E2", "the usage page of the individual shows 9 credits, expected 0")
def spent_credits_are_those_of_all_months() -> None:
    """Show the credits of all months on the usage page, so that it never agrees with the month's bill."""
    rewrite(
        usage.credits_used,
        "created_at >= %s::timestamptz::timestamp",
        "%s::timestamptz IS NOT NULL",
    )


@fault("EP8", "the pages of the history of the individual show 1 entries twice, expected 0")
def request_under_way_shifts_the_pages() -> None:
    """Show a request that ends while somebody reads, so that an entry of the page before comes again."""
    rewrite(reservations._finish, ", ended_in = pg_current_xact_id()", "")
