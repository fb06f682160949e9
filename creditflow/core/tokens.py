"""The tokens of an LLM request, counted in its body by the contract's rules ("The LLM request", Charge)."""

from __future__ import annotations

import unicodedata
from typing import Any

WITHOUT_LIMIT = 100
"""The tokens of request and answer together that a request without a limit is expected to use."""

_WITHOUT_SPACES = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "THAI")
"""How the Unicode names of the characters begin that are words of their own: Chinese, Japanese, Thai."""


def words(text: str) -> int:
    """Return the number of words; a character of a script without spaces counts as one."""
    if text.isascii():
        return len(text.split())
    count, inside = 0, False
    for character in text:
        alone = not character.isascii() and unicodedata.name(character, "").startswith(_WITHOUT_SPACES)
        begins = not alone and not character.isspace()
        count += alone or (begins and not inside)
        inside = begins
    return count


def prompt(body: Any) -> int:
    """Return the tokens of all messages of a request: their words, also those in text parts."""
    return sum(map(words, (text for message in body["messages"] for text in _texts(message["content"]))))


def answers(body: Any) -> int:
    """Return how many answers a request asks for."""
    return int(body.get("n") or 1)


def limit(body: Any) -> int | None:
    """Return the most tokens of one answer: the larger of both limits if two are given, or None without one."""
    limits = [body.get("max_tokens"), body.get("max_completion_tokens")]
    return max((int(limit) for limit in limits if limit is not None), default=None)


def estimated(body: Any) -> int:
    """Return the tokens for which credits are reserved before the provider is called."""
    most = limit(body)
    return max(WITHOUT_LIMIT, prompt(body)) if most is None else prompt(body) + most * answers(body)


def _texts(content: Any) -> list[str]:
    if isinstance(content, list):
        return [part["text"] for part in content if part.get("type") == "text"]
    return [] if content is None else [content]
