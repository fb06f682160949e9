"""A step of a scenario judges what the last step received, and nothing older."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from creditflow.actors.llm_requests import Answer, LlmRequest
from creditflow.actors.people import Person
from creditflow.target.drivers.http import Reply
from features.memory import Memory

MakeReply = Callable[..., Reply]


@pytest.fixture
def answer(reply: MakeReply) -> Answer:
    person = Person("the individual", "cf-1", "", "", "", "", dict)
    return Answer(person, LlmRequest("GPT-4", 100), reply(200, {}))


def test_an_answer_is_a_reply_too(answer: Answer) -> None:
    memory = Memory()
    memory.keep([answer])
    assert (memory.answer, memory.reply) == (answer, answer.reply)


def test_another_request_lets_the_answer_be_forgotten(answer: Answer, reply: MakeReply) -> None:
    memory = Memory()
    memory.keep([answer])
    memory.reply = reply(201, {})
    assert memory.reply.status == 201
    with pytest.raises(LookupError, match="was no LLM request"):
        _ = memory.answer


def test_of_requests_at_the_same_time_none_is_the_last(answer: Answer, reply: MakeReply) -> None:
    memory = Memory()
    memory.reply = reply(201, {})
    memory.keep_together([answer], [])
    assert memory.answers == (answer,)
    with pytest.raises(LookupError, match="was no single request"):
        _ = memory.reply
    memory.keep_together([], [reply(409, {})])
    assert [each.status for each in memory.replies] == [409]
    with pytest.raises(LookupError, match="was no LLM request"):
        _ = memory.answers


def test_before_the_first_request_there_is_nothing() -> None:
    with pytest.raises(LookupError, match="was no single request"):
        _ = Memory().reply
