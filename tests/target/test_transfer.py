"""What is sent over HTTP: each request once, as it was asked for, and to the host that the address names."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import SimpleNamespace

import pytest

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.http import Http

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Start a server that gives each connection to a function, and closes it afterwards; yield its address."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            serve(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()


@contextmanager
def server(answers: int = 1_000, first: bytes = ANSWER) -> Iterator[tuple[str, list[bytes]]]:
    """Start a server that keeps connections open, and closes each without an answer after so many of them.

    Yields:
        its address, and all requests as they came.
    """
    came: list[bytes] = []

    def serve(client: socket.socket) -> None:
        with suppress(OSError):
            for _ in range(answers):
                if not (request := client.recv(65_536)):
                    return
                came.append(request)
                client.sendall(first)
            came.append(client.recv(65_536))

    with serving(serve) as url:
        yield url, came


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_request_is_sent_twice_if_a_kept_connection_is_closed_without_an_answer(method: str) -> None:
    with server(answers=1) as (url, came):
        http = Http("Ops-Center", url, 60)
        http.send("GET", "/first")
        with pytest.raises(ServiceUnavailableError, match="closed the connection, or does not answer in HTTP"):
            http.send(method, "/second", body={} if method == "POST" else None)
        assert [request.split()[1] for request in came] == [b"/first", b"/second"]
        assert http.send("GET", "/third").status == 200
        http.close()


def test_a_connection_that_the_system_has_closed_meanwhile_is_not_used() -> None:
    """A system may close an idle connection at any time (RFC 9112, section 9.3); no request is lost by that."""
    closed = threading.Semaphore(0)

    def serve(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(ANSWER)
        client.close()
        closed.release()

    with serving(serve) as url:
        http = Http("Ops-Center", url, 60)
        for _ in range(5):
            assert http.send("POST", "/", body={}).status == 200
            assert closed.acquire(timeout=60)
        http.close()


def test_a_connection_is_used_again() -> None:
    with server() as (url, _):
        http = Http("Ops-Center", url, 60)
        for _ in range(3):
            http.send("POST", "/", body={})
        assert len(http._idle) == 1
        http.close()


@pytest.mark.parametrize(("seconds", "again"), [(3, True), (5, False)])
def test_a_connection_that_was_idle_for_long_is_not_used_again(
    seconds: float, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("creditflow.target.drivers.transfer.time", SimpleNamespace(monotonic=lambda: now[0]))
    with server() as (url, _):
        http = Http("Ops-Center", url, 60)
        http.send("GET", "/")
        first = http._idle[0]
        now[0] = seconds
        http.send("GET", "/")
        assert (http._idle[0] is first) == again
        http.close()


def test_a_request_is_sent_as_it_was_asked_for() -> None:
    with server() as (url, came):
        http = Http("Ops-Center", url.replace("//", "//user:a-pass-word@"), 60)
        http.send("POST", "/a/../ü x#y", token="a-token", body={"ü": 1}, headers={"X-Empty": "", "X-One": "1"})
        http.send("POST", "/bare", params={"several": ("a", "b")})
        http.send("DELETE", "/gone")
        http.close()
    head, _, body = came[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a/../%C3%BC%20x HTTP/1.1"
    assert {"Authorization: Bearer a-token", "Content-Type: application/json", "X-Empty:", "X-One: 1"} < set(lines)
    assert json.loads(body) == {"ü": 1}
    assert b"a-pass-word" not in came[0]
    assert came[1].startswith(b"POST /bare?several=a&several=b HTTP/1.1\r\n")
    assert b"Content-Length: 0\r\n" in came[1]
    assert b"Content-Type" not in came[1]
    assert came[2].startswith(b"DELETE /gone HTTP/1.1\r\n")
    assert b"Content-" not in came[2]


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "a\0b", "漢"])
def test_a_header_that_would_be_more_than_one_is_not_sent(value: str) -> None:
    with server() as (url, came):
        http = Http("Ops-Center", url, 60)
        with pytest.raises(ServiceUnavailableError, match="can't be sent this request"):
            http.send("GET", "/", headers={"X-One": value})
        http.close()
    assert came == []


def test_an_interim_answer_is_not_the_answer() -> None:
    with server(first=b"HTTP/1.1 103 Early Hints\r\nX-One: early\r\n\r\n" + ANSWER) as (url, _):
        http = Http("Ops-Center", url, 60)
        reply = http.send("GET", "/")
        http.close()
    assert (reply.status, reply.text, reply.headers.get("X-One")) == (200, "{}", None)


def test_what_comes_after_the_body_is_no_header() -> None:
    begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-One: a\r\n\r\n"
    with server(first=begin + b"2\r\n{}\r\n0\r\nX-One: b\r\nX-Two: c\r\n\r\n") as (url, _):
        http = Http("Ops-Center", url, 60)
        reply = http.send("GET", "/")
        http.close()
    assert (reply.status, reply.text, reply.headers["X-One"], "X-Two" in reply.headers) == (200, "{}", "a", False)


def test_headers_are_found_in_any_case_and_several_of_one_name_are_joined() -> None:
    several = b"HTTP/1.1 200 OK\r\nX-One: a\r\nx-one: b\r\nContent-Length: 0\r\n\r\n"
    with server(first=several) as (url, _):
        http = Http("Ops-Center", url, 60)
        assert http.send("GET", "/").headers["x-ONE"] == "a, b"
        http.close()
