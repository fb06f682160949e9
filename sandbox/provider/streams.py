"""Waiting and streaming, with a check whether the caller is still there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@asynccontextmanager
async def watched(receive: Receive) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a task that ends when the caller leaves; the request's body must have been read."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(gone())
    try:
        yield task
    finally:
        task.cancel()


async def stays(receive: Receive, seconds: float) -> bool:
    """Wait, but not after the caller has left; return whether the caller is still there."""
    async with watched(receive) as gone:
        done, _ = await asyncio.wait({gone}, timeout=seconds)
        return not done


class EventStream(Response):
    """Server-sent events; the last one is sent after the call is in the journal.

    Args:
        events: sent one by one.
        ending: sent after them.
        settle: called once before the ending is sent, or with ``False`` instead of it when the caller has left.
        pause: seconds of silence in the middle of the events.
        headers: more headers.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: Sequence[bytes],
        ending: bytes,
        settle: Callable[[bool], None],
        pause: float = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-cache"} | (headers or {}))
        del self.headers["content-length"]
        self._events = events
        self._ending = ending
        self._settle = settle
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events while the caller is there."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with watched(receive) as gone:
            for number, event in enumerate(self._events):
                if self._pause and number == len(self._events) // 2:
                    await asyncio.wait({gone}, timeout=self._pause)
                # Let other tasks run, one of which notices that the caller leaves.
                await asyncio.sleep(0)
                if gone.done():
                    return self._settle(False)
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await asyncio.sleep(0)
            if gone.done():
                return self._settle(False)
        self._settle(True)
        await send({"type": "http.response.body", "body": self._ending, "more_body": False})
        return None
