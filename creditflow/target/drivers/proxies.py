"""Which proxy leads to an address: none where it is of this machine itself, else the one that the environment names.

`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` count, in capital or small letters, as requests reads them.
httpx reads them otherwise, and neither knows every address of this machine. Importing this module gives both of them
this one reading: the libraries that speak to Keycloak and Lago take no other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

import httpx._client
import requests.sessions
import requests.utils

from creditflow.core.errors import CannotRunError
from creditflow.core.redaction import redactor

SCHEMES = ("http", "https", "socks5", "socks5h")
"""The kinds of proxy that every client of the suite can use."""

_NAMES = ("http_proxy", "https_proxy", "all_proxy")

_by_requests = requests.utils.get_environ_proxies
_for_httpx: dict[str, str] = {}


def of(url: str) -> str:
    """The address of the proxy that leads to a URL; empty where it is asked directly.

    Raises:
        CannotRunError: it is no address of a proxy that every client can use.
    """
    proxy = requests.utils.select_proxy(url, for_requests(url)) or ""
    if not proxy:
        return ""
    whole = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(whole)
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise CannotRunError(
            f"{' and '.join(_set())} {'names' if len(_set()) == 1 else 'name'} no proxy that can be used: write an "
            f"address such as http://proxy.example:3128 or socks5://proxy.example:1080, or unset it."
        )
    return whole


def for_requests(url: str, no_proxy: str | None = None) -> dict[str, str]:
    """The proxies for a URL as a session of requests takes them; none where it is asked directly."""
    return {} if is_this_machine(urlsplit(url).hostname or "") else _by_requests(url, no_proxy=no_proxy)


def use_in_httpx(url: str) -> None:
    """Let every client of httpx that is opened from now on reach a URL by its proxy."""
    pattern = urlsplit(url)._replace(path="", query="", fragment="").geturl()
    _for_httpx.pop(pattern, None)
    if proxy := of(url):
        _for_httpx[pattern] = proxy


def is_this_machine(host: str) -> bool:
    """Whether a host is a loopback address or one of the names that stand for it (RFC 6761, section 6.3)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return address_of(name).is_loopback
    except ValueError:
        return False


def address_of(text: str) -> IPv4Address | IPv6Address:
    """An IP address; one of IPv4 in IPv6's spelling as that of IPv4, whose loopback Python knows only from 3.13 on.

    Raises:
        ValueError: it is none.
    """
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def through(url: str) -> str:
    """What a failure to reach a URL adds about its proxy; empty where there is none."""
    proxy = of(url)
    return f" through the proxy {shown(proxy)}" if proxy else ""


def shown(proxy: str) -> str:
    """The address of a proxy without its user and password, which no report may show from now on."""
    parts = urlsplit(proxy)
    for secret in (parts.password, parts.username):
        redactor.learn(secret, unquote(secret or ""))
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def told(services: Mapping[str, str]) -> str:
    """One sentence or two on the proxies that are set and on the services that they are used for; else empty.

    Args:
        services: the services that speak HTTP, by name, each with its address.

    Raises:
        CannotRunError: a proxy that would be used can't be.
    """
    if not _set():
        return ""
    used: dict[str, list[str]] = {}
    for service, url in services.items():
        if proxy := of(url):
            used.setdefault(shown(proxy), []).append(service)
    names = f"A proxy is set ({', '.join(_set())})"
    if not used:
        return f"{names}. It is used for none of the services."
    uses = "; ".join(f"{proxy} is used for {', '.join(by)}" for proxy, by in used.items())
    direct = [service for service in services if not any(service in by for by in used.values())]
    return f"{names}: {uses}. Asked directly: {', '.join([*direct, 'PostgreSQL', 'Redis'])}."


def _set() -> list[str]:
    """The variables that name a proxy, as they are written."""
    return [name for part in _NAMES for name in (part, part.upper()) if os.environ.get(name)]


setattr(requests.sessions, "get_environ_proxies", for_requests)  # noqa: B010
setattr(requests.utils, "get_environ_proxies", for_requests)  # noqa: B010
setattr(httpx._client, "get_environment_proxies", lambda: dict(_for_httpx))  # noqa: B010
