"""Faults of the events that Ops-Center sends to Lago for billing."""

from typing import Any
from uuid import uuid4

from sandbox.faults import fault, replace, rewrite
from sandbox.ops_center import lago_events, reservations, tiers
from sandbox.ops_center.database import Row
from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.quota import Standing
from sandbox.ops_center.reservations import Call
from sandbox.ops_center.services import Services


@fault("EP7", "the individual: events in Lago: Lago lacks event of request")
def calls_are_never_billed() -> None:
    """Send no call to Lago, so that nobody is ever billed."""
    rewrite(reservations._finish, "if finished.rowcount:", "if not finished.rowcount:")


@fault("I4", "Lago bills the individual for 2 calls this month, expected 1")
def calls_are_billed_again_under_a_new_id() -> None:
    """Send a call to Lago twice under two ids, so that the customer pays for both."""
    rewrite(
        lago_events.Outbox._send_due,
        "[event(row) for row in rows]",
        "[event(row) | {'transaction_id': str(id)} for row in rows for id in (row['request_id'], uuid4())]",
    )
    vars(lago_events)["uuid4"] = uuid4


@fault("EP7", "the individual: events in Lago: Lago lacks event of request", "too many")
def events_have_ids_of_their_own() -> None:
    """Send events with new ids, so that Lago can't recognise a repeated one and no bill can be checked."""
    before = lago_events.event

    def renamed(row: Row) -> dict[str, Any]:
        return before(row) | {"transaction_id": str(uuid4())}

    replace(lago_events, "event", renamed)


@fault("I4", "the event is for the subscription", "expected")
def events_name_the_customer_as_subscription() -> None:
    """Send events for the customer's id instead of the subscription, so that nobody is billed."""
    rewrite(lago_events.keep, "COALESCE(t.subscription_id, u.user_id::text)", "u.user_id::text")


@fault("A10", "the member: events in Lago: Lago lacks event of request", "and has event of request")
def members_calls_are_billed_to_the_admin() -> None:
    """Bill a member's calls on the subscription of the organisation's admin."""
    rewrite(
        lago_events.keep,
        "LEFT JOIN known_tiers t USING (user_id)",
        "LEFT JOIN organization_members a ON a.org_id = u.org_id AND a.role = 'admin'"
        " LEFT JOIN known_tiers t ON t.user_id = COALESCE(a.user_id, u.user_id)",
    )


@fault("F3.M2", "the BYOK user: events in Lago: Lago lacks event of request")
def own_key_calls_are_not_billed() -> None:
    """Send Lago no calls with users' own keys."""
    rewrite(lago_events.keep, "WHERE u.request_id = %s", "WHERE u.request_id = %s AND NOT u.byok")


@fault("F1.E2", "the trial user: events in Lago: Lago lacks event of request")
def failed_calls_are_not_billed() -> None:
    """Send Lago no failed calls, so that Lago and the quota never agree."""
    rewrite(lago_events.keep, "WHERE u.request_id = %s", "WHERE u.request_id = %s AND u.status = 200")


@fault("F1.E2", "Lago has", "too many")
def refused_calls_are_billed() -> None:
    """Bill a call that was refused for lack of credits."""
    before = reservations.reserve

    async def reserve(services: Services, call: Call, credits: int, standing: Standing) -> Standing:
        try:
            return await before(services, call, credits, standing)
        except ProblemError:
            async with services.database.connection() as db:
                await db.execute(
                    """INSERT INTO lago_events
                           (request_id, subscription_id, model, tokens, credits, byok, happened_at)
                       SELECT %s, subscription_id, %s, 0, 0, false, LOCALTIMESTAMP FROM known_tiers
                       WHERE user_id = %s""",
                    (call.request_id, call.model, call.user_id),
                )
            services.outbox.wake()
            raise

    replace(reservations, "reserve", reserve)


@fault("I4", "Lago bills the individual for 0 calls this month, expected 1")
def events_are_of_an_unknown_metric() -> None:
    """Send events of an unknown metric, which Lago accepts and never counts."""
    replace(lago_events, "CODE", "llm_request")


@fault("I4", "Lago bills the individual for 0 calls this month, expected 1")
def events_are_dated_a_month_back() -> None:
    """Date calls a month back, in a period that is billed already, so that they are never charged."""
    rewrite(lago_events.event, ".timestamp())", ".timestamp()) - 31 * 24 * 3600")


@fault("EP7", "the individual: events in Lago: Lago lacks event of request")
def events_are_dated_in_milliseconds() -> None:
    """Date events in milliseconds, so that Lago refuses each as fifty thousand years ahead."""
    rewrite(lago_events.event, ".timestamp())", ".timestamp() * 1000)")


@fault("F1.P4", "the limit of the individual is 700 calls in the usage, expected 10,000")
def plan_of_the_subscription_is_not_asked() -> None:
    """Ignore the plan of the subscription, so that everybody stays on the trial."""
    rewrite(tiers.tier_of, "subscription.plan_code if subscription else DEFAULT", "DEFAULT")
