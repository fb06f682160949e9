"""The meter of LLM requests: asked by every driver before it sends one, and told of what came back."""

from __future__ import annotations

from typing import Any, Protocol

from creditflow.drivers.http import Reply


class Meter(Protocol):
    """Counts LLM requests, and may forbid one."""

    def ask(self, body: Any) -> None:
        """Count a request that is about to be sent; raises where it may not be."""

    def answered(self, body: Any, reply: Reply) -> None:
        """Count what an answer reports beyond what its request announced."""


class Unmetered:
    """Counts nothing and forbids nothing: for a driver that is used alone."""

    def ask(self, body: Any) -> None:
        """Let it be sent."""

    def answered(self, body: Any, reply: Reply) -> None:
        """Take no note."""
