"""The price of a request, in whole credits (contract, EP9, "Charge"; plan, "Credit Costs")."""

import re

RATES = {
    "openai/gpt-3.5-turbo": 9,
    "openai/gpt-4": 48,
    "openai/gpt-4-turbo": 24,
    "anthropic/claude-3-sonnet": 15,
}
"""Credits per 100 tokens, by model."""

DEFAULT_TOKENS = 100
"""The estimate for a request without a limit: prompt and answer together."""

WORD = re.compile(
    r"[\u0E00-\u0E7F\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF]"
    r"|[^\s\u0E00-\u0E7F\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF]+"
)
"""A word, or a character of a script without spaces: Thai, Japanese, Chinese."""


def rate(model: str) -> int:
    """Return the credits per 100 tokens of a model in `RATES`."""
    return RATES[model]


def charge(model: str, tokens: int) -> int:
    """Return the credits for these tokens: half a credit is rounded up, and a request costs at least 1."""
    return max(1, (tokens * rate(model) * 2 + 100) // 200)


def estimated_tokens(prompt: str, answer_tokens: int | None) -> int:
    """Return the most tokens that a request is expected to use; each word of the prompt counts as one."""
    words = len(WORD.findall(prompt))
    if answer_tokens is None:
        return max(DEFAULT_TOKENS, words)
    return words + answer_tokens


def estimate(model: str, prompt: str, answer_tokens: int | None) -> int:
    """Return the credits to reserve before the provider is called."""
    return charge(model, estimated_tokens(prompt, answer_tokens))
