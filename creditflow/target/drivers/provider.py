"""The control interface of the provider stand-in: the provider's journal of calls, its accounts, and its troubles.

Only a sandbox has a stand-in. A real provider has no journal, so checks that need one are not testable there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.http import Http, Params, Reply, objects
from creditflow.target.drivers.record import Recorder, record_nothing

_MOST_CALLERS = 200
"""The number of callers whose calls one request asks for: the address of a request is limited."""


@dataclass(frozen=True)
class ProviderCall:
    """One call in the provider's journal.

    Attributes:
        caller: the first word of the LLM request, which is a user name.
        request: the second word.
        provider: the provider that was called, such as "openrouter".
        key_fingerprint: of the key that paid.
        fields: the names of the fields of the request's body.
        total_tokens: the tokens that were reported; 0 without an answer.
        nano_dollars: what the owner of the key pays, in billionths of a US dollar.
        outcome: such as "answered".
        milliseconds: from its arrival to its answer.
    """

    caller: str
    request: str
    provider: str
    key_fingerprint: str
    fields: Sequence[str]
    total_tokens: int
    nano_dollars: int
    outcome: str
    milliseconds: float


class Provider:
    """The control interface of the stand-in for OpenRouter and OpenAI.

    Args:
        url: its address.
        token: the token of the control interface.
        timeout_s: the deadline of each request, in seconds.
        record: receives each trouble, its end, and each state of an account.
    """

    def __init__(self, url: str, token: str, timeout_s: float, record: Recorder = record_nothing) -> None:
        self.http = Http("The provider stand-in", url, timeout_s)
        self._token, self._record = token, record

    def calls(self, *callers: str) -> list[ProviderCall]:
        """Return the calls of these callers, oldest first."""
        found: list[ProviderCall] = []
        for first in range(0, len(callers), _MOST_CALLERS):
            some = callers[first : first + _MOST_CALLERS]
            found += self._read(self._control("GET", "/control/calls", params={"caller": some}))
        return found

    def callers(self) -> dict[str, int]:
        """Return the number of calls of each caller."""
        reply = self._control("GET", "/control/callers")
        found = reply.body.get("callers")
        if not isinstance(found, dict) or not all(isinstance(calls, int) for calls in found.values()):
            raise self._unreadable(reply)
        return found

    def all_calls(self) -> list[ProviderCall]:
        """Return the calls of all callers, oldest first."""
        return self._read(self._control("GET", "/control/calls"))

    def forget(self, caller: str) -> None:
        """Remove one caller's calls from the provider's journal."""
        self._control("DELETE", "/control/calls", params={"caller": caller})

    def trouble(self, caller: str, kind: str, seconds: float = 10) -> None:
        """Answer one caller with a trouble from now on: `bad_key`, `server_error`, `slow`, `broken_stream`, ..."""
        self._record("trouble", None, None, caller=caller, kind=kind)
        self._control("PUT", f"/control/troubles/{caller}", body={"kind": kind, "seconds": seconds})

    def lengthen(self, caller: str, words: int, seconds: float = 0) -> None:
        """Answer one caller from now on after some seconds, with so many words where a request sets no limit."""
        self._record("lengthen", None, None, caller=caller, words=words)
        trouble = {"kind": "slow" if seconds else "long_answer", "seconds": seconds, "words": words}
        self._control("PUT", f"/control/troubles/{caller}", body=trouble)

    def end_trouble(self, caller: str) -> None:
        """Answer one caller normally again."""
        self._control("DELETE", f"/control/troubles/{caller}")
        self._record("end_trouble", None, None, caller=caller)

    def troubles(self) -> list[str]:
        """Return the callers that get a trouble; `*` means all callers."""
        return list(self._control("GET", "/control/troubles").body["troubles"])

    def accounts(self) -> set[str]:
        """Return the fingerprints of the known keys."""
        return set(self._control("GET", "/control/keys").body["keys"])

    def empty_account(self, caller: str, provider: str, key: str) -> None:
        """Take all money from the account of a caller's own key."""
        self._record("trouble", None, None, caller=caller, kind="")
        self.open_account(provider, key, "empty")

    def open_account(self, provider: str, key: str, state: str = "good") -> None:
        """Make a key known to the provider; the state is `good` or `empty` (out of money)."""
        self._control(
            "PUT",
            f"/control/keys/{fingerprint(key)}",
            body={"provider": provider, "key": key, "state": state},
        )
        self._record("open_account", None, None, provider=provider, key=fingerprint(key), state=state)

    def close_account(self, fingerprint: str) -> None:
        """Make the key with this fingerprint unknown again."""
        self._control("DELETE", f"/control/keys/{fingerprint}")
        self._record("open_account", None, None, key=fingerprint, state="unknown")

    def check(self) -> None:
        """Require that the control interface answers and accepts the token.

        Raises:
            ServiceUnavailableError: it does not.
        """
        self._control("GET", "/control/troubles")

    def _control(self, method: str, path: str, body: Any = None, params: Params | None = None) -> Reply:
        reply = self.http.send(method, path, token=self._token, body=body, params=params)
        if reply.status >= 400 and not (method == "DELETE" and reply.status == 404):
            cure = "correct PROVIDER_CONTROL_TOKEN" if reply.status == 401 else ""
            raise self.http.unavailable(method, path, f"answered {reply.status}", cure)
        return reply

    def _read(self, reply: Reply) -> list[ProviderCall]:
        calls, names = reply.body.get("calls"), ProviderCall.__dataclass_fields__
        if not isinstance(calls, list) or not all(names.keys() <= call.keys() for call in objects(calls)):
            raise self._unreadable(reply)
        return [ProviderCall(**{name: call[name] for name in names}) for call in calls]

    def _unreadable(self, reply: Reply) -> ServiceUnavailableError:
        what = f"returned a journal that can't be read: {reply.text[:100]}"
        return ServiceUnavailableError(self.http.service, self.http.url, what)


def fingerprint(key: str) -> str:
    """Return the first 16 hex digits of a key's SHA-256, which identify the key and do not reveal it."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
