"""The body of a chat completion, checked as the providers check it, and its caller."""

from dataclasses import dataclass
from typing import Any, Self

from sandbox.provider.outcomes import Outcome, RefusedError
from sandbox.provider.usage import Usage, answer_length, words

LONGEST_ANSWER = 128_000
"""The most words of an answer; a request for more is refused."""
MOST_ANSWERS = 16
"""The most answers to one request."""


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
    answers: int
    """The number of answers."""
    limited: bool
    """Whether the caller set the length of the answer."""
    stream: bool
    include_usage: bool
    """OpenAI's ``stream_options.include_usage``; OpenRouter always reports usage."""

    @classmethod
    def of(cls, body: object, usual: int | None = None) -> Self:
        """Check a body.

        Args:
            body: the parsed body.
            usual: the words of an answer without a limit; None for what is missing to 100 tokens.

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
        answers = _whole(body, "n", MOST_ANSWERS) or 1
        limits = [_whole(body, name, LONGEST_ANSWER) for name in ("max_completion_tokens", "max_tokens")]
        limit = max((limit for limit in limits if limit is not None), default=None)
        prompt = sum(words(_text(message.get("content"))) for message in messages)
        length = answer_length(prompt, usual if limit is None else limit)
        options = body.get("stream_options")
        return cls(
            model=model,
            usage=Usage(prompt, length * answers),
            answers=answers,
            limited=limit is not None,
            stream=body.get("stream") is True,
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )


def _whole(body: dict[str, Any], name: str, most: int) -> int | None:
    value = body.get(name)
    if value is not None and (type(value) is not int or not 1 <= value <= most):
        raise _bad(f"Invalid value for '{name}': a whole number from 1 to {most}.", name)
    return value


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
