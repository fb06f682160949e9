"""Faults of the month's quota: what counts, where it ends, its headers, and its owner."""

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, quota, reservations, tiers, tokens
from sandbox.ops_center.lago import Lago
from sandbox.ops_center.periods import Period

_IN_LUA = "if limit >= 0 and used >= limit then return -1 end\n"
_COUNTED_ANYWAY = (
    "await services.cache.run(\"return redis.call('INCR', KEYS[1])\", quota.counter(caller.user_id, standing.period)); "
)


@fault("F1.M3", "got no answer: status 429", "All 700 API calls of this month's trial quota are used")
def quota_ends_one_call_early() -> None:
    """Refuse the last call of the quota, which the user has paid for."""
    rewrite(quota.used_up, "standing.used >= standing.limit", "standing.used + 1 >= standing.limit")


@fault("F1.M3", "got the status 200, expected 429", "701 calls of the individual are counted")
def quota_ends_one_call_late() -> None:
    """Give everybody one call more than their plan has."""
    rewrite(quota.used_up, "standing.used >= standing.limit", "standing.used > standing.limit")
    replace(quota, "TAKE", quota.TAKE.replace(_IN_LUA, _IN_LUA.replace("used >=", "used >")))


@fault("A6", "answers arrived, expected 4")
def quota_is_checked_before_and_not_while_counting() -> None:
    """Check the quota before counting, so that many requests at once get more calls than are left."""
    replace(quota, "TAKE", quota.TAKE.replace(_IN_LUA, ""))


@fault("F3.E2", "the BYOK user got the status 200, expected 429")
def quota_does_not_hold_for_own_keys() -> None:
    """Ignore the quota for requests with the user's own key."""
    rewrite(
        chat.answer,
        "quota.used_up(standing)",
        "quota.used_up(standing) and not payers.uses_own_key(request)",
    )
    rewrite(
        reservations.reserve,
        "call.user_id, standing)",
        "call.user_id, standing if call.account else quota.replace(standing, limit=None))",
    )


@fault("F3.M2", "X-RateLimit-Remaining is 10,000, expected 9,999")
def own_key_calls_are_not_counted() -> None:
    """Leave calls with the user's own key out of the month's counter."""
    rewrite(reservations.reserve, "standing = await", "standing = standing if call.account is None else await")


@fault("F1.E2", "the trial user has used 1 calls in the usage, expected 0")
def refused_calls_are_counted() -> None:
    """Count a call that is refused for lack of credits."""
    reserve = "if call.account:\n                await _reserve_credits(db, call, call.account, credits)\n"
    take = "            standing = await quota.take(services, db, call.user_id, standing)\n"
    rewrite(reservations.reserve, reserve + take, take.lstrip() + "            " + reserve)


@fault("F1.E2", "the trial user has used 0 calls in the usage, expected 1")
def failed_calls_are_not_counted() -> None:
    """Remove a call from the count when the provider could not answer it."""
    rewrite(
        chat.answer,
        "await reservations.fail(services, call, problem.status)",
        "await reservations.withdraw(services, call, standing)",
    )


@fault("R1", "the individual has used 2 calls in the usage, expected 1")
def replays_are_counted() -> None:
    """Count a repeated request under its idempotency key as a new call."""
    rewrite(chat.complete, "return _replayed(", _COUNTED_ANYWAY + "return _replayed(")


@fault("I3", "the counter of the individual expires in -1")
def counter_never_expires() -> None:
    """Keep the counter of every month and user in Redis for ever, until Redis is full."""
    replace(quota, "TAKE", quota.TAKE.replace(", 'EXAT', ARGV[2]", ""))


@fault("I3", "the counter of the individual expires in 3,")
def counter_expires_before_the_month() -> None:
    """Let a counter expire after an hour, before the month is over."""
    rewrite(quota._take_in_cache, "standing.period.reset_epoch", "int(periods.now().timestamp())")


@fault("I3", "X-RateLimit-Remaining is 9,999, expected 9,996")
def flush_gives_a_fresh_quota() -> None:
    """Start every quota again when Redis has lost its counters."""
    rewrite(quota._take_in_cache, "await count_calls(db, user_id, standing.period)", "0")


@fault("I3", "the counter of the individual is at none in Redis, expected 3")
def counter_is_shared_by_everyone() -> None:
    """Count all users on one counter, so that one user uses up the quota of the others."""
    rewrite(quota.counter, "usage:{user_id}:", "usage:")


@fault("F2.E1", "the member: counter: none in Redis, expected 1")
def quota_is_shared_by_the_organisation() -> None:
    """Count a member's calls against the quota of their colleagues."""
    rewrite(
        reservations.reserve,
        "db, call.user_id, standing)",
        "db, call.account.org_id or call.user_id if call.account else call.user_id, standing)",
    )


