"""The control API: it needs its token, opens keys, and never shows one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from tests.sandbox.provider.conftest import StandIn


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "Basic abc", "Bearer \xfc"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "calls"),
        ("DELETE", "calls?caller=x"),
        ("GET", "callers"),
        ("GET", "troubles"),
        ("PUT", "troubles/x"),
        ("DELETE", "troubles/x"),
        ("PUT", "keys/0123456789abcdef"),
        ("DELETE", "keys/0123456789abcdef"),
    ],
)
def test_without_the_token_nothing_is_told_or_done(
    standin: StandIn, method: str, path: str, header: str | None
) -> None:
    headers = {"Authorization": header.encode("latin-1")} if header else {}
    answer = requests.request(
        method, f"{standin.url}/control/{path}", json={"kind": "slow"}, headers=headers, timeout=60
    )

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_is_known_from_its_opening_to_its_closing(standin: StandIn, caller: str) -> None:
    key = standin.open_key()
    mark = standin.mark(key)
    opened = standin.ask(caller, key=key).status_code
    standin.control("PUT", f"keys/{mark}", {"provider": "openrouter", "state": "empty"}).raise_for_status()
    emptied = standin.ask(caller, key=key).status_code
    closing = [standin.control("DELETE", f"keys/{mark}").status_code for _ in range(2)]
    closed = standin.ask(caller, key=key).status_code

    assert (opened, emptied, closing, closed) == (200, 402, [204, 204], 401)


def test_a_key_is_good_at_its_own_provider_only(standin: StandIn, caller: str) -> None:
    key = standin.open_key(provider="openai")

    assert standin.ask(caller, key=key, provider="openai").status_code == 200
    assert standin.ask(caller, key=key, provider="openrouter").status_code == 401


def test_a_fingerprint_of_another_key_is_refused(standin: StandIn) -> None:
    body = {"provider": "openai", "key": "sk-some-key-of-mine"}
    answer = standin.control("PUT", f"keys/{standin.mark('another')}", body)

    assert answer.status_code == 400
    assert "sk-some-key-of-mine" not in answer.text


def test_the_platforms_own_keys_stay_as_they_are(standin: StandIn, caller: str) -> None:
    mark = standin.mark(standin.platform_key)

    emptied = standin.control("PUT", f"keys/{mark}", {"provider": "openrouter", "state": "empty"})
    closed = standin.control("DELETE", f"keys/{mark}")

    assert (emptied.status_code, closed.status_code) == (409, 409)
    assert standin.ask(caller).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "openai", "key": ["sk-secret-in-a-wrong-place"]},
        {"provider": "sk-secret-in-a-wrong-place"},
        {"provider": "openai", "kye": "sk-secret-in-a-wrong-place"},
        "sk-secret-in-a-wrong-place",
    ],
)
def test_a_malformed_key_is_refused_without_being_repeated(standin: StandIn, body: object) -> None:
    answer = standin.control("PUT", "keys/0123456789abcdef", body)

    assert answer.status_code == 422
    assert "sk-secret" not in answer.text
