"""LLM requests of unusual shapes, and fields that must not be passed on, by the names of the features.

A shape gets the first two words, which name the person and the request, and the tokens that the request uses, at least
200. It returns the messages and the limits of a body that uses exactly so many tokens at a provider stand-in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Shape = Callable[[str, int], dict[str, Any]]

_ANSWER = 100
"""The tokens of the answer where the prompt is long."""

CHINESE, JAPANESE, THAI = "请尽量详细地回答这个问题", "できるだけくわしくこたえてください", "กรุณาตอบคำถามนี้โดยละเอียด"


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _filled(first: str, words: int) -> str:
    """Return a text of so many words that begins with these two."""
    return " ".join([first, *["word"] * (words - 2)])


def _unspaced(script: str) -> Shape:
    """Return a long prompt in a script without spaces, of which each character is a token."""

    def shape(first: str, tokens: int) -> dict[str, Any]:
        length = tokens - _ANSWER - 2
        text = (script * (length // len(script) + 1))[:length]
        return {"messages": [_user(f"{first} {text}")], "max_tokens": _ANSWER}

    return shape


def _two_limits(older: float, newer: float) -> Shape:
    def shape(first: str, tokens: int) -> dict[str, Any]:
        rest = tokens - 2
        return {
            "messages": [_user(first)],
            "max_tokens": int(rest * older),
            "max_completion_tokens": int(rest * newer),
        }

    return shape


def _two_answers(first: str, tokens: int) -> dict[str, Any]:
    words = 2 + tokens % 2
    return {"messages": [_user(_filled(first, words))], "n": 2, "max_tokens": (tokens - words) // 2}


def _parts(first: str, tokens: int) -> dict[str, Any]:
    words = tokens - _ANSWER
    parts = [{"type": "text", "text": text} for text in (_filled(first, words // 2), "word " * (words - words // 2))]
    return {"messages": [_user(parts)], "max_tokens": _ANSWER}


def _turns(first: str, tokens: int) -> dict[str, Any]:
    """Return a conversation in which the model used a tool, so that one of its turns has no content."""
    words = tokens - _ANSWER
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    messages = [
        _user("word " * (words - 2)),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
        _user(first),
    ]
    return {"messages": messages, "max_tokens": _ANSWER}


def _no_limit(first: str, tokens: int) -> dict[str, Any]:
    return {"messages": [_user(_filled(first, tokens - 1))]}


SHAPES: dict[str, Shape] = {
    "for two answers": _two_answers,
    "with two limits, the older one larger,": _two_limits(1, 0.2),
    "with two limits, the newer one larger,": _two_limits(0.2, 1),
    "in two parts": _parts,
    "with a turn without content": _turns,
    "in Chinese": _unspaced(CHINESE),
    "in Japanese": _unspaced(JAPANESE),
    "in Thai": _unspaced(THAI),
    "of many words without a limit": _no_limit,
}
"""The shapes by the words of the features."""

ADDITIONS: dict[str, dict[str, Any]] = {
    "the address of another provider": {"api_base": "https://provider.example/v1"},
    "the key of another account": {"api_key": "sk-or-v1-of-nobody-in-this-deployment"},
    "another model to fall back to": {"models": ["openai/gpt-4"], "fallbacks": ["openai/gpt-4"]},
    "a body of its own for the provider": {"extra_body": {"transforms": ["middle-out"]}},
    "a field that OpenAI does not know": {"unheard_of": True},
}
"""Fields that are not OpenAI's, which Ops-Center must not pass on (contract, "The LLM request")."""
