"""The write guard: finds the systems that a run would write to, and refuses those that are not allowed targets.

Each command that creates or removes something on a target first calls :func:`require_allowed`. The settings must name
the host of a system on another machine in `ALLOWED_TARGETS`, and the host of a system that looks like production in
`ALLOW_PRODUCTION`. A tunnel can make any system look local, so the guard checks realm, database and host on this
machine too.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

import psutil
import psycopg2
from psycopg2.extensions import parse_dsn
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from creditflow.core.errors import CannotRunError
from creditflow.core.expect import counted
from creditflow.target.drivers.proxies import address_of
from creditflow.target.settings import Settings, listed

LOOK_UP_S = 5.0
"""The deadline for the look-up of all hosts, in seconds."""

Resolve = Callable[[str], Iterable[str]]


class NotAllowedError(CannotRunError):
    """The target is not an allowed target; the message names the systems and the setting that allows them."""


@dataclass(frozen=True)
class System:
    """One system of a target.

    Attributes:
        name: the system's name in messages.
        setting: the setting that names it.
        host: the host that its driver connects to, in small letters; each of several hosts is a `System` of its own.
        names: its other names, each with its kind, such as ("the realm", "uchub").
    """

    name: str
    setting: str
    host: str
    names: tuple[tuple[str, str], ...] = ()

    def looks_like(self, patterns: Iterable[str]) -> str:
        """Return a description of the first name that matches a pattern; empty if none matches."""
        wanted = [pattern.lower() for pattern in patterns]
        for what, name in (("the host", self.host), *self.names):
            for word in re.split(r"[^a-z]+", name.lower()):
                for pattern in wanted:
                    if word and fnmatchcase(word, pattern):
                        return f"{what} {name} is like '{pattern}'"
        return ""


def systems(settings: Settings) -> list[System]:
    """Return the systems that the settings name, each with the host that its driver really connects to."""
    realm = (("the realm", settings.keycloak_realm),)
    found = [
        *_http("Ops-Center", "OPS_CENTER_URL", settings.ops_center_url),
        *_http("Keycloak", "KEYCLOAK_URL", settings.keycloak_url, realm),
        *_database("PostgreSQL", "UNICORN_DB_URL", settings.unicorn_db_url.get_secret_value()),
        *_database("PostgreSQL", "UNICORN_DB_READ_URL", settings.unicorn_db_read_url.get_secret_value()),
        *_http("Lago", "LAGO_API_URL", settings.lago_api_url),
        *_database("PostgreSQL", "LAGO_DB_READ_URL", settings.lago_db_read_url.get_secret_value()),
        *_redis("Redis", "REDIS_URL", settings.redis_url.get_secret_value()),
        *_http("LiteLLM", "LITELLM_URL", settings.litellm_url),
        *_http("The provider stand-in", "PROVIDER_URL", settings.provider_url),
    ]
    return list(dict.fromkeys(found))


def require_allowed(settings: Settings, resolve: Resolve | None = None) -> None:
    """Require that all systems are allowed targets; no system is contacted.

    Args:
        settings: of the run.
        resolve: returns the addresses of a host; by default `addresses`, with the deadline `LOOK_UP_S`.

    Raises:
        NotAllowedError: a system is not on this machine and its host is not in `ALLOWED_TARGETS`, or it looks like
            production and its host is not in `ALLOW_PRODUCTION`.
    """
    named = systems(settings)
    allowed, confirmed = listed(settings.allowed_targets), listed(settings.allow_production)
    unnamed = [system for system in named if system.host not in allowed]
    if foreign := _foreign(unnamed, resolve or addresses):
        hosts = _hosts([*(system for system in named if system.host in allowed), *foreign])
        raise NotAllowedError(
            f"{_listed(foreign)} {'is' if len(foreign) == 1 else 'are'} not on this machine, and a run creates people, "
            f"organisations and credits on its target: to allow this, set ALLOWED_TARGETS={hosts}, or unset "
            f"OPS_CENTER_URL to run on a sandbox."
        )
    patterns = listed(settings.production_patterns)
    alike = {system: like for system in named if (like := system.looks_like(patterns))}
    if unconfirmed := [system for system in alike if system.host not in confirmed]:
        hosts = _hosts(list(alike))
        raise NotAllowedError(
            f"{_listed(unconfirmed)} {'looks' if len(unconfirmed) == 1 else 'look'} like production "
            f"({'; '.join(dict.fromkeys(alike[system] for system in unconfirmed))}), and tests must not run on "
            f"production: name another target, or to run there all the same, set ALLOW_PRODUCTION={hosts}."
        )


def announcement(settings: Settings, run: str) -> list[str]:
    """Return the lines that a run prints before it creates anything: what it will create, and where.

    Args:
        settings: of the run.
        run: its name, with which all names that it creates begin.
    """
    keycloak, ops_center = _place(settings.keycloak_url), _place(settings.ops_center_url)
    lines = [
        f"This run creates, with names {run}-..., and removes when the scenario that needs them ends:",
        f"  people in Keycloak at {keycloak}, realm {settings.keycloak_realm}",
        f"  organisations, members, purchases, allocations and provider keys in Ops-Center at {ops_center}",
    ]
    if url := settings.unicorn_db_url.get_secret_value():
        lines.append(f"  rows with credits and past calls of these people in PostgreSQL at {_database_place(url)}")
    if settings.lago_api_url:
        lines.append(f"  customers and subscriptions in Lago at {_place(settings.lago_api_url)}")
    if url := settings.redis_url.get_secret_value():
        lines.append(f"  nothing in Redis at {_place(url)}, but it removes the keys of its people there")
    if settings.provider_url:
        lines.append(f"  provider keys and troubles in the stand-in at {_place(settings.provider_url)}")
    most = f"It sends at most {counted(settings.max_requests, 'LLM request')} (MAX_REQUESTS)"
    if settings.provider_url:
        return [*lines, f"{most}; the provider stand-in answers them at no cost."]
    return [
        *lines,
        f"{most}; a real provider charges at most {settings.max_provider_cost:,} US cents for them "
        f"(MAX_PROVIDER_COST), at an assumed {settings.provider_price} cents per 1,000 tokens (PROVIDER_PRICE).",
    ]


def addresses(host: str) -> list[str]:
    """Return the IP addresses of a host, without interface zones; none if the look-up fails."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(place[0]).partition("%")[0] for *_, place in found]


