"""The control API: the journal, the troubles, the keys. It needs its token, and never returns a key."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sandbox.provider.accounts import (
    Account,
    Accounts,
    Money,
    PlatformKeyError,
    Provider,
    bearer,
    fingerprint,
)
from sandbox.provider.journal import Journal
from sandbox.provider.question import LONGEST_ANSWER
from sandbox.provider.troubles import Kind, Trouble, Troubles


class TroubleBody(BaseModel):
    """A trouble; ``seconds`` is for the kinds that wait, ``words`` for a long answer."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    seconds: float = Field(default=10, ge=0, le=600)
    words: int | None = Field(default=None, ge=1, le=LONGEST_ANSWER)


class KeyBody(BaseModel):
    """A key to make known. The key itself is optional: its fingerprint is enough."""

    model_config = ConfigDict(extra="forbid")

    provider: Provider
    key: SecretStr | None = None
    state: Money = Money.GOOD


Mark = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
"""A fingerprint."""

Callers = Annotated[Sequence[str], Query()]
"""The first words of LLM requests."""


def control_api(token: str, accounts: Accounts, journal: Journal, troubles: Troubles) -> APIRouter:
    """Return the routes under ``/control``."""

    async def admit(request: Request) -> None:
        if not secrets.compare_digest((bearer(request) or "").encode(), token.encode()):
            raise HTTPException(
                401,
                "The control API asks for PROVIDER_CONTROL_TOKEN as a bearer token.",
                {"WWW-Authenticate": "Bearer"},
            )

    routes = APIRouter(prefix="/control", dependencies=[Depends(admit)])

    @routes.get("/calls")
    async def calls(caller: Callers = (), key: str | None = None) -> dict[str, Any]:
        """List the calls of these callers, or of a key, oldest first."""
        rows = [asdict(call) for call in journal.calls(caller, key)]
        return {"calls": rows, "total": len(rows)}

    @routes.delete("/calls")
    async def forget(caller: Callers = (), key: str | None = None) -> dict[str, int]:
        """Remove the calls of these callers, or of a key; one of the two is required."""
        if not caller and key is None:
            raise HTTPException(400, "Name the caller or the key of the calls to forget.")
        return {"forgotten": journal.forget(caller, key)}

    @routes.get("/callers")
    async def callers() -> dict[str, Any]:
        """Count the calls of each caller."""
        return {"callers": journal.callers()}

    @routes.get("/troubles")
    async def list_troubles() -> dict[str, Any]:
        """List the active troubles, by caller."""
        return {"troubles": troubles.all()}

    @routes.put("/troubles/{caller}", status_code=204)
    async def make_trouble(caller: str, body: TroubleBody) -> None:
        """Make trouble for a caller."""
        troubles.make(caller, Trouble(body.kind, body.seconds, body.words))

    @routes.delete("/troubles/{caller}", status_code=204)
    async def end_trouble(caller: str) -> None:
        """End a caller's trouble."""
        troubles.end(caller)

    @routes.get("/keys")
    async def list_keys() -> dict[str, Any]:
        """List the open keys, by fingerprint."""
        return {"keys": {mark: {"provider": a.provider, "state": a.state} for mark, a in accounts.opened().items()}}

    @routes.put("/keys/{mark}", status_code=204)
    async def open_key(mark: Mark, body: KeyBody) -> None:
        """Make a key known."""
        if body.key is not None and fingerprint(body.key.get_secret_value()) != mark:
            raise HTTPException(400, "The fingerprint in the path is not that of the key in the body.")
        try:
            accounts.open(mark, Account(body.provider, body.state))
        except PlatformKeyError as error:
            raise HTTPException(409, str(error)) from None

    @routes.delete("/keys/{mark}", status_code=204)
    async def close_key(mark: Mark) -> None:
        """Make a key unknown."""
        try:
            accounts.close(mark)
        except PlatformKeyError as error:
            raise HTTPException(409, str(error)) from None

    return routes
