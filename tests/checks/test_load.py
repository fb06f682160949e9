"""A load test is judged by what was sent and answered; nothing here looks at a clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from creditflow.actors.load.plan import LITELLM, OPS_CENTER, Load, Plan, Sent, Stage, User, stages
from creditflow.actors.people import Person
from creditflow.checks import load
from creditflow.checks.refusals import Refusal
from creditflow.core.errors import TooBusyError
from creditflow.core.prices import PLAN, PriceList
from creditflow.reporting import evidence
from creditflow.target.drivers.http import Reply

FEW, MANY, DIRECT = Stage(1, OPS_CENTER, 0, 3), Stage(2, OPS_CENTER, 3, 6), Stage(2, LITELLM, 6, 9)
REFUSAL = Refusal.of('402 "insufficient credits"')
PROBLEM = {"Content-Type": "application/problem+json", "X-Request-Id": "r"}
QUIET = (1.0,) * 20


def written_reply(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, json.dumps(body), 1.0)


def user(number: int, credits: int = 1_000, own_key: bool = False) -> User:
    name = f"cf-nobody-{number}"
    person = Person(f"the individual {number}", name, f"{name}@example.com", "a-password", name, "", dict)
    return User(person, credits, own_key)


ONE, TWO = user(1), user(2)


def answer(milliseconds: float = 100) -> Reply:
    body = {"choices": [{"message": {"content": "yes"}}], "usage": {"total_tokens": 100}}
    return Reply(200, {"X-Request-Id": "r"}, json.dumps(body), milliseconds)


def refused(status: int = 402, code: str = "insufficient_credits") -> Reply:
    return written_reply(
        status, {"type": "about:blank", "status": status, "code": code, "detail": "Buy more."}, PROBLEM
    )


def sent(stage: Stage, who: User, reply: Reply | None, milliseconds: float = 100, error: str = "") -> Sent:
    return Sent(stage, who, who.request("GPT-3.5-turbo", 100, "l1"), reply, milliseconds, error)


def made(
    requests: Iterable[Sent],
    users: tuple[User, ...] = (ONE, TWO),
    probe: tuple[float, ...] = QUIET,
    idle: tuple[float, float] = (0.5, 2.0),
    page: str = "",
) -> Load:
    return Load(Plan(users, "GPT-3.5-turbo", 100, 1.0, (FEW, MANY, DIRECT)), tuple(requests), probe, idle, page)


def measured(few: float, many: float, direct: float, **more: Any) -> Load:
    """Return a load whose answers take so many milliseconds with one user, with two, and at LiteLLM."""
    times = [(FEW, ONE, few), (MANY, ONE, many), (MANY, TWO, many), (DIRECT, ONE, direct), (DIRECT, TWO, direct)]
    return made([sent(stage, who, answer(), took) for stage, who, took in times], **more)


def test_the_parts_are_equally_long_and_use_both_systems_in_turn() -> None:
    parts = stages(10, 100, 15)
    assert [(s.users, s.system) for s in parts] == [
        (10, OPS_CENTER), (100, OPS_CENTER), (100, LITELLM), (100, OPS_CENTER), (100, LITELLM),
    ]  # fmt: skip
    assert [(s.start, s.end) for s in parts] == [(0, 3), (3, 6), (6, 9), (9, 12), (12, 15)]
    assert Plan((ONE,), "GPT-4", 100, 2.0, parts).most_requests == (10 + 4 * 100) * 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (answer(), None),
        (refused(), None),
        (
            refused(503, "unavailable"),
            "1 of 3 requests ended in a server error or without an answer: once status 503",
        ),
        (None, "once did not answer within 15 s; the first is of the individual 2"),
    ],
)
def test_a_server_error_and_a_missing_answer_are_red_and_counted(wrong: Reply | None, message: str | None) -> None:
    direct = sent(DIRECT, ONE, refused(500, "not judged"))
    late = sent(MANY, TWO, wrong, error="" if wrong else "did not answer within 15 s")
    judged = made([sent(FEW, ONE, answer()), sent(MANY, ONE, answer()), late, direct, sent(DIRECT, TWO, answer())])
    if message is None:
        load.no_server_error(judged)
        return
    with pytest.raises(AssertionError, match=re.escape(message)):
        load.no_server_error(judged)


@pytest.mark.parametrize("idle", [(0.4, 2.0), (2.0, 0.4)])
def test_on_a_machine_without_room_timeouts_and_slow_answers_are_no_verdict(idle: tuple[float, float]) -> None:
    others = [sent(MANY, TWO, answer()), sent(DIRECT, ONE, answer())]
    with pytest.raises(TooBusyError, match=rf"other programs leave {idle[0]} cores .* before the load and {idle[1]}"):
        load.no_server_error(made([sent(MANY, ONE, refused(504, "provider_timeout")), *others], idle=idle))
    with pytest.raises(AssertionError, match="status 500"):
        load.no_server_error(made([sent(MANY, ONE, refused(500, "internal_error")), *others], idle=idle))
    with pytest.raises(TooBusyError, match="Too busy to measure"):
        load.median_ratio(measured(100, 900, 100, idle=idle), 1, 2, 200)
    with pytest.raises(TooBusyError, match="Too busy to measure"):
        load.throughput_ratio(measured(100, 900, 100, idle=idle), 2, 80)
    load.median_ratio(measured(100, 200, 100, idle=idle), 1, 2, 200)
    load.throughput_ratio(measured(100, 200, 100, idle=idle), 2, 80)


def judge(requests: Iterable[Sent], *users: User) -> None:
    load.answered_or_refused(made(requests, users), REFUSAL, PriceList(PLAN))


def test_who_has_the_credits_is_answered_and_who_has_used_them_up_is_refused() -> None:
    poor = user(3, credits=9)
    judge([sent(MANY, poor, answer()), sent(MANY, poor, refused()), sent(MANY, ONE, answer())], poor, ONE)


def test_answers_of_litellm_and_of_the_own_key_cost_nothing() -> None:
    poor, keyed = user(3, credits=9), user(4, credits=0, own_key=True)
    judge([sent(DIRECT, poor, answer()), sent(MANY, poor, answer()), *[sent(MANY, keyed, answer())] * 3], poor, keyed)


@pytest.mark.parametrize(
    ("who", "reply"),
    [
        (user(1, credits=9), refused()),
        (user(1, credits=0, own_key=True), refused()),
        (user(1, credits=8), refused(429, "quota_exceeded")),
        (user(1, credits=8), refused(402, "another_code")),
        (user(1, credits=8), None),
        (user(1), written_reply(200, {"choices": []})),
    ],
)
def test_any_other_refusal_is_red(who: User, reply: Reply | None) -> None:
    with pytest.raises(AssertionError, match=r"1 of 1 request got neither an answer nor the agreed refusal: once"):
        judge([sent(MANY, who, reply, error="the connection was closed")], who)


def test_a_refusal_needs_the_form_of_the_contract() -> None:
    poor = user(3, credits=0)
    with pytest.raises(AssertionError, match="media type"):
        judge(
            [
                sent(
                    MANY,
                    poor,
                    written_reply(402, {"type": "about:blank", "status": 402, "code": "insufficient_credits"}),
                )
            ],
            poor,
        )


def test_who_sent_nothing_to_ops_center_is_named() -> None:
    with pytest.raises(AssertionError, match=r"1 user of 2 sent nothing, such as the individual 2\."):
        judge([sent(MANY, ONE, answer()), sent(DIRECT, TWO, answer())], ONE, TWO)


@pytest.mark.parametrize(("many", "kept"), [(100, True), (200, True), (201, False)])
def test_the_median_of_many_users_is_compared_with_that_of_a_few(many: float, kept: bool) -> None:
    judged = measured(100, many, 100)
    if kept:
        load.median_ratio(judged, 1, 2, 200)
        return
    message = "the median answer takes 2 users 201 ms, 201.0% of the 100 ms that it takes 1, expected 200% at most."
    with pytest.raises(AssertionError, match=re.escape(message)):
        load.median_ratio(judged, 1, 2, 200)


@pytest.mark.parametrize(("many", "kept"), [(100, True), (374, True), (376, False)])
def test_the_answers_in_a_second_are_compared_with_those_of_litellm(many: float, kept: bool) -> None:
    judged = measured(100, many, 100)
    if kept:
        load.throughput_ratio(judged, 2, 80)
        return
    message = "2 users get 1.5 answers a second from Ops-Center, 79.9% of the 1.8 that they get from LiteLLM directly"
    with pytest.raises(AssertionError, match=re.escape(message)):
        load.throughput_ratio(judged, 2, 80)


def test_without_any_answer_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(AssertionError, match="LiteLLM gave 2 users no answer"):
        load.throughput_ratio(made([sent(MANY, ONE, answer())]), 2, 80)
    with pytest.raises(AssertionError, match="Ops-Center gave 1 users no answer"):
        load.median_ratio(made([sent(MANY, ONE, answer())]), 1, 2, 200)


@pytest.mark.parametrize("probe", [(), (1.0,), (21.0,) * 20])
def test_a_machine_that_is_too_busy_judges_no_time(probe: tuple[float, ...]) -> None:
    for many in (100, 9_999):
        with pytest.raises(TooBusyError, match="Too busy to measure"):
            load.median_ratio(measured(100, many, 100, probe=probe), 1, 2, 200)
        with pytest.raises(TooBusyError, match="Too busy to measure"):
            load.throughput_ratio(measured(100, many, 100, probe=probe), 2, 80)


def test_the_report_has_a_row_for_each_part_and_locusts_page(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[list[tuple[object, ...]]] = []
    pages: list[tuple[str, str]] = []
    monkeypatch.setattr(evidence, "attach_table", lambda name, headers, rows: tables.append(rows))
    monkeypatch.setattr(evidence, "attach_page", lambda name, page: pages.append((name, page)))
    load.attach(made(measured(100, 200, 100).sent, page="<html>"))
    assert tables == [
        [
            (1, OPS_CENTER, 1, 1, "0.9", "", ""),
            (2, OPS_CENTER, 2, 2, "1.7", "200 ms", "200 ms"),
            (2, LITELLM, 2, 2, "1.8", "100 ms", "100 ms"),
        ]
    ]
    assert pages == [("Locust's report", "<html>")]
