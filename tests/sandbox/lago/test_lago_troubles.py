"""Troubles are off until they are switched on, hit only their paths, and end as told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api


@pytest.fixture
def path(api: Api, customer: str) -> Iterator[str]:
    """A path that no other test asks for."""
    path = f"/api/v1/customers/{customer}"
    yield path
    api.ok("DELETE", "/control/troubles", params={"path": path})


def switch_on(api: Api, path: str, **more: Any) -> None:
    listed = api.ok("PUT", "/control/troubles", {"path": path, **more})["troubles"]
    assert path in [trouble["path"] for trouble in listed]


def test_a_path_answers_500_until_it_is_switched_off(api: Api, path: str) -> None:
    switch_on(api, path, kind="server_error")
    for _ in range(2):
        answer = api("GET", f"{path}/subscriptions")
        assert (answer.status_code, answer.json()) == (500, {"status": 500, "error": "Internal Server Error"})
    assert api("GET", "/api/v1/customers").status_code == 200
    api.ok("DELETE", "/control/troubles", params={"path": path})
    assert api("GET", path).status_code == 200


def test_a_path_refuses_the_key_as_often_as_told(api: Api, path: str) -> None:
    switch_on(api, path, kind="unauthorized", times=2)
    assert [api("GET", path).status_code for _ in range(3)] == [401, 401, 200]


def test_a_slow_path_answers_rightly_but_late(api: Api, path: str) -> None:
    switch_on(api, path, kind="slow", seconds=0.3, times=1)
    began = time.monotonic()
    assert api("GET", path).status_code == 200
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"path": "api", "kind": "slow"}, "path"),
        ({"path": "/api", "kind": "strange"}, "kind"),
        ({"path": "/api", "kind": "slow", "seconds": 61}, "seconds"),
        ({"path": "/api", "kind": "slow", "times": 0}, "times"),
    ],
)
def test_a_wrong_trouble_is_refused(api: Api, fields: dict[str, Any], wrong: str) -> None:
    assert api.error_of(api("PUT", "/control/troubles", fields))[2] == {wrong: ["value_is_invalid"]}


def test_the_control_routes_need_the_key(api: Api) -> None:
    assert api.without_key()("GET", "/control/troubles").status_code == 401
