"""HTTP for the drivers: a deadline for each request, connections that threads share, replies as plain values."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers import proxies
from creditflow.target.drivers.request_timeout import RequestTimeout
from creditflow.target.drivers.transfer import Answer, Connection, TransferError, is_stream

Params = Mapping[str, str | int | Sequence[str]]
"""The parameters of an address; each value of a sequence is one."""

_AS_IT_IS = "%/?#:@!$&'()*+,;=[]~"
"""The characters of a path that are sent as they are; all others are encoded (RFC 3986, section 2)."""


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

    @cached_property
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
        self._idle: list[Connection] = []
        self._of_others: list[Connection] = []

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
        """Send a request and read the whole reply, also if it is a stream; a body is sent as JSON.

        Raises:
            ServiceUnavailableError: no connection, no complete reply within the deadline, or a reply that is too large.
        """
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        answer, milliseconds = self._exchange(method, path, query, _headers(token, body, headers), _json(body))
        content = bytes(answer.content)
        events = tuple(_events(content)) if answer.is_stream else ()
        return Reply(answer.status, answer.headers, _text(content), milliseconds, events)

    def leave_early(self, path: str, *, token: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request for a stream, read the first event, and close the connection; the reply has only that event.

        A reply that is not a stream is read completely, because it explains a refusal.

        Raises:
            ServiceUnavailableError: no connection, or no first event within the deadline.
        """

        def has_event(answer: Answer) -> bool:
            return answer.is_stream and any(True for _ in _events(bytes(answer.content)))

        sent = _headers(token, body, headers)
        answer, milliseconds = self._exchange("POST", path, "", sent, _json(body), has_event)
        content = bytes(answer.content)
        events = tuple(itertools.islice(_events(content), 1)) if answer.is_stream else ()
        return Reply(answer.status, answer.headers, _text(content), milliseconds, events)

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
        try:
            connection.request("POST", (address.path or "") + path, _json(body), _headers(token, body, headers))
            under_way()
        except OSError as error:
            raise self.unavailable("POST", path, f"can't be reached: {error}") from None
        finally:
            connection.close()

    def submit(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """Send a form and read the whole reply.

        Raises:
            ServiceUnavailableError: as `send`.
        """
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        answer, milliseconds = self._exchange("POST", path, "", sent, urlencode(form).encode())
        return Reply(answer.status, answer.headers, _text(bytes(answer.content)), milliseconds)

    def begin_in_worker(self) -> None:
        """Leave the connections to the process of the run, and open others."""
        self._of_others, self._idle = [*self._of_others, *self._idle], []

    def close(self) -> None:
        """Close every connection."""
        self._idle.clear()

    def _exchange(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes | None,
        enough: Callable[[Answer], bool] | None = None,
    ) -> tuple[Answer, float]:
        """Send a request through an idle or a new connection; return the answer and its milliseconds."""
        started = time.monotonic()
        with waits.on(self.service), self._timeout.http() as limit:
            connection = self._connection()
            try:
                url = self._base + quote(path, _AS_IT_IS) + query
                answer = connection.exchange(limit, method, url, headers, body, enough)
            except TransferError as error:
                where = "" if error.begun else proxies.through(self.url)
                raise self.unavailable(method, path, f"{error}{where}") from None
            except TimeoutError as late:
                raise self.unavailable(method, path, str(late)) from None
            except ValueError as error:
                raise self.unavailable(method, path, f"can't be sent this request: {error}") from None
        self._idle.append(connection)
        self._timeout.met()
        return answer, (time.monotonic() - started) * 1000

    def _connection(self) -> Connection:
        with suppress(IndexError):
            while True:
                if (idle := self._idle.pop()).is_open:
                    return idle
        return Connection(proxies.of(self.url))

    @cached_property
    def _base(self) -> str:
        """The address without a user, in the one form that every reader of addresses understands alike."""
        address = urllib3.util.parse_url(self.url)
        return urllib3.util.Url(address.scheme, None, address.host, address.port, address.path).url

    def unavailable(self, method: str, path: str, what: str, cure: str = "") -> ServiceUnavailableError:
        """Return the error that the system did not answer a request as it should.

        Args:
            method: of the request.
            path: of the request.
            what: what happened, in words that follow the system's name.
            cure: what to try next; empty for the usual.
        """
        return ServiceUnavailableError(self.service, self.url, f"{what} ({method} {path})", cure)


def _headers(token: str | None, body: Any, headers: Mapping[str, str] | None) -> dict[str, str]:
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None:
        sent["Content-Type"] = "application/json"
    return sent


def _json(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def reply_of(status: int, headers: Mapping[str, str], text: str, milliseconds: float) -> Reply:
    """Return the reply that another client received."""
    named = urllib3.HTTPHeaderDict(headers)
    return Reply(status, named, text, milliseconds, tuple(_events(text.encode())) if is_stream(named) else ())


def part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _events(content: bytes) -> Iterator[Any]:
    """Yield the data of each server-sent event; see :mod:`creditflow.target.drivers.server_sent_events`."""
    from creditflow.target.drivers import server_sent_events  # noqa: PLC0415 - it takes as long as all other drivers

    return server_sent_events.read(content)
