"""An LLM request uses exactly the announced tokens, and an answer reads the same as a whole or as a stream."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.actors.llm_requests import Answer, LlmRequest, require_openai_shape, simultaneously
from creditflow.actors.people import Organization
from creditflow.core.prices import MODELS

if TYPE_CHECKING:
    from tests.conftest import MakePerson, MakeReply

USAGE = {"prompt_tokens": 10, "completion_tokens": 90, "total_tokens": 100}


def completion(**more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "openai/gpt-3.5-turbo",
        "choices": [{"message": {"role": "assistant", "content": "two words"}, "finish_reason": "stop"}],
        "usage": USAGE,
        "cost_credits": 9,
        "credits_remaining": 9991,
    } | more


def chunk(content: str | None, **more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "model": "openai/gpt-3.5-turbo",
        "choices": [{"delta": {"content": content}, "finish_reason": None}],
    } | more


LAST = chunk(
    None, choices=[{"delta": {}, "finish_reason": "length"}], usage=USAGE, cost_credits=9, credits_remaining=9991
)


def test_request_and_answer_together_are_exactly_the_tokens_announced() -> None:
    for tokens in range(3, 2001):
        body = LlmRequest("GPT-4", tokens).body("cf-abc123-1")
        words = " ".join(message["content"] for message in body["messages"]).split()
        assert len(words) + body["max_tokens"] == tokens, f"a request of {tokens} tokens has another number"
        assert body["max_tokens"] >= 1
        assert len(words) >= 2


def test_a_request_names_the_person_and_itself() -> None:
    request = LlmRequest("GPT-4", 100)
    assert request.body("cf-abc123-1")["messages"][0]["content"].split()[:2] == ["cf-abc123-1", request.mark]
    told = LlmRequest("GPT-4", 100, text="Hello, this is a test.").body("cf-abc123-1")
    assert told["messages"][0]["content"].split()[2:] == ["Hello,", "this", "is", "a", "test."]
    assert "max_tokens" not in told


def test_no_two_requests_have_the_same_mark() -> None:
    with ThreadPoolExecutor(8) as pool:
        marks = list(pool.map(lambda _: LlmRequest("GPT-4", 100).mark, range(2000)))
    assert len(set(marks)) == 2000
    assert all(" " not in mark for mark in marks)


def test_the_same_request_sent_again_is_the_same_to_the_letter() -> None:
    request = LlmRequest("GPT-4", 100, key="a-key")
    assert request.body("cf-abc123-1") == request.body("cf-abc123-1")


@pytest.mark.parametrize("model", MODELS)
def test_a_request_names_the_model_as_the_api_does(model: str) -> None:
    assert LlmRequest(model, 100).body("somebody")["model"] == MODELS[model]


def test_the_options_of_a_request_are_in_the_body_and_the_headers(person: MakePerson) -> None:
    organization = Organization("the organisation", "an-id", "a name", person())
    plain = LlmRequest("GPT-4", 100)
    assert "stream" not in plain.body("somebody")
    assert plain.headers() == {}
    request = LlmRequest("GPT-4", 100, own_key=True, stream=True, key="a-key", organization=organization)
    assert request.body("somebody")["stream"] is True
    assert request.body("somebody")["stream_options"] == {"include_usage": True}
    assert "stream_options" not in LlmRequest("GPT-4", 100, stream=True, usage=None).body("somebody")
    assert LlmRequest("GPT-4", 100, more={"unheard_of": True}).body("somebody")["unheard_of"] is True
    assert LlmRequest("GPT-4", 100, own_id="an-id").headers() == {"X-Request-Id": "an-id"}
    assert request.headers() == {
        "X-Use-BYOK": "true",
        "Idempotency-Key": "a-key",
        "X-Organization-Id": "an-id",
    }


def test_a_whole_answer_is_read(person: MakePerson, reply: MakeReply) -> None:
    answer = Answer(person(), LlmRequest("GPT-3.5-turbo", 100), reply(200, completion(), {"X-Request-Id": "r1"}))
    assert answer.arrived
    assert answer.text == "two words"
    assert answer.reported_tokens == 100
    assert answer.fields["cost_credits"] == 9
    assert answer.request_id == "r1"
    assert (answer.code, answer.detail) == ("", "")
    require_openai_shape(answer)


def test_a_streamed_answer_is_read_to_its_end(person: MakePerson, reply: MakeReply) -> None:
    events = (chunk("two "), chunk("words"), LAST, "[DONE]")
    answer = Answer(person(), LlmRequest("GPT-3.5-turbo", 100, stream=True), reply(200, "data: ...", events=events))
    assert answer.arrived
    assert answer.text == "two words"
    assert answer.reported_tokens == 100
    assert (answer.fields["cost_credits"], answer.fields["credits_remaining"]) == (9, 9991)
    require_openai_shape(answer)


@pytest.mark.parametrize(
    "events",
    [
        (),
        (chunk("two "), chunk("words"), LAST),
        (chunk("two "), {"error": {"code": "provider_error", "message": "broken off"}}),
        ("[DONE]",),
        (chunk(None), "[DONE]"),
    ],
    ids=["nothing", "no end", "an error", "only an end", "no words"],
)
def test_a_stream_that_broke_off_or_says_nothing_has_not_arrived(
    person: MakePerson, reply: MakeReply, events: tuple[Any, ...]
) -> None:
    answer = Answer(person(), LlmRequest("GPT-3.5-turbo", 100, stream=True), reply(200, "data: ...", events=events))
    assert not answer.arrived


def test_tokens_that_nobody_reported_are_not_guessed(person: MakePerson, reply: MakeReply) -> None:
    request = LlmRequest("GPT-3.5-turbo", 100, stream=True)
    assert Answer(person(), request, reply(200, "", events=(chunk("words"), "[DONE]"))).reported_tokens is None
    assert Answer(person(), request, reply(200, completion(usage=None))).reported_tokens is None
    assert Answer(person(), request, reply(502, "no JSON")).reported_tokens is None


@pytest.mark.parametrize("status", [402, 403, 429, 500, 502])
def test_a_refusal_is_no_answer_and_is_read_as_one(person: MakePerson, reply: MakeReply, status: int) -> None:
    problem = {"status": status, "code": "insufficient_credits", "detail": "You have 8 credits.", "choices": []}
    answer = Answer(person(), LlmRequest("GPT-4", 100), reply(status, problem))
    assert not answer.arrived
    assert (answer.code, answer.detail) == ("insufficient_credits", "You have 8 credits.")
    assert answer.text == ""


def test_a_body_that_is_no_json_object_is_no_answer(person: MakePerson, reply: MakeReply) -> None:
    for body in ("", "<html>", "[]", '"text"', "null"):
        answer = Answer(person(), LlmRequest("GPT-4", 100), reply(200, body))
        assert not answer.arrived
        assert answer.fields == {}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"object": "text_completion"}, "not every part of the answer is a chat.completion"),
        ({"id": None}, "ids, expected one"),
        ({"model": "openai/gpt-4"}, "the answer's model is openai/gpt-4, expected openai/gpt-3.5-turbo"),
        ({"choices": []}, "ends with the reason missing"),
        ({"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}, "ends with the reason"),
    ],
)
def test_an_answer_out_of_openai_s_shape_is_red(
    person: MakePerson, reply: MakeReply, wrong: dict[str, Any], says: str
) -> None:
    answer = Answer(person(), LlmRequest("GPT-3.5-turbo", 100), reply(200, completion(**wrong)))
    with pytest.raises(AssertionError, match=says):
        require_openai_shape(answer)


def test_a_stream_whose_parts_do_not_belong_together_is_red(person: MakePerson, reply: MakeReply) -> None:
    request = LlmRequest("GPT-3.5-turbo", 100, stream=True)
    for events, says in (
        ((chunk("a"), LAST | {"id": "c2"}, "[DONE]"), "2 ids"),
        ((chunk("a", object="chat.completion"), LAST, "[DONE]"), "not every part"),
    ):
        with pytest.raises(AssertionError, match=says):
            require_openai_shape(Answer(person(), request, reply(200, "data:", events=events)))


def test_simultaneous_calls_all_start_before_any_ends_and_keep_their_order() -> None:
    everyone = threading.Barrier(12, timeout=60)

    def function(number: int) -> int:
        everyone.wait()
        return number * 10

    assert simultaneously(function, list(range(12))) == [n * 10 for n in range(12)]


def test_a_call_that_fails_is_not_lost_among_the_others() -> None:
    def function(number: int) -> int:
        if number == 2:
            raise AssertionError("the third failed")
        return number

    with pytest.raises(AssertionError, match="the third failed"):
        simultaneously(function, [0, 1, 2])


def test_no_secret_is_in_what_a_person_prints_of_themselves(person: MakePerson) -> None:
    somebody = person()
    somebody.keys.append("sk-or-v1-secret")
    shown = repr(somebody) + json.dumps({"who": str(somebody)})
    assert "a-password" not in shown
    assert "sk-or-v1-secret" not in shown
