"""What a request costs, in whole credits (contract, EP9, "Charge"; plan, "Credit Costs")."""

RATES = {
    "openai/gpt-3.5-turbo": 9,
    "openai/gpt-4": 48,
    "openai/gpt-4-turbo": 24,
    "anthropic/claude-3-sonnet": 15,
}
"""Credits per 100 tokens, by model."""

DEFAULT_TOKENS = 100
"""What a request without `max_tokens` is estimated at, prompt and answer together."""


def rate(model: str) -> int:
    """Credits per 100 tokens of a model in `RATES`."""
    return RATES[model]


def charge(model: str, tokens: int) -> int:
    """The credits that so many tokens cost: half a credit is rounded up, and a request costs at least 1."""
    return max(1, (tokens * rate(model) * 2 + 100) // 200)


def estimated_tokens(prompt: str, max_tokens: int | None) -> int:
    """The most tokens that a request is expected to use; a prompt has as many as it has words."""
    if max_tokens is None:
        return DEFAULT_TOKENS
    return len(prompt.split()) + max_tokens


def estimate(model: str, prompt: str, max_tokens: int | None) -> int:
    """The credits to hold before the provider is called."""
    return charge(model, estimated_tokens(prompt, max_tokens))
