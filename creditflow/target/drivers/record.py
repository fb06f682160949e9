"""The record of a scenario: each operation on the target with its reply, added by the drivers.

The record judges nothing. `creditflow.audit.history` reads it, and `creditflow.audit.ledger` judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from creditflow.target.drivers.http import Reply


@dataclass(frozen=True)
class RecordedRequest:
    """One operation.

    Attributes:
        operation: named after the driver's method, such as "purchase".
        token: the caller's access token; None if the operation needs no sign-in.
        values: what was sent.
        reply: None if no reply came, or if the operation has none.
    """

    operation: str
    token: str | None = field(repr=False)
    values: Mapping[str, Any]
    reply: Reply | None


class Recorder(Protocol):
    """Adds one operation to a record."""

    def __call__(self, operation: str, token: str | None, reply: Reply | None, **values: Any) -> None:
        """Add it."""


class Record:
    """The operations in the order in which they ended. Several threads may add to it."""

    def __init__(self) -> None:
        self.entries: list[RecordedRequest] = []

    def add(self, operation: str, token: str | None, reply: Reply | None, **values: Any) -> None:
        """Add one operation."""
        self.entries.append(RecordedRequest(operation, token, values, reply))

    def take(self) -> list[RecordedRequest]:
        """Return the operations so far, and empty the record."""
        taken, self.entries = self.entries, []
        return taken


def record_nothing(operation: str, token: str | None, reply: Reply | None, **values: Any) -> None:
    """Do nothing: the recorder of a driver that is used without a record."""
