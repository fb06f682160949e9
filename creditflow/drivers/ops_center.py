"""The Ops-Center API: the endpoints of the plan's Appendix A, one method each, and not what they should say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from creditflow.drivers.http import Http, Reply
from creditflow.drivers.meter import Meter, Unmetered
from creditflow.drivers.record import Note, unnoted
from creditflow.errors import ServiceAway

BASE = "/api/v1"
CHAT = f"{BASE}/llm/chat/completions"


class OpsCenter:
    """Ops-Center as its users reach it. Every method takes the caller's access token and returns the raw reply.

    `token=None` sends no `Authorization` header at all.

    Args:
        url: its address, without /api/v1.
        timeout_s: the deadline of one request, in seconds.
        note: told of every request that may move credits or count, and of its answer.
        meter: asked before every LLM request.
    """

    def __init__(self, url: str, timeout_s: float, note: Note = unnoted, meter: Meter | None = None) -> None:
        self.http = Http("Ops-Center", url, timeout_s)
        self._note, self._meter = note, meter or Unmetered()

    def balance(self, token: str | None) -> Reply:
        """EP1: the caller's individual credits and calls."""
        return self.http.send("GET", f"{BASE}/credits/balance", token=token)

    def organization_credits(self, token: str | None, organization: str) -> Reply:
        """EP2: an organisation's total, allocated and unallocated credits."""
        return self.http.send("GET", f"{BASE}/credits/organization/{organization}", token=token)

    def purchase(self, token: str | None, organization: str, amount: Any, key: str | None = None) -> Reply:
        """EP3: buy credits for an organisation, with an idempotency key where one is given."""
        path = f"{BASE}/credits/organization/{organization}/purchase"
        headers = {"Idempotency-Key": key} if key else None
        return self._noted(
            "purchase",
            token,
            lambda: self.http.send("POST", path, token=token, body={"amount": amount}, headers=headers),
            organization=organization,
            credits=amount,
            key=key,
        )

    def allocate(self, token: str | None, organization: str, email: str, amount: Any) -> Reply:
        """EP4: allocate an organisation's credits to a member."""
        path = f"{BASE}/credits/organization/{organization}/allocate"
        body = {"user_email": email, "credits": amount}
        return self._noted(
            "allocate",
            token,
            lambda: self.http.send("POST", path, token=token, body=body),
            organization=organization,
            email=email,
            credits=amount,
        )

    def my_allocation(self, token: str | None, organization: str) -> Reply:
        """EP5: the caller's own allocation in an organisation."""
        return self.http.send("GET", f"{BASE}/credits/organization/{organization}/my-allocation", token=token)

    def usage_attribution(self, token: str | None, organization: str) -> Reply:
        """EP6: an organisation's usage by member."""
        return self.http.send("GET", f"{BASE}/credits/organization/{organization}/usage-attribution", token=token)

    def usage(self, token: str | None) -> Reply:
        """EP7: the caller's usage of the current period."""
        return self.http.send("GET", f"{BASE}/usage/current", token=token)

    def history(self, token: str | None, limit: int = 50, offset: int = 0) -> Reply:
        """EP8: the caller's past requests, a page at a time."""
        params = {"limit": limit, "offset": offset}
        return self.http.send("GET", f"{BASE}/usage/history", token=token, params=params)

    def chat(self, token: str | None, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """EP9: an LLM request in OpenAI's shape, plain or streaming as the body says."""
        return self._asked(
            token,
            lambda: self.http.send("POST", CHAT, token=token, body=body, headers=headers),
            body=body,
            headers=headers or {},
        )

    def chat_leaving_early(self, token: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """EP9 as a stream whose reader goes away after the first event."""
        return self._asked(
            token,
            lambda: self.http.leave_early(CHAT, token=token, body=body, headers=headers),
            body=body,
            headers=headers or {},
            left_early=True,
        )

    def models(self, token: str | None) -> Reply:
        """EP10: the models on offer and their prices."""
        return self.http.send("GET", f"{BASE}/llm/models", token=token)

    def create_organization(self, token: str | None, name: str, tier: str) -> Reply:
        """EP11: create an organisation; the caller becomes its admin."""
        body = {"name": name, "subscription_tier": tier}
        return self._noted(
            "create_organization", token, lambda: self.http.send("POST", f"{BASE}/org", token=token, body=body)
        )

    def organization(self, token: str | None, organization: str) -> Reply:
        """EP12: an organisation and its members."""
        return self.http.send("GET", f"{BASE}/org/{organization}", token=token)

    def invite(self, token: str | None, organization: str, email: str, role: str) -> Reply:
        """EP13: make somebody a member of an organisation, by e-mail."""
        path = f"{BASE}/org/{organization}/invite"
        body = {"email": email, "role": role}
        return self._noted(
            "invite",
            token,
            lambda: self.http.send("POST", path, token=token, body=body),
            organization=organization,
            email=email,
        )

    def remove_organization(self, token: str | None, organization: str) -> Reply:
        """Remove an organisation with its members and credits."""
        return self._noted(
            "remove_organization",
            token,
            lambda: self.http.send("DELETE", f"{BASE}/org/{organization}", token=token),
            organization=organization,
        )

    def store_key(self, token: str | None, provider: str, key: str) -> Reply:
        """EP14: store the caller's own provider key."""
        body = {"provider": provider, "api_key": key}
        return self.http.send("POST", f"{BASE}/settings/byok-keys", token=token, body=body)

    def keys(self, token: str | None) -> Reply:
        """EP15: which provider keys the caller has stored, never the keys."""
        return self.http.send("GET", f"{BASE}/settings/byok-keys", token=token)

    def remove_key(self, token: str | None, provider: str) -> Reply:
        """Remove the caller's stored key of one provider."""
        return self.http.send("DELETE", f"{BASE}/settings/byok-keys/{provider}", token=token)

    def status(self) -> Reply:
        """What Ops-Center itself says of the services it needs; open to everyone."""
        return self.http.send("GET", f"{BASE}/system/status")

    def _asked(self, token: str | None, send: Callable[[], Reply], body: Any, **values: Any) -> Reply:
        self._meter.ask(body)
        reply = self._noted("chat", token, send, body=body, **values)
        self._meter.answered(body, reply)
        return reply

    def _noted(self, act: str, token: str | None, send: Callable[[], Reply], **values: Any) -> Reply:
        try:
            reply = send()
        except ServiceAway:
            self._note(act, token, None, **values)
            raise
        self._note(act, token, reply, **values)
        return reply
