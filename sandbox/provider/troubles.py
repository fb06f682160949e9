"""Troubles: simulated failures of the provider, for one caller or for everyone."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

EVERYONE = "*"
"""The name for all callers without a trouble of their own."""


class Kind(StrEnum):
    """The kind of a trouble."""

    BAD_KEY = "bad_key"
    OUT_OF_MONEY = "out_of_money"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    SLOW = "slow"
    """Nothing for so many seconds, then the answer."""
    BROKEN_STREAM = "broken_stream"
    """Half of a stream, then an error and the end; a request without a stream gets a 502."""
    BROKEN_END = "broken_end"
    """All of a stream and its usage, then an error and no `[DONE]`; a request without a stream is answered."""
    STALLED_STREAM = "stalled_stream"
    """Half of a stream, then nothing for so many seconds, then the rest; a request without a stream is slow."""
    LONG_ANSWER = "long_answer"
    """An answer of so many words where the request sets no limit."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble, with the seconds of the kinds that wait, and the words of a long answer."""

    kind: Kind
    seconds: float = 10.0
    words: int | None = None


class Troubles:
    """The active troubles, by caller."""

    def __init__(self) -> None:
        self._troubles: dict[str, Trouble] = {}

    def of(self, caller: str) -> Trouble | None:
        """Return the trouble of a caller: their own, else everyone's."""
        return self._troubles.get(caller) or self._troubles.get(EVERYONE)

    def make(self, caller: str, trouble: Trouble) -> None:
        """Set a caller's trouble, and replace an earlier one."""
        self._troubles[caller] = trouble

    def end(self, caller: str) -> None:
        """End a caller's trouble, if there is one."""
        self._troubles.pop(caller, None)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the active troubles, by caller."""
        return {caller: asdict(trouble) for caller, trouble in self._troubles.items()}
