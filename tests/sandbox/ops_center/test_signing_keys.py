"""The realm's signing keys: new ones are good at once, removed ones soon no more, and Keycloak may be away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.ops_center.problems import UnavailableError
from sandbox.ops_center.settings import Settings
from sandbox.ops_center.tokens import BURST, KeySet

PUBLIC = jwt.algorithms.RSAAlgorithm.to_jwk(
    rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(), as_dict=True
)


class Realm:
    """A realm with some keys, which may be away.

    Attributes:
        kids: the ids of its keys.
        away: whether it answers with an error.
        asked: how often its keys were fetched.
    """

    def __init__(self, *kids: str) -> None:
        self.kids, self.away, self.asked = set(kids), False, 0

    def answer(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.away:
            return httpx.Response(500)
        return httpx.Response(200, json={"keys": [PUBLIC | {"kid": kid} for kid in sorted(self.kids)]})

    def use(self, work: Callable[[KeySet], Awaitable[None]], keep_seconds: float = 300.0) -> None:
        """Let some work use a set of its keys."""
        names = "database_url redis_url litellm_url litellm_key lago_url lago_key public_url".split()
        settings = Settings.model_validate(
            dict.fromkeys(names, "x")
            | {
                "keycloak_url": "http://keycloak",
                "byok_secret": "A" * 43 + "=",
                "keycloak_keys_seconds": keep_seconds,
            }
        )

        async def run() -> None:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer)) as http:
                await work(KeySet(http, settings))

        asyncio.run(run())


def test_a_new_key_is_good_at_once_and_the_one_before_stays_good() -> None:
    realm = Realm("old")

    async def work(keys: KeySet) -> None:
        assert await keys.find("old")
        realm.kids.add("new")
        assert await keys.find("new")
        assert await keys.find("old")

    realm.use(work)
    assert realm.asked == 2


def test_a_flood_of_unknown_keys_does_not_reach_keycloak() -> None:
    realm = Realm("old")

    async def work(keys: KeySet) -> None:
        for _ in range(20):
            assert await keys.find("the same") is None
        assert realm.asked == 1
        for number in range(50):
            assert await keys.find(f"unknown {number}") is None
        assert realm.asked == BURST
        assert await keys.find("old")

    realm.use(work)


def test_many_at_once_ask_once() -> None:
    realm = Realm("new")

    async def work(keys: KeySet) -> None:
        assert all(await asyncio.gather(*(keys.find("new") for _ in range(20))))

    realm.use(work)
    assert realm.asked == 1


def test_known_keys_stay_good_while_keycloak_is_away() -> None:
    realm = Realm("old")

    async def work(keys: KeySet) -> None:
        assert await keys.find("old")
        realm.away = True
        for _ in range(3):
            assert await keys.find("old")
            await asyncio.sleep(0.01)
        assert await keys.find("unknown") is None

    realm.use(work, keep_seconds=0.001)
    assert realm.asked == 2, "a Keycloak that is away has a second of rest"


def test_a_removed_key_is_trusted_only_for_a_while() -> None:
    realm = Realm("old", "new")

    async def work(keys: KeySet) -> None:
        assert await keys.find("old")
        realm.kids.remove("old")
        for _ in range(100):
            if await keys.find("old") is None:
                return
            await asyncio.sleep(0.01)
        pytest.fail("the removed key is still good")

    realm.use(work, keep_seconds=0.001)


def test_without_any_key_nobody_is_let_in() -> None:
    realm = Realm("old")
    realm.away = True

    async def work(keys: KeySet) -> None:
        with pytest.raises(UnavailableError):
            await keys.find("old")

    realm.use(work)
