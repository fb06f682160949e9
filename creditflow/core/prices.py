"""The price list of a feature, and the cost of a request.

The prices come from the feature file, never from the system under test (plan, "Credit Costs (100 tokens)").
"""

from __future__ import annotations

from collections.abc import Mapping

MODELS = {
    "GPT-3.5-turbo": "openai/gpt-3.5-turbo",
    "GPT-4": "openai/gpt-4",
    "GPT-4-turbo": "openai/gpt-4-turbo",
    "Claude-3-Sonnet": "anthropic/claude-3-sonnet",
}
"""The plan's names of the models, and their names in the API."""

PLAN = {"GPT-3.5-turbo": 9, "GPT-4": 48, "GPT-4-turbo": 24, "Claude-3-Sonnet": 15}
"""The plan's own prices (section "Credit Costs (100 tokens)"), for features without a price list."""


class PriceList:
    """Credits for 100 tokens of each model, by the plan's name of the model."""

    def __init__(self, credits: Mapping[str, int]) -> None:
        if unknown := set(credits) - set(MODELS):
            raise ValueError(f"The price list names {', '.join(sorted(unknown))}; the plan knows {', '.join(MODELS)}.")
        self.credits = dict(credits)

    def charge(self, model: str, tokens: int) -> int:
        """Return the credits that a request costs; see :func:`charge`.

        Raises:
            KeyError: the model has no price.
        """
        return charge(self.credits[model], tokens)


def charge(rate: int, tokens: int) -> int:
    """Return the credits that tokens cost at a rate for 100 tokens: half a credit rounds up, and no request is free.

    Source: contract, "The LLM request", Charge.
    """
    return max(1, (rate * tokens + 50) // 100)
