"""The target: the systems of one deployment.

A system that the settings do not name raises `NotTestableError` at its first use, with the name of the setting.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pydantic import SecretStr

from creditflow.core.errors import NotTestableError
from creditflow.core.workers import Shared
from creditflow.target.ceiling import Ceiling
from creditflow.target.drivers.clock import Clock
from creditflow.target.drivers.grants import Grants, WritableIds
from creditflow.target.drivers.keycloak import Keycloak
from creditflow.target.drivers.lago import Lago
from creditflow.target.drivers.lago_db import LagoDb
from creditflow.target.drivers.litellm import LiteLLM
from creditflow.target.drivers.ops_center import OpsCenter
from creditflow.target.drivers.postgres import Database
from creditflow.target.drivers.provider import Provider
from creditflow.target.drivers.realm_keys import RealmKeys
from creditflow.target.drivers.record import Record
from creditflow.target.drivers.redis import Counters
from creditflow.target.drivers.unicorn_db import UnicornDb
from creditflow.target.outages import Outages
from creditflow.target.settings import Settings

_SHOWS = {
    "UNICORN_DB_URL": "grants, charges and usage rows in unicorn_db",
    "LAGO_API_URL": "subscriptions, events and invoices in Lago",
    "LAGO_DB_READ_URL": "the tables of Lago's database",
    "REDIS_URL": "the usage counters in Redis",
    "LITELLM_URL": "which models LiteLLM serves",
    "KEYCLOAK_ADMIN_PASSWORD": "whether a new signing key of Keycloak is accepted",
    "KEYCLOAK_SHORT_LIVED_CLIENT_ID": "whether an expired token is refused",
    "OPS_CENTER_CLOCK": "what happens at the end of a month",
    "PROVIDER_URL": "the provider's journal (which key paid for which call), and troubles of the provider",
}

_OVER_HTTP = ("ops_center", "keycloak", "realm_keys", "lago", "litellm", "provider")


class Target(Shared):
    """One deployment. Each system is opened at its first use.

    Attributes:
        record: the operations on the target since the record was last taken.
        writable: the people and organisations whose rows may be written.
        ceiling: counts and limits the LLM requests.
        outages: takes services away and brings them back.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.record, self.writable = Record(), WritableIds()
        self.ceiling = Ceiling(settings)
        self.outages = Outages(settings, self.record.add)

    @cached_property
    def ops_center(self) -> OpsCenter:
        """The Ops-Center API."""
        return OpsCenter(self.settings.ops_center_url, self.settings.http_timeout_s, self.record.add, self.ceiling)

    @cached_property
    def keycloak(self) -> Keycloak:
        """Keycloak, through a client that may manage users."""
        s = self.settings
        secret = s.keycloak_client_secret.get_secret_value()
        return Keycloak(
            s.keycloak_url, s.keycloak_realm, s.keycloak_client_id, secret, s.http_timeout_s, self.record.add
        )

    @cached_property
    def realm_keys(self) -> RealmKeys:
        """The realm's signing keys, through an administrator of Keycloak."""
        s = self.settings
        password = self._named("KEYCLOAK_ADMIN_PASSWORD", s.keycloak_admin_password)
        return RealmKeys(s.keycloak_url, s.keycloak_realm, s.keycloak_admin_user, password, s.http_timeout_s)

    @cached_property
    def unicorn(self) -> UnicornDb:
        """`unicorn_db` for checks: read-only sessions, with the reading role if one is named."""
        s = self.settings
        url = s.unicorn_db_read_url.get_secret_value() or self._named("UNICORN_DB_URL", s.unicorn_db_url)
        return UnicornDb(Database("unicorn_db", url, s.http_timeout_s, read_only=True))

    @cached_property
    def grants(self) -> Grants:
        """`unicorn_db` for the statements of the suite that write."""
        url = self._named("UNICORN_DB_URL", self.settings.unicorn_db_url)
        database = Database("unicorn_db", url, self.settings.http_timeout_s, read_only=False)
        return Grants(database, self.writable, self.record.add)

    @cached_property
    def lago_db(self) -> LagoDb:
        """Lago's database for checks: read-only sessions."""
        url = self._named("LAGO_DB_READ_URL", self.settings.lago_db_read_url)
        return LagoDb(Database("lago", url, self.settings.http_timeout_s, read_only=True))

    @cached_property
    def lago(self) -> Lago:
        """Lago's API."""
        url = self._named("LAGO_API_URL", self.settings.lago_api_url)
        return Lago(url, self.settings.lago_api_key.get_secret_value(), self.settings.http_timeout_s, self.record.add)

    @cached_property
    def counters(self) -> Counters:
        """The usage counters in Redis."""
        url = self._named("REDIS_URL", self.settings.redis_url)
        return Counters(url, self.settings.http_timeout_s, self.record.add)

    @cached_property
    def clock(self) -> Clock:
        """Ops-Center's clock; only a sandbox has one that can be set."""
        return Clock(Path(self._named("OPS_CENTER_CLOCK", self.settings.ops_center_clock)), self.record.add)

    @cached_property
    def litellm(self) -> LiteLLM:
        """The LiteLLM proxy."""
        s, url = self.settings, self._named("LITELLM_URL", self.settings.litellm_url)
        key = s.litellm_master_key.get_secret_value()
        return LiteLLM(url, key, s.http_timeout_s, self.record.add, self.ceiling)

    @cached_property
    def provider(self) -> Provider:
        """The provider stand-in with the provider's journal; only a sandbox has one."""
        s, url = self.settings, self._named("PROVIDER_URL", self.settings.provider_url)
        return Provider(url, s.provider_control_token.get_secret_value(), s.http_timeout_s, self.record.add)

    @property
    def short_lived_client(self) -> str:
        """The client with tokens that expire soon after a sign-in."""
        return self._named("KEYCLOAK_SHORT_LIVED_CLIENT_ID", self.settings.keycloak_short_lived_client_id)

    @property
    def provider_is_exact(self) -> bool:
        """Whether the provider reports exactly the announced tokens, as the stand-in does."""
        return bool(self.settings.provider_url)

    def has(self, setting: str) -> bool:
        """Return whether a setting names a system."""
        value = getattr(self.settings, setting.lower())
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)

    def limits(self) -> list[str]:
        """Return what can't be tested on this target, each with the setting that would make it testable."""
        return [f"{what} (set {setting})" for setting, what in _SHOWS.items() if not self.has(setting)]

    def close(self) -> None:
        """Close all systems that were opened."""
        opened = self.__dict__
        for name in ("unicorn", "grants", "lago_db"):
            if name in opened:
                opened[name].database.close()
        for name in _OVER_HTTP:
            if name in opened:
                opened[name].http.close()
        if "counters" in opened:
            opened["counters"].close()

    def begin_in_worker(self) -> None:
        """Open every connection anew: those of the process of the run can't be shared."""
        opened = self.__dict__
        for name in ("unicorn", "grants", "lago_db"):
            if name in opened:
                opened[name].database.begin_in_worker()
        for name in _OVER_HTTP:
            if name in opened:
                opened[name].http.begin_in_worker()
        self.record.take()

    def _named(self, setting: str, value: str | SecretStr) -> str:
        address = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not address:
            raise NotTestableError(f"nothing on this target shows {_SHOWS[setting]}", f"set {setting}")
        return address
