"""Faults that show only when a service fails, or when it is back."""

from uuid import uuid4

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import app, cache, chat, database, lago_events, litellm, quota, reservations, tiers, tokens
from sandbox.ops_center.problems import ProblemError

_SENT = "[event(row) for row in rows]"


@fault("N4", "in all 4 answers arrived, expected 2")
def no_limit_holds_without_redis() -> None:
    """Let everybody pass while Redis is away, so that a quota is worth nothing on a bad day."""
    rewrite(quota._take_in_database, "REFUSED if used_up(replace(standing, used=calls)) else ", "")
    rewrite(quota.used, "    except CacheError:\n        pass\n", "    except CacheError:\n        return 0\n")


@fault("N4", "in all 3 answers arrived, expected 1")
def lost_counter_begins_at_zero() -> None:
    """Start a lost counter at 0, so that everybody has a fresh quota when Redis comes back empty."""
    replace(quota, "TAKE", quota.TAKE.replace("or ARGV[3]", "or 0"))


@fault("N4", "Ops-Center at", "did not answer within")
def redis_is_waited_for() -> None:
    """Wait for Redis as long as it takes, so that everybody hangs while it is paused."""
    replace(cache, "TIMEOUT_SECONDS", 600.0)


@fault("N4", "Lago bills the individual for", "this month, expected 3")
def event_is_forgotten_before_it_is_sent() -> None:
    """Forget events before Lago has them, so that nobody is billed for the time in which Lago was away."""
    rewrite(
        lago_events.Outbox._send_due,
        "    if rows and await",
        "    if rows:\n        await self._forget(rows)\n    if rows and await",
    )


@fault("N4", "Lago bills the individual for 5 calls this month, expected 3")
def events_are_sent_twice_when_lago_is_back() -> None:
    """Send the kept events twice when Lago is back, under two ids, so that customers pay double."""
    vars(lago_events)["uuid4"] = uuid4
    rewrite(
        lago_events.Outbox._send_for_ever,
        "except (LagoError, UnavailableError):\n",
        "except (LagoError, UnavailableError):\n            self._twice = True\n",
    )
    rewrite(
        lago_events.Outbox._send_due,
        _SENT,
        "[event(row) | {'transaction_id': str(id)} for row in rows"
        " for id in (row['request_id'], *([uuid4()] if hasattr(self, '_twice') else []))]",
    )


@fault("N4", "in all 0 answers arrived, expected 2")
def everybody_is_on_the_trial_without_lago() -> None:
    """Forget the plans while Lago is away, so that paying customers are refused at the trial's limit."""
    rewrite(tiers.tier_of, "return await _last_known(services, user_id)", "return DEFAULT")


@fault("N4", "the individual has 9 reserved credits in unicorn_db, expected 0")
def reservation_is_kept_when_litellm_is_away() -> None:
    """Keep the reservation of a request that LiteLLM never got, so that the user can't spend these credits."""
    rewrite(
        chat.answer,
        "await reservations.withdraw(services, call, standing)",
        "pass",
    )


@fault("N4", "the individual has 991 credits in the API, expected 1,000")
def failed_request_is_charged() -> None:
    """Charge the estimate when LiteLLM answers with an error, so that users pay for nothing."""
    rewrite(
        reservations.fail,
        "        await _release(db, call)\n        await _finish(db, call, status, 0, 0)\n",
        "        await settle(db, call, 100, 9)\n",
    )


@fault("N4", "once with the platform's key")
def platform_pays_when_the_provider_fails_for_an_own_key() -> None:
    """Send a request again with the platform's key when the provider fails for the user's own."""
    before = litellm.LiteLLM.complete

    async def complete(self: litellm.LiteLLM, body: dict[str, object]) -> dict[str, object]:
        try:
            return await before(self, body)
        except ProblemError:
            if "api_key" not in body:
                raise
            return await before(self, {name: value for name, value in body.items() if name != "api_key"})

    replace(litellm.LiteLLM, "complete", complete)


