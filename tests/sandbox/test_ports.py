"""Sandboxes that start at the same time choose different ports."""

from __future__ import annotations

import socket

import pytest

from sandbox import ports
from sandbox.errors import SandboxError


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave two free ports to choose from."""
    with socket.socket() as one, socket.socket() as other:
        for found in (one, other):
            found.bind((ports.HOST, 0))
        numbers = [one.getsockname()[1], other.getsockname()[1]]
    monkeypatch.setattr(ports, "FREE_PORTS", range(numbers[0], numbers[0] + 1))
    monkeypatch.setattr(ports, "_reserved", [])
    monkeypatch.setattr("sandbox.ports.random.sample", lambda _ports, _count: numbers)


@pytest.mark.usefixtures("two")
def test_a_port_is_chosen_once_until_who_chose_it_ends() -> None:
    first = ports.choose_ports(["redis"], {})
    second = ports.choose_ports(["redis"], {})
    assert first != second
    with pytest.raises(SandboxError, match=r"No free port was found on 127\.0\.0\.1"):
        ports.choose_ports(["redis"], {})
    for reservation in ports._reserved:
        reservation.close()
    assert ports.choose_ports(["redis"], {}) == first


@pytest.mark.usefixtures("two")
def test_a_service_listens_on_a_reserved_port() -> None:
    port = ports.choose_ports(["redis"], {})["redis"]
    with socket.create_server((ports.HOST, port)) as listening:
        assert listening.getsockname() == (ports.HOST, port)
