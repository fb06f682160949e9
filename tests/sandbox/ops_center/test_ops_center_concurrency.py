"""Many requests at once: every credit is spent at most once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sandbox.ops_center import database

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Organization

SONNET = "anthropic/claude-3-sonnet"
TOKENS = 667
"""Of Claude-3-Sonnet: 100 credits."""


def test_ten_requests_of_100_credits_use_up_1000(center: Deployment) -> None:
    person = center.person(1000)

    answers = center.at_once([lambda: person.ask(TOKENS, SONNET)] * 10)

    assert [answer.status_code for answer in answers] == [200] * 10
    assert person.balance() == 0
    assert center.charges(person) == [100] * 10
    assert {answer.json()["credits_remaining"] for answer in answers} == set(range(0, 1000, 100))
    center.always_true()


def test_of_twelve_requests_of_100_credits_on_1000_ten_pass(center: Deployment) -> None:
    person = center.person(1000)

    answers = center.at_once([lambda: person.ask(TOKENS, SONNET)] * 12)

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [402] * 2
    assert person.balance() == 0
    assert center.charges(person) == [100] * 10
    assert person.calls_used() == 10
    assert len(center.provider_calls(person)) == 10


def test_two_members_use_up_an_organisation(center: Deployment, organization: Organization) -> None:
    first, second = organization.member(500), organization.member(9500)
    works = [lambda: first.ask(TOKENS, SONNET)] * 7 + [lambda: second.ask(TOKENS, SONNET)] * 7

    answers = center.at_once(works)

    assert sorted(answer.status_code for answer in answers[:7]) == [200] * 5 + [402] * 2
    assert [answer.status_code for answer in answers[7:]] == [200] * 7
    assert organization.credits()["total_credits"] == 10_000 - 1200
    assert first.get(f"{organization.path}/my-allocation").json() == {
        "allocated": 500,
        "used": 500,
        "remaining": 0,
    }
    center.always_true()


def test_purchases_and_allocations_at_once_add_up(center: Deployment, organization: Organization) -> None:
    member = organization.member()

    answers = center.at_once(
        [lambda: organization.purchase(100)] * 6 + [lambda: organization.allocate(member, 3000)] * 6
    )

    assert [answer.status_code for answer in answers[:6]] == [201] * 6
    assert sorted(answer.status_code for answer in answers[6:]) == [200] * 3 + [409] * 3
    assert organization.credits()["total_credits"] == 10_600
    assert organization.credits()["allocated_credits"] == 9000
    center.always_true()


def test_who_waits_for_a_connection_on_a_busy_platform_is_not_refused(
    center: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.2)

    async def work(db: database.Database, free: asyncio.Event) -> int:
        async with db.connection(60) as connection:
            await free.wait()
            found = await (await connection.execute("SELECT 1 AS one")).fetchone()
            return found["one"] if found else 0

    async def more_than_there_are_connections() -> list[int]:
        db, free = database.Database(center.target["UNICORN_DB_URL"]), asyncio.Event()
        await db.open()
        try:
            tasks = [asyncio.create_task(work(db, free)) for _ in range(2 * database.CONNECTIONS)]
            ended, _ = await asyncio.wait(tasks, timeout=3 * database.WAIT_SECONDS)
            assert not ended, "no connection is free before the first ones are given back"
            free.set()
            return await asyncio.gather(*tasks)
        finally:
            await db.close()

    assert asyncio.run(more_than_there_are_connections()) == [1] * 2 * database.CONNECTIONS
