"""The ceiling of a run: how many LLM requests it may send, and what they may cost where a real provider is paid.

The drivers ask before each request, so that no way of sending one goes round it. What a request costs is assumed, at
one price for all models: by the tokens that it announces, or by those that the provider reported where they are more.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from creditflow.target.drivers.http import Reply, whole
from creditflow.target.settings import Settings


class Meter(Protocol):
    """Counts LLM requests, and may forbid one."""

    def ask(self, body: Any) -> None:
        """Count a request that is about to be sent; raises where it may not be."""

    def answered(self, body: Any, reply: Reply) -> None:
        """Count what an answer reports beyond what its request announced."""


class Unmetered:
    """Counts nothing and forbids nothing: for a driver that is used alone."""

    def ask(self, body: Any) -> None:
        """Let it be sent."""

    def answered(self, body: Any, reply: Reply) -> None:
        """Take no note."""


class CeilingReachedError(Exception):
    """The run may send no further LLM request; the sentence names the ceiling and the setting that raises it."""


class Ceiling:
    """What a run may still send and spend; safe to ask from several threads.

    Once it is reached it stays so, for requests that would still fit too: the run is over.

    Args:
        settings: with `max_requests`, and where no provider stand-in is named `max_provider_cost` (US cents) and
            `provider_price` (US cents for 1,000 tokens).
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_requests
        self._price = 0 if settings.provider_url else settings.provider_price
        self._budget = settings.max_provider_cost
        self._lock = threading.Lock()
        self._requests = self._tokens = 0
        self._reached = ""

    @property
    def requests(self) -> int:
        """The LLM requests that were sent."""
        return self._requests

    @property
    def cost(self) -> int:
        """What they cost at a real provider by the assumed price, in US cents, rounded up; 0 with a stand-in."""
        return -(-self._tokens * self._price // 1000)

    def check(self) -> None:
        """Make sure that the ceiling was not reached.

        Raises:
            CeilingReachedError: it was, so that what is not yet judged can't be.
        """
        if self._reached:
            raise CeilingReachedError(self._reached)

    def ask(self, body: Any) -> None:
        """Count a request that is about to be sent.

        Raises:
            CeilingReachedError: it would be one too many, or cost too much.
        """
        tokens = announced(body) or 0
        with self._lock:
            self.check()
            if self._requests + 1 > self._most:
                self._stop(f"its ceiling of {self._most:,} LLM requests", "MAX_REQUESTS")
            if (self._tokens + tokens) * self._price > self._budget * 1000:
                self._stop(
                    f"its ceiling of {self._budget:,} US cents for a real provider ({self._tokens:,} tokens so far, "
                    f"at an assumed {self._price} cents per 1,000; the next request announces {tokens:,})",
                    "MAX_PROVIDER_COST",
                )
            self._requests += 1
            self._tokens += tokens

    def answered(self, body: Any, reply: Reply) -> None:
        """Count the tokens that a provider reported beyond those that the request announced."""
        beyond = (reported(reply) or 0) - (announced(body) or 0)
        with self._lock:
            self._tokens += max(0, beyond)

    def _stop(self, what: str, setting: str) -> None:
        self._reached = (
            f"The run has reached {what}, after {self._requests:,} requests, and sends no more: see whether so many "
            f"are meant, run fewer scenarios, or raise {setting}."
        )
        raise CeilingReachedError(self._reached)


def announced(body: Any) -> int | None:
    """The tokens that a request's body announces; None for a body that is no question.

    A word of the question is a token; without `max_tokens` question and answer have 100 together.
    """
    try:
        words = sum(len(message["content"].split()) for message in body["messages"])
        limit = body.get("max_tokens")
        return words + int(limit) if limit is not None else max(100, words + 1)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None


def reported(reply: Reply) -> int | None:
    """The tokens that the provider reported in an answer or a stream; None when it reported no whole number."""
    for event in (reply.body, *reversed(reply.events)):
        if isinstance(event, dict) and isinstance(event.get("usage"), dict):
            return whole(event["usage"].get("total_tokens"))
    return None
