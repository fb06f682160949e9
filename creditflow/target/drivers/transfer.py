"""One HTTP request at a time, through libcurl: within a limit, interruptible by a signal, and never sent twice."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping
from typing import Any

import certifi
import pycurl
from urllib3 import HTTPHeaderDict

from creditflow.target.drivers.request_timeout import Limit

STREAM = 4
"""A whole stream has this many times the deadline of a request."""

EVENT_STREAM = "text/event-stream"

LARGEST = 50_000_000
"""Bytes of the largest answer that is read."""

_IDLE_S = 4.0
"""Seconds for which an idle connection is used again. Many servers close theirs after five, also while it is used."""

_UNREACHED = {
    pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_CONNECT,
    pycurl.E_SSL_CONNECT_ERROR, pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE,
}  # fmt: skip

_WITH_A_BODY = ("POST", "PUT", "PATCH")
"""Methods that say how long their body is, also if there is none (RFC 9110, section 8.6)."""


def is_stream(headers: Mapping[str, str]) -> bool:
    """Return whether the headers are those of a stream of server-sent events."""
    return headers.get("Content-Type", "").startswith(EVENT_STREAM)


class TransferError(Exception):
    """A request got no whole answer; the message follows the system's name.

    Args:
        message: what happened.
        begun: whether an answer had begun.
    """

    def __init__(self, message: str, begun: bool) -> None:
        super().__init__(message)
        self.begun = begun


class Answer:
    """What has arrived of an answer.

    Attributes:
        status: the HTTP status; 0 until the headers are complete.
        headers: the headers, in any case.
        content: the decoded body.
    """

    def __init__(self, limit: Limit) -> None:
        self.status = 0
        self.headers = HTTPHeaderDict()
        self.content = bytearray()
        self._limit, self._lines = limit, list[str]()

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of server-sent events."""
        return is_stream(self.headers)

    def header(self, line: bytes) -> None:
        """Take a line of the headers. Interim answers (1xx) and that of a proxy come before the answer."""
        self._limit.received()
        text = line.decode("latin-1").rstrip("\r\n")
        if text.startswith("HTTP/"):
            self._lines, self.status = [], 0
        if self.status:
            return  # a line after the body
        if text:
            self._lines.append(text)
        elif (status := self._lines[0].split(" ")[1:2]) and status[0].isdecimal() and int(status[0]) >= 200:
            self._begin(int(status[0]))

    def _begin(self, status: int) -> None:
        self.status, self.headers = status, HTTPHeaderDict()
        for line in self._lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.headers.add(name, value.strip())
        if self.is_stream:
            self._limit.lengthen(STREAM)

    def body(self, part: bytes) -> int | None:
        """Take a part of the body; 0 ends the transfer, because the answer is too large."""
        self.content += part
        self._limit.received()
        return None if len(self.content) <= LARGEST else 0


class Connection:
    """A connection to one system, for one request at a time.

    Args:
        proxy: the address of the proxy; empty for none.
    """

    def __init__(self, proxy: str) -> None:
        self._multi, self._curl = pycurl.CurlMulti(), pycurl.Curl()
        for option, value in {
            pycurl.ACCEPT_ENCODING: "gzip, deflate",
            pycurl.CAINFO: certifi.where(),
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.NOPROXY: "",
            pycurl.NOSIGNAL: 1,
            pycurl.PATH_AS_IS: 1,
            pycurl.PROXY: proxy,
        }.items():
            self._curl.setopt(option, value)
        self._socket, self._until = -1, 0.0

    @property
    def is_open(self) -> bool:
        """Whether it can be used again: it is not too old, and the system has not closed it. libcurl does not look."""
        if self._socket < 0 or time.monotonic() > self._until:
            return False
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return not waiting.poll(0)

    def exchange(
        self,
        limit: Limit,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        enough: Callable[[Answer], bool] | None = None,
    ) -> Answer:
        """Send a request and return its answer; if `enough` is true of the part that is there, leave early.

        Raises:
            TransferError: there is no whole answer within the limit.
            ValueError: the request can't be written as HTTP.
        """
        answer = Answer(limit)
        self._prepare(answer, method, url, headers, body)
        self._multi.add_handle(self._curl)
        try:
            while self._multi.perform()[1]:
                if enough and enough(answer):
                    self._socket = -1
                    return answer
                due = self._multi.timeout()  # milliseconds until libcurl wants to be called, or -1
                self._multi.select(limit.left() if due < 0 else min(limit.left(), max(due, 1) / 1000))
            failed = self._multi.info_read()[2]
            self._socket, self._until = self._curl.getinfo(pycurl.ACTIVESOCKET), time.monotonic() + _IDLE_S
        finally:
            self._multi.remove_handle(self._curl)
        if failed:
            raise _error(failed[0][1], failed[0][2], answer)
        return answer

    def _prepare(self, answer: Answer, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        curl = self._curl
        lines = [_line(name, value) for name, value in headers.items()]
        if body is None and method in _WITH_A_BODY:
            body = b""
            lines.append(b"Content-Type:")
        if body is None:
            curl.setopt(pycurl.HTTPGET, 1)
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, [*lines, b"Expect:"])
        curl.setopt(pycurl.HEADERFUNCTION, answer.header)
        curl.setopt(pycurl.WRITEFUNCTION, answer.body)
        curl.setopt(pycurl.PREREQFUNCTION, _once())


def _once() -> Callable[..., int]:
    """Allow the first request and no other: libcurl sends one again if a connection that it kept has been closed."""
    sent: list[object] = []

    def allowed(*connection: Any) -> int:
        sent.append(connection)
        return pycurl.PREREQFUNC_OK if len(sent) == 1 else pycurl.PREREQFUNC_ABORT

    return allowed


def _line(name: str, value: str) -> bytes:
    """Return a header as libcurl takes it, where `;` stands for an empty value.

    Raises:
        ValueError: it would not be one header.
    """
    if any(sign in name + value for sign in "\r\n\0"):
        raise ValueError(f"the header {name} has a line break")
    return (f"{name}: {value}" if value.strip() else f"{name};").encode("latin-1")


def _error(number: int, message: str, answer: Answer) -> Exception:
    if number == pycurl.E_URL_MALFORMAT:
        return ValueError(message)
    if number in _UNREACHED:
        return TransferError("can't be reached", begun=False)
    if len(answer.content) > LARGEST:
        return TransferError(f"answers with more than {LARGEST // 1_000_000} MB, which is not read", begun=True)
    if answer.status:
        return TransferError("sent only a part of its answer", begun=True)
    return TransferError("closed the connection, or does not answer in HTTP", begun=False)
