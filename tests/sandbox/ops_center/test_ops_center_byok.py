"""Own keys: who pays, and that the key is nowhere in clear."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests
from cryptography.exceptions import InvalidTag

from sandbox.ops_center import byok
from sandbox.ops_center.settings import Settings

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Organization, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]

KEYS = "/settings/byok-keys"


def a_key(provider: str = "openrouter") -> str:
    return {"openrouter": "sk-or-test-", "openai": "sk-proj-"}[provider] + secrets.token_hex(12)


def store(person: Person, key: str, provider: str = "openrouter") -> requests.Response:
    return person.post(KEYS, {"provider": provider, "api_key": key})


def test_a_stored_key_is_shown_by_its_last_four_characters(person: Person) -> None:
    key = a_key()
    assert person.get(KEYS).json() == {"openrouter_configured": False, "keys": []}

    answer = store(person, key)

    assert answer.status_code == 201
    assert answer.json() == {"provider": "openrouter", "configured": True, "key_preview": key[-4:]}
    shown = person.get(KEYS)
    assert shown.json()["openrouter_configured"] is True
    [one] = shown.json()["keys"]
    assert (one["provider"], one["key_preview"]) == ("openrouter", key[-4:])
    assert one["created_at"].endswith("Z")
    assert key not in answer.text + shown.text


def test_the_key_is_nowhere_in_clear(center: Deployment, person: Person) -> None:
    key = a_key()
    store(person, key)
    center.open_key("openrouter", key)
    assert person.ask_with_own_key().status_code == 200

    tables = center.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")

    assert {"tablename": "user_byok_keys"} in tables
    for table in (row["tablename"] for row in tables):
        found = center.sql(f"SELECT 1 FROM {table} t WHERE t::text LIKE %s", f"%{key[6:]}%")
        assert found == [], table
    for name in center.redis.scan_iter(f"*{person.id}*"):
        assert key not in str(center.redis.get(name))


def test_the_same_key_is_never_stored_alike(center: Deployment, person: Person) -> None:
    key, other = a_key(), center.person()
    store(person, key)
    store(other, key)

    rows = center.sql(
        "SELECT encrypted_key FROM user_byok_keys WHERE user_id IN (%s::uuid, %s::uuid)", person.id, other.id
    )

    assert len({row["encrypted_key"] for row in rows}) == 2


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ("openrouter", "sk-or-short"),
        ("openrouter", "sk-proj-0123456789abcdef"),
        ("openrouter", ""),
        ("openrouter", "sk-or-0123456789 abcdef"),
        ("openai", "sk-or-0123456789abcdef"),
        ("openai", "sk-short"),
    ],
)
def test_a_key_of_a_bad_form_is_not_stored(bystander: Person, problem: Problem, provider: str, key: str) -> None:
    answer = store(bystander, key, provider)

    problem(answer, 422, "invalid_byok_key_format")
    assert not key or key not in answer.text
    assert bystander.get(KEYS).json()["keys"] == []


def test_a_refused_body_does_not_repeat_the_key(bystander: Person, problem: Problem) -> None:
    key = a_key()

    for body in (
        {"provider": "other", "api_key": key},
        {"api_key": key},
        {"provider": key, "api_key": {"k": key}},
    ):
        answer = bystander.post(KEYS, body)
        problem(answer, 422, "invalid_request")
        assert key not in answer.text


def test_the_own_key_pays_the_provider_and_nobody_pays_credits(center: Deployment, person: Person) -> None:
    key = a_key()
    store(person, key)
    fingerprint = center.open_key("openrouter", key)

    answer = person.ask_with_own_key(model="anthropic/claude-3-sonnet")

    body = answer.json()
    assert (body["cost_credits"], body["byok_used"], body["credits_remaining"]) == (0, True, None)
    assert person.balance() == 1000
    assert center.charges(person) == []
    assert [call["key_fingerprint"] for call in center.provider_calls(person)] == [fingerprint]
    [row] = center.usage_rows(person)
    assert (row["byok"], row["credits"], row["tokens"], row["status"]) == (True, 0, 100, 200)
    assert person.calls_used() == 1
    assert answer.headers["X-RateLimit-Remaining"] == "699"


def test_without_the_header_credits_pay_though_a_key_is_stored(center: Deployment, person: Person) -> None:
    store(person, a_key())

    assert person.ask().json()["cost_credits"] == 9
    assert person.ask(headers={"X-Use-BYOK": "false"}).json()["byok_used"] is False
    platform = center.target["PLATFORM_KEY_FINGERPRINT"]
    assert {call["key_fingerprint"] for call in center.provider_calls(person)} == {platform}


def test_a_header_that_is_neither_true_nor_false_is_asked_about(bystander: Person, problem: Problem) -> None:
    problem(bystander.ask(headers={"X-Use-BYOK": "yes"}), 422, "invalid_request")
    assert bystander.balance() == 1000


def test_an_openai_key_serves_openai_models_only(center: Deployment, person: Person, problem: Problem) -> None:
    key = a_key("openai")
    store(person, key, "openai")
    fingerprint = center.open_key("openai", key)

    answer = person.ask_with_own_key(model="openai/gpt-4").json()

    assert (answer["model"], answer["byok_used"]) == ("openai/gpt-4", True)
    [call] = center.provider_calls(person)
    assert (call["provider"], call["key_fingerprint"]) == ("openai", fingerprint)
    problem(person.ask_with_own_key(model="anthropic/claude-3-sonnet"), 400, "byok_key_missing")


def test_the_header_without_a_key_names_the_user_and_the_way(
    center: Deployment, person: Person, problem: Problem
) -> None:
    store(center.person(), a_key())

    answer = person.ask_with_own_key()

    body = problem(answer, 400, "byok_key_missing")
    assert person.id in body["detail"]
    assert KEYS in body["detail"]
    assert center.provider_calls(person) == []
    assert answer.headers["X-RateLimit-Remaining"] == "700"


def test_a_refused_key_is_the_users_and_the_platforms_is_not_tried(
    center: Deployment, person: Person, problem: Problem
) -> None:
    key = a_key()
    store(person, key)

    answer = person.ask_with_own_key()

    body = problem(answer, 401, "invalid_byok_key")
    assert "settings/byok-keys" in body["detail"]
    assert key not in answer.text
    platform = center.target["PLATFORM_KEY_FINGERPRINT"]
    assert [call["key_fingerprint"] for call in center.provider_calls(person)] != [platform]
    assert len(center.provider_calls(person)) <= 1
    assert person.balance() == 1000
    assert center.usage_rows(person)[0]["status"] == 401
    assert answer.headers["X-RateLimit-Remaining"] == "699"


def test_a_key_can_be_replaced_and_removed(center: Deployment, person: Person, problem: Problem) -> None:
    old, new = a_key(), a_key()
    store(person, old)
    store(person, new)
    fingerprint = center.open_key("openrouter", new)

    assert person.ask_with_own_key().status_code == 200
    assert center.provider_calls(person)[-1]["key_fingerprint"] == fingerprint
    assert person.delete(f"{KEYS}/openrouter").status_code == 204
    assert person.delete(f"{KEYS}/openrouter").status_code == 204
    assert person.get(KEYS).json() == {"openrouter_configured": False, "keys": []}
    problem(person.ask_with_own_key(), 400, "byok_key_missing")
    problem(person.delete(f"{KEYS}/elsewhere"), 422, "invalid_request")


def test_a_members_own_key_leaves_the_organisation_alone(center: Deployment, organization: Organization) -> None:
    member, key = organization.member(), a_key()
    store(member, key)
    center.open_key("openrouter", key)

    assert member.ask_with_own_key().json()["cost_credits"] == 0
    assert organization.credits()["total_credits"] == 10_000
    assert center.usage_rows(member)[0]["org_id"] is None


def test_an_encrypted_key_can_be_read_for_its_user_and_provider_only() -> None:
    fields = ("database_url", "redis_url", "litellm_url", "litellm_key", "lago_url", "lago_key", "public_url")
    settings = Settings.model_validate(
        dict.fromkeys(fields, "x") | {"keycloak_url": "x", "byok_secret": "A" * 43 + "="}
    )
    user, other = uuid4(), uuid4()
    sealed = byok.encrypt(settings, "sk-or-secret-key", user, "openrouter")

    assert byok.decrypt(settings, sealed, user, "openrouter") == "sk-or-secret-key"
    for user_id, provider, text in (
        (other, "openrouter", sealed),
        (user, "openai", sealed),
        (user, "openrouter", sealed[:-5] + "AAAA="),
    ):
        with pytest.raises(InvalidTag):
            byok.decrypt(settings, text, user_id, provider)
