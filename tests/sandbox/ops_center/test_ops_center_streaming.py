"""Streams: charged once, for what the provider reported, even if the client has left."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, cast

import httpx
import openai
import pytest
import requests
from pydantic import SecretStr

from sandbox.ops_center import chat
from sandbox.ops_center.chat import Order
from sandbox.ops_center.credit_accounts import Payment
from sandbox.ops_center.litellm import LiteLLM, provider_error
from sandbox.ops_center.reservations import Call
from sandbox.ops_center.settings import Settings

if TYPE_CHECKING:
    from sandbox.ops_center.services import Services
    from tests.sandbox.ops_center.conftest import Deployment, Organization, Person

    Events = Callable[[requests.Response], list[Any]]
    Eventually = Callable[[Callable[[], bool], str], None]


def test_the_last_event_says_what_it_cost(center: Deployment, person: Person, events: Events) -> None:
    answer = person.ask(stream=True)

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["X-RateLimit-Remaining"] == "699"
    *others, last, done = events(answer)
    assert done == "[DONE]"
    assert (last["cost_credits"], last["byok_used"], last["credits_remaining"]) == (9, False, 991)
    assert not any("cost_credits" in event for event in others)
    assert center.charges(person) == [9]
    assert center.usage_rows(person)[0]["request_id"] == answer.headers["X-Request-Id"]


def test_the_stream_has_the_whole_answer_and_only_chunks_that_clients_understand(
    person: Person, events: Events
) -> None:
    *chunks, _done = events(person.ask(30, stream=True))

    words = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks).split()
    assert len(words) == 28
    assert "length" in [chunk["choices"][0].get("finish_reason") for chunk in chunks]


def test_who_asks_for_usage_gets_it(person: Person, events: Events) -> None:
    *_chunks, last, _done = events(person.ask(50, stream=True, stream_options={"include_usage": True}))

    assert last["usage"]["total_tokens"] == 50
    assert last["cost_credits"] == 5


def test_an_organisation_pays_for_a_stream(organization: Organization, events: Events) -> None:
    member = organization.member(100)

    assert events(member.ask(stream=True))[-2]["credits_remaining"] == 91
    assert organization.credits()["total_credits"] == 9991


def test_a_refused_stream_is_a_plain_problem(center: Deployment) -> None:
    answer = center.person().ask(stream=True)

    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")


def test_who_leaves_early_is_charged_for_what_the_provider_reported(
    center: Deployment, person: Person, eventually: Eventually
) -> None:
    body = person.question(2000, stream=True)

    answer = person.post("/llm/chat/completions", body, stream=True)
    next(answer.iter_content(1))
    answer.close()

    eventually(lambda: center.charges(person) == [180], "the charge of 180")
    [row] = center.usage_rows(person)
    assert (row["status"], row["tokens"], row["credits"]) == (200, 2000, 180)
    [call] = center.provider_calls(person)
    assert call["total_tokens"] == 2000
    assert person.balance() == 820


def test_a_stream_that_breaks_is_not_charged_and_says_so(
    center: Deployment, person: Person, events: Events, eventually: Eventually
) -> None:
    center.trouble(person, "broken_stream")

    answer = person.ask(stream=True)

    assert answer.status_code == 200
    last = events(answer)[-1]
    assert last["error"]["code"] == "provider_error"
    assert "[DONE]" not in answer.text
    assert center.charges(person) == []
    eventually(lambda: center.usage_rows(person)[0]["status"] == 502, "the call is recorded as failed")
    assert person.balance() == 1000
    assert person.calls_used() == 1
    center.always_true()


def test_the_official_client_raises_on_a_broken_stream(center: Deployment, person: Person) -> None:
    center.trouble(person, "broken_stream")
    client = openai.OpenAI(base_url=f"{center.url}/api/v1/llm", api_key=person.token, max_retries=0)

    with pytest.raises(openai.APIError, match="Nothing was charged"):
        list(
            client.chat.completions.create(
                model="openai/gpt-3.5-turbo",
                messages=[{"role": "user", "content": f"{person.word} asks"}],
                max_tokens=98,
                stream=True,
            )
        )


def test_a_provider_that_fails_before_the_first_word_is_a_plain_problem(center: Deployment, person: Person) -> None:
    center.trouble(person, "bad_key")

    answer = person.ask(stream=True)

    assert (answer.status_code, json.loads(answer.text)["code"]) == (502, "provider_error")
    assert person.balance() == 1000


WHOLE = '{"choices": [{"delta": {"content": "a%sb"}}]}'
STREAMS = {
    **{f"U+{ord(mark):04X}": f"data: {WHOLE % mark}\n\ndata: [DONE]\n\n" for mark in "\u0085\u2028\u2029"},
    "CR": f"data: {WHOLE % ''}\r\rdata: [DONE]\r\r",
    "CRLF": f": hello\r\n\r\ndata:{WHOLE % ''}\r\n\r\ndata: [DONE]\r\n\r\n",
    "a byte order mark": f"\ufeffdata: {WHOLE % ''}\n\ndata: [DONE]\n\n",
    "several lines of data": f"data: {(WHOLE % '').replace(' ', chr(10) + 'data: ')}\n\ndata: [DONE]\n\n",
}


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("what", STREAMS)
def test_an_event_of_litellm_ends_where_the_standard_says(what: str, size: int) -> None:
    said = STREAMS[what].encode()

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(said), size):
            yield said[at : at + size]

    async def read() -> list[dict[str, Any]]:
        headers = {"Content-Type": "text/event-stream"}
        proxy = httpx.MockTransport(lambda _request: httpx.Response(200, headers=headers, content=parts()))
        settings = Settings.model_construct(litellm_url="http://litellm", litellm_key=SecretStr("key"))
        async with (
            httpx.AsyncClient(transport=proxy) as http,
            LiteLLM(http, settings).stream({"stream": True}) as events,
        ):
            return [event async for event in events]

    mark = chr(int(what[2:], 16)) if what.startswith("U+") else ""
    assert asyncio.run(read()) == [json.loads(WHOLE % mark)]


CHUNK: dict[str, Any] = {"id": "c1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
USAGE: dict[str, Any] = {"id": "c1", "choices": [{"index": 0, "delta": {}}], "usage": {"total_tokens": 100}}


@pytest.mark.parametrize("asks", [None, False, True])
@pytest.mark.parametrize("breaks", [False, True])
def test_a_stream_of_which_the_usage_has_arrived_is_answered_even_if_it_breaks_off(
    monkeypatch: pytest.MonkeyPatch, asks: bool | None, breaks: bool
) -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield CHUNK
        yield USAGE
        if breaks:
            raise provider_error()

    async def settle(_services: Any, _order: Order, tokens: int, _kind: str, render: Callable[[Payment], str]) -> str:
        assert tokens == 100
        return render(Payment(9, 991))

    monkeypatch.setattr(chat, "settle", settle)
    options = {} if asks is None else {"stream_options": {"include_usage": asks}}
    body = {"model": "openai/gpt-4", "messages": [{"role": "user", "content": "a"}], "stream": True, **options}
    order = Order(
        Call(uuid.uuid4(), uuid.uuid4(), "openai/gpt-4", None), chat.read(json.dumps(body).encode()), None, None
    )

    async def relayed() -> str:
        parts: asyncio.Queue[str | None] = asyncio.Queue()
        await chat._relay(cast("Services", None), order, events(), parts)
        return "".join(parts.get_nowait() or "" for _ in range(parts.qsize()))

    *chunks, done = asyncio.run(relayed()).strip().split("\n\n")
    shown = [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]
    assert done == "data: [DONE]"
    assert [bool(chunk.get("usage")) for chunk in shown] == ([False, True] if asks else [False])
    assert shown[-1]["cost_credits"] == 9
    assert shown[-1]["choices"] == ([] if asks else CHUNK["choices"])
