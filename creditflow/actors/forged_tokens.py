"""Access tokens that Ops-Center must refuse (contract, "Every endpoint").

The changed, unsigned and wrongly signed tokens are forged here. The others are real tokens of the realm: expired ones,
and those of another client or issuer.
"""

from __future__ import annotations

import json
import time

from creditflow.actors.people import Person
from creditflow.core import polling
from creditflow.core.access_tokens import claims, encoded, header
from creditflow.core.errors import NotTestableError
from creditflow.core.expect import holds
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.ops_center import OpsCenter
from creditflow.target.drivers.realm import SignInRefusedError
from creditflow.target.target import Target

_ELSEWHERE = "elsewhere.example"
LONGEST_LIFE = 30
"""The longest lifetime of a token whose expiry a scenario waits for, in seconds."""


def changed(token: str) -> str:
    """Return a token with another user id and the old signature."""
    begin, _, signature = token.split(".")
    others = claims(token) | {"sub": "00000000-0000-4000-8000-000000000000"}
    return ".".join([begin, encoded(json.dumps(others).encode()), signature])


def signed_by_another(token: str) -> str:
    """Return a token with the same claims and key id, signed with a key that is not the realm's."""
    import jwt  # noqa: PLC0415 - only this token needs its cryptography
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims(token), key, algorithm="RS256", headers={"kid": header(token)["kid"]})


def unsigned(token: str) -> str:
    """Return a token with the same claims and the algorithm `none` (RFC 7519, section 6)."""
    begin = encoded(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    return f"{begin}.{token.split('.')[1]}."


def of_another_client(target: Target, person: Person) -> str:
    """Return a person's real token for another client of the realm, without Ops-Center as its audience.

    Raises:
        NotTestableError: the realm has no such client, or Ops-Center would refuse its tokens for another reason.
    """
    setting, client = "KEYCLOAK_OTHER_CLIENT_ID", target.settings.keycloak_other_client_id
    token = _signed_in(target, person, client, setting)
    if target.settings.keycloak_client_id in _audience(token) or claims(token).get("sub") != person.id:
        raise NotTestableError(
            f"the tokens of the client {client} are for Ops-Center too, or do not name the user",
            f"set {setting} to a public client with sub in its tokens, and without Ops-Center as their audience",
        )
    return token


def of_another_issuer(target: Target, person: Person) -> str:
    """Return a person's real token from Keycloak under another host name, so its `iss` is another one.

    Raises:
        NotTestableError: Keycloak uses the same `iss` under all host names.
    """
    token = target.keycloak.token_elsewhere(_ELSEWHERE, person.name, person.password)
    if claims(token)["iss"] == claims(person.token)["iss"]:
        raise NotTestableError(
            "Keycloak uses the same issuer for all its host names",
            "let it use the host name of the request as its issuer (hostname-strict=false, no hostname)",
        )
    return token


def balance_as_another(ops_center: OpsCenter, person: Person, other: Person) -> Reply:
    """Get EP1 with a person's token, and another person's id in all headers that a gateway sets for the user."""
    ids = {f"X-{prefix}": other.id for prefix in ("User-Id", "Forwarded-User", "Auth-Request-User", "Remote-User")}
    emails = {f"X-{prefix}-Email": other.email for prefix in ("User", "Forwarded", "Auth-Request")}
    return ops_center.http.send("GET", ops_center.path("EP1"), token=person.token, headers=ids | emails)


def expired(target: Target, person: Person) -> str:
    """Return a person's real token for Ops-Center, after waiting until it has expired.

    Raises:
        NotTestableError: no client has tokens for Ops-Center with a short lifetime.
    """
    return wait_until_expired(short_lived(target, person))


def short_lived(target: Target, person: Person) -> str:
    """Return a person's real token for Ops-Center that lasts a few seconds at most.

    Raises:
        NotTestableError: no client has tokens for Ops-Center with a short lifetime.
    """
    setting, client = "KEYCLOAK_SHORT_LIVED_CLIENT_ID", target.short_lived_client
    token = _signed_in(target, person, client, setting)
    end = claims(token)["exp"]
    if target.settings.keycloak_client_id not in _audience(token) or end - time.time() > LONGEST_LIFE:
        raise NotTestableError(
            f"the tokens of the client {client} are not for Ops-Center or last longer than {LONGEST_LIFE} s",
            f"set {setting} to a client with tokens for Ops-Center that last a second or two",
        )
    return token


def wait_until_expired(token: str) -> str:
    """Return a short-lived token as soon as it has expired."""
    end = claims(token)["exp"]
    polling.soon(lambda: holds(time.time() > end, "the token has not expired yet"), LONGEST_LIFE + 1)
    return token


def _signed_in(target: Target, person: Person, client: str, setting: str) -> str:
    try:
        return target.keycloak.token_of(client, person.name, person.password)
    except SignInRefusedError as refused:
        raise NotTestableError(
            f"nobody can sign in to the client {client} by password ({refused.error})",
            f"set {setting} to a public client of the realm with direct access grants",
        ) from None


def _audience(token: str) -> list[str]:
    named = claims(token).get("aud", [])
    return named if isinstance(named, list) else [named]
