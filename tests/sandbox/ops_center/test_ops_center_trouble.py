"""A provider failure: the right code, nothing charged or reserved, and no retry."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.ops_center.conftest import Deployment, Organization, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]


@pytest.mark.parametrize("kind", ["bad_key", "out_of_money", "rate_limited", "server_error"])
def test_a_failing_provider_costs_nothing_but_a_call(
    center: Deployment, person: Person, problem: Problem, kind: str
) -> None:
    center.trouble(person, kind)

    answer = person.ask()

    problem(answer, 502, "provider_error")
    assert person.balance() == 1000
    assert center.charges(person) == []
    [row] = center.usage_rows(person)
    assert (row["status"], row["credits"], row["tokens"]) == (502, 0, 0)
    assert len(center.provider_calls(person)) == 1
    assert person.calls_used() == 1
    assert person.get("/usage/history").json()["items"][0]["status"] == 502
    center.always_true()


def test_a_provider_that_takes_too_long_is_a_timeout(center: Deployment, person: Person, problem: Problem) -> None:
    center.trouble(person, "slow")

    answers = center.at_once([person.ask, lambda: person.ask(stream=True)])

    for answer in answers:
        problem(answer, 504, "provider_timeout")
    assert person.balance() == 1000
    assert [row["status"] for row in center.usage_rows(person)] == [504, 504]
    center.always_true()


def test_an_organisation_is_given_back_what_was_held(
    center: Deployment, organization: Organization, problem: Problem
) -> None:
    member = organization.member(100)
    center.trouble(member, "server_error")

    problem(member.ask(), 502, "provider_error")

    assert member.get(f"{organization.path}/my-allocation").json()["remaining"] == 100
    assert organization.credits()["total_credits"] == 10_000
    center.always_true()


def test_an_own_key_without_money_is_the_users_to_fill(center: Deployment, person: Person, problem: Problem) -> None:
    key = f"sk-or-{secrets.token_hex(12)}"
    person.post("/settings/byok-keys", {"provider": "openrouter", "api_key": key})
    center.open_key("openrouter", key)
    center.trouble(person, "out_of_money")

    assert "your own key" in problem(person.ask_with_own_key(), 502, "provider_error")["detail"]
    assert person.balance() == 1000