@fault("F1.E2", "All 700 API calls of this month's trial quota are used")
def calls_of_last_month_count() -> None:
    """Count last month's calls too, so that a used-up quota stays used up."""
    rewrite(quota.count_calls, "created_at >= %s::timestamptz::timestamp", "%s::timestamptz IS NOT NULL")


@fault("F1.E2", "All 700 API calls of this month's trial quota are used")
def month_of_the_count_begins_in_local_time() -> None:
    """Begin the month in local time, so that calls of the last evening count for the next month."""
    rewrite(
        quota.count_calls,
        "(user_id, period.start, period.end)",
        "(user_id, *(moment - periods.timedelta(hours=2) for moment in (period.start, period.end)))",
    )


@fault("F1.E4", "X-RateLimit-Reset is", "(epoch seconds), expected")
def reset_is_midnight_in_local_time() -> None:
    """Report the reset at local midnight, so that clients come back hours too early or too late."""
    rewrite(Period.reset_epoch.fget, "self.end.timestamp()", "self.end.timestamp() - 2 * 3600")  # type: ignore[attr-defined]


@fault("F1.E4", "X-RateLimit-Reset is", "(epoch seconds), expected")
def reset_lies_in_the_past() -> None:
    """Report a reset in the past, so that clients try again at once and for ever."""
    rewrite(quota.headers, "standing.period.reset_epoch", "int(standing.period.start.timestamp())")


@fault("F1.E4", "X-RateLimit-Reset is", "(epoch seconds), expected")
def reset_is_told_as_seconds_to_wait() -> None:
    """Report the reset as a number of seconds, which clients read as a date in 1970."""
    rewrite(quota.headers, "standing.period.reset_epoch", "standing.period.seconds_left()")


@fault("F1.E4", "the individual has -5 calls left in the usage, expected 0")
def remaining_falls_below_zero() -> None:
    """Report fewer than 0 remaining calls after a change to a smaller plan."""
    rewrite(quota.Standing.remaining.fget, "max(0, self.limit - self.used)", "self.limit - self.used")  # type: ignore[attr-defined]


@fault("F1.E4", "X-RateLimit-Remaining is 10,000, expected 9,999")
def remaining_leaves_this_call_out() -> None:
    """Report the call that was just used as remaining."""
    rewrite(chat.answer, "standing = await reservations.reserve(", "await reservations.reserve(")


@fault("F1.E4", "X-RateLimit-Limit is 700, expected 10,000")
def limit_is_always_the_trials() -> None:
    """Report the trial's limit in every answer, also to users of larger plans."""
    rewrite(quota.headers, "_number(standing.limit)", "_number(tiers.quota_of(tiers.DEFAULT))")


@fault("F1.E4", "Retry-After is None, but the quota resets in")
def refusal_does_not_say_how_long_to_wait() -> None:
    """Leave Retry-After out, so that a client does not know when to try again."""
    rewrite(quota.exceeded, 'headers={"Retry-After": str(standing.period.seconds_left())},', "")


@fault("F1.E4", "the answer's status was 200", "X-RateLimit-Limit is none, expected 10,000")
def answers_carry_no_quota_headers() -> None:
    """Leave the quota headers out of answers, so that clients learn of the quota only when they are refused."""
    for function in (chat._whole, chat._stream):
        rewrite(function, "headers=quota.headers(standing)", "headers={}")


@fault("F1.E4", "the answer's status was 402", "X-RateLimit-Limit is none, expected 700")
def refusals_carry_no_quota_headers() -> None:
    """Leave the quota headers out of refusals, so that a client can't tell how many calls it has left."""
    rewrite(chat.complete, "problem.headers = {", "if problem.status == 429: problem.headers = {")


@fault("F1.M3", "X-RateLimit-Limit is 1,000, expected 700")
def quotas_of_trial_and_starter_are_swapped() -> None:
    """Swap the quotas of Trial and Starter."""
    tiers.QUOTAS.update(trial=tiers.QUOTAS["starter"], starter=tiers.QUOTAS["trial"])


@fault("F1.M3", "All 700 API calls of this month's platform quota are used")
def platform_plan_is_unknown_to_the_quota() -> None:
    """Give the Platform plan the trial's quota."""
    tiers.QUOTAS["platform"] = tiers.QUOTAS["trial"]


@fault("F1.M3", "All 10000 API calls of this month's enterprise quota are used")
def enterprise_is_limited() -> None:
    """Refuse Enterprise users after 10,000 calls, though they bought unlimited ones."""
    tiers.QUOTAS["enterprise"] = tiers.QUOTAS["platform"]


@fault("F1.M3", "got the status 200, expected 429", "701 calls of the individual are counted")
def no_subscription_means_no_limit() -> None:
    """Give users without a subscription an unlimited quota."""
    replace(tiers, "DEFAULT", "enterprise")


@fault("I3", "remembers the plan of the individual for", "expected 60 at most")
def plan_is_remembered_for_a_month() -> None:
    """Remember a plan for a month, so that an upgrade does not change the quota."""
    rewrite(tiers.tier_of, "services.settings.tier_seconds", "30 * 24 * 3600")


