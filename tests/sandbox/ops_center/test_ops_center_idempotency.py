"""The same Idempotency-Key: one answer, one charge."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Organization, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]


def a_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def test_a_replay_is_the_first_answer_and_charges_nothing(center: Deployment, person: Person) -> None:
    key = a_key()

    first, again = person.ask(headers=key), person.ask(headers=key)

    assert again.status_code == 200
    assert again.text == first.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["X-RateLimit-Remaining"] == "699"
    assert center.charges(person) == [9]
    assert len(center.provider_calls(person)) == 1
    assert person.calls_used() == 1


def test_a_key_may_stand_in_quotes(center: Deployment, person: Person) -> None:
    key = str(uuid.uuid4())

    texts = {person.ask(headers={"Idempotency-Key": form}).text for form in (key, f'"{key}"')}

    assert len(texts) == 1
    assert center.charges(person) == [9]


def test_a_stream_is_replayed_as_a_stream(
    center: Deployment, person: Person, events: Callable[[requests.Response], list[Any]]
) -> None:
    key = a_key()

    first, again = person.ask(headers=key, stream=True), person.ask(headers=key, stream=True)

    assert again.text == first.text
    assert again.headers["Content-Type"].startswith("text/event-stream")
    assert events(again)[-1] == "[DONE]"
    assert center.charges(person) == [9]


def test_another_body_is_refused(center: Deployment, person: Person, problem: Problem) -> None:
    key = a_key()
    person.ask(headers=key)

    problem(person.ask(50, headers=key), 422, "idempotency_key_reused")
    assert center.charges(person) == [9]


def test_a_key_belongs_to_one_user(center: Deployment, person: Person) -> None:
    key, other = a_key(), center.person(100)
    body = person.question()

    answers = [who.post("/llm/chat/completions", body, headers=key) for who in (person, other)]

    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, None]
    assert (person.balance(), other.balance()) == (991, 91)


def test_of_many_at_once_one_is_charged(center: Deployment, person: Person, problem: Problem) -> None:
    key = a_key()

    answers = center.at_once([lambda: person.ask(headers=key)] * 8)

    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 409}
    assert statuses[0] == 200
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "idempotency_key_in_progress")
    assert center.charges(person) == [9]
    assert len(center.provider_calls(person)) == 1


def test_a_refusal_is_replayed_too(center: Deployment, problem: Problem) -> None:
    key, person = a_key(), center.person()
    first = problem(person.ask(headers=key), 402, "insufficient_credits")
    center.grant(person.id, 100)

    again = person.ask(headers=key)

    assert problem(again, 402, "insufficient_credits") == first
    assert again.headers["Idempotent-Replayed"] == "true"
    assert person.ask(headers=a_key()).status_code == 200


def test_after_a_failure_of_the_provider_the_key_is_free_for_the_retry(
    center: Deployment, person: Person, problem: Problem
) -> None:
    key = a_key()
    center.trouble(person, "server_error")
    problem(person.ask(headers=key), 502, "provider_error")
    center.trouble(person, None)

    assert person.ask(headers=key).status_code == 200
    assert center.charges(person) == [9]


def test_a_key_that_can_not_be_kept_is_refused(bystander: Person, problem: Problem) -> None:
    problem(bystander.ask(headers={"Idempotency-Key": ""}), 422, "invalid_request")
    problem(bystander.ask(headers={"Idempotency-Key": "k" * 300}), 422, "invalid_request")


def test_a_purchase_happens_once(organization: Organization, problem: Problem) -> None:
    key = a_key()

    first, again = organization.purchase(500, headers=key), organization.purchase(500, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    problem(organization.purchase(501, headers=key), 422, "idempotency_key_reused")
    assert organization.credits()["total_credits"] == 10_500


def test_of_many_purchases_at_once_with_one_key_one_happens(center: Deployment, organization: Organization) -> None:
    key = a_key()

    answers = center.at_once([lambda: organization.purchase(500, headers=key)] * 6)

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert organization.credits()["total_credits"] == 10_500
