"""The usage of a call and its price: one token for each word, prices in whole nano-dollars."""

import re
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


_THAI, _KANA, _IDEOGRAPHS = "\u0e00-\u0e7f", "\u3040-\u30ff", "\u3400-\u9fff"
_WORD = re.compile(f"[{_THAI}{_KANA}{_IDEOGRAPHS}]|[^\\s{_THAI}{_KANA}{_IDEOGRAPHS}]+")
"""A word, or one character of a script without spaces: Thai, Japanese, Chinese."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one call: question and answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """The tokens of question and answer together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cached_tokens(self) -> int:
        """The prompt tokens that the provider had in its cache: half of them."""
        return self.prompt_tokens // 2

    @property
    def reasoning_tokens(self) -> int:
        """The answer tokens that the model used to reason: half of them."""
        return self.completion_tokens // 2

    def cost(self, model: str) -> int:
        """Return the nano-dollars for this usage of a model, given by OpenRouter's name (``openai/gpt-4``)."""
        prompt, completion = NANO_DOLLARS[model]
        return prompt * self.prompt_tokens + completion * self.completion_tokens


def words(text: str) -> int:
    """Return the tokens of a text."""
    return len(_WORD.findall(text))


def answer_length(prompt_tokens: int, limit: int | None) -> int:
    """Return the words of an answer: the limit, or else what is missing to 100 tokens, at least one."""
    return limit if limit is not None else max(1, DEFAULT_TOTAL - prompt_tokens)


def dollars(nano_dollars: int) -> float:
    """Return a cost in US dollars, as the providers write it in JSON."""
    return nano_dollars / 1_000_000_000
