"""The caller of a request, by an access token of the realm (contract, "Every endpoint"; RFC 6750)."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import httpx
import jwt
from fastapi import Depends, Request

from sandbox.ops_center.problems import ProblemError, UnavailableError
from sandbox.ops_center.settings import Settings

UNKNOWN_SECONDS = 5.0
"""How long the same unknown key id does not make us ask Keycloak again."""
MOST_UNKNOWN = 1_000
"""How many unknown key ids are remembered."""
BURST = 10
"""How often unknown key ids make us ask Keycloak within `BURST_SECONDS`, so that a flood of them can't overload it."""
BURST_SECONDS = 5.0
RETRY_SECONDS = 1.0
"""How soon Keycloak is asked again after it did not answer."""
DEADLINE_SECONDS = 3.0


@dataclass(frozen=True)
class Person:
    """The person in a valid token."""

    user_id: UUID
    email: str | None
    """Lower case."""
    email_verified: bool = False
    """Whether Keycloak knows that the address is theirs."""
    session: str = ""
    """The sign-in that gave the token."""

    @property
    def verified_email(self) -> str | None:
        """The address that takes up invitations; None while Keycloak has not verified it."""
        return self.email if self.email_verified else None


class KeySet:
    """The realm's public keys.

    They are fetched at once when a token names an unknown one, and again from time to time, because the realm may have
    removed one. While Keycloak is away the known ones stay good.
    """

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._url = f"{settings.realm_url}/protocol/openid-connect/certs"
        self._keep_seconds = settings.keycloak_keys_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._unknown: dict[str, float] = {}
        self._asked: deque[float] = deque(maxlen=BURST)
        self._fetched = self._rest_until = float("-inf")
        self._fetching = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Fetch the keys at the start, so that tokens are good also if Keycloak goes away before the first request."""
        await self._renew()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id, or None. Raises `UnavailableError` when no key is known at all."""
        if kid in self._keys:
            self._renew_if_old()
        else:
            await self._look_up(kid)
        if not self._keys:
            raise UnavailableError("Keycloak, which vouches for your token,")
        return self._keys.get(kid)

    async def _look_up(self, kid: str) -> None:
        """Fetch the keys for an unknown one, unless it or too many others were just looked up."""
        now = time.monotonic()
        if self._unknown.get(kid, float("-inf")) + UNKNOWN_SECONDS > now:
            return
        async with self._fetching:
            if kid in self._keys or self._fetched > now or time.monotonic() < self._rest_until:
                return
            if len(self._asked) == BURST and self._asked[0] + BURST_SECONDS > now:
                return
            self._asked.append(now)
            await self._fetch()
            if kid not in self._keys and self._fetched > now:
                if len(self._unknown) >= MOST_UNKNOWN:
                    self._unknown.clear()
                self._unknown[kid] = now

    def _renew_if_old(self) -> None:
        """Fetch the keys in the background if they are old: no request waits for it."""
        now = time.monotonic()
        if self._fetched + self._keep_seconds > now or self._rest_until > now:
            return
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        async with self._fetching:
            await self._fetch()

    async def _fetch(self) -> None:
        try:
            answer = await self._http.get(self._url, timeout=DEADLINE_SECONDS)
            keys = jwt.PyJWKSet.from_dict(answer.raise_for_status().json()).keys
        except (httpx.HTTPError, jwt.PyJWTError, ValueError):
            self._rest_until = time.monotonic() + RETRY_SECONDS
        else:
            self._fetched = time.monotonic()
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
    return Person(
        UUID(decoded["sub"]),
        (decoded.get("email") or "").lower() or None,
        decoded.get("email_verified") is True,
        str(decoded.get("sid", "")),
    )


Caller = Annotated[Person, Depends(authenticate)]
"""The parameter type with which an endpoint gets the caller."""
