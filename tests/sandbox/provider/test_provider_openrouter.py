"""OpenRouter: usage is exact, and answers and errors have OpenRouter's format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from tests.sandbox.provider.conftest import StandIn


@pytest.mark.parametrize(
    ("words", "limit", "completion"),
    [(1, None, 99), (3, 97, 97), (3, 1, 1), (99, None, 1), (250, None, 1), (2, 128_000, 128_000)],
)
def test_an_answer_has_exactly_the_announced_words(
    standin: StandIn, caller: str, words: int, limit: int | None, completion: int
) -> None:
    question = " ".join([caller] + ["word"] * (words - 1))

    answer = standin.ask(question, max_tokens=limit)

    body = answer.json()
    usage = body["usage"]
    assert answer.status_code == 200
    assert [usage[f"{part}_tokens"] for part in ("prompt", "completion", "total")] == [
        words,
        completion,
        words + completion,
    ]
    assert len(body["choices"][0]["message"]["content"].split(" ")) == completion
    assert body["choices"][0]["finish_reason"] == ("length" if limit else "stop")
    assert body["object"] == "chat.completion"
    assert answer.headers["X-Generation-Id"] == body["id"]


def test_the_words_of_all_messages_and_text_parts_count(standin: StandIn, caller: str) -> None:
    parts = [{"type": "text", "text": f"{caller} first"}, {"type": "text", "text": "three more words"}]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "  be   brief\n"},
        {"role": "user", "content": parts},
    ]

    usage = standin.ask("", messages=messages, max_completion_tokens=5).json()["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 5)
    (call,) = standin.calls(caller=caller)
    assert call["request"] == "first"


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("openai/gpt-3.5-turbo", 0.00014),
        ("openai/gpt-4", 0.0057),
        ("openai/gpt-4-turbo", 0.0028),
        ("anthropic/claude-3-sonnet", 0.00138),
    ],
)
def test_usage_tells_the_models_cost_in_dollars(standin: StandIn, caller: str, model: str, cost: float) -> None:
    usage = standin.ask(f"{caller} " + "word " * 9, model=model, max_tokens=90).json()["usage"]

    assert usage["cost"] == cost


def test_a_stream_is_bounded_and_reports_usage_in_its_last_event(standin: StandIn, caller: str) -> None:
    answer = standin.ask(f"{caller} long", stream=True, max_tokens=5_000)
    events = standin.events(answer)

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.text.startswith(": OPENROUTER PROCESSING\n\n")
    assert len(events) <= 20
    *pieces, last, done = events
    assert done == "[DONE]"
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 5_002)
    assert last["usage"]["cost"] > 0
    text = "".join(piece["choices"][0]["delta"].get("content", "") for piece in pieces)
    assert text == standin.ask(f"{caller} long", max_tokens=5_000).json()["choices"][0]["message"]["content"]
    assert [piece["choices"][0]["finish_reason"] for piece in pieces][-2:] == [None, "length"]
    assert not any("usage" in piece for piece in pieces)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": None},
        {"model": "openai/gpt-5000"},
        {"messages": []},
        {"messages": ["hello"]},
        {"max_tokens": 0},
        {"max_tokens": 128_001},
        {"max_tokens": "many"},
        {"n": 0},
        {"n": 17},
        {"max_tokens": 5, "max_completion_tokens": 0},
        {"model": "\ud800"},
    ],
)
def test_a_body_that_the_real_one_refuses_is_a_400(standin: StandIn, wrong: dict[str, Any]) -> None:
    answer = standin.ask("caller-of-nonsense", **wrong)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400
    assert answer.json()["error"]["message"]


def test_no_key_and_an_unknown_key_are_a_401(standin: StandIn, caller: str) -> None:
    url = f"{standin.url}/openrouter/api/v1/chat/completions"
    without = requests.post(url, json={"messages": [{"role": "user", "content": caller}]}, timeout=60)
    unknown = standin.ask(caller, key="sk-or-nobody")
    elsewhere = standin.ask(caller, key=standin.openai_key)

    assert without.json() == {"error": {"message": "No auth credentials found", "code": 401}}
    assert unknown.json() == {"error": {"message": "User not found.", "code": 401}}
    assert [each.status_code for each in (without, unknown, elsewhere)] == [401, 401, 401]
    assert [(call["outcome"], call["key_fingerprint"]) for call in standin.calls(caller=caller)] == [
        ("refused_key", ""),
        ("refused_key", standin.mark("sk-or-nobody")),
        ("refused_key", standin.mark(standin.openai_key)),
    ]


def test_an_empty_account_is_a_402(standin: StandIn, caller: str) -> None:
    answer = standin.ask(caller, key=standin.open_key(state="empty"))

    assert answer.status_code == 402
    assert answer.json()["error"]["code"] == 402
    assert [call["outcome"] for call in standin.calls(caller=caller)] == ["out_of_money"]


def test_every_answer_of_several_counts(standin: StandIn, caller: str) -> None:
    body = standin.ask(f"{caller} two", n=2, max_tokens=5).json()

    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert [len(choice["message"]["content"].split()) for choice in body["choices"]] == [5, 5]
    assert body["usage"]["completion_tokens"] == 10
    assert body["usage"]["total_tokens"] == 12


def test_the_larger_of_two_limits_is_used(standin: StandIn, caller: str) -> None:
    for older, newer in ((5, 50), (50, 5)):
        answer = standin.ask(caller, max_tokens=older, max_completion_tokens=newer)
        assert answer.json()["usage"]["completion_tokens"] == 50


def test_the_parts_of_the_usage_are_in_the_total(standin: StandIn, caller: str) -> None:
    usage = standin.ask(f"{caller} q1 in four", max_tokens=6).json()["usage"]

    assert usage["prompt_tokens_details"]["cached_tokens"] == 2
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 3
    assert usage["total_tokens"] == 10
