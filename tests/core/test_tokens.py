"""The tokens of a request, counted in its body."""

from __future__ import annotations

from typing import Any

import pytest

from creditflow.actors.llm_requests import LlmRequest
from creditflow.actors.request_shapes import SHAPES
from creditflow.core import tokens
from creditflow.target.ceiling import announced


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" one  two\nthree ", 3),
        ("one\x1ctwo\x0bthree", 3),
        ("naïve Straße Привет", 3),
        ("你好世界", 4),
        ("ありがとう", 5),
        ("กขค", 3),
        ("hello 你好 world", 4),
        ("hello你好world", 4),
        ("안녕 세계", 2),
    ],
)
def test_a_word_is_a_token_and_so_is_a_character_of_a_script_without_spaces(text: str, words: int) -> None:
    assert tokens.words(text) == words


def body(*contents: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents], **more}


@pytest.mark.parametrize(
    ("asked", "estimate"),
    [
        (body("one two", max_tokens=98), 100),
        (body("one two", max_completion_tokens=98), 100),
        (body("one two", max_tokens=98, max_completion_tokens=48), 100),
        (body("one two", max_tokens=48, max_completion_tokens=98), 100),
        (body("one two", max_tokens=49, n=2), 100),
        (body("one two", None, "three", max_tokens=97), 100),
        (body([{"type": "text", "text": "one"}, {"type": "image_url", "text": "no"}], max_tokens=99), 100),
        (body("one two"), 100),
        (body("one two", n=3), 100),
        (body("word " * 101), 101),
    ],
)
def test_an_estimate_covers_prompt_and_answers(asked: dict[str, Any], estimate: int) -> None:
    assert tokens.estimated(asked) == estimate


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("number", [200, 201, 500])
def test_a_shape_announces_exactly_its_tokens(shape: str, number: int) -> None:
    asked = LlmRequest("GPT-4", number, shape=shape).body("somebody")
    assert announced(asked) == number
    assert number - 1 <= tokens.estimated(asked) <= number


def test_an_answer_of_another_length_is_announced_only_without_a_limit() -> None:
    assert announced(body("one two"), usual=240) == 242
    assert announced(body("one two", max_tokens=5), usual=240) == 7