def is_here(found: Iterable[str]) -> bool:
    """Return whether there are addresses, and all of them belong to this machine."""
    own = {address.address.partition("%")[0] for interface in psutil.net_if_addrs().values() for address in interface}
    places = {place: address_of(place) for place in found}
    return bool(places) and all(
        address.is_loopback or address.is_unspecified or place in own for place, address in places.items()
    )


def _foreign(named: list[System], resolve: Resolve) -> list[System]:
    """Return the systems that are not on this machine; a host that can't be looked up in time is not on it."""
    hosts = dict.fromkeys(system.host for system in named)
    here: dict[str, bool] = {}

    def look(host: str) -> None:
        here[host] = is_here(resolve(host))

    # getaddrinfo has no deadline, so each look-up runs in a daemon thread, which is abandoned if it is late.
    threads = [threading.Thread(target=look, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LOOK_UP_S)
    return [system for system in named if not here.get(system.host)]


def _listed(named: list[System]) -> str:
    parts = [f"{system.name} at {system.host or 'no host'} ({system.setting})" for system in named]
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _hosts(named: list[System]) -> str:
    return ",".join(dict.fromkeys(system.host for system in named))


def _http(name: str, setting: str, url: str, names: tuple[tuple[str, str], ...] = ()) -> list[System]:
    if not url:
        return []
    try:
        host = parse_url(url).host or ""
    except LocationParseError:
        host = ""
    # The host that is connected to; if the standard library finds another one in the same text, both count.
    hosts = (host, urlsplit(url).hostname or "")
    return [System(name, setting, each, names) for each in dict.fromkeys(map(_bare, hosts))]


def _database(name: str, setting: str, url: str) -> list[System]:
    """Return the hosts that libpq connects to: parameters override the address, and PGHOSTADDR completes it."""
    if not url:
        return []
    parts = _dsn(url)
    there = (parts.get("hostaddr") or os.environ.get("PGHOSTADDR", ""), parts.get("host", ""))
    hosts = [host for text in there for host in text.split(",") if host]
    names = (("the database", str(parts.get("dbname", ""))),)
    return [System(name, setting, host, names) for host in dict.fromkeys(map(_bare, hosts or [""]))]


def _redis(name: str, setting: str, url: str) -> list[System]:
    return [System(name, setting, _bare(unquote(urlsplit(url).hostname or "")))] if url else []


def _dsn(url: str) -> dict[str, Any]:
    try:
        parts: dict[str, Any] = parse_dsn(url)
    except psycopg2.Error:
        return {"host": urlsplit(url).hostname or "", "dbname": urlsplit(url).path.strip("/")}
    return parts


def _bare(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _database_place(url: str) -> str:
    parts = _dsn(url)
    return f"{parts.get('host')}:{parts.get('port', 5432)}, database {parts.get('dbname')}"
