"""Each event is accepted once, and the current usage counts those of the period."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api, Database


TAKEN_BEFORE = {"transaction_id": ["value_already_exist"]}


def event(transaction_id: str, subscription: str, **more: Any) -> dict[str, Any]:
    fields = {
        "transaction_id": transaction_id,
        "external_subscription_id": subscription,
        "code": "llm_requests",
    }
    return {"event": fields | more}


def test_an_event_is_refused_the_second_time(api: Api, database: Database, new_id: str) -> None:
    api.ok("POST", "/api/v1/events", event(new_id, "s-1"))
    assert api.error_of(api("POST", "/api/v1/events", event(new_id, "s-1"))) == (
        422,
        "validation_errors",
        TAKEN_BEFORE,
    )
    api.ok("POST", "/api/v1/events", event(new_id, "s-2"))
    rows = database.execute("select external_subscription_id as s from events where transaction_id = %s", (new_id,))
    assert sorted(row["s"] for row in rows.fetchall()) == ["s-1", "s-2"]


def test_sent_at_once_it_is_taken_once(api: Api, new_id: str) -> None:
    callers = [api.another() for _ in range(8)]
    with ThreadPoolExecutor(len(callers)) as threads:
        answers = threads.map(lambda caller: caller("POST", "/api/v1/events", event(new_id, new_id)), callers)
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 7


@pytest.mark.parametrize("missing", ["transaction_id", "external_subscription_id", "code"])
def test_a_missing_field_is_named(api: Api, new_id: str, missing: str) -> None:
    fields = event(new_id, new_id)["event"] | {missing: None}
    answer = api("POST", "/api/v1/events", {"event": fields})
    assert api.error_of(answer)[2] == {missing: ["value_is_mandatory"]}


@pytest.mark.parametrize(
    ("timestamp", "shown"),
    [
        (1_786_527_000, "2026-08-12T09:30:00.000Z"),
        ("1786527000", "2026-08-12T09:30:00.000Z"),
        (1_786_527_000.25, "2026-08-12T09:30:00.250Z"),
        ("1786527000.25", "2026-08-12T09:30:00.250Z"),
    ],
)
def test_times_are_seconds_of_any_spelling(api: Api, new_id: str, timestamp: object, shown: str) -> None:
    assert api.ok("POST", "/api/v1/events", event(new_id, new_id, timestamp=timestamp))["event"]["timestamp"] == shown


@pytest.mark.parametrize("timestamp", ["yesterday", True, [], 1e300, "nan"])
def test_a_wrong_time_is_refused(api: Api, new_id: str, timestamp: object) -> None:
    answer = api("POST", "/api/v1/events", event(new_id, new_id, timestamp=timestamp))
    assert api.error_of(answer)[2] == {"timestamp": ["invalid_format"]}


def test_an_unknown_code_or_subscription_is_taken(api: Api, new_id: str) -> None:
    taken = api.ok("POST", "/api/v1/events", event(new_id, "no such one", code="no such metric", properties={"a": 1}))
    assert taken["event"]["properties"] == {"a": 1}
    assert api.ok("GET", f"/api/v1/events/{new_id}") == taken


def test_a_batch_is_taken_whole_or_not_at_all(api: Api, new_id: str) -> None:
    batch = [event(f"{new_id}-{number}", new_id)["event"] for number in (1, 2, 1)]
    assert api.error_of(api("POST", "/api/v1/events/batch", {"events": batch}))[2] == {"2": TAKEN_BEFORE}
    assert api("GET", f"/api/v1/events/{new_id}-1").status_code == 404
    wrong = api.error_of(api("POST", "/api/v1/events/batch", {"events": [batch[0], {}]}))[2]
    assert list(wrong) == ["1"]
    assert len(api.ok("POST", "/api/v1/events/batch", {"events": batch[:2]})["events"]) == 2


def test_a_batch_has_one_to_a_hundred_events(api: Api, new_id: str) -> None:
    batch = [event(f"{new_id}-{number}", new_id)["event"] for number in range(101)]
    assert api.error_of(api("POST", "/api/v1/events/batch", {"events": batch}))[2] == {"events": ["too_many_events"]}
    assert api.error_of(api("POST", "/api/v1/events/batch", {"events": []}))[2] == {"events": ["no_events"]}
    assert len(api.ok("POST", "/api/v1/events/batch", {"events": batch[:100]})["events"]) == 100


def usage(api: Api, customer: str, subscription: str) -> dict[str, Any]:
    params = {"external_subscription_id": subscription}
    answer = api.ok("GET", f"/api/v1/customers/{customer}/current_usage", params=params)
    found: dict[str, Any] = answer["customer_usage"]
    return found


def test_usage_counts_the_periods_events_of_the_metric(api: Api, customer: str) -> None:
    subscription = api.subscribe(customer, "professional")
    assert usage(api, customer, customer)["charges_usage"][0]["units"] == "0.0"
    now = time.time()
    sent: tuple[dict[str, Any], ...] = (
        {"timestamp": now},
        {"timestamp": now},
        {"timestamp": now - 40 * 86_400},
        {"timestamp": now + 40 * 86_400},
        {"timestamp": now, "code": "other"},
        {"timestamp": now, "external_subscription_id": "other"},
    )
    for number, more in enumerate(sent):
        api.ok("POST", "/api/v1/events", {"event": event(f"{customer}-{number}", customer)["event"] | more})
    counted = usage(api, customer, customer)
    charge = counted["charges_usage"][0]
    assert (charge["billable_metric"]["code"], charge["events_count"], charge["units"]) == (
        "llm_requests",
        2,
        "2.0",
    )
    assert (counted["amount_cents"], counted["currency"]) == (0, "USD")
    assert counted["to_datetime"] == subscription["current_billing_period_ending_at"]


def test_usage_needs_an_active_subscription(api: Api, customer: str) -> None:
    for params in ({}, {"external_subscription_id": customer}):
        answer = api("GET", f"/api/v1/customers/{customer}/current_usage", params=params)
        assert api.error_of(answer) == (405, "no_active_subscription", None)
