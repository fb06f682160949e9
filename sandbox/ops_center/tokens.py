"""The caller of a request, by an access token of the realm (contract, "Every endpoint"; RFC 6750)."""

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import httpx
import jwt
from fastapi import Depends, Request

from sandbox.ops_center.problems import ProblemError, UnavailableError
from sandbox.ops_center.settings import Settings

REFETCH_SECONDS = 5.0
"""How long an unknown key id does not make us ask Keycloak again."""
RETRY_SECONDS = 1.0
"""How soon Keycloak is asked again after it did not answer."""
DEADLINE_SECONDS = 3.0


@dataclass(frozen=True)
class Person:
    """The person in a valid token."""

    user_id: UUID
    email: str | None
    """Lower case."""


class KeySet:
    """The realm's public keys; they are fetched again when a token names an unknown one."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._url = f"{settings.issuer}/protocol/openid-connect/certs"
        self._keys: dict[str, jwt.PyJWK] = {}
        self._rest_until = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id, or None. Raises `UnavailableError` when no key is known at all."""
        if kid not in self._keys:
            async with self._fetching:
                if kid not in self._keys and time.monotonic() >= self._rest_until:
                    await self._fetch()
        if not self._keys:
            raise UnavailableError("Keycloak, which vouches for your token,")
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        try:
            answer = await self._http.get(self._url, timeout=DEADLINE_SECONDS)
            keys = jwt.PyJWKSet.from_dict(answer.raise_for_status().json()).keys
        except (httpx.HTTPError, jwt.PyJWTError, ValueError):
            self._rest_until = time.monotonic() + RETRY_SECONDS
        else:
            self._rest_until = time.monotonic() + REFETCH_SECONDS
            self._keys = {key.key_id: key for key in keys if key.key_id}


async def authenticate(request: Request) -> Person:
    """Return the person who sent the request. Raises 401 without a valid access token."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ProblemError(
            401, "unauthenticated", "Sign in and send the access token as Authorization: Bearer <token>."
        )
    services = request.app.state.services
    try:
        return person(await claims(token.strip(), services.keys, services.settings))
    except (jwt.PyJWTError, ValueError, AttributeError) as error:
        raise ProblemError(
            401,
            "invalid_token",
            "The access token is not valid here or has expired. Sign in again and send the new one.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from error


async def claims(token: str, keys: KeySet, settings: Settings) -> dict[str, Any]:
    """Check a token and return its claims. Raises jwt.PyJWTError."""
    key = await keys.find(str(jwt.get_unverified_header(token).get("kid")))
    if key is None:
        raise jwt.InvalidTokenError("signed with a key that is not the realm's")
    decoded: dict[str, Any] = jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        audience=settings.keycloak_audience,
        issuer=settings.issuer,
        options={"require": ["exp", "iss", "aud", "sub"], "verify_iat": False},
    )
    if decoded.get("typ") != "Bearer":
        raise jwt.InvalidTokenError("no access token")
    return decoded


def person(decoded: dict[str, Any]) -> Person:
    """Return the person in a token's claims. Raises ValueError when `sub` is not a UUID."""
    return Person(UUID(decoded["sub"]), (decoded.get("email") or "").lower() or None)


Caller = Annotated[Person, Depends(authenticate)]
"""The parameter type with which an endpoint gets the caller."""
