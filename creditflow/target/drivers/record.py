"""The record of what a scenario did: every request that was sent and every answer that came, kept by the drivers.

It holds what happened and judges nothing; `creditflow.audit.history` reads it, `creditflow.audit.ledger` judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from creditflow.target.drivers.http import Reply


@dataclass(frozen=True)
class RecordedRequest:
    """One act.

    Attributes:
        act: what was done, named after the driver's method, such as "purchase".
        token: the access token of who did it; None where nobody signed in for it.
        values: what was sent.
        reply: what came back; None when no answer came, or where none is given.
    """

    act: str
    token: str | None = field(repr=False)
    values: Mapping[str, Any]
    reply: Reply | None


class Note(Protocol):
    """Takes one act into a record."""

    def __call__(self, act: str, token: str | None, reply: Reply | None, **values: Any) -> None:
        """Keep it."""


class Record:
    """The acts in the order in which they ended; safe to note from several threads."""

    def __init__(self) -> None:
        self.entries: list[RecordedRequest] = []

    def note(self, act: str, token: str | None, reply: Reply | None, **values: Any) -> None:
        """Keep one act."""
        self.entries.append(RecordedRequest(act, token, values, reply))

    def take(self) -> list[RecordedRequest]:
        """The acts so far, which the record then no longer holds."""
        taken, self.entries = self.entries, []
        return taken


def unnoted(act: str, token: str | None, reply: Reply | None, **values: Any) -> None:
    """Keep nothing: for a driver that is used without a record."""
