"""The signing keys of a Keycloak realm, which only an administrator of the server may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakError

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers.request_timeout import RequestTimeout

_PROVIDER = "org.keycloak.keys.KeyProvider"
_BEFORE_ALL_OTHERS = "1000"


class RealmKeys:
    """The signing keys of one realm.

    Each method raises `ServiceUnavailableError` if Keycloak does not answer, or refuses the administrator.

    Args:
        url: Keycloak's address.
        realm: the realm.
        user: an administrator in the realm `master`.
        password: the administrator's password.
        timeout_s: the deadline of a request, in seconds.
    """

    def __init__(self, url: str, realm: str, user: str, password: str, timeout_s: float) -> None:
        self.url, self._realm, self._user, self._password = url, realm, user, password
        self._timeout, self._request_timeout = max(1, round(timeout_s)), RequestTimeout(timeout_s)

    def add(self, name: str) -> None:
        """Add a key with a name; the realm signs with it from now on, and the other keys stay good."""
        config = {"priority": _BEFORE_ALL_OTHERS, "enabled": "true", "active": "true", "algorithm": "RS256"}
        with self._asking() as admin:
            admin.create_component(
                {
                    "name": name,
                    "providerId": "rsa-generated",
                    "providerType": _PROVIDER,
                    "config": {key: [value] for key, value in config.items()},
                }
            )

    def remove(self, name: str) -> None:
        """Remove the key with this name, if there is one."""
        with self._asking() as admin:
            for found in self._components(admin):
                if found["name"] == name:
                    admin.delete_component(found["id"])

    def names(self) -> list[str]:
        """Return the names of all keys."""
        with self._asking() as admin:
            return [str(found["name"]) for found in self._components(admin)]

    @staticmethod
    def _components(admin: KeycloakAdmin) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = admin.get_components({"type": _PROVIDER})
        return found

    @contextmanager
    def _asking(self) -> Iterator[KeycloakAdmin]:
        cure = "correct KEYCLOAK_ADMIN_USER or KEYCLOAK_ADMIN_PASSWORD"
        with waits.on("Keycloak"), self._request_timeout.http() as limit:
            try:
                yield KeycloakAdmin(
                    server_url=f"{self.url}/",
                    realm_name=self._realm,
                    user_realm_name="master",
                    client_id="admin-cli",
                    username=self._user,
                    password=self._password,
                    timeout=self._timeout,
                    max_retries=0,
                )
            except KeycloakError as error:
                what = f"answered {error.response_code} to its administrator"
                raise ServiceUnavailableError("Keycloak", self.url, what, cure) from None
            except requests.RequestException:
                what = limit.message or "can't be reached"
                raise ServiceUnavailableError("Keycloak", self.url, what) from None
