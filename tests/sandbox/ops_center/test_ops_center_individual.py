"""A user who pays with their own credits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import openai
import pytest
import requests

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]


def test_who_was_granted_nothing_has_nothing(center: Deployment) -> None:
    person = center.person()

    assert person.get("/credits/balance").json() == {
        "user_id": person.id,
        "credits": 0,
        "api_calls_used": 0,
        "api_calls_limit": 700,
        "tier": "trial",
    }


def test_a_charge_is_told_everywhere_alike(center: Deployment, person: Person) -> None:
    answer = person.ask()

    [row] = center.usage_rows(person)
    assert answer.headers["X-Request-Id"] == row["request_id"]
    assert (row["credits"], row["tokens"], row["byok"], row["status"], row["org_id"]) == (
        9,
        100,
        False,
        200,
        None,
    )
    assert row["endpoint"] == "/api/v1/llm/chat/completions"
    [journal] = center.sql("SELECT * FROM credit_transactions WHERE request_id = %s", row["request_id"])
    assert (journal["amount"], journal["user_id"], journal["org_id"]) == (-9, person.id, None)
    history = person.get("/usage/history").json()
    assert history["total"] == 1
    [item] = history["items"]
    moment = datetime.fromisoformat(item.pop("timestamp"))
    assert moment.tzinfo == UTC
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert item == {
        "request_id": row["request_id"],
        "model": "openai/gpt-3.5-turbo",
        "tokens": 100,
        "credits": 9,
        "byok": False,
        "status": 200,
    }
    [call] = center.provider_calls(person)
    assert call["key_fingerprint"] == center.target["PLATFORM_KEY_FINGERPRINT"]


def test_the_history_is_paged_from_the_newest(person: Person) -> None:
    ids = [person.ask(tokens).headers["X-Request-Id"] for tokens in (10, 20, 30)]

    page = person.get("/usage/history", params={"limit": 2, "offset": 1}).json()

    assert page["total"] == 3
    assert [item["request_id"] for item in page["items"]] == [ids[1], ids[0]]


def test_the_period_is_the_calendar_month_in_utc(person: Person) -> None:
    person.ask()
    now = datetime.now(UTC)

    current = person.get("/usage/current").json()

    start, reset = (
        datetime.fromisoformat(current["period_start"]),
        datetime.fromisoformat(current["reset_date"]),
    )
    assert (start.year, start.month, start.day, start.hour) == (now.year, now.month, 1, 0)
    assert (reset.day, reset.hour) == (1, 0)
    assert 28 <= (reset - start).days <= 31
    assert current["credits_used"] == 9
    assert (current["api_calls_used"], current["api_calls_limit"], current["api_calls_remaining"]) == (
        1,
        700,
        699,
    )


def test_too_few_credits_are_refused_before_the_provider_is_asked(center: Deployment, problem: Problem) -> None:
    person = center.person(47)

    answer = person.ask(model="openai/gpt-4")

    body = problem(answer, 402, "insufficient_credits")
    assert body["upgrade_url"].startswith("http")
    assert body["upgrade_url"] in body["detail"]
    assert person.balance() == 47
    assert center.provider_calls(person) == []
    assert center.usage_rows(person) == []
    assert person.calls_used() == 0


def test_exactly_enough_is_enough(center: Deployment) -> None:
    person = center.person(48)

    assert person.ask(model="openai/gpt-4").json()["credits_remaining"] == 0
    assert person.balance() == 0


def test_more_tokens_than_estimated_are_paid_as_far_as_there_is_money(center: Deployment) -> None:
    rich, poor = center.person(1000), center.person(20)

    for person, charged in ((rich, 36), (poor, 20)):
        center.provider("PUT", f"/troubles/{person.word}", json={"kind": "long_answer", "words": 400})
        message = {"role": "user", "content": person.word}
        answer = person.post("/llm/chat/completions", {"model": "openai/gpt-3.5-turbo", "messages": [message]}).json()
        assert answer["usage"]["total_tokens"] == 401
        assert answer["cost_credits"] == charged
        assert center.charges(person) == [charged]
    assert (rich.balance(), poor.balance()) == (964, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": None},
        {"messages": "hello"},
        {"messages": [{"content": "no role"}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"max_tokens": 0},
        {"max_tokens": 128_001},
        {"max_tokens": "98"},
        {"max_tokens": 98.5},
        {"max_tokens": True},
        {"max_completion_tokens": 0},
        {"n": 0},
        {"stream": "yes"},
        {"model": 3},
    ],
    ids=str,
)
def test_a_malformed_question_is_refused(
    center: Deployment, bystander: Person, problem: Problem, change: dict[str, object]
) -> None:
    answer = bystander.post("/llm/chat/completions", bystander.question() | change)

    problem(answer, 422, "invalid_request")
    assert answer.headers["X-RateLimit-Remaining"] == "700"
    assert center.provider_calls(bystander) == []
    assert bystander.balance() == 1000


def test_an_unknown_model_is_refused_with_the_names_of_the_known(bystander: Person, problem: Problem) -> None:
    assert "openai/gpt-4" in problem(bystander.ask(model="openai/gpt-9"), 422, "unknown_model")["detail"]


def test_a_body_that_is_no_json_is_refused(bystander: Person, problem: Problem) -> None:
    problem(bystander.call("POST", "/llm/chat/completions", data=b"{"), 422, "invalid_request")


def test_nothing_but_openai_parameters_reaches_litellm(center: Deployment, person: Person) -> None:
    smuggled = {"mock_response": "free", "api_base": "http://127.0.0.1:9", "api_key": "sk-or-other-12345678"}

    answer = person.post("/llm/chat/completions", person.question() | smuggled)

    assert answer.status_code == 200, answer.text
    [call] = center.provider_calls(person)
    assert call["key_fingerprint"] == center.target["PLATFORM_KEY_FINGERPRINT"]


def test_the_models_have_their_prices(bystander: Person) -> None:
    models = bystander.get("/llm/models").json()

    assert models["object"] == "list"
    assert {model["id"]: model["credits_per_100_tokens"] for model in models["data"]} == {
        "openai/gpt-3.5-turbo": 9,
        "openai/gpt-4": 48,
        "openai/gpt-4-turbo": 24,
        "anthropic/claude-3-sonnet": 15,
    }
    assert {model["object"] for model in models["data"]} == {"model"}


def test_the_official_client_works_unchanged(center: Deployment, person: Person) -> None:
    client = openai.OpenAI(base_url=f"{center.url}/api/v1/llm", api_key=person.token, max_retries=0)
    messages: Any = [{"role": "user", "content": f"{person.word} asks"}]

    plain = client.chat.completions.create(model="openai/gpt-3.5-turbo", messages=messages, max_tokens=98)
    stream = client.chat.completions.create(model="openai/gpt-3.5-turbo", messages=messages, max_tokens=98, stream=True)
    chunks = list(stream)

    assert plain.usage is not None
    assert plain.usage.total_tokens == 100
    assert plain.model_extra is not None
    assert plain.model_extra["cost_credits"] == 9
    assert plain.choices[0].message.content == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].model_extra is not None
    assert chunks[-1].model_extra["credits_remaining"] == 982
    assert {model.id for model in client.models.list()} >= {"openai/gpt-4"}
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model="gpt-9", messages=messages)
