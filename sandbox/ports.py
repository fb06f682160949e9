"""Ports on 127.0.0.1: the ones that the user pinned, free ones for the rest."""

import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

import psutil

from sandbox.errors import SandboxError

HOST = "127.0.0.1"
FREE_PORTS = range(20000, 32000)
"""Below the ports that the system hands out to connections, so that none of those takes one before its service does."""


def choose_ports(services: Iterable[str], pinned: Mapping[str, int]) -> dict[str, int]:
    """Give each service a port that nobody listens on; raises `SandboxError` for a pinned one that is taken."""
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        for name in services:
            if name in pinned:
                chosen[name] = pinned[name]
                if not _hold(held, pinned[name]):
                    raise SandboxError(
                        f"Port {pinned[name]} on {HOST}, which SANDBOX_PORTS gives to {name}, is taken"
                        f"{_holder(pinned[name])}: end that, or name another port."
                    )
        for name in services:
            if name not in chosen:
                chosen[name] = _free(held)
    return chosen


def _free(held: ExitStack) -> int:
    for port in random.sample(FREE_PORTS, 200):
        if _hold(held, port):
            return port
    raise SandboxError(
        f"No free port on {HOST} between {FREE_PORTS.start} and {FREE_PORTS.stop}: name some with SANDBOX_PORTS."
    )


def _hold(held: ExitStack, port: int) -> bool:
    """Bind the port until all are chosen, so that none is chosen twice."""
    candidate = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind((HOST, port))
    except OSError:
        return False
    return True


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
