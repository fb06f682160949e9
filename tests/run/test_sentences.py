"""The sentences of the step definitions."""

from __future__ import annotations

from typing import Any

from features.language import Sentence


def nothing(context: Any) -> None:
    """Do nothing: the function of a step definition."""


def test_an_expression_is_compiled_as_soon_as_a_step_has_all_its_fixed_words() -> None:
    sentence = Sentence(nothing, "{int} cows eat {int} red hat(s) now", "given")
    for other in ("3 cows see 4 red hats now", "3 cows eat 4 green hats now", "3 cows eat 4 red hats"):
        assert sentence.check_match(other) is None
    assert "cucumber_expression" not in vars(sentence)
    assert [argument.value for argument in sentence.check_match("3 cows eat 1 red hat now")] == [3, 1]
    assert "cucumber_expression" in vars(sentence)
