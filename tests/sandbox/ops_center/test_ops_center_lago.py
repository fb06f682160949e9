"""Billing events: one for each counted call, at the right subscription, and none for a refused one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Person

    Eventually = Callable[[Callable[[], bool], str], None]


def events_of(center: Deployment, subscription: str) -> list[dict[str, Any]]:
    found = center.lago("GET", "/events", params={"external_subscription_id": subscription, "per_page": 100})
    assert found.ok, found.text
    return list(found.json()["events"])


def test_every_counted_call_is_one_event_at_the_subscription(center: Deployment, eventually: Eventually) -> None:
    person = center.person(1000, "starter")
    subscription = f"sub-{person.id}"
    answers = [person.ask(tokens) for tokens in (100, 50)]
    center.trouble(person, "server_error")
    failed = person.ask()
    refused = person.ask(model="none")

    eventually(lambda: len(events_of(center, subscription)) >= 3, "three events at the subscription")

    events = {event["transaction_id"]: event for event in events_of(center, subscription)}
    assert set(events) == {answer.headers["X-Request-Id"] for answer in (*answers, failed)}
    assert refused.status_code == 422
    first = events[answers[0].headers["X-Request-Id"]]
    assert first["code"] == "llm_requests"
    assert first["properties"] | {} == {
        "model": "openai/gpt-3.5-turbo",
        "tokens": 100,
        "credits": 9,
        "byok": False,
    }
    assert events[failed.headers["X-Request-Id"]]["properties"]["credits"] == 0


def test_without_a_subscription_the_event_is_at_the_user(
    center: Deployment, person: Person, eventually: Eventually
) -> None:
    request_id = person.ask().headers["X-Request-Id"]

    eventually(lambda: len(events_of(center, person.id)) == 1, "one event at the user")

    assert events_of(center, person.id)[0]["transaction_id"] == request_id


def test_what_lago_has_is_not_kept(center: Deployment, person: Person, eventually: Eventually) -> None:
    person.ask()

    eventually(
        lambda: center.sql("SELECT 1 FROM lago_events WHERE subscription_id = %s", person.id) == [],
        "the outbox has sent the event",
    )


def test_an_event_that_lago_has_already_counts_as_sent(
    center: Deployment, person: Person, eventually: Eventually
) -> None:
    request_id = person.ask().headers["X-Request-Id"]
    eventually(lambda: len(events_of(center, person.id)) == 1, "one event at the user")
    center.sql(
        """INSERT INTO lago_events (request_id, subscription_id, model, tokens, credits, byok, happened_at)
           VALUES (%s, %s, 'm', 1, 1, false, LOCALTIMESTAMP)""",
        request_id,
        person.id,
    )
    person.ask()

    eventually(
        lambda: center.sql("SELECT 1 FROM lago_events WHERE subscription_id = %s", person.id) == [],
        "the outbox is empty again",
    )
    assert len(events_of(center, person.id)) == 2
