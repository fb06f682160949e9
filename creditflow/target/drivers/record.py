"""The record of a scenario: each operation on the target with its reply, added by the drivers.

The record judges nothing. `creditflow.audit.history` reads it, and `creditflow.audit.ledger` judges.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from creditflow.target.drivers.http import Reply


@dataclass(frozen=True, eq=False)
class RecordedRequest:
    """One operation; another one with the same values is another operation.

    Attributes:
        operation: named after the driver's method, such as "purchase".
        token: the caller's access token; None if the operation needs no sign-in.
        values: what was sent.
        reply: None if no reply came, or if the operation has none.
        began: when it began, in seconds of a clock that only goes forward.
        ended: when it ended, on the same clock.
    """

    operation: str
    token: str | None = field(repr=False)
    values: Mapping[str, Any]
    reply: Reply | None
    began: float = 0.0
    ended: float = 0.0


class Recorder(Protocol):
    """Adds one operation to a record."""

    def __call__(
        self, operation: str, token: str | None, reply: Reply | None, *, began: float | None = None, **values: Any
    ) -> None:
        """Add it; without `began`, it took no time."""


READ = "read"
"""The operation that changes nothing."""


class Record:
    """The operations in the order in which they ended. Several threads may add to it.

    Of the same reading several times in a row, which is how the suite waits, only the last one stays.
    """

    def __init__(self) -> None:
        self.entries: list[RecordedRequest] = []

    def add(
        self, operation: str, token: str | None, reply: Reply | None, *, began: float | None = None, **values: Any
    ) -> None:
        """Add one operation that has just ended; without `began`, it took no time."""
        ended = time.monotonic()
        entry = RecordedRequest(operation, token, values, reply, ended if began is None else began, ended)
        if operation == READ and self.entries and _is_the_same(self.entries[-1], entry):
            self.entries[-1] = entry
        else:
            self.entries.append(entry)

    def take(self) -> list[RecordedRequest]:
        """Return the operations so far, and empty the record."""
        taken, self.entries = self.entries, []
        return taken


def _is_the_same(one: RecordedRequest, other: RecordedRequest) -> bool:
    statuses = [entry.reply.status if entry.reply else None for entry in (one, other)]
    return statuses[0] == statuses[1] and all(
        getattr(one, name) == getattr(other, name) for name in ("operation", "token", "values")
    )


def record_nothing(
    operation: str, token: str | None, reply: Reply | None, *, began: float | None = None, **values: Any
) -> None:
    """Do nothing: the recorder of a driver that is used without a record."""
