"""The Ops-Center API: the endpoints of the plan's Appendix A, one method each, and not what they should say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from creditflow.core.errors import EndpointMissingError, ServiceUnavailableError
from creditflow.target.ceiling import Meter, Unmetered
from creditflow.target.drivers.http import Http, Reply
from creditflow.target.drivers.record import Note, unnoted

BASE = "/api/v1"
ENDPOINTS = {
    "EP1": ("GET", "/credits/balance"),
    "EP2": ("GET", "/credits/organization/{org}"),
    "EP3": ("POST", "/credits/organization/{org}/purchase"),
    "EP4": ("POST", "/credits/organization/{org}/allocate"),
    "EP5": ("GET", "/credits/organization/{org}/my-allocation"),
    "EP6": ("GET", "/credits/organization/{org}/usage-attribution"),
    "EP7": ("GET", "/usage/current"),
    "EP8": ("GET", "/usage/history"),
    "EP9": ("POST", "/llm/chat/completions"),
    "EP10": ("GET", "/llm/models"),
    "EP11": ("POST", "/org"),
    "EP12": ("GET", "/org/{org}"),
    "EP13": ("POST", "/org/{org}/invite"),
    "EP14": ("POST", "/settings/byok-keys"),
    "EP15": ("GET", "/settings/byok-keys"),
}
"""Method and path below `BASE` of the plan's endpoints (plan, Appendix A); `{org}` stands for an organisation's id."""


class OpsCenter:
    """Ops-Center as its users reach it. Every method takes the caller's access token and returns the raw reply.

    `token=None` sends no `Authorization` header at all.

    Args:
        url: its address, without /api/v1.
        timeout_s: the deadline of one request, in seconds.
        note: told of every request that may move credits or count, and of its answer.
        meter: asked before every LLM request.

    Attributes:
        missing: the endpoints that this Ops-Center does not have, by id, each with what it answered instead; asking one
            raises `EndpointMissingError`.
    """

    def __init__(self, url: str, timeout_s: float, note: Note = unnoted, meter: Meter | None = None) -> None:
        self.http = Http("Ops-Center", url, timeout_s)
        self.missing: Mapping[str, str] = {}
        self._note, self._meter = note, meter or Unmetered()

    def balance(self, token: str | None) -> Reply:
        """EP1: the caller's individual credits and calls."""
        return self._send("EP1", token)

    def organization_credits(self, token: str | None, organization: str) -> Reply:
        """EP2: an organisation's total, allocated and unallocated credits."""
        return self._send("EP2", token, organization)

    def purchase(self, token: str | None, organization: str, amount: Any, key: str | None = None) -> Reply:
        """EP3: buy credits for an organisation, with an idempotency key where one is given."""
        headers = {"Idempotency-Key": key} if key else None
        return self._noted(
            "purchase",
            token,
            lambda: self._send("EP3", token, organization, body={"amount": amount}, headers=headers),
            organization=organization,
            credits=amount,
            key=key,
        )

    def allocate(self, token: str | None, organization: str, email: str, amount: Any) -> Reply:
        """EP4: allocate an organisation's credits to a member."""
        body = {"user_email": email, "credits": amount}
        return self._noted(
            "allocate",
            token,
            lambda: self._send("EP4", token, organization, body=body),
            organization=organization,
            email=email,
            credits=amount,
        )

    def my_allocation(self, token: str | None, organization: str) -> Reply:
        """EP5: the caller's own allocation in an organisation."""
        return self._send("EP5", token, organization)

    def usage_attribution(self, token: str | None, organization: str) -> Reply:
        """EP6: an organisation's usage by member."""
        return self._send("EP6", token, organization)

    def usage(self, token: str | None) -> Reply:
        """EP7: the caller's usage of the current period."""
        return self._send("EP7", token)

    def history(self, token: str | None, limit: int = 50, offset: int = 0) -> Reply:
        """EP8: the caller's past requests, a page at a time."""
        return self._send("EP8", token, params={"limit": limit, "offset": offset})

    def chat(self, token: str | None, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """EP9: an LLM request in OpenAI's shape, plain or streaming as the body says."""
        return self._asked(
            token,
            lambda: self._send("EP9", token, body=body, headers=headers),
            body=body,
            headers=headers or {},
        )

    def chat_leaving_early(self, token: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """EP9 as a stream whose reader goes away after the first event."""
        return self._asked(
            token,
            lambda: self.http.leave_early(self.path("EP9"), token=token, body=body, headers=headers),
            body=body,
            headers=headers or {},
            left_early=True,
        )

    def models(self, token: str | None) -> Reply:
        """EP10: the models on offer and their prices."""
        return self._send("EP10", token)

    def create_organization(self, token: str | None, name: str, tier: str) -> Reply:
        """EP11: create an organisation; the caller becomes its admin."""
        body = {"name": name, "subscription_tier": tier}
        return self._noted("create_organization", token, lambda: self._send("EP11", token, body=body))

    def organization(self, token: str | None, organization: str) -> Reply:
        """EP12: an organisation and its members."""
        return self._send("EP12", token, organization)

    def invite(self, token: str | None, organization: str, email: str, role: str) -> Reply:
        """EP13: make somebody a member of an organisation, by e-mail."""
        body = {"email": email, "role": role}
        return self._noted(
            "invite",
            token,
            lambda: self._send("EP13", token, organization, body=body),
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
        return self._send("EP14", token, body=body)

    def keys(self, token: str | None) -> Reply:
        """EP15: which provider keys the caller has stored, never the keys."""
        return self._send("EP15", token)

    def remove_key(self, token: str | None, provider: str) -> Reply:
        """Remove the caller's stored key of one provider."""
        return self.http.send("DELETE", f"{BASE}/settings/byok-keys/{provider}", token=token)

    def status(self) -> Reply:
        """What Ops-Center itself says of the services it needs; open to everyone."""
        return self.http.send("GET", f"{BASE}/system/status")

    def path(self, endpoint: str, organization: str = "") -> str:
        """The path of an endpoint, by its id.

        Raises:
            EndpointMissingError: this Ops-Center does not have it.
        """
        method, path = ENDPOINTS[endpoint]
        if said := self.missing.get(endpoint):
            raise EndpointMissingError(method, BASE + path.replace("{org}", "{org_id}"), endpoint, said)
        return BASE + path.format(org=organization)

    def _send(self, endpoint: str, token: str | None, organization: str = "", **more: Any) -> Reply:
        return self.http.send(ENDPOINTS[endpoint][0], self.path(endpoint, organization), token=token, **more)

    def _asked(self, token: str | None, send: Callable[[], Reply], body: Any, **values: Any) -> Reply:
        self.path("EP9")
        self._meter.ask(body)
        reply = self._noted("chat", token, send, body=body, **values)
        self._meter.answered(body, reply)
        return reply

    def _noted(self, act: str, token: str | None, send: Callable[[], Reply], **values: Any) -> Reply:
        try:
            reply = send()
        except ServiceUnavailableError:
            self._note(act, token, None, **values)
            raise
        self._note(act, token, reply, **values)
        return reply
