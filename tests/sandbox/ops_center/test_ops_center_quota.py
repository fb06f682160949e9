"""The quota: an exact number of calls a month, even if the counter is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from sandbox.ops_center import periods

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]


def counter(person: Person) -> str:
    return f"usage:{person.id}:{datetime.now(UTC):%Y-%m}:calls"


@pytest.mark.parametrize(
    ("tier", "limit"),
    [("trial", 700), ("starter", 1000), ("professional", 10_000), ("platform", 10_000), ("enterprise", None)],
)
def test_the_subscription_decides_the_quota(center: Deployment, tier: str, limit: int | None) -> None:
    person = center.person(100, tier)

    current = person.get("/usage/current").json()

    assert (current["tier"], current["api_calls_limit"], current["api_calls_remaining"]) == (
        tier,
        limit,
        limit,
    )
    answer = person.ask()
    assert answer.status_code == 200
    assert answer.headers["X-RateLimit-Limit"] == ("unlimited" if limit is None else str(limit))
    assert center.redis.get(f"tier:{person.id}") == tier
    assert 0 < center.redis.ttl(f"tier:{person.id}") <= 60


def test_the_last_call_passes_and_the_next_does_not(center: Deployment, person: Person, problem: Problem) -> None:
    center.place_calls(person, 698)
    assert [person.ask().headers["X-RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]

    answer = person.ask()

    body = problem(answer, 429, "quota_exceeded")
    assert "700" in body["detail"]
    reset = datetime.fromtimestamp(int(answer.headers["X-RateLimit-Reset"]), UTC)
    assert f"{reset:%Y-%m-%dT%H:%M:%SZ}" in body["detail"]
    assert (reset.day, reset.hour, reset.minute) == (1, 0, 0)
    answered = parsedate_to_datetime(answer.headers["Date"])
    assert abs(int(answer.headers["Retry-After"]) - (reset - answered).total_seconds()) <= 2
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("700", "0")
    assert len(center.provider_calls(person)) == 2
    assert person.balance() == 982
    assert person.calls_used() == 700


def test_more_than_the_quota_used_still_shows_nothing_below_zero(
    center: Deployment, person: Person, problem: Problem
) -> None:
    center.place_calls(person, 705)

    answer = person.ask()

    problem(answer, 429, "quota_exceeded")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert person.get("/usage/current").json()["api_calls_remaining"] == 0


def test_calls_of_last_month_do_not_count(center: Deployment, person: Person) -> None:
    center.place_calls(person, 700, "date_trunc('month', LOCALTIMESTAMP) - interval '1 second'")

    assert person.ask().headers["X-RateLimit-Remaining"] == "699"
    assert person.get("/usage/history").json()["total"] == 701


def test_the_counter_ends_after_the_period(center: Deployment, person: Person) -> None:
    person.ask()

    assert center.redis.get(counter(person)) == "1"
    reset = periods.current().end.timestamp()
    assert 0 <= time.time() + center.redis.ttl(counter(person)) - reset <= 3700


def test_a_flush_gives_nobody_a_fresh_quota(center: Deployment, person: Person, problem: Problem) -> None:
    center.place_calls(person, 698)
    person.ask()
    center.redis.flushdb()

    assert person.calls_used() == 699
    assert person.ask().status_code == 200
    center.redis.flushdb()
    problem(person.ask(), 429, "quota_exceeded")
    assert person.calls_used() == 700


def test_refused_requests_do_not_count(center: Deployment) -> None:
    person = center.person(5)

    statuses = [
        person.ask().status_code,
        person.ask(model="nothing").status_code,
        person.ask_with_own_key().status_code,
        person.ask(headers={"X-Organization-Id": person.id}).status_code,
    ]

    assert statuses == [402, 422, 400, 403]
    assert person.calls_used() == 0
    assert center.redis.get(counter(person)) in (None, "0")


def test_of_many_at_once_exactly_those_that_are_left_pass(center: Deployment, person: Person) -> None:
    center.place_calls(person, 696)

    answers = center.at_once([person.ask] * 10)

    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [429] * 6
    passed = {answer.headers["X-RateLimit-Remaining"] for answer in answers if answer.ok}
    assert passed == {"0", "1", "2", "3"}
    assert person.calls_used() == 700
    assert person.balance() == 1000 - 4 * 9
    assert len(center.provider_calls(person)) == 4


def test_of_many_at_once_with_a_flush_in_the_middle_exactly_those_pass(center: Deployment, person: Person) -> None:
    center.place_calls(person, 692)

    def flush() -> None:
        for _ in range(40):
            center.redis.delete(counter(person))

    works: list[Callable[[], Any]] = [person.ask] * 6 + [flush] + [person.ask] * 6
    answers = [answer for answer in center.at_once(works) if answer is not None]

    assert sorted(answer.status_code for answer in answers) == [200] * 8 + [429] * 4
    assert person.calls_used() == 700


def test_a_refusal_for_credits_leaves_the_last_call_to_be_used(center: Deployment) -> None:
    person = center.person(9)
    center.place_calls(person, 699)

    assert person.ask(model="openai/gpt-4").status_code == 402
    assert person.ask().status_code == 200
    assert person.ask().status_code == 429


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2025-11-30T23:59:59+00:00", "2025-11-01", "2025-12-01"),
        ("2025-12-31T23:59:59+00:00", "2025-12-01", "2026-01-01"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01", "2026-02-01"),
        ("2028-02-29T12:00:00+00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_period_is_a_calendar_month(moment: str, start: str, end: str) -> None:
    period = periods.of(datetime.fromisoformat(moment))

    assert (f"{period.start:%Y-%m-%d}", f"{period.end:%Y-%m-%d}") == (start, end)
    assert period.name == start[:7]
    assert periods.of(period.clamp(period.end)) == period
    assert period.clamp(period.start) == period.start