@fault("N4", "the individual got the status 500, expected 503")
def missing_database_is_an_unexpected_error() -> None:
    """Answer with an unexpected error while PostgreSQL is away, so that users don't know whether to try again."""
    rewrite(database.Database.connection, 'raise UnavailableError("The database") from error', "raise RuntimeError")


@fault("N4", "Ops-Center at", "did not answer within")
def requests_wait_until_the_database_is_back() -> None:
    """Try again until PostgreSQL is back, so that everybody hangs."""
    rewrite(
        database.Database.connection,
        'raise UnavailableError("The database") from error',
        "await asyncio.sleep(600)",
    )


@fault("N4", "got no answer: status 503")
def tokens_are_refused_without_keycloak() -> None:
    """Ask Keycloak for its keys with each token and keep none, so that nobody can work while Keycloak is away."""
    rewrite(tokens.KeySet.find, "self._renew_if_old()", "await self._fetch()")
    rewrite(tokens.KeySet._fetch, "self._rest_until = time.monotonic() + RETRY_SECONDS", "self._keys = {}")


@fault("N4", "got no answer: status 401 invalid_token")
def new_signing_key_is_not_looked_up() -> None:
    """Never fetch the keys again, so that nobody who signs in after a change of the keys can work."""
    rewrite(tokens.KeySet._look_up, "if kid in self._keys or", "if self._keys or")
    rewrite(tokens.KeySet._renew_if_old, "now = time.monotonic()", "return")


@fault("N4", "reserved credits in unicorn_db, expected 0")
def reservations_stay_after_a_crash() -> None:
    """Release nothing when Ops-Center starts after a crash, so that users can't spend these credits ever again."""
    rewrite(database.Database._is_alone, 'return bool(row and row["alone"])', "return False")


@fault("N4", "the refusal's Retry-After is none, expected a number of seconds")
def missing_database_does_not_say_when_to_try_again() -> None:
    """Leave Retry-After out while PostgreSQL is away, so that all clients try again at once."""
    rewrite(
        app._problem,
        "return problem.response()",
        'problem.headers.pop("Retry-After" if problem.status == 503 else "", None)\n    return problem.response()',
    )


@fault("I1", "sends a token of a key that the realm has removed, and gets 200, expected 401")
def removed_signing_key_is_good_for_ever() -> None:
    """Keep every signing key that the realm ever had, so that whoever stole one is anybody for ever."""
    rewrite(tokens.KeySet._fetch, "self._keys = {key.key_id", "self._keys |= {key.key_id")


@fault("N4", "provider calls with the platform's key: 2 in the provider's journal, expected 1")
def calls_cut_off_by_a_crash_are_forgotten() -> None:
    """Forget the calls that a crash cut off, so that whoever makes it crash calls the provider without a limit."""
    _recover("WHERE u.status = 102;", "WHERE u.status = 102 AND false;")
    _recover(
        "UPDATE usage_tracking SET status = 500, tokens = 0, ended_in = pg_current_xact_id()",
        "DELETE FROM usage_tracking",
    )


@fault("N4", "of 6 answers did not arrive", "status 409")
def keys_of_requests_that_a_crash_cut_off_stay_taken() -> None:
    """Take a request that a crash cut off for one that is running, so that its user can never send it again."""
    _recover("DELETE FROM idempotency_keys WHERE status IS NULL;", "")


@fault("N4", "the trial user has used 698 calls in the usage, expected 700")
def old_counters_are_trusted_after_an_outage() -> None:
    """Trust the counters of a Redis that was away, so that the calls of the meantime are free."""
    rewrite(cache.Cache.in_doubt.fget, "return self._failures != self._failures_cured", "return False")  # type: ignore[attr-defined]


def _recover(old: str, new: str) -> None:
    """Change a piece of the script that ends the calls of a process that stopped in the middle of them."""
    read = database._script
    if old not in read("recovery.sql").decode():
        raise ValueError(f"recovery.sql has no piece that reads {old!r}")
    replace(database, "_script", lambda name: read(name).decode().replace(old, new).encode())
