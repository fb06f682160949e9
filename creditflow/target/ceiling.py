"""The ceiling of a run: the most LLM requests that it may send, and the most that they may cost at a real provider.

All drivers that send LLM requests use one `Ceiling`. The cost is an estimate at one price for all models. It counts the
tokens that a request announces, or the tokens that the provider reports if they are more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from creditflow.core import tokens
from creditflow.core.shared_counts import SharedCounts
from creditflow.target.drivers.http import Reply, whole
from creditflow.target.settings import Settings

_NO_REQUEST = AttributeError, KeyError, TypeError, ValueError, OverflowError
"""What a body raises that is not an LLM request."""


class CeilingReachedError(Exception):
    """The run may send no more LLM requests; the message names the ceiling and the setting that raises it."""


class Ceiling:
    """Counts the LLM requests and tokens of a run; all its threads and workers use it.

    After the ceiling is reached, all further requests are refused, also smaller ones.

    Args:
        settings: `max_requests` counts always; `max_provider_cost` (US cents) and `provider_price` (US cents for 1,000
            tokens) count if no provider stand-in is named.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_requests
        self._price = 0 if settings.provider_url else settings.provider_price
        self._budget = settings.max_provider_cost
        self._counts = SharedCounts()

    @property
    def requests(self) -> int:
        """The number of LLM requests so far."""
        return self._counts.numbers[0]

    @property
    def cost(self) -> int:
        """The estimated cost at a real provider in US cents, rounded up; 0 with a stand-in."""
        return -(-self._counts.numbers[1] * self._price // 1000)

    def check(self) -> None:
        """Require that the ceiling was not reached.

        Raises:
            CeilingReachedError: it was reached.
        """
        if reached := self._counts.text:
            raise CeilingReachedError(reached)

    def send(self, body: Any, send: Callable[[], Reply]) -> Reply:
        """Count a request, send it, and count its reply.

        Raises:
            CeilingReachedError: it would be one too many, or cost too much; it was not sent.
        """
        self.count_request(body)
        reply = send()
        self.count_reply(body, reply)
        return reply

    def count_request(self, body: Any, times: int = 1) -> None:
        """Count a request before it is sent, or several that announce the same.

        Raises:
            CeilingReachedError: there would be too many, or they would cost too much.
        """
        more_tokens = (announced(body) or 0) * times
        counts = self._counts.numbers
        with self._counts.locked():
            self.check()
            if counts[0] + times > self._most:
                more = f", and the next {times:,} would be too many" if times > 1 else ""
                self._stop(f"its ceiling of {self._most:,} LLM requests{more}", "MAX_REQUESTS")
            if (counts[1] + more_tokens) * self._price > self._budget * 1000:
                self._stop(
                    f"its ceiling of {self._budget:,} US cents for a real provider ({counts[1]:,} tokens so far, "
                    f"at an assumed {self._price} cents per 1,000; the next request announces {more_tokens:,})",
                    "MAX_PROVIDER_COST",
                )
            counts[0] += times
            counts[1] += more_tokens

    def count_unsent(self, body: Any, times: int) -> None:
        """Take back requests that were counted and not sent."""
        with self._counts.locked():
            self._counts.numbers[0] -= times
            self._counts.numbers[1] -= (announced(body) or 0) * times

    def count_reply(self, body: Any, reply: Reply) -> None:
        """Count the reported tokens that are more than the request announced."""
        beyond = (reported(reply) or 0) - (announced(body) or 0)
        with self._counts.locked():
            self._counts.numbers[1] += max(0, beyond)

    def _stop(self, what: str, setting: str) -> None:
        self._counts.text = (
            f"The run has reached {what}, after {self.requests:,} requests, and sends no more: check whether so many "
            f"are intended, run fewer scenarios, or raise {setting}."
        )
        self.check()


def announced(body: Any, usual: int | None = None) -> int | None:
    """Return the tokens that a provider stand-in uses for a request, or None if its body is not an LLM request.

    Args:
        body: the request. Each of its words is one token, and each answer has as many tokens as its limit.
        usual: the tokens of an answer without a limit; None for what is missing to 100 in all, at least one.
    """
    try:
        asked, limit = tokens.prompt(body), tokens.limit(body)
        if limit is None:
            limit = max(1, tokens.WITHOUT_LIMIT - asked) if usual is None else usual
        return asked + limit * tokens.answers(body)
    except _NO_REQUEST:
        return None


def estimated(body: Any) -> int | None:
    """Return the tokens for which credits are reserved, or None if a body is not an LLM request."""
    try:
        return tokens.estimated(body)
    except _NO_REQUEST:
        return None


def reported(reply: Reply) -> int | None:
    """Return the tokens that the provider reported in a reply or a stream, or None if it is not a whole number."""
    for event in (reply.body, *reversed(reply.events)):
        if isinstance(event, dict) and isinstance(event.get("usage"), dict):
            return whole(event["usage"].get("total_tokens"))
    return None
