"""The forms of LLM requests: which the contract accepts, and what is unusual about one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from creditflow.target.drivers.http import an_object, objects

MOST_TOKENS, MOST_ANSWERS = 128_000, 16

_USUAL = {"model", "messages", "max_tokens", "stream", "stream_options"}
_OPENAI = {"n", "tools", "max_completion_tokens", "temperature", "top_p", "stop", "seed", "user"}
"""The fields of plain requests, and other fields of OpenAI's chat completion."""


def is_good(body: Any, rates: Mapping[str, int]) -> bool | None:
    """Return whether a body fulfils step 2; None if the contract does not say."""
    if not isinstance(body, dict) or str(body.get("model")) not in rates:
        return False
    if not objects(body.get("messages")):
        return False
    limit, other, answers = body.get("max_tokens"), body.get("max_completion_tokens"), body.get("n")
    if type(limit) is int and not 1 <= limit <= MOST_TOKENS:
        return False
    usual = (
        all(isinstance(each, dict) and {"role", "content"} <= each.keys() for each in body["messages"])
        and (limit is None or type(limit) is int)
        and (other is None or (type(other) is int and 1 <= other <= MOST_TOKENS))
        and (answers is None or (type(answers) is int and 1 <= answers <= MOST_ANSWERS))
    )
    return True if usual else None


def is_malformed(name: str, headers: Mapping[str, str]) -> bool:
    """Return whether a header has a value of the wrong form; one that is missing has not."""
    value = headers.get(name)
    if value is None:
        return False
    if name == "Idempotency-Key":
        return not 1 <= len(value.strip()) <= 255
    try:
        uuid.UUID(value)
    except ValueError:
        return True
    return False


def shape_of(body: Mapping[str, Any]) -> str:
    """Return what is unusual about a body, in a few words."""
    contents = [each.get("content") for each in objects(body.get("messages"))]
    usage = an_object(body.get("stream_options")).get("include_usage") if body.get("stream") else True
    unusual = {
        "content in parts": any(isinstance(each, list) for each in contents),
        "no content": any(each is None for each in contents),
        "no limit": not {"max_tokens", "max_completion_tokens"} & body.keys(),
        **dict.fromkeys(sorted(body.keys() & _OPENAI), True),
        "unknown fields": bool(body.keys() - _USUAL - _OPENAI),
        "no usage asked for": usage is not True,
    }
    return ", ".join(what for what, is_so in unusual.items() if is_so) or "plain"
