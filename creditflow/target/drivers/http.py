"""HTTP for the drivers: a deadline for each request, connections that threads share, replies as plain values."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

import certifi
import httpx
import urllib3
from httpx_sse import EventSource
from urllib3 import BaseHTTPResponse
from urllib3.contrib.socks import SOCKSProxyManager

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers import proxies
from creditflow.target.drivers.request_timeout import LARGEST, Limit, RequestTimeout

STREAM = 4
"""A whole stream has this many times the deadline of a request."""

BROKEN = "sent only a part of its answer"

EVENT_STREAM = "text/event-stream"

Params = Mapping[str, str | int | Sequence[str]]
"""The parameters of an address; each value of a sequence is one."""

CONNECTIONS = 64
"""The most idle connections to one system that are kept for later requests."""

_CUT_SHORT = (urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True)
class Reply:
    """A reply: HTTP status, headers (in any case), body, duration in ms, and the server-sent events of a stream."""

    status: int
    headers: Mapping[str, str]
    text: str
    milliseconds: float
    events: tuple[Any, ...] = field(default=())

    @property
    def body(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is anything else."""
        return an_object(self._value)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the answer: the body, or the last JSON event of a stream."""
        return next((event for event in reversed(self.events) if isinstance(event, dict)), self.body)

    @property
    def items(self) -> list[Any]:
        """The body as a JSON list; empty if it is anything else."""
        return self._value if isinstance(self._value, list) else []

    @property
    def _value(self) -> Any:
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


def an_object(value: Any) -> dict[str, Any]:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the list of objects; what is not an object becomes an empty one, and what is not a list an empty list."""
    return [an_object(part) for part in value] if isinstance(value, list) else []


def whole(value: Any) -> int | None:
    """Return the value if it is a whole number, else None."""
    return value if type(value) is int else None


