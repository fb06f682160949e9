"""Faults of the speed: each makes one operation slow.

Those of N2 keep the plan's limits, so only the figures of earlier runs show them; `python -m sandbox.faults` measures
such runs first.

Signing in (B1) has none, because Keycloak is the real server and no code of the sandbox is on its way.
"""

import asyncio

from sandbox.faults import fault, rewrite
from sandbox.ops_center import byok, chat, credit_accounts, credits, quota, usage

_SETTLED = "await settle(services, order, tokens, JSON, "


def _waiting(module: object) -> None:
    """Let rewritten functions of a module wait."""
    vars(module)["asyncio"] = asyncio


@fault("B2", "0% of 40 samples of the whole request take 3,000 ms or less, expected 95%")
def answer_is_kept_back_for_two_seconds() -> None:
    """Keep an answer for two seconds, so that users wait twice as long as the model needs."""
    rewrite(chat._whole, f"text = {_SETTLED}", f"await asyncio.sleep(2)\n    text = {_SETTLED}")


@fault("F1.M1", "0% of 40 samples of the whole request take 2,000 ms or less, expected 95%")
def answer_is_kept_back_for_a_second() -> None:
    """Keep an answer for a second, so that users wait longer than the plan's two seconds."""
    rewrite(chat._whole, f"text = {_SETTLED}", f"await asyncio.sleep(1)\n    text = {_SETTLED}")


@fault("B3 F1.M2", "0% of 40 samples of the time until the balance shows the charge take 100 ms or less, expected 95%")
def balance_shows_a_charge_late() -> None:
    """Show a charge in the balance 150 ms after the answer, so that users see credits that they have spent."""
    rewrite(
        credits.remaining,
        "SELECT credits_remaining FROM user_credits WHERE user_id = %s",
        "SELECT credits_remaining - COALESCE((SELECT sum(amount) FROM credit_transactions used "
        "WHERE used.user_id = owner.user_id AND org_id IS NULL AND transaction_type = 'usage' "
        "AND used.created_at > LOCALTIMESTAMP - interval '150 ms'), 0) AS credits_remaining "
        "FROM user_credits owner WHERE user_id = %s",
    )


@fault("B4", "of 40 samples of the refused request, less the cheaper one take 50 ms or less, expected 95%")
def counting_a_call_takes_60_ms() -> None:
    """Take 60 ms to count a call, so that each request waits for the counter."""
    _waiting(quota)
    rewrite(quota.used, "    try:\n", "    await asyncio.sleep(0.06)\n    try:\n")


@fault("B4", "of 40 samples of the refused request, less the cheaper one take 50 ms or less, expected 95%")
def counting_grows_with_the_calls_of_the_user() -> None:
    """Take 10 ms longer for each 1,000 calls of the month, so that the best customers wait longest."""
    _waiting(quota)
    rewrite(
        quota.standing,
        "return Standing(tier, tiers.quota_of(tier), await used(services, user_id, period), period)",
        "calls = await used(services, user_id, period)\n"
        "    await asyncio.sleep(calls / 100_000)\n"
        "    return Standing(tier, tiers.quota_of(tier), calls, period)",
    )


@fault("B5", "of 40 samples of the refused request, less the cheaper one take 100 ms or less, expected 95%")
def check_of_an_organisation_takes_120_ms() -> None:
    """Take 120 ms to check an organisation's credits, with its row locked, so that all its members wait."""
    _waiting(credit_accounts)
    rewrite(
        credit_accounts.Allocation.reserve,
        "    refusal = refusal_of_allocation(",
        "    await asyncio.sleep(0.12)\n    refusal = refusal_of_allocation(",
    )


@fault("B6", "of 40 samples of the refused request, less the cheaper one take 50 ms or less, expected 95%")
def looking_for_a_stored_key_takes_60_ms() -> None:
    """Take 60 ms to look for a stored key, so that each request with the user's own key waits."""
    _waiting(byok)
    rewrite(
        byok.key_for,
        "    provider = provider_for(model, keys)\n",
        "    await asyncio.sleep(0.06)\n    provider = provider_for(model, keys)\n",
    )


@fault("N2", "the platform's own share of", "times as long as before")
def deduction_takes_200_ms_longer() -> None:
    """Take 200 ms longer to deduct credits before each answer, so that all requests are slower than before."""
    rewrite(
        chat.settle,
        "    async with services.database.transaction() as db:\n",
        "    await asyncio.sleep(0.2)\n    async with services.database.transaction() as db:\n",
    )


@fault("N2", "Reading the history takes", "times as long as before")
def history_is_scanned() -> None:
    """Read all calls of a user for a page of the history, so that the page of a good customer takes ever longer."""
    _waiting(usage)
    rewrite(
        usage.calls,
        "    found = await db.execute(\n",
        "    await asyncio.sleep(await number_of_calls(db, user_id, seen) / 100_000)\n    found = await db.execute(\n",
    )
