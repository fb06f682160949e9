"""The journal: every call that reached the stand-in, with the fingerprint of its key."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.provider.outcomes import Outcome
from sandbox.provider.usage import Usage


@dataclass(slots=True)
class Call:
    """One call, with the tokens that were reported to the caller; 0 without a report."""

    id: str
    """The id of the completion."""
    at: str
    """When it arrived: ISO 8601, UTC."""
    provider: str
    model: str
    caller: str
    request: str
    key_fingerprint: str
    """Empty without a key."""
    fields: Sequence[str] = ()
    """The names of the fields of the body, in their order."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    nano_dollars: int = 0
    """What the owner of the key pays."""
    stream: bool = False
    status: int | None = None
    """The HTTP status; None while the caller waits, or if the caller left before the answer."""
    outcome: Outcome = Outcome.ANSWERED
    milliseconds: float = 0
    """From its arrival to its answer, or to its last entry."""

    def report(self, usage: Usage, nano_dollars: int) -> None:
        """Set the tokens that are reported to the caller, and their price."""
        self.prompt_tokens = usage.prompt_tokens
        self.completion_tokens = usage.completion_tokens
        self.total_tokens = usage.total_tokens
        self.nano_dollars = nano_dollars


class Journal:
    """The calls, oldest first."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def enter(self, call: Call) -> None:
        """Add a call, or update it if it is there already."""
        took = datetime.now(UTC) - datetime.fromisoformat(call.at)
        call.milliseconds = took.total_seconds() * 1000
        self._calls[call.id] = call

    def callers(self) -> dict[str, int]:
        """Return the number of calls of each caller."""
        return Counter(call.caller for call in self._calls.values())

    def calls(self, callers: Sequence[str] = (), key: str | None = None) -> list[Call]:
        """Return the calls of these callers, of a key (by fingerprint), of both, or all."""
        wanted = frozenset(callers)
        return [
            call
            for call in self._calls.values()
            if (not wanted or call.caller in wanted) and (key is None or call.key_fingerprint == key)
        ]

    def forget(self, callers: Sequence[str] = (), key: str | None = None) -> int:
        """Remove those calls and return their number."""
        forgotten = [call.id for call in self.calls(callers, key)]
        for each in forgotten:
            del self._calls[each]
        return len(forgotten)
