"""The proxy for an address: none for this machine, else the proxy that the environment names.

`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` count, in capital or small letters, as requests reads them.
requests does not know all addresses of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

from creditflow.core.errors import CannotRunError
from creditflow.core.redaction import redactor

SCHEMES = ("http", "https", "socks5", "socks5h")
"""The kinds of proxy that all clients of the suite can use."""

_NAMES = ("http_proxy", "https_proxy", "all_proxy")


def of(url: str) -> str:
    """Return the address of the proxy for a URL; empty if the connection is direct.

    Raises:
        CannotRunError: the environment names no usable proxy.
    """
    if not _set() or is_this_machine(urlsplit(url).hostname or ""):
        return ""
    from requests import utils  # noqa: PLC0415 - only behind a proxy

    proxy = utils.select_proxy(url, utils.get_environ_proxies(url)) or ""
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
            f"{' and '.join(_set())} {'has' if len(_set()) == 1 else 'have'} no usable proxy address: write an "
            f"address such as http://proxy.example:3128 or socks5://proxy.example:1080, or unset it."
        )
    return whole


def is_this_machine(host: str) -> bool:
    """Return whether a host is a loopback address or a name for one (RFC 6761, section 6.3)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return address_of(name).is_loopback
    except ValueError:
        return False


def hides(url: str) -> bool:
    """Return whether nobody on the network can read what is sent to a URL: it has TLS, or is on this machine."""
    parts = urlsplit(url)
    return parts.scheme in ("https", "rediss") or is_this_machine(parts.hostname or "")


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Return an IP address; IPv4 in IPv6 form becomes IPv4, because Python before 3.13 does not see its loopback form.

    Raises:
        ValueError: the text is not an IP address.
    """
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def through(url: str) -> str:
    """Return the words about the proxy for an error message; empty without a proxy."""
    proxy = of(url)
    return f" through the proxy {shown(proxy)}" if proxy else ""


def shown(proxy: str) -> str:
    """Return a proxy's address without user and password, and make the redactor hide both from now on."""
    parts = urlsplit(proxy)
    for secret in (parts.password, parts.username):
        redactor.learn(secret, unquote(secret or ""))
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def summary(services: Mapping[str, str]) -> str:
    """Return a sentence or two about the proxies and the services that use them; empty if no proxy is set.

    Args:
        services: the addresses of the HTTP services, by name.

    Raises:
        CannotRunError: the environment names no usable proxy.
    """
    if not _set():
        return ""
    used: dict[str, list[str]] = {}
    for service, url in services.items():
        if proxy := of(url):
            used.setdefault(shown(proxy), []).append(service)
    names = f"A proxy is set ({', '.join(_set())})"
    if not used:
        return f"{names}. No service uses it."
    uses = "; ".join(f"{proxy} is used for {', '.join(by)}" for proxy, by in used.items())
    direct = [service for service in services if not any(service in by for by in used.values())]
    return f"{names}: {uses}. Direct connections: {', '.join([*direct, 'PostgreSQL', 'Redis'])}."


def _set() -> list[str]:
    """Return the environment variables that name a proxy."""
    return [name for part in _NAMES for name in (part, part.upper()) if os.environ.get(name)]
