"""Every scenario is red when an answer was not allowed, and says which."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jwt
import pytest

from creditflow.audit import answers
from creditflow.audit.answers import AnswerNotAllowedError
from creditflow.audit.parties import Parties, history_of
from creditflow.core.prices import PLAN, PriceList
from creditflow.reporting.outcome import Kind, Problem
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.record import RecordedRequest

TOKEN = jwt.encode({"sub": "ann-id", "email": "ann@example.com"}, "a secret of nobody, long enough for HS256")
BODY = {"model": "openai/gpt-3.5-turbo", "messages": [{"role": "user", "content": "a b"}], "max_tokens": 98}
TARGET: Any = SimpleNamespace(provider_is_exact=True)


def cast(*people: Any) -> Any:
    return SimpleNamespace(people=people, organizations=(), prices=PriceList(PLAN))


ANN = SimpleNamespace(id="ann-id", alias="Ann", name="cf-ann", email="ann@example.com", plan="", subscription="")


def told(credits: int, status: int | None, times: int = 1) -> list[RecordedRequest]:
    grant = RecordedRequest("grant", None, {"user_id": "ann-id", "credits": credits}, None, 1, 1)
    reply = None if status is None else Reply(status, {"X-Request-Id": "r1"}, "{}", 1)
    values = {"body": BODY, "headers": {}}
    return [grant, *(RecordedRequest("chat", TOKEN, values, reply, n, n + 0.5) for n in range(2, times + 2))]


def test_allowed_answers_are_green() -> None:
    verdict = answers.require_allowed(history_of(TARGET, Parties.of(cast(ANN), None), told(9, 200)))
    assert [decision.clause for decision in verdict.decided] == ["answered"]
    assert answers.require_allowed(history_of(TARGET, Parties.of(cast(), None), [])).decided == ()


def test_an_answer_that_was_not_allowed_is_a_failed_check_under_its_own_title() -> None:
    with pytest.raises(AnswerNotAllowedError) as red:
        answers.require_allowed(history_of(TARGET, Parties.of(cast(ANN), None), told(8, 200)))
    assert str(red.value) == (
        "An answer was not allowed: Ann has 8 credits and a request that reserves 9 was answered 200; expected "
        "402 insufficient_credits (a request to openai/gpt-3.5-turbo, request r1)."
    )
    problem = Problem.of_hook(red.value, "after_scenario")
    assert (problem.kind, problem.where) == (Kind.FAILED, "Every answer was allowed")


def test_unknown_is_red() -> None:
    with pytest.raises(AnswerNotAllowedError, match="Whether an answer was allowed can't be told: no answer came to"):
        answers.require_allowed(history_of(TARGET, Parties.of(cast(ANN), None), told(8, None)))


def test_a_message_has_the_first_sentences_and_the_number_of_the_others() -> None:
    with pytest.raises(AnswerNotAllowedError, match="and 2 more, which the table shows") as red:
        answers.require_allowed(history_of(TARGET, Parties.of(cast(ANN), None), told(8, 500, times=12)))
    assert str(red.value).count("was answered 500") == 10
