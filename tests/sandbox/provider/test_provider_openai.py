"""OpenAI: the official client works with the stand-in unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import openai
import pytest

if TYPE_CHECKING:
    from tests.sandbox.provider.conftest import StandIn


@pytest.fixture
def client(standin: StandIn) -> Iterator[openai.OpenAI]:
    url = f"{standin.url}/openai/v1"
    with openai.OpenAI(api_key=standin.openai_key, base_url=url, max_retries=0, timeout=60) as client:
        yield client


def test_the_client_gets_a_plain_answer(client: openai.OpenAI, standin: StandIn, caller: str) -> None:
    answer = client.chat.completions.create(
        model="gpt-4", messages=[{"role": "user", "content": f"{caller} r1 hello"}], max_tokens=7
    )

    assert answer.usage
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 7, 10)
    assert len((answer.choices[0].message.content or "").split()) == 7
    (call,) = standin.calls(caller=caller)
    assert (call["id"], call["provider"], call["model"]) == (answer.id, "openai", "gpt-4")


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_reports_usage_to_those_who_ask(
    client: openai.OpenAI, standin: StandIn, caller: str, asked: bool
) -> None:
    chunks = list(
        client.chat.completions.create(
            model="gpt-3.5-turbo",
            messages=[{"role": "user", "content": f"{caller} r1"}],
            stream=True,
            stream_options={"include_usage": asked},
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(text.split()) == 98
    totals = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
    assert totals == ([100] if asked else [])
    assert [call["outcome"] for call in standin.calls(caller=caller)] == ["answered"]


def test_a_wrong_key_is_an_authentication_error(standin: StandIn, caller: str) -> None:
    with (
        openai.OpenAI(api_key="sk-nobody", base_url=f"{standin.url}/openai/v1", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": caller}])

    assert caught.value.code == "invalid_api_key"
    assert "sk-nobody" not in str(caught.value)


def test_an_unknown_model_is_not_found(client: openai.OpenAI, caller: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-5000", messages=[{"role": "user", "content": caller}])

    assert caught.value.code == "model_not_found"


def test_missing_messages_are_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4", messages=[])

    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("bad_key", openai.AuthenticationError, "invalid_api_key"),
        ("out_of_money", openai.RateLimitError, "insufficient_quota"),
        ("rate_limited", openai.RateLimitError, "rate_limit_exceeded"),
        ("server_error", openai.InternalServerError, None),
        ("broken_stream", openai.InternalServerError, None),
    ],
)
def test_each_trouble_is_the_clients_own_error(
    client: openai.OpenAI,
    standin: StandIn,
    caller: str,
    *,
    kind: str,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    standin.trouble(caller, kind)

    with pytest.raises(error) as caught:
        client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": caller}])

    assert caught.value.code == code


def test_a_broken_stream_raises_in_the_middle(client: openai.OpenAI, standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "broken_stream")
    stream = client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": caller}], stream=True)

    assert next(stream).choices[0].delta.content
    with pytest.raises(openai.APIError):
        list(stream)
