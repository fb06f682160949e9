"""LLM requests that no provider should see, by what is wrong with them (contract, "The LLM request", step 2)."""

from __future__ import annotations

from typing import Any

_ASKED = {
    "model": "openai/gpt-3.5-turbo",
    "messages": [{"role": "user", "content": "Hello, this is a test."}],
}

MALFORMED: dict[str, Any] = {
    "no messages": {"model": "openai/gpt-3.5-turbo"},
    "an empty list of messages": _ASKED | {"messages": []},
    "no model": {"messages": _ASKED["messages"]},
    "an unknown model": _ASKED | {"model": "openai/gpt-0"},
    "0 tokens of answer": _ASKED | {"max_tokens": 0},
    "128,001 tokens of answer": _ASKED | {"max_tokens": 128_001},
    "-1 tokens of answer": _ASKED | {"max_tokens": -1},
    "no question at all": {},
}
