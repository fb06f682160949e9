"""What every route needs: the organisation, its database, its job queue and the check of the API key."""

import json
import time
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from starlette.requests import Request

from .database import Pool
from .errors import bad_request, not_found, unauthorized
from .jobs import JobQueue

_KEY_REMEMBERED_SECONDS = 5.0


@dataclass
class Lago:
    """The one organisation of the stand-in, with its database and its job queue."""

    pool: Pool
    jobs: JobQueue
    organization: UUID
    billing_entity: UUID
    _known_keys: dict[str, float] = field(default_factory=dict, repr=False)

    async def knows(self, api_key: str) -> bool:
        """Return whether this is a valid key of the organisation; a valid key is remembered for 5 s."""
        now = time.monotonic()
        if self._known_keys.get(api_key, 0.0) > now:
            return True
        self._known_keys.pop(api_key, None)
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "select 1 from api_keys where value = %s and organization_id = %s"
                " and (expires_at is null or expires_at > now())",
                (api_key, self.organization),
            )
            if await cursor.fetchone() is None:
                return False
        self._known_keys[api_key] = now + _KEY_REMEMBERED_SECONDS
        return True


def lago(request: Request) -> Lago:
    """Return the organisation of a request."""
    return cast(Lago, request.app.state.lago)


async def require_key(request: Request) -> None:
    """Raise 401 for a request without the API key.

    As in Lago the key is the second word of `Authorization`, after any first word.
    """
    words = request.headers.get("authorization", "").split()
    if len(words) < 2 or "\0" in words[1] or not await lago(request).knows(words[1]):
        raise unauthorized()


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body; raise 400 for anything else."""
    try:
        body = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        raise bad_request("Error occurred while parsing request parameters") from None
    if not isinstance(body, dict):
        raise bad_request("Error occurred while parsing request parameters")
    return body


async def root_of(request: Request, key: str) -> dict[str, Any]:
    """Return the object under the body's root key; raise Lago's 400 when it is missing or empty."""
    value = (await body_of(request)).get(key)
    if not isinstance(value, dict) or not value:
        raise bad_request(f"param is missing or the value is empty: {key}")
    return value


def uuid_of(value: str, resource: str) -> UUID:
    """Return a `lago_id` from a path; raise 404 when it is not a UUID."""
    try:
        return UUID(value)
    except ValueError:
        raise not_found(resource) from None
