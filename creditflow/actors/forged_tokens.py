"""Access tokens that must not open anything (contract, "Every endpoint").

Changed, signed by another and unsigned ones are forged here; those of another client and expired ones are real tokens
of the realm.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from creditflow.actors.people import Person
from creditflow.core import polling
from creditflow.core.errors import NotTestableError
from creditflow.core.expect import holds
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.keycloak import SignInRefusedError
from creditflow.target.drivers.ops_center import OpsCenter
from creditflow.target.target import Target

_ELSEWHERE = "elsewhere.example"
LONGEST_LIFE = 30
"""Seconds that a token may last for its expiry to be waited for."""


def changed(token: str) -> str:
    """A valid token whose bearer has made themselves somebody else, under the old signature."""
    header, _, signature = token.split(".")
    claims = _claims(token) | {"sub": "00000000-0000-4000-8000-000000000000"}
    return ".".join([header, _written(json.dumps(claims).encode()), signature])


def signed_by_another(token: str) -> str:
    """The same claims and key id, signed with a key that is not the realm's."""
    header = json.loads(_read(token.split(".", maxsplit=1)[0]))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(_claims(token), key, algorithm="RS256", headers={"kid": header["kid"]})


def unsigned(token: str) -> str:
    """The same claims under the algorithm `none` (RFC 7519 section 6)."""
    header = _written(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    return f"{header}.{token.split('.')[1]}."


def of_another_client(target: Target, person: Person) -> str:
    """A person's real token for another application of the same realm: it does not name Ops-Center as its audience.

    Raises:
        NotTestableError: the realm has no such client, or its tokens would be refused for another reason.
    """
    setting, client = "KEYCLOAK_OTHER_CLIENT_ID", target.settings.keycloak_other_client_id
    token = _signed_in(target, person, client, setting)
    if target.settings.keycloak_client_id in _audience(token) or _claims(token).get("sub") != person.id:
        raise NotTestableError(
            f"the tokens of the client {client} are for Ops-Center too or do not say who signed in",
            f"set {setting} to a public client whose tokens carry sub, and not Ops-Center as their audience",
        )
    return token


def of_another_issuer(target: Target, person: Person) -> str:
    """A person's real token, issued where Keycloak was asked under another host name: `iss` is not the realm's.

    Raises:
        NotTestableError: Keycloak names itself alike under every host name.
    """
    token = target.keycloak.token_elsewhere(_ELSEWHERE, person.name, person.password)
    if _claims(token)["iss"] == _claims(person.token)["iss"]:
        raise NotTestableError(
            "Keycloak issues its tokens in the same name whatever host name it is asked under",
            "let it name itself by the host name that it is asked under (hostname-strict=false, no hostname)",
        )
    return token


def balance_as_another(ops_center: OpsCenter, person: Person, other: Person) -> Reply:
    """EP1 with a person's token, and with another's name in every header by which a gateway says who signed in."""
    ids = {f"X-{prefix}": other.id for prefix in ("User-Id", "Forwarded-User", "Auth-Request-User", "Remote-User")}
    emails = {f"X-{prefix}-Email": other.email for prefix in ("User", "Forwarded", "Auth-Request")}
    return ops_center.http.send("GET", ops_center.path("EP1"), token=person.token, headers=ids | emails)


def expired(target: Target, person: Person) -> str:
    """A person's real token for Ops-Center, handed over once the time that it names as its end is over.

    Raises:
        NotTestableError: no client gives tokens that are for Ops-Center and end soon.
    """
    setting, client = "KEYCLOAK_SHORT_LIVED_CLIENT_ID", target.short_lived_client
    token = _signed_in(target, person, client, setting)
    said = _claims(token)
    if target.settings.keycloak_client_id not in _audience(token) or said["exp"] - time.time() > LONGEST_LIFE:
        raise NotTestableError(
            f"the tokens of the client {client} are not for Ops-Center or last longer than {LONGEST_LIFE} s",
            f"set {setting} to a client whose tokens name Ops-Center as their audience and last a second or two",
        )
    polling.soon(lambda: holds(time.time() > said["exp"], "the token has not expired yet"), LONGEST_LIFE + 1)
    return token


def _signed_in(target: Target, person: Person, client: str, setting: str) -> str:
    try:
        return target.keycloak.token_of(client, person.name, person.password)
    except SignInRefusedError as refused:
        raise NotTestableError(
            f"nobody can sign in to the client {client} by password ({refused.error})",
            f"set {setting} to a public client of the realm with direct access grants",
        ) from None


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(_read(token.split(".")[1]))
    return claims


def _audience(token: str) -> list[str]:
    named = _claims(token).get("aud", [])
    return named if isinstance(named, list) else [named]


def _read(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
