"""The price of a request: exact, half a credit rounded up, at least one."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.ops_center import pricing

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment


@pytest.mark.parametrize(
    ("model", "tokens", "credits"),
    [
        ("openai/gpt-3.5-turbo", 100, 9),
        ("openai/gpt-4", 100, 48),
        ("openai/gpt-4-turbo", 100, 24),
        ("anthropic/claude-3-sonnet", 100, 15),
        ("openai/gpt-3.5-turbo", 3, 1),  # 0.27
        ("openai/gpt-3.5-turbo", 16, 1),  # 1.44
        ("openai/gpt-3.5-turbo", 17, 2),  # 1.53
        ("openai/gpt-3.5-turbo", 50, 5),  # 4.5
        ("anthropic/claude-3-sonnet", 10, 2),  # 1.5
        ("anthropic/claude-3-sonnet", 30, 5),  # 4.5
        ("openai/gpt-4-turbo", 1000, 240),
    ],
)
def test_a_request_costs_what_its_tokens_cost(center: Deployment, model: str, tokens: int, credits: int) -> None:
    person = center.person(1000)

    answer = person.ask(tokens, model)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["usage"]["total_tokens"] == tokens
    assert (body["cost_credits"], body["credits_remaining"], body["byok_used"]) == (
        credits,
        1000 - credits,
        False,
    )
    assert person.balance() == 1000 - credits
    assert center.charges(person) == [credits]


@given(model=st.sampled_from(sorted(pricing.RATES)), tokens=st.integers(0, 10_000_000))
def test_the_charge_is_the_exact_price_rounded_half_up(model: str, tokens: int) -> None:
    exact = Decimal(tokens) * pricing.RATES[model] / 100

    assert pricing.charge(model, tokens) == max(1, int(exact.quantize(Decimal(1), ROUND_HALF_UP)))


def test_a_request_without_a_limit_is_estimated_at_100_tokens() -> None:
    assert pricing.estimate("openai/gpt-4", "a prompt of five words", None) == 48
    assert pricing.estimate("openai/gpt-4", "a prompt of five words", 95) == 48
    assert pricing.estimate("openai/gpt-4", "a prompt of five words", 195) == 96


@pytest.mark.parametrize(
    ("prompt", "answer", "tokens"),
    [
        ("five words are in here", 95, 100),
        ("你好世界", 96, 100),
        ("ありがとう", 95, 100),
        ("กขค", 97, 100),
        ("hello你好world", 96, 100),
        ("word " * 101, None, 101),
    ],
)
def test_an_estimate_counts_words_and_characters_of_scripts_without_spaces(
    prompt: str, answer: int | None, tokens: int
) -> None:
    assert pricing.estimated_tokens(prompt, answer) == tokens
