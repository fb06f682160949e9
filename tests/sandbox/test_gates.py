"""A gate lets a service fail for its clients, and lets it work again."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from sandbox.gates import Gates

SHORT_S = 0.2


class Echo(socketserver.BaseRequestHandler):
    """Returns what it gets."""

    def handle(self) -> None:
        while data := self.request.recv(1_000):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Return a gate in front of an echo."""
    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = Gates({"URL": f"redis://user@127.0.0.1:{server.server_address[1]}/0"}, {"Redis": ("URL",)}, late_s=0.5)
        yield opened
        opened.close()
        server.shutdown()


def connect(gates: Gates, seconds: float = 5.0) -> socket.socket:
    host, _, port = gates.address("Redis").partition(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


def test_it_passes_everything_on_while_the_service_works(gates: Gates) -> None:
    assert gates.settings == {"URL": f"redis://user@{gates.address('Redis')}/0"}
    assert gates.covers("Redis")
    assert not gates.covers("Lago")
    with connect(gates) as line:
        line.sendall(b"PING")
        assert line.recv(100) == b"PING"


def test_what_was_sent_to_a_paused_service_arrives_when_it_goes_on(gates: Gates) -> None:
    with connect(gates, SHORT_S) as line:
        gates.turn("Redis", "paused")
        with connect(gates, SHORT_S) as later:
            line.sendall(b"first")
            later.sendall(b"second")
            for one in (line, later):
                with pytest.raises(TimeoutError):
                    one.recv(100)
            gates.turn("Redis")
            for one, text in ((line, b"first"), (later, b"second")):
                one.settimeout(5)
                assert one.recv(100) == text


def test_a_killed_service_resets_its_connections_and_refuses_new_ones(gates: Gates) -> None:
    with connect(gates) as line:
        line.sendall(b"PING")
        assert line.recv(100) == b"PING"
        gates.turn("Redis", "killed")
        with pytest.raises(ConnectionError):
            line.recv(100)
    with pytest.raises(ConnectionError):
        connect(gates)
    gates.turn("Redis")
    connect(gates).close()


def test_a_failing_service_answers_with_an_error_of_its_protocol(gates: Gates) -> None:
    gates.turn("Redis", "500")
    with connect(gates) as line:
        line.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert line.recv(100) == b"-ERR out of order\r\n"


def test_a_slow_service_answers_late(gates: Gates) -> None:
    gates.turn("Redis", "slow")
    with connect(gates, SHORT_S) as line:
        line.sendall(b"PING")
        with pytest.raises(TimeoutError):
            line.recv(100)
        line.settimeout(5)
        assert line.recv(100) == b"PING"
