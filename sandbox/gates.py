"""Gates: a TCP proxy in front of each service of a target, which makes the service fail.

A gate simulates failures on the network level: a client sees the same if the service itself or the network fails. The
failure of a gate can change during a run.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

WAYS = ("killed", "stopped", "refusing", "silent", "slow", "garbage", "500", "paused")
"""The ways in which a service fails:

- killed: its connections are reset, and nothing listens.
- stopped (SIGSTOP): the kernel accepts connections, but nothing is read or answered.
- refusing: each connection is closed at once.
- silent: everything is read, and nothing is answered.
- slow: each part of an answer comes late.
- garbage: the answer does not follow its protocol.
- 500: the answer is an error of its protocol.
- paused: nothing gets through, as after `docker pause`; when the service works again, everything arrives late.
"""

GARBAGE = bytes(range(0x80, 0x100)) * 2
_HTTP = b'{"detail": "out of order"}'
_HTTP_500 = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: " + str(len(_HTTP)).encode() + b"\r\n\r\n" + _HTTP
)
_COMMAND = re.compile(rb"(?:^|\r\n)\*\d+\r\n")
_ENCRYPTION = (80_877_103, 80_877_104)
"""The first requests of a PostgreSQL client that asks for TLS or GSSAPI."""


class Gate:
    """The proxy in front of one service; it runs in the loop of `Gates`.

    Args:
        service: its name, which decides on the protocol of its errors.
        host: where the service is.
        port: where the service is.
        late_s: how late each part of an answer of a slow service comes, in seconds.

    Attributes:
        asked: the number of connections and requests since the service fails; unknown for "killed".
    """

    def __init__(self, service: str, host: str, port: int, late_s: float) -> None:
        self.service, self.host, self.port, self._late_s = service.lower(), host, port, late_s
        self.way = ""
        self.asked = 0
        self.gate = 0
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], socket.socket] = {}
        self._runs = asyncio.Event()
        self._runs.set()

    async def open(self) -> None:
        """Listen; after the first time on the same port."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self.gate))
        self._socket.listen(100)
        self._socket.setblocking(False)
        self.gate = self._socket.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept())

    async def turn(self, way: str) -> None:
        """Make the service fail in a way, or work again if it is empty.

        Open connections are closed by the ways that close connections, and when the service works again, unless it was
        paused.
        """
        if way:
            self.asked = 0
        before, self.way = self.way, way
        if way == "paused":
            self._runs.clear()
        else:
            self._runs.set()
        if way in ("killed", "refusing") or (not way and before not in ("", "paused")):
            await self._break()
        if way in ("killed", "stopped"):
            await self._stop(close=way == "killed")
        elif self._accepting is None:
            await self._stop(close=True)
            await self.open()

    async def close(self) -> None:
        """Stop listening, and reset every connection."""
        await self._stop(close=True)
        await self._break()

    async def _stop(self, close: bool) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            with suppress(asyncio.CancelledError):
                await self._accepting
            self._accepting = None
        if close and self._socket is not None:
            with suppress(BlockingIOError):
                while True:
                    self._socket.accept()[0].close()
                    self.asked += 1
            self._socket.close()
            self._socket = None

    async def _break(self) -> None:
        """Reset every connection."""
        broken, self._connections = self._connections, {}
        for task, client in broken.items():
            with suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            task.cancel()
        await asyncio.gather(*broken, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._socket is not None
        while True:
            client, _ = await loop.sock_accept(self._socket)
            self.asked += bool(self.way)
            if self.way == "refusing":
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(self._serve(client))
            self._connections[task] = client
            task.add_done_callback(lambda done: self._connections.pop(done, None))

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = socket.socket()
        server.setblocking(False)
        try:
            await loop.sock_connect(server, (self.host, self.port))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            both = {asyncio.create_task(self._ask(client, server)), asyncio.create_task(self._answer(server, client))}
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    async def _ask(self, client: socket.socket, server: socket.socket) -> None:
        """Forward data of the client while the service works or is slow."""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(client, 65_536):
            self.asked += bool(self.way)
            await self._runs.wait()
            if self.way in ("", "slow"):
                await loop.sock_sendall(server, self._as_meant(data))
            elif self.way == "stopped":
                await asyncio.Event().wait()
            elif self.way == "garbage":
                await loop.sock_sendall(client, GARBAGE)
            elif self.way == "500":
                answer, ends = self._error(data)
                await loop.sock_sendall(client, answer)
                if ends:
                    return

    async def _answer(self, server: socket.socket, client: socket.socket) -> None:
        """Forward data of the service while it works or is slow."""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(server, 65_536):
            if self.way == "slow":
                await asyncio.sleep(self._late_s)
            await self._runs.wait()
            if self.way in ("", "slow"):
                await loop.sock_sendall(client, data)

    def _as_meant(self, data: bytes) -> bytes:
        """Return the request with the service's own host, because Keycloak puts the host into its answers."""
        return data.replace(f"127.0.0.1:{self.gate}\r\n".encode(), f"{self.host}:{self.port}\r\n".encode(), 1)

    def _error(self, data: bytes) -> tuple[bytes, bool]:
        """Return an error in the service's protocol, and whether it ends the connection."""
        if self.service == "redis":
            return b"-ERR out of order\r\n" * max(1, len(_COMMAND.findall(data))), False
        if self.service != "postgresql":
            return _HTTP_500, True
        if data[:1] == b"\0":
            if len(data) == 8 and struct.unpack("!i", data[4:])[0] in _ENCRYPTION:
                return b"N", False
            return _postgresql_error("FATAL", "57P03"), True
        return _postgresql_error("ERROR", "XX000") + b"Z\0\0\0\x05I", False


def _postgresql_error(severity: str, code: str) -> bytes:
    fields = f"S{severity}\0V{severity}\0C{code}\0Mout of order\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


class Gates:
    """A gate in front of each of some services, in a separate thread.

    Args:
        deployment: settings, with the services' own addresses.
        names: the settings with the address of each service.
        late_s: how late each part of an answer of a slow service comes, in seconds.

    Attributes:
        settings: the same settings, with the addresses of the gates.
    """

    def __init__(self, deployment: Mapping[str, str], names: Mapping[str, Sequence[str]], late_s: float = 15.0) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._gates: dict[str, Gate] = {}
        self.settings: dict[str, str] = {}
        for service, settings in names.items():
            parts = urlsplit(deployment[settings[0]])
            assert parts.hostname
            gate = self._gates[service] = Gate(service, parts.hostname, parts.port or 0, late_s)
            self._do(gate.open())
            for name in settings:
                at = urlsplit(deployment[name])
                place = f"{at.netloc.rpartition('@')[0]}@" if "@" in at.netloc else ""
                self.settings[name] = at._replace(netloc=f"{place}127.0.0.1:{gate.gate}").geturl()

    def address(self, service: str) -> str:
        """Return host and port of a service's gate."""
        return f"127.0.0.1:{self._gates[service].gate}"

    def covers(self, service: str) -> bool:
        """Return whether a service has a gate."""
        return service in self._gates

    def asked(self, service: str) -> int:
        """Return the number of requests to a service since it fails, as far as it is known."""
        return self._gates[service].asked

    def turn(self, service: str, way: str = "") -> None:
        """Make a service fail in a way, or work again if it is empty."""
        self._do(self._gates[service].turn(way))

    def close(self) -> None:
        """Close every gate."""
        for gate in self._gates.values():
            self._do(gate.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
