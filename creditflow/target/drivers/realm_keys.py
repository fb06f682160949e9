"""The signing keys of a Keycloak realm, which only an administrator of the server may change."""

from __future__ import annotations

from creditflow.target.drivers.http import Http, part
from creditflow.target.drivers.realm import Management

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
        form = {"client_id": "admin-cli", "grant_type": "password", "username": user, "password": password}
        cure = "correct KEYCLOAK_ADMIN_USER or KEYCLOAK_ADMIN_PASSWORD"
        self.http = Http("Keycloak", url, timeout_s)
        self._management = Management(self.http, realm, "master", form, cure)

    def add(self, name: str) -> None:
        """Add a key with a name; the realm signs with it from now on, and the other keys stay good."""
        config = {"priority": _BEFORE_ALL_OTHERS, "enabled": "true", "active": "true", "algorithm": "RS256"}
        component = {
            "name": name,
            "providerId": "rsa-generated",
            "providerType": _PROVIDER,
            "config": {key: [value] for key, value in config.items()},
        }
        self._management.send("POST", "/components", component)

    def remove(self, name: str) -> None:
        """Remove the key with this name, if there is one."""
        for found in self._management.list("/components", type=_PROVIDER):
            if found.get("name") == name:
                self._management.find("DELETE", f"/components/{part(found['id'])}")

    def names(self) -> list[str]:
        """Return the names of all keys."""
        return [str(found.get("name")) for found in self._management.list("/components", type=_PROVIDER)]
