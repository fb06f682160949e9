"""Replay: a request with the same Idempotency-Key gets the first answer again.

Contract, EP9 step 3 and EP3; draft-ietf-httpapi-idempotency-key-header. Answers below 500 are kept. After a 5xx
nothing was charged, and the key is free for a retry.
"""

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from sandbox.ops_center.database import Connection, Database, Row
from sandbox.ops_center.problems import MEDIA_TYPE, ProblemError

REPLAYED = "Idempotent-Replayed"


@dataclass(frozen=True)
class Claim:
    """The right to give the first answer: one user's key on one endpoint, and the hash of what was requested."""

    user_id: UUID
    endpoint: str
    key: str
    body_hash: str


@dataclass(frozen=True)
class Kept:
    """The answer to the first request."""

    status: int
    media_type: str
    answer: str

    def response(self) -> Response:
        """Return the answer again, marked as replayed."""
        return Response(self.answer, self.status, {REPLAYED: "true"}, media_type=self.media_type)


def key_of(request: Request) -> str | None:
    """Return the key of a request, with or without the draft's quotes. Raises 422 for an empty or long one."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    key = header.strip().removeprefix('"').removesuffix('"')
    if not 1 <= len(key) <= 255:
        raise ProblemError(422, "invalid_request", "Give an Idempotency-Key of 1 to 255 characters, such as a UUID.")
    return key


def hash_of(body: bytes, payer: str) -> str:
    """Return a hash of the JSON, without regard to spaces and the order of keys, and of the payer."""
    return hashlib.sha256(json.dumps([json.loads(body), payer], sort_keys=True).encode()).hexdigest()


async def claim(database: Database, user_id: UUID, request: Request, payer: str = "") -> Claim | Kept | None:
    """Return a claim for a new key, the kept answer for a used one, or None without a key.

    Raises 422 `idempotency_key_reused` for another body or payer, 409 while the first request is still running.
    """
    key = key_of(request)
    if key is None:
        return None
    wanted = Claim(user_id, request.url.path, key, hash_of(await request.body(), payer))
    async with database.connection() as db:
        claimed = await db.execute(
            """INSERT INTO idempotency_keys (user_id, endpoint, key, body_hash) VALUES (%s, %s, %s, %s)
               ON CONFLICT DO NOTHING""",
            (wanted.user_id, wanted.endpoint, wanted.key, wanted.body_hash),
        )
        if claimed.rowcount:
            return wanted
        found = await db.execute(
            "SELECT * FROM idempotency_keys WHERE user_id = %s AND endpoint = %s AND key = %s",
            (wanted.user_id, wanted.endpoint, wanted.key),
        )
        return kept(wanted, await found.fetchone())


def kept(wanted: Claim, first: Row | None) -> Kept:
    """Return the answer of the first request with this key. Raises 422 for another request, 409 without an answer."""
    if first and first["body_hash"] != wanted.body_hash:
        raise ProblemError(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used with another body or another payer. Send a new key with a new request.",
        )
    if first is None or first["status"] is None:
        raise ProblemError(
            409,
            "idempotency_key_in_progress",
            "The first request with this Idempotency-Key is still running. Wait, then try again.",
        )
    return Kept(first["status"], first["media_type"], first["answer"])


async def keep(db: Connection, claim: Claim | None, status: int, media_type: str, answer: str) -> None:
    """Keep the first answer, in the caller's transaction."""
    if claim:
        await db.execute(
            """UPDATE idempotency_keys SET status = %s, media_type = %s, answer = %s
               WHERE user_id = %s AND endpoint = %s AND key = %s""",
            (status, media_type, answer, claim.user_id, claim.endpoint, claim.key),
        )


async def close(database: Database, claim: Claim | None, error: Exception) -> None:
    """Keep a refusal, or free the key after a failure."""
    if claim is None:
        return

    async def record(db: Connection) -> None:
        if isinstance(error, ProblemError) and is_final(error.status):
            await keep(db, claim, error.status, MEDIA_TYPE, json.dumps(error.body()))
        else:
            await _free(db, claim)

    await database.certainly(record)


def is_final(status: int) -> bool:
    """Return whether a retry gets the same answer."""
    return status < 500


async def _free(db: Connection, claim: Claim) -> None:
    await db.execute(
        "DELETE FROM idempotency_keys WHERE user_id = %s AND endpoint = %s AND key = %s AND status IS NULL",
        (claim.user_id, claim.endpoint, claim.key),
    )
