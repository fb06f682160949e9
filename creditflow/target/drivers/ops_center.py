"""The Ops-Center API: one method for each endpoint of the plan's Appendix A. It judges no reply."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from creditflow.core.errors import EndpointMissingError, ServiceUnavailableError
from creditflow.target.ceiling import Ceiling
from creditflow.target.drivers.http import Http, Reply
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.drivers.record import Recorder, record_nothing

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

_FORM = 6
"""The first characters of a key, which are the same for all keys of a provider: `sk-or-`."""


class OpsCenter:
    """Ops-Center as its users reach it. Each method takes the caller's access token and returns the raw reply.

    Without a token (`None`) no `Authorization` header is sent.

    Args:
        url: its address, without /api/v1.
        timeout_s: the deadline of a request, in seconds.
        record: receives each request with its reply.
        ceiling: counts each LLM request, and may forbid it.

    Attributes:
        missing: the endpoints that this Ops-Center does not have, by id, each with its actual answer; a request to one
            of them raises `EndpointMissingError`.
    """

    def __init__(
        self, url: str, timeout_s: float, record: Recorder = record_nothing, ceiling: Ceiling | None = None
    ) -> None:
        self.http = Http("Ops-Center", url, timeout_s)
        self.missing: Mapping[str, str] = {}
        self._record, self._ceiling = record, ceiling

    def balance(self, token: str | None) -> Reply:
        """Get the caller's own credits and calls (EP1)."""
        return self._read("EP1", token)

    def organization_credits(self, token: str | None, organization: str) -> Reply:
        """Get an organisation's total, allocated and unallocated credits (EP2)."""
        return self._read("EP2", token, organization)

    def purchase(self, token: str | None, organization: str, amount: Any, key: str | None = None) -> Reply:
        """Purchase credits for an organisation, with an idempotency key if one is given (EP3)."""
        headers = {"Idempotency-Key": key} if key else None
        return self._recorded(
            "purchase",
            token,
            lambda: self._send("EP3", token, organization, body={"amount": amount}, headers=headers),
            organization=organization,
            credits=amount,
            key=key,
        )

    def allocate(self, token: str | None, organization: str, email: str, amount: Any) -> Reply:
        """Allocate an organisation's credits to a member (EP4)."""
        body = {"user_email": email, "credits": amount}
        return self._recorded(
            "allocate",
            token,
            lambda: self._send("EP4", token, organization, body=body),
            organization=organization,
            email=email,
            credits=amount,
        )

    def my_allocation(self, token: str | None, organization: str) -> Reply:
        """Get the caller's own allocation in an organisation (EP5)."""
        return self._read("EP5", token, organization)

    def usage_attribution(self, token: str | None, organization: str) -> Reply:
        """Get an organisation's usage by member (EP6)."""
        return self._read("EP6", token, organization)

    def usage(self, token: str | None) -> Reply:
        """Get the caller's usage of the current period (EP7)."""
        return self._read("EP7", token)

    def history(self, token: str | None, limit: int = 50, offset: int = 0) -> Reply:
        """Get one page of the caller's past requests (EP8)."""
        return self._read("EP8", token, params={"limit": limit, "offset": offset})

    def chat(self, token: str | None, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Send an LLM request in OpenAI's shape; the body says whether the reply is a stream (EP9)."""
        return self._chat(
            token,
            lambda: self._send("EP9", token, body=body, headers=headers),
            body=body,
            headers=headers or {},
        )

    def chat_leaving_early(self, token: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Send an LLM request for a stream, and close the connection after the first event (EP9)."""
        return self._chat(
            token,
            lambda: self.http.leave_early(self.path("EP9"), token=token, body=body, headers=headers),
            body=body,
            headers=headers or {},
            left_early=True,
        )

    def chat_leaving_unanswered(
        self, token: str, body: Any, headers: Mapping[str, str], under_way: Callable[[], object]
    ) -> None:
        """Send an LLM request, and close the connection without an answer as soon as `under_way` has returned (EP9)."""
        if self._ceiling:
            self._ceiling.count_request(body)
        began = time.monotonic()
        self.http.leave_unanswered(self.path("EP9"), token=token, body=body, headers=headers, under_way=under_way)
        self._record("chat", token, None, began=began, body=body, headers=headers, left_early=True)

    def models(self, token: str | None) -> Reply:
        """Get the models and their prices (EP10)."""
        return self._read("EP10", token)

    def create_organization(self, token: str | None, name: str, tier: str) -> Reply:
        """Create an organisation; the caller becomes its admin (EP11)."""
        body = {"name": name, "subscription_tier": tier}
        return self._recorded(
            "create_organization", token, lambda: self._send("EP11", token, body=body), name=name, tier=tier
        )

    def organization(self, token: str | None, organization: str) -> Reply:
        """Get an organisation and its members (EP12)."""
        return self._read("EP12", token, organization)

    def invite(self, token: str | None, organization: str, email: str, role: str) -> Reply:
        """Make somebody a member of an organisation, by e-mail (EP13)."""
        body = {"email": email, "role": role}
        return self._recorded(
            "invite",
            token,
            lambda: self._send("EP13", token, organization, body=body),
            organization=organization,
            email=email,
            role=role,
        )

    def remove_organization(self, token: str | None, organization: str) -> Reply:
        """Remove an organisation with its members and credits."""
        return self._recorded(
            "remove_organization",
            token,
            lambda: self.http.send("DELETE", f"{BASE}/org/{organization}", token=token),
            organization=organization,
        )

    def store_key(self, token: str | None, provider: str, key: str) -> Reply:
        """Store the caller's own provider key (EP14); the record gets its form and its fingerprint."""
        body = {"provider": provider, "api_key": key}
        return self._recorded(
            "store_key",
            token,
            lambda: self._send("EP14", token, body=body),
            provider=provider,
            key=fingerprint(key),
            form=key[:_FORM] + re.sub(r"[A-Za-z0-9_-]", "x", key[_FORM:]),
        )

    def store_key_in_address(self, token: str | None, provider: str, key: str) -> Reply:
        """Try to store a key that stands in the address of the request and not in its body (EP14)."""
        return self._recorded(
            "store_key_in_address",
            token,
            lambda: self._send("EP14", token, body={}, params={"provider": provider, "api_key": key}),
            provider=provider,
        )

    def keys(self, token: str | None) -> Reply:
        """List the caller's stored provider keys, without the keys themselves (EP15)."""
        return self._read("EP15", token)

    def remove_key(self, token: str | None, provider: str) -> Reply:
        """Remove the caller's stored key of one provider."""
        return self._recorded(
            "remove_key",
            token,
            lambda: self.http.send("DELETE", f"{BASE}/settings/byok-keys/{provider}", token=token),
            provider=provider,
        )

    def status(self) -> Reply:
        """Get Ops-Center's own report about the services that it needs; no sign-in is needed."""
        return self.http.send("GET", f"{BASE}/system/status")

    def path(self, endpoint: str, organization: str = "") -> str:
        """Return the path of an endpoint, by its id.

        Raises:
            EndpointMissingError: this Ops-Center does not have it.
        """
        method, path = ENDPOINTS[endpoint]
        if answer := self.missing.get(endpoint):
            raise EndpointMissingError(method, BASE + path.replace("{org}", "{org_id}"), endpoint, answer)
        return BASE + path.format(org=organization)

    def _send(self, endpoint: str, token: str | None, organization: str = "", **more: Any) -> Reply:
        return self.http.send(ENDPOINTS[endpoint][0], self.path(endpoint, organization), token=token, **more)

    def _read(self, endpoint: str, token: str | None, organization: str | None = None, **more: Any) -> Reply:
        of = {} if organization is None else {"organization": organization}
        send = partial(self._send, endpoint, token, organization or "", **more)
        return self._recorded("read", token, send, endpoint=endpoint, **of, **more.get("params", {}))

    def _chat(self, token: str | None, send: Callable[[], Reply], body: Any, **values: Any) -> Reply:
        self.path("EP9")

        def record() -> Reply:
            return self._recorded("chat", token, send, body=body, **values)

        return self._ceiling.send(body, record) if self._ceiling else record()

    def _recorded(self, operation: str, token: str | None, send: Callable[[], Reply], **values: Any) -> Reply:
        began = time.monotonic()
        try:
            reply = send()
        except ServiceUnavailableError:
            self._record(operation, token, None, began=began, **values)
            raise
        self._record(operation, token, reply, began=began, **values)
        return reply
