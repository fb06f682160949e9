"""One realm of Keycloak: sign-ins, and the requests of somebody who may manage it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.redaction import redactor
from creditflow.target.drivers.http import Http, Params, Reply, objects

_EARLY_S = 10.0
"""Seconds before its end in which a token is used no longer."""


_UNKNOWN = ("User not found", "Could not find component")
"""What Keycloak answers about somebody or something that it does not know; a 404 for a path is an error."""


class SignInRefusedError(Exception):
    """Keycloak refused a sign-in; `error` is OAuth's error code, such as `invalid_grant`, and `status` that of HTTP."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        self.error, self.status = error, status
        super().__init__(f"Keycloak refused the sign-in: {description} ({error})")


def sign_in(
    http: Http, realm: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Ask a realm for a token and return its answer, which has `access_token` and `expires_in` (seconds).

    Raises:
        SignInRefusedError: Keycloak refused the sign-in.
        ServiceUnavailableError: Keycloak does not answer, or not with a token.
    """
    path = f"/realms/{realm}/protocol/openid-connect/token"
    reply = http.submit(path, form, headers)
    if reply.status >= 500:
        raise http.unavailable("POST", path, f"answered {reply.status}")
    body = reply.body
    if reply.status >= 300:
        code, reason = body.get("error", f"status {reply.status}"), body.get("error_description", "no reason")
        raise SignInRefusedError(str(code), str(reason), reply.status)
    if not isinstance(body.get("access_token"), str):
        raise http.unavailable("POST", path, "answered a sign-in without an access token")
    if not isinstance(body.get("expires_in"), int):
        raise http.unavailable("POST", path, "answered a sign-in without the lifetime of the token")
    redactor.learn(*(value for name, value in body.items() if name.endswith("_token") and isinstance(value, str)))
    return body


class Management:
    """The management of one realm, with a token that is renewed before it ends; several threads may use it.

    Args:
        http: Keycloak.
        realm: the realm that is managed.
        home: the realm that knows who manages it.
        form: the sign-in of who manages it.
        cure: what to do if Keycloak refuses it.
    """

    def __init__(self, http: Http, realm: str, home: str, form: Mapping[str, str], cure: str) -> None:
        self._http, self._realm, self._home, self._form, self._cure = http, realm, home, form, cure
        self._lock = threading.Lock()
        self.sign_in_again()

    def sign_in_again(self) -> None:
        """Sign in before the next request, because the token may be good no longer."""
        self._token, self._until = "", 0.0

    def find(self, method: str, path: str, body: Any = None, params: Params | None = None) -> Reply | None:
        """Return the reply to a request that succeeded, or None if Keycloak does not know what it is about.

        Raises:
            ServiceUnavailableError: Keycloak does not answer, or answers with an error.
        """
        whole = self._whole(path)
        reply = self._http.send(method, whole, token=self._current(), body=body, params=params)
        if reply.status == 404 and reply.body.get("error") in _UNKNOWN:
            return None
        if reply.status >= 300:
            self.sign_in_again()
            cure = self._cure if reply.status in (401, 403) else ""
            raise self._http.unavailable(method, whole, f"answered {reply.status}", cure)
        return reply

    def send(self, method: str, path: str, body: Any = None, params: Params | None = None) -> Reply:
        """Return the reply to a request that succeeded.

        Raises:
            ServiceUnavailableError: as `find`, or Keycloak does not know what it is about.
        """
        reply = self.find(method, path, body, params)
        if reply is None:
            raise self._http.unavailable(method, self._whole(path), "answered 404")
        return reply

    def list(self, path: str, **params: str | int) -> list[dict[str, Any]]:
        """Return the objects of a list, each with its `id`.

        Raises:
            ServiceUnavailableError: as `send`, or the answer is no such list.
        """
        reply = self.send("GET", path, params=params)
        found = objects(reply.items)
        if reply.text.strip()[:1] != "[" or not all(isinstance(one.get("id"), str) for one in found):
            raise self._http.unavailable("GET", self._whole(path), "gave an answer that can't be read")
        return found

    def _whole(self, path: str) -> str:
        return f"/admin/realms/{self._realm}{path}"

    def _current(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    answer = sign_in(self._http, self._home, self._form)
                except SignInRefusedError as refused:
                    what = f"refuses who manages the realm {self._realm}: {refused}"
                    raise ServiceUnavailableError("Keycloak", self._http.url, what, self._cure) from None
                self._token = str(answer["access_token"])
                self._until = time.monotonic() + int(answer["expires_in"]) - _EARLY_S
            return self._token
