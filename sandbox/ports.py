"""Ports on 127.0.0.1: those that the user set, and free ones for the other services."""

import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress

import psutil

from sandbox.errors import SandboxError

HOST = "127.0.0.1"
FREE_PORTS = range(20000, 32000)
"""Below the ports that the system gives to connections, so that no connection takes one."""


_reserved: list[socket.socket] = []
"""UDP sockets with the numbers of the ports that this process chose. No other sandbox chooses them until it ends."""


def choose_ports(services: Iterable[str], pinned: Mapping[str, int]) -> dict[str, int]:
    """Choose a port for each service, and reserve the free ones until this process ends.

    Raises `SandboxError` for a pinned port that is not free.
    """
    names = list(services)
    chosen: dict[str, int] = {}
    # All stay bound until the last one is chosen, so that none is chosen twice.
    with ExitStack() as sockets:
        for name in (name for name in names if name in pinned):
            try:
                _bind(sockets, pinned[name])
            except OSError as error:
                raise SandboxError(
                    f"Port {pinned[name]} on {HOST}, which SANDBOX_PORTS gives to {name}, can't be used "
                    f"({error.strerror}{_holder(pinned[name])}): end what uses it, or name another port."
                ) from error
            chosen[name] = pinned[name]
        for name in (name for name in names if name not in pinned):
            chosen[name] = _bind_free(sockets)
    return chosen


def _bind_free(sockets: ExitStack) -> int:
    for port in random.sample(FREE_PORTS, 200):
        with suppress(OSError):
            _bind(sockets, port)
            _reserved.append(_reservation(port))
            return port
    raise SandboxError(
        f"No free port was found on {HOST} from {FREE_PORTS.start} to {FREE_PORTS.stop}: name some with SANDBOX_PORTS."
    )


def _bind(sockets: ExitStack, port: int) -> None:
    candidate = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    candidate.bind((HOST, port))


def _reservation(port: int) -> socket.socket:
    reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        reservation.bind((HOST, port))
    except OSError:
        reservation.close()
        raise
    return reservation


def _holder(port: int) -> str:
    """Name the process that listens on the port, if the system reports it."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f", by {psutil.Process(connection.pid).name()}, process {connection.pid}"
    return ""
