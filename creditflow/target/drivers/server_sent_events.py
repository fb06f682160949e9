"""Server-sent events: the parts of a streamed answer (WHATWG HTML, "Server-sent events")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
from httpx_sse import EventSource

from creditflow.target.drivers.transfer import EVENT_STREAM


def read(content: bytes) -> Iterator[Any]:
    """Yield the data of each event, parsed if it is JSON.

    A line ends with CR, LF or CRLF, and an event with an empty line.
    """
    # httpx-sse keeps a byte order mark; `utf-8-sig` removes it.
    stream = httpx.Response(200, headers={"Content-Type": EVENT_STREAM}, content=content, default_encoding="utf-8-sig")
    for event in EventSource(stream).iter_sse():
        if event.data:
            try:
                yield json.loads(event.data)
            except (ValueError, RecursionError):
                yield event.data
