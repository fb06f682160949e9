"""Keycloak: creates, finds and removes users through a client's service account, and signs them in."""

from __future__ import annotations

import time
from typing import Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.http import Http, part
from creditflow.target.drivers.realm import Management, SignInRefusedError, sign_in
from creditflow.target.drivers.record import Recorder, record_nothing

_PAGE = 100
"""Users on one page of Keycloak's list."""

_CURE = (
    "correct KEYCLOAK_CLIENT_ID or KEYCLOAK_CLIENT_SECRET, and give the client a service account that may manage users"
)


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
        self.http = Http("Keycloak", url, timeout_s)
        self._client = {"client_id": client, "client_secret": secret}
        service = {**self._client, "grant_type": "client_credentials"}
        self._management = Management(self.http, realm, realm, service, _CURE)
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
        address = self._management.send("POST", "/users", payload).headers.get("Location", "")
        user_id = address.rpartition("/")[2]
        if not user_id:
            raise self._unavailable("created a user without saying under which id")
        self._ids[username] = user_id
        return user_id

    def remove_user(self, username: str) -> None:
        """Remove the user with this name, if there is one."""
        user_id = self._ids.pop(username, None) or self.find_user(username)
        if user_id is not None:
            self._management.find("DELETE", _user(user_id))

    def find_user(self, username: str) -> str | None:
        """Return the id of the user with this name, or None."""
        found = self._management.list("/users", username=username.lower(), exact="true", max=1)
        return str(found[0]["id"]) if found else None

    def users(self, part: str) -> list[dict[str, Any]]:
        """Return the users that have a text in their name, with `id`, `username` and `email`."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            page = self._management.list("/users", username=part, first=len(found), max=_PAGE)
            new = {str(user["id"]): user for user in page if user["id"] not in found}
            found |= new
            if len(page) < _PAGE or not new:
                return list(found.values())

    def user(self, user_id: str) -> dict[str, Any] | None:
        """Return the user with this id, with `username` and `email`, or None."""
        reply = self._management.find("GET", _user(user_id))
        return reply.body if reply else None

    def set_address(self, user_id: str, email: str) -> None:
        """Give a user another e-mail address, which is then known to be theirs."""
        self._change(user_id, email=email, emailVerified=True)

    def disable(self, user_id: str) -> None:
        """Disable a user, who gets no new token from then on."""
        self._change(user_id, enabled=False)

    def set_password(self, username: str, password: str) -> bool:
        """Set the password of the user with this name; return whether there is such a user."""
        user_id = self.find_user(username)
        if user_id is None:
            return False
        credential = {"type": "password", "value": password, "temporary": False}
        self._management.send("PUT", f"{_user(user_id)}/reset-password", credential)
        return True

    def token(self, username: str, password: str) -> dict[str, Any]:
        """Sign a user in by password and return the answer with `access_token` and `expires_in` (seconds).

        Raises:
            SignInRefusedError: Keycloak refused the sign-in.
        """
        return self._recorded_sign_in(username, password, self._client)

    def identity_token(self, username: str, password: str) -> str:
        """Sign a user in and return the ID token, which says who they are and opens nothing."""
        answer = self._sign_in(username, password, {**self._client, "scope": "openid"})
        if not isinstance(answer.get("id_token"), str):
            raise self._unavailable("answered a sign-in with the scope openid without an ID token")
        return str(answer["id_token"])

    def token_elsewhere(self, host: str, username: str, password: str) -> str:
        """Sign a user in under another host name of Keycloak and return the access token.

        Raises:
            SignInRefusedError: Keycloak refused the sign-in.
        """
        return str(self._sign_in(username, password, self._client, host)["access_token"])

    def token_of(self, client: str, username: str, password: str) -> str:
        """Sign a user in to another, public client of the realm and return the access token.

        Raises:
            SignInRefusedError: Keycloak refused the sign-in, for example because the client allows none by password.
        """
        return str(self._recorded_sign_in(username, password, {"client_id": client})["access_token"])

    def _recorded_sign_in(self, username: str, password: str, client: dict[str, str]) -> dict[str, Any]:
        began = time.monotonic()
        answer = self._sign_in(username, password, client)
        seconds = answer["expires_in"]
        self._record("sign_in", answer["access_token"], None, began=began, audience=self.client, seconds=seconds)
        return answer

    def _sign_in(self, username: str, password: str, client: dict[str, str], host: str = "") -> dict[str, Any]:
        """Sign in without a scope, because Keycloak would sign an ID token too with the scope `openid`."""
        form = {**client, "grant_type": "password", "username": username, "password": password}
        return sign_in(self.http, self.realm, form, {"Host": host} if host else None)

    def check(self) -> None:
        """Require that the realm answers and accepts the client's secret.

        Raises:
            ServiceUnavailableError: with the reason, such as an unknown realm or a wrong client secret.
        """
        try:
            sign_in(self.http, self.realm, {**self._client, "grant_type": "client_credentials"})
        except SignInRefusedError as refused:
            if refused.status == 404:
                raise self._unavailable(
                    f"has no realm {self.realm}", "correct KEYCLOAK_REALM, or KEYCLOAK_URL if this is not Keycloak"
                ) from None
            raise self._unavailable(f"refuses the client {self.client}", _CURE) from None

    def sign_in_again(self) -> None:
        """Let the client sign in again before its next request, because its tokens may be good no longer."""
        self._management.sign_in_again()

    def answers(self) -> bool:
        """Return whether the realm's public description can be read."""
        try:
            return self.http.send("GET", f"/realms/{self.realm}/.well-known/openid-configuration").status == 200
        except ServiceUnavailableError:
            return False

    def _change(self, user_id: str, **fields: Any) -> None:
        user = self._management.send("GET", _user(user_id)).body
        self._management.send("PUT", _user(user_id), user | fields)

    def _unavailable(self, what: str, cure: str = "") -> ServiceUnavailableError:
        return ServiceUnavailableError("Keycloak", self.url, what, cure)


def _user(user_id: str) -> str:
    return f"/users/{part(user_id)}"
