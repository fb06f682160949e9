"""The management of a realm: its token is renewed in time, and each refusal is a sentence with what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.keycloak import Keycloak
from creditflow.target.drivers.realm import SignInRefusedError
from creditflow.target.drivers.realm_keys import RealmKeys


class Realm(BaseHTTPRequestHandler):
    """A realm with so many users, whose tokens live so long; it refuses what `refuses` names."""

    users: ClassVar[int]
    lifetime: ClassVar[int]
    refuses: ClassVar[dict[str, int]]
    unknown: ClassVar[str]
    always_first: ClassVar[bool]
    asked: ClassVar[list[str]]

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        kind = path.rpartition("/")[2]
        self.asked.append(f"{self.command} {kind}")
        if kind in self.refuses:
            return self._send(self.refuses[kind], {"error": "no", "error_description": "not you"})
        if kind == "token":
            return self._send(200, {"access_token": "a-token", "expires_in": self.lifetime})
        if kind == "users" and self.command == "POST":
            return self._send(201, {})
        if kind == "users":
            first = 0 if self.always_first else int(query["first"][0])
            return self._send(200, [{"id": str(n)} for n in range(self.users)][first : first + int(query["max"][0])])
        return self._send(404, {"error": self.unknown})

    def _send(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Realm.users, Realm.lifetime, Realm.refuses, Realm.asked = 1, 3600, {}, []
    Realm.unknown, Realm.always_first = "User not found", False
    with ThreadingHTTPServer(("127.0.0.1", 0), Realm) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def keycloak(url: str) -> Iterator[Keycloak]:
    opened = Keycloak(url, "uchub", "ops-center", "secret", 60)
    yield opened
    opened.http.close()


@pytest.mark.parametrize("number", [0, 99, 100, 250])
def test_all_pages_of_users_are_read(keycloak: Keycloak, number: int) -> None:
    Realm.users = number
    assert [user["id"] for user in keycloak.users("cf-")] == [str(n) for n in range(number)]


@pytest.mark.parametrize(("lifetime", "sign_ins"), [(3600, 1), (5, 2)])
def test_the_token_is_renewed_before_it_ends(keycloak: Keycloak, lifetime: int, sign_ins: int) -> None:
    Realm.lifetime = lifetime
    keycloak.users("cf-")
    keycloak.users("cf-")
    assert Realm.asked.count("POST token") == sign_ins


def test_the_next_request_after_a_refused_one_signs_in_again(keycloak: Keycloak) -> None:
    Realm.refuses = {"users": 401}
    with pytest.raises(ServiceUnavailableError, match=r"answered 401 \(GET /admin/realms/uchub/users\): correct KEYCL"):
        keycloak.users("cf-")
    Realm.refuses = {}
    keycloak.users("cf-")
    assert Realm.asked.count("POST token") == 2


def test_a_client_that_may_not_sign_in_is_named(keycloak: Keycloak) -> None:
    Realm.refuses = {"token": 401}
    with pytest.raises(ServiceUnavailableError, match="refuses the client ops-center: correct KEYCLOAK_CLIENT_ID"):
        keycloak.check()
    with pytest.raises(ServiceUnavailableError, match=r"refuses who manages the realm uchub: .*not you.*KEYCLOAK_CLIE"):
        keycloak.users("cf-")
    with pytest.raises(SignInRefusedError, match=r"Keycloak refused the sign-in: not you \(no\)"):
        keycloak.token("somebody", "word")


def test_a_realm_that_is_not_there_is_named(keycloak: Keycloak) -> None:
    Realm.refuses = {"token": 404}
    with pytest.raises(ServiceUnavailableError, match="has no realm uchub: correct KEYCLOAK_REALM"):
        keycloak.check()


@pytest.mark.parametrize("status", [500, 503])
def test_a_keycloak_in_trouble_is_not_a_refusal(keycloak: Keycloak, status: int) -> None:
    Realm.refuses = {"token": status}
    for ask in (keycloak.check, lambda: keycloak.token("somebody", "word"), lambda: keycloak.users("cf-")):
        with pytest.raises(ServiceUnavailableError, match=f"answered {status} .*: start it, look into its log"):
            ask()


def test_a_user_without_an_id_is_not_created_silently(keycloak: Keycloak) -> None:
    with pytest.raises(ServiceUnavailableError, match="created a user without saying under which id"):
        keycloak.create_user("cf-1", "", "word", {})


def test_a_user_who_is_gone_is_removed_already(keycloak: Keycloak) -> None:
    assert keycloak.user("an-id") is None
    Realm.users = 1
    keycloak._ids["cf-1"] = "an-id"
    keycloak.remove_user("cf-1")
    assert Realm.asked[-1] == "DELETE an-id"


@pytest.mark.parametrize("error", ["HTTP 404 Not Found", "Realm not found."])
def test_an_unknown_path_is_no_unknown_user(keycloak: Keycloak, error: str) -> None:
    Realm.unknown = error
    keycloak._ids["cf-1"] = "an-id"
    asks: list[Callable[[], object]] = [partial(keycloak.user, "an-id"), partial(keycloak.remove_user, "cf-1")]
    for ask in asks:
        with pytest.raises(
            ServiceUnavailableError, match=r"answered 404 \((GET|DELETE) /admin/realms/uchub/users/an-id"
        ):
            ask()


def test_a_list_that_never_ends_is_read_once(keycloak: Keycloak) -> None:
    Realm.users, Realm.always_first = 100, True
    assert len(keycloak.users("cf-")) == 100
    assert Realm.asked.count("GET users") == 2


def test_an_administrator_who_may_not_sign_in_is_told_which_setting_is_wrong(url: str) -> None:
    Realm.refuses = {"token": 401}
    keys = RealmKeys(url, "uchub", "admin", "word", 60)
    with pytest.raises(ServiceUnavailableError, match="correct KEYCLOAK_ADMIN_USER or KEYCLOAK_ADMIN_PASSWORD"):
        keys.names()
    keys.http.close()
