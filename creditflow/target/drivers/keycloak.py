"""Keycloak: creates, finds and removes users through a client's service account, and signs them in."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import requests
from httpx._transports import default as httpx_transport
from keycloak import KeycloakAdmin, KeycloakOpenID
from keycloak.exceptions import KeycloakConnectionError, KeycloakError

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.redaction import redactor
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers import proxies
from creditflow.target.drivers.http import an_object
from creditflow.target.drivers.record import Recorder, record_nothing
from creditflow.target.drivers.request_timeout import RequestTimeout

# python-keycloak opens an httpx client for each object, which reads the whole certificate bundle (35 ms) and is never
# used. This cache reads it once.
setattr(httpx_transport, "create_ssl_context", functools.lru_cache(httpx_transport.__dict__["create_ssl_context"]))  # noqa: B010

Client = TypeVar("Client", KeycloakAdmin, KeycloakOpenID)


class SignInRefusedError(Exception):
    """Keycloak refused a sign-in; `error` is OAuth's error code, such as `invalid_grant`."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        super().__init__(f"Keycloak refused the sign-in: {description} ({error})")


class Keycloak:
    """One realm of a Keycloak server, used through a confidential client that may manage users.

    Each method raises `ServiceUnavailableError` if Keycloak does not answer, or answers with an error.

    `record` receives each sign-in under the realm's own host name.
    """

    def __init__(
        self, url: str, realm: str, client: str, secret: str, timeout_s: float, record: Recorder = record_nothing
    ) -> None:
        self._record = record
        self.url, self.realm, self.client = url, realm, client
        self._secret, self._timeout = secret, max(1, round(timeout_s))
        self._request_timeout = RequestTimeout(timeout_s)
        self._local = threading.local()
        self._sign_ins = 0
        self._ids: dict[str, str] = {}

    def create_user(
        self, username: str, email: str, password: str, attributes: dict[str, str], verified: bool = True
    ) -> str:
        """Create a user who can sign in immediately, and return the user id (a UUID).

        Args:
            username: the name to sign in with.
            email: the address; empty for none.
            password: the password.
            attributes: the user's attributes.
            verified: whether the address is known to be the user's.
        """
        payload = {
            "username": username,
            "email": email,
            "firstName": "Credit",
            "lastName": "Flow",
            "enabled": True,
            "emailVerified": verified,
            "requiredActions": [],
            "attributes": {name: [value] for name, value in attributes.items()},
            "credentials": [{"type": "password", "value": password, "temporary": False}],
        }
        user_id = str(self._as_admin("create a user", "create_user", payload))
        self._ids[username] = user_id
        return user_id

    def remove_user(self, username: str) -> None:
        """Remove the user with this name, if there is one."""
        user_id = self._ids.pop(username, None) or self.find_user(username)
        if user_id is not None:
            with suppress(_UnknownUserError):
                self._as_admin("remove a user", "delete_user", user_id)

    def find_user(self, username: str) -> str | None:
        """Return the id of the user with this name, or None."""
        found: str | None = self._as_admin("find a user", "get_user_id", username)
        return found

    def users(self, part: str) -> list[dict[str, Any]]:
        """Return the users that have a text in their name, with `id`, `username` and `email`."""
        found: list[dict[str, Any]] = self._as_admin("list users", "get_users", {"username": part})
        return found

    def user(self, user_id: str) -> dict[str, Any] | None:
        """Return the user with this id, with `username` and `email`, or None."""
        try:
            found: dict[str, Any] = self._as_admin("read a user", "get_user", user_id)
        except _UnknownUserError:
            return None
        return found

    def set_address(self, user_id: str, email: str) -> None:
        """Give a user another e-mail address, which is then known to be theirs."""
        self._change("change an address", user_id, email=email, emailVerified=True)

    def disable(self, user_id: str) -> None:
        """Disable a user, who gets no new token from then on."""
        self._change("disable a user", user_id, enabled=False)

    def set_password(self, username: str, password: str) -> bool:
        """Set the password of the user with this name; return whether there is such a user."""
        user_id = self.find_user(username)
        if user_id is None:
            return False
        self._as_admin("set a password", "set_user_password", user_id, password, False)
        return True

    def token(self, username: str, password: str) -> dict[str, Any]:
        """Sign a user in by password and return the answer with `access_token` and `expires_in` (seconds).

        Raises:
            SignInRefusedError: Keycloak refused the sign-in.
        """
        return self._recorded_sign_in(self._client(KeycloakOpenID), username, password)

    def identity_token(self, username: str, password: str) -> str:
        """Sign a user in and return the ID token, which says who they are and opens nothing."""
        answer = self._sign_in(self._client(KeycloakOpenID), username, password, "openid")
        if not isinstance(answer.get("id_token"), str):
            raise self._unavailable("answered a sign-in with the scope openid without an ID token")
        return str(answer["id_token"])

    def token_elsewhere(self, host: str, username: str, password: str) -> str:
        """Sign a user in under another host name of Keycloak and return the access token.

        Raises:
            SignInRefusedError: Keycloak refused the sign-in.
        """
        elsewhere = KeycloakOpenID(
            server_url=f"{self.url}/",
            realm_name=self.realm,
            client_id=self.client,
            client_secret_key=self._secret,
            custom_headers={"Host": host},
            timeout=self._timeout,
            max_retries=0,
        )
        return str(self._sign_in(elsewhere, username, password)["access_token"])

    def token_of(self, client: str, username: str, password: str) -> str:
        """Sign a user in to another, public client of the realm and return the access token.

        Raises:
            SignInRefusedError: Keycloak refused the sign-in, for example because the client allows none by password.
        """
        public = KeycloakOpenID(
            server_url=f"{self.url}/", realm_name=self.realm, client_id=client, timeout=self._timeout, max_retries=0
        )
        return str(self._recorded_sign_in(public, username, password)["access_token"])

    def _recorded_sign_in(self, client: KeycloakOpenID, username: str, password: str) -> dict[str, Any]:
        began = time.monotonic()
        answer = self._sign_in(client, username, password)
        seconds = answer["expires_in"]
        self._record("sign_in", answer["access_token"], None, began=began, audience=self.client, seconds=seconds)
        return answer

    def _sign_in(self, client: KeycloakOpenID, username: str, password: str, scope: Any = None) -> dict[str, Any]:
        """Sign in without a scope, because Keycloak would sign an ID token too with the default one, `openid`."""
        try:
            with self._requesting("sign a user in"):
                answer: Any = client.token(username, password, scope=scope)
        except KeycloakError as error:
            raise _refusal(error) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            raise self._unavailable("answered a sign-in without an access token")
        if not isinstance(answer.get("expires_in"), int):
            raise self._unavailable("answered a sign-in without the lifetime of the token")
        redactor.learn(*(value for name, value in answer.items() if name.endswith("_token") and isinstance(value, str)))
        return answer

    def check(self) -> None:
        """Require that the realm answers and accepts the client's secret.

        Raises:
            ServiceUnavailableError: with the reason, such as an unknown realm or a wrong client secret.
        """
        try:
            with self._requesting("sign the client in"):
                self._client(KeycloakOpenID).token(grant_type="client_credentials")
        except KeycloakError as error:
            if error.response_code == 404:
                raise self._unavailable(
                    f"has no realm {self.realm}", "correct KEYCLOAK_REALM, or KEYCLOAK_URL if this is not Keycloak"
                ) from None
            raise self._unavailable(
                f"refuses the client {self.client}",
                "correct KEYCLOAK_CLIENT_ID or KEYCLOAK_CLIENT_SECRET, and give the client a service account "
                "that may manage users",
            ) from None

    def sign_in_again(self) -> None:
        """Let the client sign in again before its next request, because its tokens may be good no longer."""
        self._sign_ins += 1

    def answers(self) -> bool:
        """Return whether the realm's public description can be read."""
        try:
            with waits.on("Keycloak"), self._request_timeout.http():
                url = f"{self.url}/realms/{self.realm}/.well-known/openid-configuration"
                return requests.get(url, timeout=self._timeout).status_code == 200
        except requests.RequestException:
            return False

    def _change(self, what: str, user_id: str, **fields: Any) -> None:
        user = self._as_admin(what, "get_user", user_id)
        self._as_admin(what, "update_user", user_id, user | fields)

    def _as_admin(self, what: str, method: str, *args: Any) -> Any:
        try:
            with self._requesting(what):
                return getattr(self._client(KeycloakAdmin), method)(*args)
        except KeycloakError as error:
            self._local.KeycloakAdmin = None
            code = error.response_code
            if code == 404 and (method == "get_user" or b"User not found" in (error.response_body or b"")):
                raise _UnknownUserError from None
            raise self._unavailable(f"answered {code} when asked to {what}") from None
        except ServiceUnavailableError:
            self._local.KeycloakAdmin = None
            raise

    @contextmanager
    def _requesting(self, what: str) -> Iterator[None]:
        """Limit a request to the deadline; raise `ServiceUnavailableError` for all errors except status 4xx."""
        with waits.on("Keycloak"), self._request_timeout.http() as limit:
            try:
                yield
            except (KeycloakConnectionError, requests.RequestException):
                problem = limit.message or f"can't be reached{proxies.through(self.url)}"
                raise self._unavailable(f"{problem} when asked to {what}") from None
            except KeycloakError as error:
                if (error.response_code or 500) >= 500:
                    problem = f"answered {error.response_code or 'something that Keycloak does not'}"
                    raise self._unavailable(f"{problem} when asked to {what}") from None
                raise
            except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError):
                raise self._unavailable(f"gave an answer that can't be read when asked to {what}") from None
            self._request_timeout.met()

    def _client(self, kind: type[Client]) -> Client:
        """Return this thread's object of a kind; threads must not share the objects of python-keycloak."""
        if getattr(self._local, "sign_ins", 0) != self._sign_ins:
            self._local.__dict__.clear()
            self._local.sign_ins = self._sign_ins
        client: Client | None = getattr(self._local, kind.__name__, None)
        if client is None:
            client = kind(
                server_url=f"{self.url}/",
                realm_name=self.realm,
                client_id=self.client,
                client_secret_key=self._secret,
                timeout=self._timeout,
                max_retries=0,
            )
            setattr(self._local, kind.__name__, client)
        return client

    def _unavailable(self, what: str, cure: str = "") -> ServiceUnavailableError:
        return ServiceUnavailableError("Keycloak", self.url, what, cure)


def _refusal(error: KeycloakError) -> SignInRefusedError:
    try:
        body = an_object(json.loads(error.response_body or b"{}"))
    except (ValueError, RecursionError):
        body = {}
    code, reason = body.get("error", f"status {error.response_code}"), body.get("error_description", "no reason")
    return SignInRefusedError(str(code), str(reason))


class _UnknownUserError(Exception):
    pass