@fault("F1.M3", "999 calls of the individual are counted", "All 700 API calls of this month's trial quota")
def plan_is_remembered_for_everyone_at_once() -> None:
    """Remember one plan for all users, so that each gets the plan and quota of the user before."""
    rewrite(tiers.tier_of, 'f"tier:{user_id}"', '"tier:"')


@fault("T8", "the limit of the trial user is 700 calls in the usage, expected 1,000")
def upgrade_changes_nothing_before_the_next_month() -> None:
    """Ask Lago once for a user's plan, so that somebody who has paid for more calls goes on being refused."""
    rewrite(tiers._last_known, "else DEFAULT", "else None")
    rewrite(
        tiers.tier_of,
        "    try:\n        subscription =",
        "    if known := await _last_known(services, user_id):\n        return known\n    try:\n        subscription =",
    )


@fault("F1.E4", "the limit of the individual is 1,000 calls in the usage, expected 700")
def cancelled_subscription_goes_on() -> None:
    """Count a subscription that has ended, so that users keep the quota that they no longer pay for."""
    rewrite(
        Lago.active_subscriptions,
        'params={"external_customer_id": str(user_id)}',
        'params={"external_customer_id": str(user_id), "status[]": ["active", "terminated"]}',
    )


@fault("F1.P4", "the plan of the individual in the balance is enterprise, expected starter")
def plan_is_read_from_the_token() -> None:
    """Trust the tier in the Keycloak account, which nobody changes when a subscription does."""
    vars(tiers)["_of_tokens"] = vars(tokens)["_of_tokens"] = {}
    rewrite(
        tokens.person,
        "    return Person(",
        '    _of_tokens[UUID(decoded["sub"])] = decoded.get("subscription_tier")\n    return Person(',
    )
    rewrite(tiers.tier_of, "    if cached:", "    cached = _of_tokens.get(user_id) or cached\n    if cached:")


@fault("F1.P4", "the plan of the individual in the balance is professional, expected starter")
def plan_is_read_from_the_credits() -> None:
    """Trust the tier beside the credits, which was right when the credits were granted."""
    rewrite(
        tiers.tier_of,
        "    if cached:",
        "    async with services.database.connection() as db:\n"
        '        found = await db.execute("SELECT tier FROM user_credits WHERE user_id = %s", (user_id,))\n'
        "        row = await found.fetchone()\n"
        '    cached = row["tier"] if row else cached\n'
        "    if cached:",
    )


@fault("F1.E3", "the colleague got the status 200, expected 429")
def quota_does_not_hold_for_members() -> None:
    """Let members go on without calls as long as their allocation lasts."""
    rewrite(
        chat.answer,
        "quota.used_up(standing)",
        "quota.used_up(standing) and not await payers.organizations.memberships(services.database, caller)",
    )
    rewrite(
        reservations.reserve,
        "call.user_id, standing)",
        "call.user_id, quota.replace(standing, limit=None) if call.account and call.account.org_id else standing)",
    )


@fault("F1.E2", "the calls of the individual in", "are 0 in unicorn_db (usage_tracking), expected 1")
def call_is_recorded_in_the_month_of_its_answer() -> None:
    """Record a call at the time of its answer, so that counter and table count it in different months."""
    rewrite(reservations._finish, "SET status = %s", "SET created_at = %s::timestamptz, status = %s")
    rewrite(reservations._finish, "(status, tokens,", "(periods.now(), status, tokens,")


@fault("F1.E2", "of the individual in", "is at 0 in Redis, expected 1")
def call_is_counted_in_the_month_of_its_answer() -> None:
    """Count a call when its answer comes, so that the first of a month begins with calls of the last one."""
    rewrite(
        chat._whole,
        "    return Response(",
        "    now, user_id = quota.periods.current(), order.call.user_id\n"
        "    if now != standing.period:\n"
        "        await quota.give_back(services, user_id, standing.period)\n"
        "        await services.cache.run(\"return redis.call('INCR', KEYS[1])\", quota.counter(user_id, now))\n"
        "    return Response(",
    )


@fault("T8", "the individual has used 1,006 calls in the usage, expected 0")
def calls_of_the_larger_plan_count_on_the_smaller_one() -> None:
    """Count on a smaller plan what an earlier month used of the larger one, so that it is used up when it begins."""
    vars(quota)["_first"] = {}
    rewrite(
        quota.standing,
        "    return Standing(tier, tiers.quota_of(tier), await used(services, user_id, period), period)",
        "    calls = await used(services, user_id, period)\n"
        "    first_tier, first_period = _first.setdefault(user_id, (tier, period))\n"
        "    if tier != first_tier and period != first_period:\n"
        "        calls += await used(services, user_id, first_period)\n"
        "    return Standing(tier, tiers.quota_of(tier), calls, period)",
    )
