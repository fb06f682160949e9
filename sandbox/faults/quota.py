"""Faults of the month's quota: what counts, how far it reaches, what its headers say, and whose it is."""

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import chat, quota, reservations, tiers
from sandbox.ops_center.periods import Period

_IN_LUA = "if limit >= 0 and used >= limit then return -1 end\n"
_COUNTED_ANYWAY = (
    "await services.cache.run(\"return redis.call('INCR', KEYS[1])\", quota.counter(caller.user_id, standing.period)); "
)


@fault("F1.M3", "got no answer: status 429", "All 700 API calls of this month's trial quota are used")
def quota_ends_one_call_early() -> None:
    """Whoever has one call left is refused it, though they have paid for it."""
    rewrite(quota.used_up, "standing.used >= standing.limit", "standing.used + 1 >= standing.limit")


@fault("F1.M3", "got the status 200, expected 429", "701 calls of the individual are counted")
def quota_ends_one_call_late() -> None:
    """Everybody gets one call more than their plan has."""
    rewrite(quota.used_up, "standing.used >= standing.limit", "standing.used > standing.limit")
    replace(quota, "TAKE", quota.TAKE.replace(_IN_LUA, _IN_LUA.replace("used >=", "used >")))


@fault("A6", "answers arrived, expected 4")
def quota_is_checked_before_and_not_while_counting() -> None:
    """Whoever sends many requests at once gets more calls than their plan has left."""
    replace(quota, "TAKE", quota.TAKE.replace(_IN_LUA, ""))


@fault("F3.E2", "the BYOK user got the status 200, expected 429")
def quota_does_not_hold_for_own_keys() -> None:
    """Whoever brings their own key is never stopped at the quota of their plan."""
    rewrite(
        chat.answer,
        "quota.used_up(standing)",
        "quota.used_up(standing) and not payers.uses_own_key(request)",
    )
    rewrite(
        reservations.reserve,
        "call.user_id, standing)",
        "call.user_id, standing if call.purse else quota.replace(standing, limit=None))",
    )


@fault("F3.S7", "X-RateLimit-Remaining is 10,000, expected 9,999")
def own_key_calls_are_not_counted() -> None:
    """A call on the user's own key is left out of the counter of the month."""
    rewrite(reservations.reserve, "standing = await", "standing = standing if call.purse is None else await")


@fault("F1.E2", "the trial user has used 1 calls in the usage, expected 0")
def refused_calls_are_counted() -> None:
    """Whoever is refused for lack of credits loses a call of the month all the same."""
    hold = "if call.purse:\n                await _hold(db, call, call.purse, credits)\n"
    take = "            standing = await quota.take(services, db, call.user_id, standing)\n"
    rewrite(reservations.reserve, hold + take, take.lstrip() + "            " + hold)


@fault("F1.E2", "the trial user has used 0 calls in the usage, expected 1")
def failed_calls_are_not_counted() -> None:
    """A request that the provider was asked and could not answer is taken out of the count again."""
    rewrite(
        chat.answer,
        "await reservations.fail(services, call, problem.status)",
        "await reservations.withdraw(services, call, standing)",
    )


@fault("R1", "the individual has used 2 calls in the usage, expected 1")
def replays_are_counted() -> None:
    """A client that repeats a request under its idempotency key loses a call for the answer it had paid for."""
    rewrite(chat.complete, "return _replayed(", _COUNTED_ANYWAY + "return _replayed(")


@fault("I3", "the counter of the individual expires in -1")
def counter_never_expires() -> None:
    """Redis keeps the counter of every month of every user for ever, until it is full."""
    replace(quota, "TAKE", quota.TAKE.replace(", 'EXAT', ARGV[2]", ""))


@fault("I3", "the counter of the individual expires in 3,")
def counter_expires_before_the_month() -> None:
    """The counter of a user who pauses for an hour is gone before the month is over."""
    rewrite(quota._take_in_cache, "standing.period.reset_epoch", "int(periods.now().timestamp())")


@fault("I3", "X-RateLimit-Remaining is 9,999, expected 9,996")
def flush_gives_a_fresh_quota() -> None:
    """Once Redis has lost its counters everybody begins the month anew, whatever they have used."""
    rewrite(quota._take_in_cache, "await count_calls(db, user_id, standing.period)", "0")


@fault("I3", "the counter of the individual is at none in Redis, expected 3")
def counter_is_shared_by_everyone() -> None:
    """All users count on one counter, so that a busy one uses up the quota of the others."""
    rewrite(quota.counter, "usage:{user_id}:", "usage:")


@fault("F2.S5", "the member: counter: none in Redis, expected 1")
def quota_is_shared_by_the_organisation() -> None:
    """A member's calls use up the quota of their colleagues."""
    rewrite(
        reservations.reserve,
        "db, call.user_id, standing)",
        "db, call.purse.org_id or call.user_id if call.purse else call.user_id, standing)",
    )


@fault("F1.E2", "All 700 API calls of this month's trial quota are used")
def calls_of_last_month_count() -> None:
    """Whoever used their quota up last month stays locked out in the new one."""
    rewrite(quota.count_calls, "created_at >= %s::timestamptz::timestamp", "%s::timestamptz IS NOT NULL")