class Http:
    """One system's HTTP interface; several threads may use it.

    Args:
        service: the system's name, as error messages name it.
        url: its address, without a trailing slash.
        timeout_s: the deadline of a request and its whole reply, in seconds. In a stream each event has this deadline,
            and the whole stream has `STREAM` times as much.
    """

    def __init__(self, service: str, url: str, timeout_s: float) -> None:
        self.service, self.url = service, url
        self._timeout = RequestTimeout(timeout_s)
        self._connections = _connections(url)

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
    ) -> Reply:
        """Send a request and read the whole reply, also if it is a stream.

        Raises:
            ServiceUnavailableError: no connection, no complete reply within the deadline, or a reply that is too large.
        """
        started = time.monotonic()
        with (
            waits.on(self.service),
            self._timeout.http() as limit,
            self._open(limit, method, path, token, body, headers, params) as response,
        ):
            if _is_stream(response):
                limit.lengthen(STREAM)
            content = self._read(limit, method, path, response)
        self._timeout.met()
        milliseconds = (time.monotonic() - started) * 1000
        events = tuple(_events([content])) if _is_stream(response) else ()
        return Reply(response.status, response.headers, _text(content), milliseconds, events)

    def leave_early(self, path: str, *, token: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request for a stream, read the first event, and close the connection; the reply has only that event.

        A reply that is not a stream is read completely, because it explains a refusal.

        Raises:
            ServiceUnavailableError: no connection, or no first event within the deadline.
        """
        started = time.monotonic()
        with (
            waits.on(self.service),
            self._timeout.http() as limit,
            self._open(limit, "POST", path, token, body, headers, None) as response,
        ):
            if _is_stream(response):
                content, events = self._first_event(limit, path, response)
            else:
                content, events = self._read(limit, "POST", path, response), ()
        milliseconds = (time.monotonic() - started) * 1000
        return Reply(response.status, response.headers, _text(content), milliseconds, events)

    def leave_unanswered(
        self, path: str, *, token: str, body: Any, headers: Mapping[str, str], under_way: Callable[[], object]
    ) -> None:
        """Send a request, and close the connection without an answer as soon as `under_way` has returned.

        Raises:
            ServiceUnavailableError: no connection.
        """
        address = urllib3.util.parse_url(self.url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.host or "", address.port, timeout=self._timeout.seconds)
        sent = {**headers, "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", (address.path or "") + path, json.dumps(body), sent)
            under_way()
        except OSError as error:
            raise self._unavailable("POST", path, f"can't be reached: {error}") from None
        finally:
            connection.close()

    def begin_in_worker(self) -> None:
        """Leave the connections to the process of the run, and open others."""
        self._connections = _connections(self.url)

    def close(self) -> None:
        """Close every connection."""
        self._connections.clear()

    def _first_event(self, limit: Limit, path: str, response: BaseHTTPResponse) -> tuple[bytes, tuple[Any, ...]]:
        content = bytearray()

        def parts() -> Iterator[bytes]:
            for part in response.stream(1):
                content.extend(part)
                yield part

        try:
            events = tuple(itertools.islice(_events(parts()), 1))
        except _CUT_SHORT:
            raise self._unavailable("POST", path, limit.message or BROKEN) from None
        return bytes(content), events

    def _read(self, limit: Limit, method: str, path: str, response: BaseHTTPResponse) -> bytes:
        content = bytearray()
        try:
            for part in response.stream(65_536):
                content += part
                if len(content) > LARGEST:
                    limit.read(len(content))
        except _CUT_SHORT:
            raise self._unavailable(method, path, limit.message or BROKEN) from None
        response.release_conn()
        return bytes(content)

    @contextmanager
    def _open(
        self,
        limit: Limit,
        method: str,
        path: str,
        token: str | None,
        body: Any,
        headers: Mapping[str, str] | None,
        params: Params | None,
    ) -> Iterator[BaseHTTPResponse]:
        """Send a request, and close its connection unless the whole reply was read."""
        sent = {"Accept-Encoding": "gzip, deflate"} | dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            response = self._connections.request(
                method,
                f"{self.url}{path}?{urlencode(params, doseq=True)}" if params else self.url + path,
                body=None if body is None else json.dumps(body).encode(),
                headers=sent,
                timeout=limit.seconds,
                retries=False,
                preload_content=False,
            )
        except urllib3.exceptions.NewConnectionError:
            raise self._unavailable(method, path, limit.message or self._unreached()) from None
        except urllib3.exceptions.TimeoutError:
            limit.late()
            raise self._unavailable(method, path, f"did not answer within {limit.seconds:g} s") from None
        except urllib3.exceptions.ProtocolError:
            what = "closed the connection, or does not answer in HTTP"
            raise self._unavailable(method, path, limit.message or what + proxies.through(self.url)) from None
        except ValueError as error:
            raise self._unavailable(method, path, f"can't be sent this request: {error}") from None
        except _CUT_SHORT:
            raise self._unavailable(method, path, limit.message or self._unreached()) from None
        try:
            yield response
        finally:
            response.close()

    def _unreached(self) -> str:
        return f"can't be reached{proxies.through(self.url)}"

    def _unavailable(self, method: str, path: str, what: str) -> ServiceUnavailableError:
        return ServiceUnavailableError(self.service, self.url, f"{what} ({method} {path})")


def _connections(url: str) -> urllib3.PoolManager:
    """Return connections to a system, which several threads may use."""
    proxy = proxies.of(url)
    options: dict[str, Any] = {"maxsize": CONNECTIONS, "ca_certs": certifi.where()}
    if proxy.startswith("socks"):
        return SOCKSProxyManager(proxy, **options)
    if proxy:
        return urllib3.ProxyManager(proxy, proxy_headers=_login(proxy), **options)
    return urllib3.PoolManager(**options)


def _login(proxy: str) -> dict[str, str]:
    """Return the header that signs in to a proxy, if its address has a user."""
    user = urllib3.util.parse_url(proxy).auth
    return urllib3.util.make_headers(proxy_basic_auth=unquote(user)) if user else {}


def _is_stream(response: BaseHTTPResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith(EVENT_STREAM)


def reply_of(status: int, headers: Mapping[str, str], text: str, milliseconds: float) -> Reply:
    """Return the reply that another client received."""
    named = urllib3.HTTPHeaderDict(headers)
    streamed = named.get("Content-Type", "").startswith(EVENT_STREAM)
    return Reply(status, named, text, milliseconds, tuple(_events([text.encode()])) if streamed else ())


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _events(parts: Iterable[bytes]) -> Iterator[Any]:
    """Yield the data of each server-sent event, parsed if it is JSON.

    A line ends with CR, LF or CRLF, and an event with an empty line (WHATWG HTML, "Server-sent events").
    """
    # httpx-sse keeps a byte order mark; `utf-8-sig` removes it.
    stream = httpx.Response(
        200, headers={"Content-Type": EVENT_STREAM}, content=iter(parts), default_encoding="utf-8-sig"
    )
    for event in EventSource(stream).iter_sse():
        if event.data:
            try:
                yield json.loads(event.data)
            except (ValueError, RecursionError):
                yield event.data
