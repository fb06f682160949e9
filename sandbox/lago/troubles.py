"""Troubles of Lago, made on purpose: answers of 500 or 401, or slow ones, for the paths under a prefix.

None is on at start, and none outlives the process. The control routes take the same key as the API:

- `PUT /control/troubles` with `{"path": "/api/v1/events", "kind": "server_error", "times": 2}`;
  `kind` is `server_error`, `unauthorized` or `slow` (with `seconds`, up to 60); `times` is how
  many requests it hits, left out for all; a second one for the same path replaces the first.
- `GET /control/troubles` shows them, `DELETE /control/troubles` ends all, or those of `?path=`.
"""

import asyncio
from typing import Any, Literal, cast

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .context import body_of
from .errors import VALUE_IS_INVALID, internal, unauthorized, unprocessable

router = APIRouter(prefix="/control/troubles")


class Trouble(BaseModel):
    """What goes wrong for paths that begin with `path`; `times` is how often yet, None for ever."""

    path: str = Field(pattern="^/")
    kind: Literal["server_error", "unauthorized", "slow"]
    seconds: float = Field(default=0, ge=0, le=60)
    times: int | None = Field(default=None, ge=1)


class Troubles:
    """The troubles that are on, by path prefix; one for the longest prefix wins."""

    def __init__(self) -> None:
        self._by_path: dict[str, Trouble] = {}

    def __bool__(self) -> bool:
        return bool(self._by_path)

    def set(self, trouble: Trouble) -> None:
        """Switch a trouble on."""
        self._by_path[trouble.path] = trouble

    def clear(self, path: str | None) -> None:
        """Switch off the trouble of a path, or all with None."""
        if path is None:
            self._by_path.clear()
        else:
            self._by_path.pop(path, None)

    def listed(self) -> list[dict[str, Any]]:
        """The troubles as JSON."""
        return [trouble.model_dump() for trouble in self._by_path.values()]

    def take(self, path: str) -> Trouble | None:
        """The trouble that hits a request for `path`, used up by one."""
        hits = [trouble for prefix, trouble in self._by_path.items() if path.startswith(prefix)]
        if not hits:
            return None
        trouble = max(hits, key=lambda hit: len(hit.path))
        if trouble.times is not None:
            trouble.times -= 1
            if trouble.times == 0:
                self.clear(trouble.path)
        return trouble


class TroubleMiddleware:
    """Lets troubles hit requests before the application sees them; the control routes are never hit."""

    def __init__(self, app: ASGIApp, troubles: Troubles) -> None:
        self.app = app
        self.troubles = troubles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the trouble's error, or wait, or just pass the request on."""
        if self.troubles and scope["type"] == "http" and not scope["path"].startswith("/control/"):
            trouble = self.troubles.take(scope["path"])
            if trouble is not None:
                if trouble.kind != "slow":
                    error = internal() if trouble.kind == "server_error" else unauthorized()
                    await error.response()(scope, receive, send)
                    return
                await asyncio.sleep(trouble.seconds)
        await self.app(scope, receive, send)


def _troubles(request: Request) -> Troubles:
    return cast(Troubles, request.app.state.troubles)


@router.get("")
async def index(request: Request) -> Response:
    """The troubles that are on."""
    return JSONResponse({"troubles": _troubles(request).listed()})


@router.put("")
async def switch_on(request: Request) -> Response:
    """Switch a trouble on; raises 422 for fields that are wrong."""
    try:
        trouble = Trouble.model_validate(await body_of(request))
    except ValidationError as error:
        raise unprocessable({str(wrong["loc"][0]): [VALUE_IS_INVALID] for wrong in error.errors()}) from None
    _troubles(request).set(trouble)
    return await index(request)


@router.delete("")
async def switch_off(request: Request) -> Response:
    """Switch off the trouble of `?path=`, or all."""
    _troubles(request).clear(request.query_params.get("path"))
    return await index(request)
