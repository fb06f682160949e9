"""HTTP for the drivers: one session for each thread, a deadline for each request, replies as plain values."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import requests
import urllib3
from httpx_sse import EventSource

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers import proxies
from creditflow.target.drivers.request_timeout import LARGEST, Limit, RequestTimeout

STREAM = 4
"""A whole stream has this many times the deadline of a request."""

BROKEN = "sent only a part of its answer"

EVENT_STREAM = "text/event-stream"

_CUT_SHORT = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


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
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
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
        return Reply(response.status_code, response.headers, _text(content), milliseconds, events)

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
        return Reply(response.status_code, response.headers, _text(content), milliseconds, events)

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
        self._local, self._sessions = threading.local(), []

    def close(self) -> None:
        """Close every connection."""
        for session in self._sessions:
            session.close()

    def _first_event(self, limit: Limit, path: str, response: requests.Response) -> tuple[bytes, tuple[Any, ...]]:
        content = bytearray()

        def parts() -> Iterator[bytes]:
            for part in response.iter_content(1):
                content.extend(part)
                yield part

        try:
            events = tuple(itertools.islice(_events(parts()), 1))
        except _CUT_SHORT:
            raise self._unavailable("POST", path, limit.message or BROKEN) from None
        return bytes(content), events

    def _read(self, limit: Limit, method: str, path: str, response: requests.Response) -> bytes:
        content = bytearray()
        try:
            for part in response.iter_content(65_536):
                content += part
                if len(content) > LARGEST:
                    limit.read(len(content))
        except _CUT_SHORT:
            raise self._unavailable(method, path, limit.message or BROKEN) from None
        return bytes(content)

    def _open(
        self,
        limit: Limit,
        method: str,
        path: str,
        token: str | None,
        body: Any,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str | int] | None,
    ) -> requests.Response:
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token is not None else {})
        try:
            return self._session().request(
                method,
                self.url + path,
                json=body,
                headers=sent,
                params=params,
                timeout=limit.seconds,
                stream=True,
                allow_redirects=False,
            )
        except requests.Timeout:
            limit.late()
            raise self._unavailable(method, path, f"did not answer within {limit.seconds:g} s") from None
        except requests.RequestException as error:
            raise self._unavailable(method, path, limit.message or _why(error) + proxies.through(self.url)) from None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # do not take passwords from a .netrc
            session.proxies.update(proxies.for_requests(self.url))
            self._sessions.append(session)
        return session

    def _unavailable(self, method: str, path: str, what: str) -> ServiceUnavailableError:
        return ServiceUnavailableError(self.service, self.url, f"{what} ({method} {path})")


def _why(error: requests.RequestException) -> str:
    """Return the reason why no reply came, in words that follow the system's name."""
    if isinstance(error, requests.exceptions.InvalidHeader | requests.exceptions.InvalidURL):
        return f"can't be sent this request: {error}"
    cause = getattr(error.args[0] if error.args else None, "reason", None) or (error.args[0] if error.args else None)
    broken = isinstance(cause, urllib3.exceptions.ProtocolError)
    return "closed the connection, or does not answer in HTTP" if broken else "can't be reached"


def _is_stream(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").startswith(EVENT_STREAM)


def reply_of(status: int, headers: Mapping[str, str], text: str, milliseconds: float) -> Reply:
    """Return the reply that another client received."""
    named = requests.structures.CaseInsensitiveDict(headers)
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
