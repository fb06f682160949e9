"""The journal: complete also for parallel calls, and readable by caller and by key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from tests.sandbox.provider.conftest import StandIn


def test_an_entry_says_who_asked_for_what_and_which_key_paid(standin: StandIn, caller: str) -> None:
    before = datetime.now(UTC)
    key = standin.open_key()
    answer = standin.ask(f"{caller} r-7 hello", key=key, model="openai/gpt-4", max_tokens=7).json()

    (call,) = standin.calls(caller=caller)

    arrived, milliseconds = datetime.fromisoformat(call.pop("at")), call.pop("milliseconds")
    assert before <= arrived <= arrived + timedelta(milliseconds=milliseconds) <= datetime.now(UTC)
    assert call == {
        "id": answer["id"],
        "provider": "openrouter",
        "model": "openai/gpt-4",
        "caller": caller,
        "request": "r-7",
        "key_fingerprint": standin.mark(key),
        "prompt_tokens": 3,
        "completion_tokens": 7,
        "total_tokens": 10,
        "fields": ["model", "messages", "max_tokens"],
        "nano_dollars": 510_000,
        "stream": False,
        "status": 200,
        "outcome": "answered",
    }


def test_every_call_of_many_at_once_is_there_when_its_answer_is(standin: StandIn, caller: str) -> None:
    def work(worker: int) -> list[bool]:
        with requests.Session() as session:
            seen = []
            for number in range(20):
                who = f"{caller}-{worker}"
                words = f"{who} {number}"
                text = standin.ask(words, stream=number % 2 == 1, session=session).text
                seen.append(bool(text) and len(standin.calls(caller=who)) == number + 1)
            return seen

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(work, range(8)))

    assert seen == [[True] * 20] * 8
    for worker in range(8):
        calls = standin.calls(caller=f"{caller}-{worker}")
        assert [call["request"] for call in calls] == [str(number) for number in range(20)], "oldest first"
        assert {(call["total_tokens"], call["outcome"]) for call in calls} == {(100, "answered")}


def test_calls_are_found_by_key_and_forgotten_by_caller(standin: StandIn, caller: str) -> None:
    key = standin.open_key()
    for who in (f"{caller}-1", f"{caller}-2"):
        standin.ask(who, key=key)
        standin.ask(who)

    assert len(standin.calls(key=standin.mark(key))) == 2
    assert len(standin.calls(key=standin.mark(key), caller=f"{caller}-1")) == 1
    assert standin.control("DELETE", "calls", caller=f"{caller}-1").json() == {"forgotten": 2}
    assert standin.calls(caller=f"{caller}-1") == []
    assert len(standin.calls(caller=f"{caller}-2")) == 2
    assert standin.control("DELETE", "calls").status_code == 400


def test_calls_are_counted_by_caller_and_found_for_several_at_once(standin: StandIn, caller: str) -> None:
    first, second, third = (f"{caller}-{number}" for number in (1, 2, 3))
    for who in (second, first, second, third):
        standin.ask(who)

    counts = standin.control("GET", "callers").json()["callers"]
    assert [counts.get(who) for who in (first, second, third)] == [1, 2, 1]
    assert [call["caller"] for call in standin.calls(caller=[first, second])] == [second, first, second]
    standin.control("DELETE", "calls", caller=second).raise_for_status()
    counts = standin.control("GET", "callers").json()["callers"]
    assert [counts.get(who) for who in (first, second, third)] == [1, None, 1]


def test_a_body_that_is_no_json_is_journalled_too(standin: StandIn) -> None:
    key = standin.open_key()
    answer = requests.post(
        f"{standin.url}/openrouter/api/v1/chat/completions",
        data=b"{" * 5_000,
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )

    assert answer.status_code == 400
    assert [call["outcome"] for call in standin.calls(key=standin.mark(key))] == ["bad_request"]


def test_the_journal_is_readable_whatever_callers_send(standin: StandIn, caller: str) -> None:
    standin.ask(f"{caller} \ud800 \x00")

    (call,) = standin.calls(caller=caller)
    assert call["request"] == "\ud800"
