"""The guard before a run: which systems it would write to, and whether they may be written to.

Everything that makes or removes something on a target calls :func:`require_allowed` first. A system that is not on
this machine has to be named by its host in `ALLOWED_TARGETS`; one that looks like production has to be named once
more, in `ALLOW_PRODUCTION`. A tunnel looks like this machine, so that realm, database and host are looked at wherever
a system is.
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
"""Seconds that the look-up of all hosts may take."""

Resolve = Callable[[str], Iterable[str]]


class NotAllowedError(CannotRunError):
    """The target may not be written to until somebody says so; the sentence says what, where and how."""


@dataclass(frozen=True)
class System:
    """One system of a target as the settings name it.

    Attributes:
        name: of the system, for a reader.
        setting: the environment name that names it.
        host: where its driver connects to, lower case; of several each is a system.
        names: what else it goes by, as the reader's word and the name, such as "the realm" and "uchub".
    """

    name: str
    setting: str
    host: str
    names: tuple[tuple[str, str], ...] = ()

    def looks_like(self, patterns: Iterable[str]) -> str:
        """What of it looks like a pattern, in the reader's words; empty when nothing does."""
        wanted = [pattern.lower() for pattern in patterns]
        for what, name in (("the host", self.host), *self.names):
            for word in re.split(r"[^a-z]+", name.lower()):
                for pattern in wanted:
                    if word and fnmatchcase(word, pattern):
                        return f"{what} {name} is like '{pattern}'"
        return ""


def systems(settings: Settings) -> list[System]:
    """Every system that the settings name, each by the host to which its driver really connects."""
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
    """Make sure that every named system may be written to; nothing is asked of any of them.

    Args:
        settings: of a run.
        resolve: the addresses of a host; by default as the machine looks them up, within `LOOK_UP_S`.

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
            f"{_told(foreign)} {'is' if len(foreign) == 1 else 'are'} not on this machine, and a run makes people, "
            f"organisations and credits on its target: if it may do so there, name the hosts too, "
            f"ALLOWED_TARGETS={hosts}, or unset OPS_CENTER_URL to run on a sandbox."
        )
    patterns = listed(settings.production_patterns)
    alike = {system: like for system in named if (like := system.looks_like(patterns))}
    if unconfirmed := [system for system in alike if system.host not in confirmed]:
        hosts = _hosts(list(alike))
        raise NotAllowedError(
            f"{_told(unconfirmed)} {'looks' if len(unconfirmed) == 1 else 'look'} like production "
            f"({'; '.join(dict.fromkeys(alike[system] for system in unconfirmed))}), where a run of tests has no "
            f"place: point it at another target, or if this really is what you want, say so by naming the hosts, "
            f"ALLOW_PRODUCTION={hosts}."
        )


def announced(settings: Settings, run: str) -> list[str]:
    """What a run will make and where, one line each, told before anything is made.

    Args:
        settings: of the run.
        run: its name, which everything that it makes carries.
    """
    keycloak, ops_center = _place(settings.keycloak_url), _place(settings.ops_center_url)
    lines = [
        f"This run makes, each under the name {run}-..., and removes when the scenario that needs it ends:",
        f"  people in Keycloak at {keycloak}, realm {settings.keycloak_realm}",
        f"  organisations, members, purchases, allocations and provider keys in Ops-Center at {ops_center}",
    ]
    if url := settings.unicorn_db_url.get_secret_value():
        lines.append(f"  credits and past calls of these people, as rows, in PostgreSQL at {_database_place(url)}")
    if settings.lago_api_url:
        lines.append(f"  customers and subscriptions in Lago at {_place(settings.lago_api_url)}")
    if url := settings.redis_url.get_secret_value():
        lines.append(f"  no keys of its own in Redis at {_place(url)}; those of its people are removed")
    if settings.provider_url:
        lines.append(f"  provider keys and troubles in the stand-in at {_place(settings.provider_url)}")
    most = f"It sends at most {counted(settings.max_requests, 'LLM request')} (MAX_REQUESTS)"
    if settings.provider_url:
        return [*lines, f"{most}; a stand-in answers them, and nobody pays."]
    return [
        *lines,
        f"{most}, for which a real provider is paid at most {settings.max_provider_cost:,} US cents "
        f"(MAX_PROVIDER_COST), by an assumed {settings.provider_price} cents per 1,000 tokens (PROVIDER_PRICE).",
    ]


def addresses(host: str) -> list[str]:
    """The IP addresses of a host, without the zone of an interface; none where it can't be looked up."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(place[0]).partition("%")[0] for *_, place in found]


def is_here(found: Iterable[str]) -> bool:
    """Whether these are addresses of this machine, all of them; no address is none of its."""
    own = {address.address.partition("%")[0] for interface in psutil.net_if_addrs().values() for address in interface}
    places = {place: address_of(place) for place in found}
    return bool(places) and all(
        address.is_loopback or address.is_unspecified or place in own for place, address in places.items()
    )


def _foreign(named: list[System], resolve: Resolve) -> list[System]:
    """Those that are not on this machine; a host that can't be looked up in time is not."""
    hosts = dict.fromkeys(system.host for system in named)
    here: dict[str, bool] = {}

    def look(host: str) -> None:
        here[host] = is_here(resolve(host))

    # getaddrinfo has no deadline of its own: a thread that is late is left alone, and does not keep the run alive.
    threads = [threading.Thread(target=look, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LOOK_UP_S)
    return [system for system in named if not here.get(system.host)]


def _told(named: list[System]) -> str:
    said = [f"{system.name} at {system.host or 'no host'} ({system.setting})" for system in named]
    return " and ".join(part for part in (", ".join(said[:-1]), said[-1]) if part)


def _hosts(named: list[System]) -> str:
    return ",".join(dict.fromkeys(system.host for system in named))


def _http(name: str, setting: str, url: str, names: tuple[tuple[str, str], ...] = ()) -> list[System]:
    if not url:
        return []
    try:
        host = parse_url(url).host or ""
    except LocationParseError:
        host = ""
    # urllib3 is what connects; where the standard library reads another host out of the same text, both count.
    hosts = (host, urlsplit(url).hostname or "")
    return [System(name, setting, each, names) for each in dict.fromkeys(map(_bare, hosts))]


def _database(name: str, setting: str, url: str) -> list[System]:
    """Where libpq connects to: its parameters override the address, and the environment what the address leaves out."""
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
