"""What stands in an answer agrees with the books, and a refusal tells its reader what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest

from creditflow.audit import statements
from creditflow.audit.history import History, Names, read
from creditflow.core import period
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.record import RecordedRequest

MODEL = "openai/gpt-3.5-turbo"
TOKEN = jwt.encode({"sub": "ann-id"}, "a secret of nobody, long enough for HS256")
NAMES = Names({"ann@example.com": "ann-id"}, {"cf-ann": "ann-id"})
ORGANIZATION = "0b8c1d2e-0000-4000-8000-00000000c1ab"
RESET = str(round(period.reset().timestamp()))
ANSWER = {
    "object": "chat.completion",
    "model": MODEL,
    "choices": [{"message": {"content": "yes"}}],
    "usage": {"total_tokens": 100},
    "cost_credits": 9,
    "credits_remaining": 91,
    "byok_used": False,
}
REFUSAL: dict[str, Any] = {
    "type": "about:blank",
    "title": "Insufficient credits",
    "status": 402,
    "code": "insufficient_credits",
    "detail": "You have 1 credit left. Buy credits or upgrade your plan at the page of billing.",
    "upgrade_url": "https://example.com/billing",
}
PROBLEM = "application/problem+json"


def quota(remaining: int, limit: int = 700) -> dict[str, str]:
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": RESET}


def reply(status: int, body: Any, request: str = "r1", remaining: int = 699, **headers: Any) -> Reply:
    said = {"X-Request-Id": request, **quota(remaining)}
    kind = {"Content-Type": PROBLEM if status >= 400 else "application/json"}
    return Reply(
        status, said | kind | {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(body), 1
    )


def stream(*events: Any) -> Reply:
    return Reply(200, {"X-Request-Id": "r1", **quota(699)}, "", 1, events=events)


def chat(answer: Reply | None, ended: Any = 2.0, began: float = 1.0, **body: Any) -> RecordedRequest:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "cf-ann q1"}], "max_tokens": 98} | body
    return RecordedRequest("chat", TOKEN, {"body": asked, "headers": {}}, answer, began, ended)


GRANT = RecordedRequest("grant", None, {"user_id": "ann-id", "credits": 100}, None, 0.0, 0.5)
FOUNDED = RecordedRequest(
    "create_organization", TOKEN, {}, Reply(201, {"X-Request-Id": "r0"}, json.dumps({"id": ORGANIZATION}), 1), 0.5, 0.6
)


def wrong(*entries: RecordedRequest, tiers: Mapping[str, str] | None = None) -> list[str]:
    history = History({"ann-id": "Ann"}, {}, read(entries, NAMES, exact=True), {MODEL: 9})
    return statements.wrong(history, entries, {"r1": "trial", "r2": "trial"} if tiers is None else tiers)


def test_a_right_answer_says_nothing_wrong() -> None:
    assert wrong(GRANT, chat(reply(200, ANSWER))) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"cost_credits": 10}, "Ann reads in the answer that it cost 10 credits, expected 9"),
        ({"credits_remaining": 100}, "Ann reads in the answer that 100 credits are left, expected 91"),
        ({"cost_credits": "9"}, "the answer to Ann has the cost_credits '9', expected a whole number"),
        ({"byok_used": True}, "the answer to Ann says 'own key used': yes, expected no"),
        ({"model": "gpt-3.5-turbo"}, "the answer to Ann names the model gpt-3.5-turbo"),
        ({"object": "completion"}, "not every part of the answer to Ann is a chat.completion"),
        ({"choices": []}, "the answer to Ann has no words"),
    ],
)
def test_a_wrong_figure_or_form_is_named(changed: dict[str, Any], says: str) -> None:
    assert any(says in sentence for sentence in wrong(GRANT, chat(reply(200, ANSWER | changed))))


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X_RateLimit_Remaining": "700"}, "X-RateLimit-Remaining is 700, expected 699"),
        ({"X_RateLimit_Limit": "1000"}, "X-RateLimit-Limit is 1,000, expected 700"),
        ({"X_RateLimit_Reset": "60"}, "X-RateLimit-Reset is 60"),
    ],
)
def test_a_wrong_quota_is_named(headers: dict[str, Any], says: str) -> None:
    assert any(says in sentence for sentence in wrong(GRANT, chat(reply(200, ANSWER, **headers))))


def test_an_answer_without_the_quota_is_named() -> None:
    bare = Reply(200, {"X-Request-Id": "r1"}, json.dumps(ANSWER), 1)
    assert wrong(GRANT, chat(bare), tiers={}) == [
        "the answer 200 to Ann has no X-RateLimit-Limit and no X-RateLimit-Remaining and no X-RateLimit-Reset"
    ]


def test_figures_of_a_tier_that_is_not_sure_are_not_judged() -> None:
    assert wrong(GRANT, chat(reply(200, ANSWER, remaining=5)), tiers={}) == []


def test_figures_of_requests_at_the_same_time_are_not_judged() -> None:
    first, second = reply(200, ANSWER | {"credits_remaining": 82}), reply(200, ANSWER, "r2", 698)
    assert wrong(GRANT, chat(first, 3.0, 1.0), chat(second, 3.1, 1.1)) == []
    assert wrong(GRANT, chat(first, 2.0, 1.0), chat(second, 4.0, 3.0))


def test_figures_after_a_request_that_was_left_are_not_judged() -> None:
    left = RecordedRequest("chat", TOKEN, {**chat(None).values, "left_early": True}, None, 1.0, 1.5)
    assert wrong(GRANT, left, chat(reply(200, ANSWER, "r2"), 3.0, 2.0)) == []


def test_what_was_judged_before_is_not_judged_again() -> None:
    entries = [GRANT, chat(reply(200, ANSWER | {"cost_credits": 10}))]
    history = History({"ann-id": "Ann"}, {}, read(entries, NAMES, exact=True), {MODEL: 9})
    assert statements.wrong(history, entries, {}, since=1)
    assert statements.wrong(history, entries, {}, since=2) == []


def test_a_clear_refusal_says_nothing_wrong() -> None:
    assert wrong(GRANT, chat(reply(402, REFUSAL, remaining=700))) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"code": ""}, "Ann got the status 402 without a code"),
        ({"title": ""}, "the refusal has no title"),
        ({"status": 400}, "the problem's own status is 400, expected 402"),
        ({"detail": "Payment Required"}, "the refusal says only 'Payment Required'"),
        ({"detail": REFUSAL["detail"] + " Traceback (most recent call last)"}, "gives internals away"),
        ({"upgrade_url": ""}, "the refusal carries no upgrade link"),
        ({"detail": "You have 1 credit left, and this is all there is."}, "does not tell its reader to buy credits"),
    ],
)
def test_an_unclear_refusal_is_named(changed: dict[str, Any], says: str) -> None:
    assert any(says in sentence for sentence in wrong(GRANT, chat(reply(402, REFUSAL | changed, remaining=700))))


def test_a_refusal_of_another_media_type_is_named() -> None:
    said = wrong(GRANT, chat(reply(402, REFUSAL, remaining=700, Content_Type="application/json")))
    assert "media type is application/json" in said[0]


def test_a_refusal_of_another_request_than_one_to_a_model_is_judged_too() -> None:
    refused = RecordedRequest("allocate", TOKEN, {"organization": ORGANIZATION, "email": "x", "credits": 1},
                              reply(409, {"detail": "no"}), 1.0, 2.0)  # fmt: skip
    assert "Ann got the status 409 without a code" in wrong(FOUNDED, refused)


@pytest.mark.parametrize(("link", "count"), [(ORGANIZATION, 0), ("another", 1)])
def test_the_upgrade_link_of_an_organisation_is_its_own(link: str, count: int) -> None:
    refusal = REFUSAL | {
        "code": "insufficient_organization_credits",
        "detail": "The organisation has no credits left. Ask its admin to buy credits.",
        "upgrade_url": f"https://example.com/{link}",
    }
    said = wrong(FOUNDED, chat(reply(402, refusal, remaining=700)))
    assert sum("is not the organisation's own" in sentence for sentence in said) == count


CHUNK = {"object": "chat.completion.chunk", "model": MODEL, "choices": [{"delta": {"content": "yes"}}]}
LAST = CHUNK | {"cost_credits": 9, "credits_remaining": 91, "byok_used": False}
USAGE = LAST | {"choices": [], "usage": {"total_tokens": 100}}


@pytest.mark.parametrize(
    ("events", "asks", "right"),
    [
        ((CHUNK, LAST, "[DONE]"), None, True),
        ((CHUNK, USAGE, "[DONE]"), None, False),
        ((CHUNK, USAGE, "[DONE]"), True, True),
        ((CHUNK, LAST, "[DONE]"), True, False),
        ((USAGE, LAST, "[DONE]"), True, False),
        ((CHUNK, LAST, "[DONE]"), False, True),
    ],
)
def test_a_stream_reports_its_usage_exactly_when_asked(events: tuple[Any, ...], asks: bool | None, right: bool) -> None:
    options: dict[str, Any] = {} if asks is None else {"stream_options": {"include_usage": asks}}
    said = wrong(GRANT, chat(stream(*events), stream=True, **options))
    assert (said == []) is right


def test_two_answers_with_one_request_id_are_named() -> None:
    one, other = chat(reply(200, ANSWER)), chat(reply(200, ANSWER | {"credits_remaining": 82}, "r1"), 4.0, 3.0)
    assert "two answers have the X-Request-Id r1" in wrong(GRANT, one, other)


def test_an_answer_without_a_request_id_is_named() -> None:
    assert "the answer 200 has no X-Request-Id" in wrong(GRANT, chat(reply(200, ANSWER, "")))


def purchase(
    said: Mapping[str, Any], ended: float = 2.0, key: str | None = None, request: str = "r5"
) -> RecordedRequest:
    given = {"organization": ORGANIZATION, "credits": 100, "key": key or None}
    return RecordedRequest("purchase", TOKEN, given, reply(201, said, request), ended - 0.5, ended)


@pytest.mark.parametrize(
    ("said", "wrongly"),
    [
        ({"total_credits": 100, "amount": 100}, []),
        ({"total_credits": 0, "amount": 100}, ["0 credits are there, expected 100"]),
        (
            {"total_credits": 100, "amount": 1},
            ["1 credits were purchased, expected 100"],
        ),
    ],
)
def test_a_purchase_says_what_is_there_now(said: dict[str, int], wrongly: list[str]) -> None:
    assert wrong(FOUNDED, purchase(said)) == [f"Ann reads after the purchase that {each}" for each in wrongly]


def test_a_repeated_purchase_says_what_the_first_one_said() -> None:
    said = {"total_credits": 100, "amount": 100}
    assert wrong(FOUNDED, purchase(said, key="k"), purchase({}, 4.0, key="k", request="r6")) == []


@pytest.mark.parametrize(("remaining", "right"), [(40, True), (0, False)])
def test_an_allocation_says_what_the_member_has(remaining: int, right: bool) -> None:
    given = {"organization": ORGANIZATION, "email": "ann@example.com", "credits": 40}
    said = {"allocated": 40, "used": 0, "remaining": remaining}
    allocated = RecordedRequest("allocate", TOKEN, given, reply(200, said, "r7"), 3.0, 4.0)
    assert (wrong(FOUNDED, purchase({"total_credits": 100, "amount": 100}), allocated) == []) is right
