"""Troubles: each in OpenRouter's format, in the journal, and for one caller only."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from tests.sandbox.provider.conftest import StandIn


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        ("bad_key", 401, "refused_key"),
        ("out_of_money", 402, "out_of_money"),
        ("rate_limited", 429, "rate_limited"),
        ("server_error", 500, "server_error"),
    ],
)
def test_a_refusal_comes_before_the_answer(
    standin: StandIn, caller: str, *, kind: str, status: int, outcome: str, stream: bool
) -> None:
    standin.trouble(caller, kind)

    answer = standin.ask(caller, stream=stream)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == status
    (call,) = standin.calls(caller=caller)
    assert (call["outcome"], call["status"], call["total_tokens"], call["stream"]) == (
        outcome,
        status,
        0,
        stream,
    )


def test_a_rate_limited_caller_is_told_when_to_come_back(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "rate_limited")

    answer = standin.ask(caller)

    assert answer.headers["Retry-After"] == "7"
    reset = int(answer.json()["error"]["metadata"]["headers"]["X-RateLimit-Reset"])
    answered = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert abs(reset / 1000 - answered - 7) <= 2


def test_a_broken_stream_ends_with_an_error_and_nothing_after_it(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "broken_stream")

    *pieces, last = standin.events(standin.ask(caller, stream=True))

    assert pieces[0]["choices"][0]["delta"]["content"]
    assert (last["error"]["code"], last["choices"][0]["finish_reason"]) == (502, "error")
    assert not any("usage" in event for event in [*pieces, last])
    (call,) = standin.calls(caller=caller)
    assert (call["outcome"], call["status"], call["total_tokens"]) == ("broken_stream", 200, 0)


def test_a_plain_request_in_a_broken_stream_is_a_502(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "broken_stream")

    assert standin.ask(caller).status_code == 502


def test_a_slow_answer_comes_after_its_seconds(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "slow", seconds=0.3)
    began = time.monotonic()

    answer = standin.ask(caller)

    assert answer.status_code == 200
    assert time.monotonic() - began >= 0.3
    (call,) = standin.calls(caller=caller)
    assert (call["outcome"], call["status"], call["total_tokens"]) == ("slow", 200, 100)


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_call_that_nobody_waits_for_is_journalled_without_a_status(
    standin: StandIn, caller: str, stream: bool
) -> None:
    standin.trouble(caller, "slow", seconds=60)

    with pytest.raises(requests.Timeout):
        standin.ask(caller, stream=stream, timeout=0.2)

    standin.eventually(
        lambda: [(c["outcome"], c["status"], c["total_tokens"]) for c in standin.calls(caller=caller)],
        [("slow", None, 0)],
    )


def test_a_reader_who_leaves_in_the_middle_is_journalled_as_gone(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "stalled_stream", seconds=60)

    with standin.ask(caller, stream=True) as answer:
        assert next(answer.iter_lines())
    look = "client_left", 200, 0

    standin.eventually(
        lambda: [(c["outcome"], c["status"], c["total_tokens"]) for c in standin.calls(caller=caller)], [look]
    )


def test_a_stalled_stream_goes_on_to_its_end(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "stalled_stream", seconds=0.2)

    events = standin.events(standin.ask(caller, stream=True))

    assert events[-1] == "[DONE]"
    (call,) = standin.calls(caller=caller)
    assert (call["outcome"], call["total_tokens"]) == ("slow", 100)


def test_one_callers_trouble_disturbs_no_other(standin: StandIn, caller: str) -> None:
    kinds = ["bad_key", "out_of_money", "rate_limited", "server_error", "broken_stream"]
    for kind in kinds:
        standin.trouble(f"{caller}-{kind}", kind)
    standin.trouble(f"{caller}-slow", "slow", seconds=600)

    def wait() -> None:
        with contextlib.suppress(requests.ConnectionError):
            standin.ask(f"{caller}-slow", timeout=600)

    waits = threading.Thread(target=wait, daemon=True)
    waits.start()
    troubled = [f"{caller}-{kind}" for kind in kinds]
    well = [f"{caller}-well-{number}" for number in range(30)]

    with ThreadPoolExecutor(12) as pool:
        statuses = dict(pool.map(lambda who: (who, standin.ask(who).status_code), troubled + well))

    assert [statuses[who] for who in troubled] == [401, 402, 429, 500, 502]
    assert {statuses[who] for who in well} == {200}
    assert waits.is_alive(), "the slow one was answered before its time"


def test_trouble_for_everyone_spares_those_with_their_own_and_ends(standin: StandIn, caller: str) -> None:
    standin.trouble(f"{caller}-own", "rate_limited")
    standin.trouble("*", "server_error")
    try:
        assert standin.ask(caller).status_code == 500
        assert standin.ask(f"{caller}-own").status_code == 429
    finally:
        assert standin.control("DELETE", "troubles/*").status_code == 204
    assert standin.ask(caller).status_code == 200


def test_troubles_are_listed_replaced_and_ended(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "bad_key")
    standin.trouble(caller, "slow", seconds=2.5)
    listed = standin.control("GET", "troubles").json()["troubles"]
    ended = [standin.control("DELETE", f"troubles/{caller}").status_code for _ in range(2)]

    assert listed[caller] == {"kind": "slow", "seconds": 2.5, "words": None}
    assert ended == [204, 204]
    assert caller not in standin.control("GET", "troubles").json()["troubles"]
    assert standin.control("PUT", f"troubles/{caller}", {"kind": "flood"}).status_code == 422


def test_a_long_answer_has_its_words_only_where_the_request_sets_no_limit(standin: StandIn, caller: str) -> None:
    standin.trouble(caller, "long_answer", words=240)

    assert standin.ask(caller, max_tokens=None).json()["usage"]["completion_tokens"] == 240
    assert standin.ask(caller, max_tokens=5).json()["usage"]["completion_tokens"] == 5
