"""The provider stand-in's control interface: its journal of calls, its keys, and troubles for one caller alone.

Only a sandbox has one. On a deployment with a real provider there is no journal, and what needs it says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.http import Http, Reply, objects
from creditflow.target.drivers.record import Note, unnoted


@dataclass(frozen=True)
class ProviderCall:
    """One call that reached the provider: who asked, which key paid (its fingerprint), and the tokens reported."""

    caller: str
    request: str
    provider: str
    model: str
    key_fingerprint: str
    total_tokens: int
    stream: bool
    status: int
    outcome: str


class Provider:
    """The stand-in for OpenRouter and OpenAI, seen from its control interface."""

    def __init__(self, url: str, token: str, timeout_s: float, note: Note = unnoted) -> None:
        self.http = Http("The provider stand-in", url, timeout_s)
        self._token, self._note = token, note

    def calls(self, caller: str) -> list[ProviderCall]:
        """The calls of one caller, oldest first."""
        return self._read(self._control("GET", "/control/calls", params={"caller": caller}))

    def all_calls(self) -> list[ProviderCall]:
        """The calls of everybody, oldest first."""
        return self._read(self._control("GET", "/control/calls"))

    def forget(self, caller: str) -> None:
        """Remove one caller's calls from the journal."""
        self._control("DELETE", "/control/calls", params={"caller": caller})

    def trouble(self, caller: str, kind: str, seconds: float = 10) -> None:
        """From now on, answer one caller with a trouble: `bad_key`, `server_error`, `slow`, `broken_stream`, ..."""
        self._note("trouble", None, None, caller=caller)
        self._control("PUT", f"/control/troubles/{caller}", body={"kind": kind, "seconds": seconds})

    def end_trouble(self, caller: str) -> None:
        """Answer one caller normally again."""
        self._control("DELETE", f"/control/troubles/{caller}")

    def troubles(self) -> list[str]:
        """The callers for whom there is a trouble; `*` stands for everybody."""
        return list(self._control("GET", "/control/troubles").body["troubles"])

    def accounts(self) -> set[str]:
        """The fingerprints of the keys that were made known."""
        return set(self._control("GET", "/control/keys").body["keys"])

    def open_account(self, provider: str, key: str, state: str = "good") -> None:
        """Make a key known to the provider; state `good` or `empty` (out of money)."""
        self._control(
            "PUT",
            f"/control/keys/{fingerprint(key)}",
            body={"provider": provider, "key": key, "state": state},
        )

    def close_account(self, mark: str) -> None:
        """Make the key of a fingerprint unknown again."""
        self._control("DELETE", f"/control/keys/{mark}")

    def check(self) -> None:
        """Require that the control interface answers and takes the token.

        Raises:
            ServiceUnavailableError: it does not.
        """
        self._control("GET", "/control/troubles")

    def _control(self, method: str, path: str, body: Any = None, params: dict[str, str | int] | None = None) -> Reply:
        reply = self.http.send(method, path, token=self._token, body=body, params=params)
        if reply.status >= 400 and not (method == "DELETE" and reply.status == 404):
            cure = "correct PROVIDER_CONTROL_TOKEN" if reply.status == 401 else ""
            raise ServiceUnavailableError(
                self.http.service, self.http.url, f"answered {reply.status} ({method} {path})", cure
            )
        return reply

    def _read(self, reply: Reply) -> list[ProviderCall]:
        calls, names = reply.body.get("calls"), ProviderCall.__dataclass_fields__
        if not isinstance(calls, list) or not all(names.keys() <= call.keys() for call in objects(calls)):
            what = f"gave a journal of calls that can't be read: {reply.text[:100]}"
            raise ServiceUnavailableError(self.http.service, self.http.url, what)
        return [ProviderCall(**{name: call[name] for name in names}) for call in calls]


def fingerprint(key: str) -> str:
    """By which a provider key is told apart without showing it: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
