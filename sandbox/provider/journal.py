"""The journal: every call that reached the stand-in, with the fingerprint of its key."""

from collections import defaultdict
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
        self._by_caller: defaultdict[str, dict[str, Call]] = defaultdict(dict)

    def enter(self, call: Call) -> None:
        """Add a call, or update it if it is there already."""
        took = datetime.now(UTC) - datetime.fromisoformat(call.at)
        call.milliseconds = took.total_seconds() * 1000
        self._by_caller[call.caller][call.id] = call

    def callers(self) -> dict[str, int]:
        """Return the number of calls of each caller."""
        return {caller: len(calls) for caller, calls in self._by_caller.items()}

    def calls(self, callers: Sequence[str] = (), key: str | None = None) -> list[Call]:
        """Return the calls of these callers, of a key (by fingerprint), of both, or all."""
        found = [
            call
            for caller in (callers or self._by_caller)
            for call in self._by_caller.get(caller, {}).values()
            if key is None or call.key_fingerprint == key
        ]
        return sorted(found, key=lambda call: call.at)

    def forget(self, callers: Sequence[str] = (), key: str | None = None) -> int:
        """Remove those calls and return their number."""
        forgotten = self.calls(callers, key)
        for call in forgotten:
            del self._by_caller[call.caller][call.id]
            if not self._by_caller[call.caller]:
                del self._by_caller[call.caller]
        return len(forgotten)
