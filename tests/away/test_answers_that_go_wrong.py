"""Broken answers: the message names the system, within the request timeout.

A server of raw sockets stands for each system and sends the parts of an answer one by one.
"""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers import request_timeout
from creditflow.target.drivers.http import Http
from creditflow.target.drivers.keycloak import Keycloak
from creditflow.target.drivers.lago import Lago
from creditflow.target.drivers.postgres import Database
from creditflow.target.drivers.redis import Counters
from creditflow.target.drivers.transfer import STREAM

TIMEOUT_S = 0.6
PAUSE_S = 0.05

pytestmark = pytest.mark.timeout(120)
"""Only a request timeout ends these tests, so a timeout that does not work is found."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
STREAMED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
PACKED = gzip.compress(b" " * 51_000_000, 1)
EVENT = b'data: {"choices": []}\n\n'

Parts = Callable[[], Iterable[bytes]]


@contextmanager
def server(parts: Parts) -> Iterator[str]:
    """Start a server that answers every connection with the same parts, `PAUSE_S` apart; yield host and port."""
    ended = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65_536)
            for part in parts():
                client.sendall(part)
                if ended.wait(PAUSE_S):
                    return
            client.shutdown(socket.SHUT_WR)  # and not closed with a part of the question unread, which resets it
            while client.recv(65_536):
                pass

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        ended.set()


def for_ever(first: bytes, then: bytes) -> Parts:
    return lambda: itertools.chain([first], itertools.repeat(then))


def huge() -> Iterator[bytes]:
    yield OK + b"Content-Length: 900000000\r\n\r\n["
    yield from itertools.repeat(b"1," * 5_000_000)


def bomb() -> Iterator[bytes]:
    yield OK + b"Content-Encoding: gzip\r\nContent-Length: " + str(len(PACKED)).encode() + b"\r\n\r\n" + PACKED


BROKEN = {
    "a chunked answer that is cut": (lambda: [CHUNKED + b'10\r\n{"a'], "sent only a part of its answer"),
    "a chunk without a size": (lambda: [CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"], "sent only a part of its answer"),
    "less than announced": (lambda: [OK + b'Content-Length: 100\r\n\r\n{"credits"'], "sent only a part of its answer"),
    "something else than HTTP": (lambda: [bytes(range(128, 256)) * 4], "does not answer in HTTP"),
    "nothing": (lambda: [], "does not answer in HTTP"),
    "a heading that never ends": (for_ever(OK, b"X-Word: word\r\n"), f"did not .*answer within {TIMEOUT_S:g} s"),
    "a first line that never ends": (for_ever(b"HTTP/1.1 200 ", b"O"), f"did not .*answer within {TIMEOUT_S:g} s"),
    "a body that trickles": (
        for_ever(OK + b"Content-Length: 1000000\r\n\r\n", b"1"),
        f"did not end its answer within {TIMEOUT_S:g} s",
    ),
    "chunks that trickle": (for_ever(CHUNKED, b"1\r\n1\r\n"), f"did not end its answer within {TIMEOUT_S:g} s"),
    "a body that is huge": (huge, "answers with more than 50 MB, which is not read"),
    "a small body that is huge once unpacked": (bomb, "answers with more than 50 MB, which is not read"),
    "a packing that is none": (lambda: [OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"], "sent only"),
    "an event stream that never ends": (for_ever(STREAMED, EVENT), f"did not end its answer within {TIMEOUT_S:g} s"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_an_answer_that_goes_wrong_is_one_sentence_within_the_timeout(what: str) -> None:
    parts, message = BROKEN[what]
    timeout = TIMEOUT_S if "within" in message else 60
    with server(parts) as address:
        http = Http("LiteLLM", f"http://{address}", timeout)
        with pytest.raises(ServiceUnavailableError, match=message) as away:
            http.send("GET", "/v1/models")
        http.close()
    assert str(away.value).startswith(f"LiteLLM at http://{address} ")
    assert str(away.value).endswith("(GET /v1/models): start it, look into its log, or correct LITELLM_URL.")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock of request timeouts by a list with the current second."""
    now = [0.0]
    monkeypatch.setattr(request_timeout, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.mark.parametrize(("pauses", "ends"), [(STREAM * 2 - 1, True), (STREAM * 2 + 1, False)])
def test_a_stream_may_take_longer_than_a_request_as_long_as_its_events_come(
    clock: list[float], pauses: int, ends: bool
) -> None:
    """Each event comes half a timeout after the previous one."""
    timeout = 60.0

    def events() -> Iterator[bytes]:
        yield STREAMED
        for _ in range(pauses):
            clock[0] += timeout / 2
            yield EVENT
        yield b"data: [DONE]\n\n"

    with server(events) as address:
        http = Http("Ops-Center", f"http://{address}", timeout)
        if ends:
            assert len(http.send("POST", "/chat", body={}).events) == pauses + 1
        else:
            with pytest.raises(ServiceUnavailableError, match="did not end its answer within 60 s"):
                http.send("POST", "/chat", body={})
        http.close()


def test_an_event_that_does_not_come_within_the_timeout_is_an_error() -> None:
    over = threading.Event()

    def stops() -> Iterator[bytes]:
        yield STREAMED + EVENT
        over.wait(60)
        yield EVENT

    with server(stops) as address:
        http = Http("Ops-Center", f"http://{address}", TIMEOUT_S)
        with pytest.raises(ServiceUnavailableError, match="did not end its answer within"):
            http.send("POST", "/chat", body={})
        over.set()
        http.close()


CUT_AT_LINE_ENDS_ONLY: dict[str, tuple[bytes, tuple[object, ...]]] = {
    "LF": (b'data: {"a": 1}\n\ndata: b\n\n', ({"a": 1}, "b")),
    "CR": (b"data: a\r\rdata: b\r\r", ("a", "b")),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", ("a", "b")),
    "line ends of several kinds": (b"data: a\n\r\ndata: b\r\n\ndata: c\r\r\n", ("a", "b", "c")),
    **{
        f"U+{ord(mark):04X} in a value": (f'data: {{"a": "b{mark}c"}}\n\n'.encode(), ({"a": f"b{mark}c"},))
        for mark in "\u0085\u2028\u2029\ufeff\u00a0"
    },
    **{
        f"U+{ord(mark):04X} in what is no JSON": (f"data: b{mark}c\n\n".encode(), (f"b{mark}c",))
        for mark in "\v\f\x1c\x1d\x1e\x85"
    },
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", ("a",)),
    "several lines of data": (b'data: {"a":\ndata: 1}\n\n', ({"a": 1},)),
    "comments and other fields": (b": hello\n\nevent: x\nid: 1\nretry: 5\ndata: a\n: more\n\n\n\n", ("a",)),
    "no space": (b"data:a\n\n", ("a",)),
    "only the first space is left out": (b"data:  a \n\n", (" a ",)),
    "an event that is cut short": (b"data: a\n\ndata: b\n", ("a",)),
    "characters of several bytes": ('data: {"a": "😀é漢"}\n\n'.encode(), ({"a": "😀é漢"},)),
}  # fmt: skip


@pytest.mark.parametrize("what", CUT_AT_LINE_ENDS_ONLY)
def test_an_event_ends_where_the_standard_says(what: str) -> None:
    sent, events = CUT_AT_LINE_ENDS_ONLY[what]
    with server(lambda: [STREAMED + sent]) as address:
        http = Http("Ops-Center", f"http://{address}", 60)
        whole = http.send("POST", "/chat", body={})
        left = http.leave_early("/chat", token="a-token", body={})
        http.close()
    assert whole.events == events
    assert left.events == events[:1]
    assert left.text == sent.decode()[: len(left.text)]


def test_an_event_that_comes_in_pieces_is_whole() -> None:
    sent = 'data: {"a": "é\u2028漢"}\r\n\r\ndata: b\r\n\r\n'.encode()
    with server(lambda: [STREAMED, *(sent[at : at + 1] for at in range(len(sent)))]) as address:
        http = Http("Ops-Center", f"http://{address}", 60)
        left = http.leave_early("/chat", token="a-token", body={})
        whole = http.send("POST", "/chat", body={})
        http.close()
    assert left.events == ({"a": "é\u2028漢"},)
    assert whole.events == ({"a": "é\u2028漢"}, "b")


def test_a_refusal_where_a_stream_was_asked_for_can_be_read() -> None:
    sent = b'HTTP/1.1 402 Payment Required\r\nContent-Length: 12\r\n\r\n{"code":"x"}'
    with server(lambda: [sent]) as address:
        http = Http("Ops-Center", f"http://{address}", 60)
        reply = http.leave_early("/chat", token="a-token", body={})
        http.close()
    assert (reply.status, reply.body, reply.events) == (402, {"code": "x"}, ())


def test_a_wrong_content_type_is_read_by_what_is_in_it() -> None:
    sent = b'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 15\r\n\r\n{"credits": 10}'
    with server(lambda: [sent]) as address:
        http = Http("Ops-Center", f"http://{address}", TIMEOUT_S)
        reply = http.send("GET", "/balance")
        http.close()
    assert (reply.status, reply.body, reply.events) == (200, {"credits": 10}, ())


def test_a_service_that_was_late_has_less_time_until_it_answers_again() -> None:
    late = threading.Event()
    late.set()

    def now_and_then() -> Iterator[bytes]:
        while late.is_set():
            threading.Event().wait(PAUSE_S)
            yield b""
        yield OK + b"Content-Length: 2\r\n\r\n{}"

    with server(now_and_then) as address:
        http = Http("Lago", f"http://{address}", 2.0)
        for seconds in (2, request_timeout.SHORTEST_S):
            with pytest.raises(ServiceUnavailableError, match=f"did not answer within {seconds:g} s"):
                http.send("GET", "/health")
        late.clear()
        assert http.send("GET", "/health").status == 200
        assert http._timeout.seconds == 2.0
        http.close()


TRICKLING: dict[str, Callable[[str], Callable[[], object]]] = {
    "Keycloak": lambda address: Keycloak(f"http://{address}", "uchub", "ops-center", "secret", 1).check,
    "Lago": lambda address: lambda: Lago(f"http://{address}", "key", 1).customer("somebody"),
    "Redis": lambda address: lambda: Counters(f"redis://{address}/0", 1).calls("somebody", "2026-11"),
    "PostgreSQL (unicorn_db)": lambda address: (
        lambda: Database("unicorn_db", f"postgresql://reader:word@{address}/unicorn_db", 1, read_only=True).rows(
            "SELECT 1"
        )
    ),
}
"""A request to each system that has its own client library."""


@pytest.mark.parametrize("service", TRICKLING)
def test_a_byte_now_and_then_keeps_no_driver_waiting(service: str) -> None:
    first = {"Redis": [b"$1000\r\n"], "PostgreSQL (unicorn_db)": [b"N", b"R\0\0\x07\xd0"]}.get(service, [OK])
    with (
        server(lambda: itertools.chain(first, itertools.repeat(b"1"))) as address,
        pytest.raises(ServiceUnavailableError, match="within 1 s") as away,
    ):
        TRICKLING[service](address)()
    assert str(away.value).startswith(f"{service} at ")


def test_lago_that_asks_to_come_back_later_is_not_waited_for() -> None:
    sent = b"HTTP/1.1 429 Too Many Requests\r\nx-ratelimit-reset: 3600\r\nContent-Length: 2\r\n\r\n{}"
    asked: list[int] = []

    def refuses() -> list[bytes]:
        asked.append(1)
        return [sent]

    with server(refuses) as address, pytest.raises(ServiceUnavailableError, match="answered 429"):
        Lago(f"http://{address}", "key", 30).customer("somebody")
    assert len(asked) == 1
