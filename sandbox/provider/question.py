"""The body of a chat completion, checked as the providers check it, and its caller."""

from dataclasses import dataclass
from typing import Any, Self

from sandbox.provider.outcomes import Outcome, RefusedError
from sandbox.provider.usage import Usage, answer_length

LONGEST_ANSWER = 128_000
"""The most words of an answer; a request for more is refused."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The caller and the request: the first two words of the last message."""

    caller: str = ""
    request: str = ""

    @classmethod
    def of(cls, body: object) -> Self:
        """Read the last message of any body, even of a wrong one; empty without a message."""
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
            return cls()
        return cls(*_text(messages[-1].get("content")).split(maxsplit=2)[:2])


@dataclass(frozen=True, slots=True)
class Question:
    """A valid request."""

    model: str
    usage: Usage
    limited: bool
    """Whether the caller set the length of the answer."""
    stream: bool
    include_usage: bool
    """OpenAI's ``stream_options.include_usage``; OpenRouter always reports usage."""

    @classmethod
    def of(cls, body: object) -> Self:
        """Check a body.

        Raises:
            RefusedError: with `Outcome.BAD_REQUEST` and a message.
        """
        if not isinstance(body, dict):
            raise _bad("The body must be a JSON object.")
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str) or not model:
            raise _bad("You must provide a model parameter.", "model")
        if not isinstance(messages, list) or not messages:
            raise _bad("Missing required parameter: 'messages'.", "messages")
        if not all(isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages):
            raise _bad("Every message must be an object with a 'role'.", "messages")
        if body.get("n") not in (None, 1):
            raise _bad("Only one choice is given: 'n' must be 1.", "n")
        limit = _limit(body)
        prompt = sum(len(_text(message.get("content")).split()) for message in messages)
        options = body.get("stream_options")
        return cls(
            model=model,
            usage=Usage(prompt, answer_length(prompt, limit)),
            limited=limit is not None,
            stream=body.get("stream") is True,
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )


def _limit(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        limit = body.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= LONGEST_ANSWER:
            raise _bad(f"Invalid value for '{name}': a whole number from 1 to {LONGEST_ANSWER}.", name)
        return limit
    return None


def _text(content: object) -> str:
    """Return the text of a message: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
    return " ".join(part for part in parts if isinstance(part, str))


def _bad(message: str, param: str | None = None) -> RefusedError:
    return RefusedError(Outcome.BAD_REQUEST, message, param)
