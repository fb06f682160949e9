"""The usage of a call and its price: one token for each word, prices in whole nano-dollars."""

from dataclasses import dataclass

DEFAULT_TOTAL = 100
"""Tokens of question and answer together when the caller sets no limit."""

NANO_DOLLARS: dict[str, tuple[int, int]] = {
    "openai/gpt-3.5-turbo": (500, 1_500),
    "openai/gpt-4": (30_000, 60_000),
    "openai/gpt-4-turbo": (10_000, 30_000),
    "anthropic/claude-3-sonnet": (3_000, 15_000),
}
"""The price of a prompt token and of an answer token, by OpenRouter's model name."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one call: question and answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """The tokens of question and answer together."""
        return self.prompt_tokens + self.completion_tokens

    def cost(self, model: str) -> int:
        """Return the nano-dollars for this usage of a model, given by OpenRouter's name (``openai/gpt-4``)."""
        prompt, completion = NANO_DOLLARS[model]
        return prompt * self.prompt_tokens + completion * self.completion_tokens


def answer_length(prompt_tokens: int, limit: int | None) -> int:
    """Return the words of the answer: the limit, or else what is missing to 100 tokens, at least one."""
    return limit if limit is not None else max(1, DEFAULT_TOTAL - prompt_tokens)


def dollars(nano_dollars: int) -> float:
    """Return a cost in US dollars, as the providers write it in JSON."""
    return nano_dollars / 1_000_000_000
