"""Troubles: what goes wrong at the provider, for one caller and nobody else, or for everyone."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sandbox.provider.state import Event, EventFile

EVERYONE = "*"
"""The caller that stands for all who have no trouble of their own."""


class Kind(StrEnum):
    """What goes wrong."""

    BAD_KEY = "bad_key"
    OUT_OF_MONEY = "out_of_money"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    SLOW = "slow"
    """Nothing is sent for so many seconds, then the answer."""
    BROKEN_STREAM = "broken_stream"
    """Half of a stream, then an error and the end; a plain request is a 502."""
    STALLED_STREAM = "stalled_stream"
    """Half of a stream, then nothing for so many seconds, then the rest; a plain request is slow."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble, and for the kinds that wait, how long."""

    kind: Kind
    seconds: float = 10.0


class Troubles:
    """The troubles in force, by caller."""

    def __init__(self, file: EventFile) -> None:
        self._file = file
        self._troubles: dict[str, Trouble] = {}

    def of(self, caller: str) -> Trouble | None:
        """The trouble of a caller: their own before everyone's."""
        return self._troubles.get(caller) or self._troubles.get(EVERYONE)

    def make(self, caller: str, trouble: Trouble) -> None:
        """Put a trouble in force, in the place of any other of this caller."""
        self._troubles[caller] = trouble
        self._file.append(_event(caller, trouble))

    def end(self, caller: str) -> None:
        """End a caller's trouble; nothing to do where there is none."""
        if self._troubles.pop(caller, None):
            self._file.append({"event": "trouble_ended", "caller": caller})

    def all(self) -> dict[str, dict[str, Any]]:
        """Every trouble in force, by caller."""
        return {caller: asdict(trouble) for caller, trouble in self._troubles.items()}

    def replay(self, event: Event) -> None:
        """Take back one event of an earlier process; those of others are passed over."""
        if event["event"] == "trouble":
            self._troubles[event["caller"]] = Trouble(Kind(event["kind"]), event["seconds"])
        elif event["event"] == "trouble_ended":
            self._troubles.pop(event["caller"], None)

    def events(self) -> Iterator[Event]:
        """What gives the troubles back when it is replayed."""
        return (_event(caller, trouble) for caller, trouble in self._troubles.items())


def _event(caller: str, trouble: Trouble) -> Event:
    return {"event": "trouble", "caller": caller, **asdict(trouble)}