@fault("F1.E2", "All 700 API calls of this month's trial quota are used")
def month_of_the_count_begins_in_local_time() -> None:
    """East of Greenwich the calls of the last evening count for the month that begins hours later."""
    rewrite(
        quota.count_calls,
        "(user_id, period.start, period.end)",
        "(user_id, *(moment - periods.timedelta(hours=2) for moment in (period.start, period.end)))",
    )


@fault("F1.E4", "X-RateLimit-Reset is", "(epoch seconds), expected")
def reset_is_midnight_in_local_time() -> None:
    """Clients wait for midnight in the server's own zone and are refused for hours after it or before."""
    rewrite(Period.reset_epoch.fget, "self.end.timestamp()", "self.end.timestamp() - 2 * 3600")  # type: ignore[attr-defined]


@fault("F1.E4", "X-RateLimit-Reset is", "(epoch seconds), expected")
def reset_lies_in_the_past() -> None:
    """The quota is said to start anew at a moment that is over, so that clients try again at once and for ever."""
    rewrite(quota.headers, "standing.period.reset_epoch", "int(standing.period.start.timestamp())")


@fault("F1.E4", "X-RateLimit-Reset is", "(epoch seconds), expected")
def reset_is_told_as_seconds_to_wait() -> None:
    """Clients that read a moment get a number of seconds, and take the reset to have been in 1970."""
    rewrite(quota.headers, "standing.period.reset_epoch", "standing.period.seconds_left()")


@fault("F1.E4", "X-RateLimit-Remaining is -5, expected 0")
def remaining_falls_below_zero() -> None:
    """Whoever moves to a smaller plan is told that they have fewer than no calls left."""
    rewrite(quota.Standing.remaining.fget, "max(0, self.limit - self.used)", "self.limit - self.used")  # type: ignore[attr-defined]


@fault("F1.E4", "X-RateLimit-Remaining is 10,000, expected 9,999")
def remaining_leaves_this_call_out() -> None:
    """An answer says that a call is left which it has just used."""
    rewrite(chat.answer, "standing = await reservations.reserve(", "await reservations.reserve(")


@fault("F1.E4", "X-RateLimit-Limit is 700, expected 10,000")
def limit_is_always_the_trials() -> None:
    """Whoever pays for a larger plan reads the trial's limit in every answer."""
    rewrite(quota.headers, "_number(standing.limit)", "_number(tiers.quota_of(tiers.DEFAULT))")


@fault("F1.E4", "Retry-After is None, but the quota starts anew in")
def refusal_does_not_say_how_long_to_wait() -> None:
    """A client whose quota is used up is not told when to try again."""
    rewrite(quota.exceeded, 'headers={"Retry-After": str(standing.period.seconds_left())},', "")


@fault("F1.E4", "the answer's status was 200", "X-RateLimit-Limit is none, expected 10,000")
def answers_carry_no_quota_headers() -> None:
    """Clients learn of their quota only once they are refused."""
    for function in (chat._whole, chat._stream):
        rewrite(function, "headers=quota.headers(standing)", "headers={}")


@fault("F1.E4", "the answer's status was 402", "X-RateLimit-Limit is none, expected 700")
def refusals_carry_no_quota_headers() -> None:
    """A client that is refused for another reason can't tell how many calls it has left."""
    rewrite(chat.complete, "problem.headers = {", "if problem.status == 429: problem.headers = {")


@fault("F1.M3", "X-RateLimit-Limit is 1,000, expected 700")
def quotas_of_trial_and_starter_are_swapped() -> None:
    """The trial has what Starter sells, and Starter has what the trial gives away."""
    tiers.QUOTAS.update(trial=tiers.QUOTAS["starter"], starter=tiers.QUOTAS["trial"])


@fault("F1.M3", "All 700 API calls of this month's platform quota are used")
def platform_plan_is_unknown_to_the_quota() -> None:
    """Whoever pays for the Platform plan gets the trial's quota."""
    tiers.QUOTAS["platform"] = tiers.QUOTAS["trial"]


@fault("F1.M3", "All 10000 API calls of this month's enterprise quota are used")
def enterprise_is_limited() -> None:
    """Whoever was sold unlimited calls is refused after 10,000."""
    tiers.QUOTAS["enterprise"] = tiers.QUOTAS["platform"]


@fault("F1.M3", "got the status 200, expected 429", "701 calls of the individual are counted")
def no_subscription_means_no_limit() -> None:
    """Whoever cancels their subscription calls the models as often as they like."""
    replace(tiers, "DEFAULT", "enterprise")


@fault("I3", "remembers the plan of the individual for", "expected 60 at most")
def plan_is_remembered_for_a_month() -> None:
    """Whoever upgrades their plan goes on being refused by the quota of the old one."""
    replace(tiers, "CACHE_SECONDS", 30 * 24 * 3600)


@fault("F1.M3", "something changed that belongs to nobody of the scenario", "Redis tier:")
def plan_is_remembered_for_everyone_at_once() -> None:
    """Whoever comes after somebody else gets the plan, and the quota, of that other person."""
    rewrite(tiers.tier_of, 'f"tier:{user_id}"', '"tier:"')
