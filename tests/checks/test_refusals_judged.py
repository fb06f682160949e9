"""A refusal is judged by its meaning, not by its wording; every check has examples that pass and that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from creditflow.checks import refusals
from creditflow.checks.refusals import Refusal
from creditflow.core import period

if TYPE_CHECKING:
    from tests.conftest import MakeReply

PROBLEM = {"Content-Type": "application/problem+json", "X-Request-Id": "0547d8bd-3213-4e45-b347-a0923eacc758"}
AT = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
RESET = round(datetime(2027, 1, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Return a fixed time, one hour before the end of the year."""
    monkeypatch.setattr(period, "now", lambda: AT)
    return AT


@pytest.mark.parametrize(
    ("text", "refusal", "code"),
    [
        ('402 "insufficient credits"', Refusal(402, "insufficient credits", True), "insufficient_credits"),
        ("403 Forbidden", Refusal(403, "Forbidden"), ""),
        ("413 Content Too Large", Refusal(413, "Content Too Large"), ""),
        ("422 Unprocessable Content", Refusal(422, "Unprocessable Content"), ""),
        ("504 Gateway Timeout", Refusal(504, "Gateway Timeout"), ""),
        ("409", Refusal(409), ""),
    ],
)
def test_a_refusal_is_read_from_the_feature_s_words(text: str, refusal: Refusal, code: str) -> None:
    assert Refusal.of(text) == refusal
    assert refusal.code == code


def test_a_refusal_fits_replies_of_its_status_and_of_its_code_if_it_has_one(reply: MakeReply) -> None:
    named, bare = Refusal.of('402 "insufficient credits"'), Refusal.of("402")
    code = {"code": "insufficient_credits"}
    fitting, other_code, no_code = reply(402, code), reply(402, {"code": "no_allocation"}), reply(402)
    others = [reply(401, code), reply(403, code)]
    assert [named.fits(got) for got in (fitting, other_code, no_code, *others)] == [True, False, False, False, False]
    assert [bare.fits(got) for got in (fitting, other_code, no_code, *others)] == [True, True, True, False, False]


def test_a_phrase_that_is_not_the_status_s_own_is_a_mistake_in_the_feature() -> None:
    with pytest.raises(ValueError, match="The feature calls 403 'Unauthorized'; it is 'Forbidden'"):
        Refusal.of("403 Unauthorized")


def test_the_phrases_are_those_of_rfc_9110_on_every_python() -> None:
    # 3.13 took up RFC 9110's names; those before have RFC 4918's and RFC 7231's.
    older = {413: "Request Entity Too Large", 414: "Request-URI Too Long", 416: "Requested Range Not Satisfiable",
             422: "Unprocessable Entity"}  # fmt: skip
    for status, phrase in refusals.PHRASES.items():
        assert HTTPStatus(status).phrase in (phrase, older.get(status))


def test_a_status_that_is_no_refusal_has_no_phrase() -> None:
    with pytest.raises(ValueError, match="The feature calls 299 'Fine'; it is 'no refusal of RFC 9110'"):
        Refusal.of("299 Fine")


def test_a_refusal_as_the_contract_has_it_is_green(reply: MakeReply) -> None:
    body = {"status": 402, "code": "insufficient_credits", "title": "No credits"}
    got = reply(402, body, PROBLEM | {"Content-Type": "application/problem+json; charset=utf-8"})
    refusals.refused(got, Refusal.of('402 "insufficient credits"'), "the individual", str)
    refusals.refused(got, Refusal(402), "the individual", str)


@pytest.mark.parametrize(
    ("status", "body", "headers", "says"),
    [
        (200, {}, PROBLEM, "the individual got the status 200, expected 402"),
        (403, {"status": 403, "code": "insufficient_credits"}, PROBLEM, "got the status 403, expected 402"),
        (402, {"status": 402, "code": "no_allocation"}, PROBLEM, "got the code no_allocation, expected insufficient_"),
        (402, {"status": 402}, PROBLEM, "got the code none, expected insufficient_credits"),
        (402, {"status": "402", "code": "insufficient_credits"}, PROBLEM, "the problem's own status is '402'"),
        (402, {"status": 400, "code": "insufficient_credits"}, PROBLEM, "the problem's own status is 400"),
        (402, {"status": 402, "code": "insufficient_credits"}, {"Content-Type": "application/json"}, "media type is a"),
        (402, {"status": 402, "code": "insufficient_credits"}, {}, "media type is empty"),
        (402, {"status": 402, "code": "insufficient_credits"}, {}, "X-Request-Id is none, expected an id"),
    ],
)
def test_another_refusal_is_red_and_says_what_came_and_what_was_recorded(
    reply: MakeReply, status: int, body: dict[str, object], headers: dict[str, str], says: str
) -> None:
    wanted = Refusal.of('402 "insufficient credits"')
    with pytest.raises(AssertionError) as red:
        refusals.refused(reply(status, body, headers), wanted, "the individual", lambda: "the provider was called")
    assert says in str(red.value)
    assert "the answer reads: {" in str(red.value)
    assert str(red.value).endswith("; the provider was called.")


def test_a_clear_refusal_has_a_title_and_a_sentence(reply: MakeReply) -> None:
    detail = "You have 8 credits left and this request costs 9. Buy more in the settings."
    refusals.clear(reply(402, {"title": "Not enough credits", "detail": detail}))
    refusals.clear(
        reply(
            403,
            {"title": "Forbidden", "detail": "Select an update from the list, or set your allocation to more than 0."},
        )
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"detail": "You have 8 credits left, buy more."}, "has no title"),
        ({"title": "", "detail": "You have 8 credits left, buy more."}, "has no title"),
        ({"title": "Bad"}, "is no sentence"),
        ({"title": "Bad", "detail": "error"}, "the refusal says only 'error'"),
        ({"title": "Bad", "detail": "Internal server error 500"}, "is no sentence"),
    ],
)
def test_a_refusal_that_tells_nobody_what_to_do_is_red(reply: MakeReply, body: dict[str, object], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        refusals.clear(reply(402, body))


@pytest.mark.parametrize(
    "inside",
    [
        'Traceback (most recent call last):\n  File "app.py", line 3, in pay',
        "at line 7, in settle",
        "psycopg.errors.UniqueViolation",
        "sqlalchemy.exc.IntegrityError",
        "SELECT credits FROM user_credits",
        "INSERT INTO credit_transactions",
        "UPDATE user_credits SET credits_remaining",
        "Authorization: Bearer abcdefgh1234",
        "eyJhbGciOiJSUzI1NiJ9.x.y",
        "sk-or-v1-abcdef0123",
        "postgresql://unicorn@db/unicorn_db",
        "postgres://db",
        "redis://cache:6379",
    ],
)
def test_a_refusal_that_gives_the_inside_away_is_red(reply: MakeReply, inside: str) -> None:
    detail = "You have 8 credits left, so please buy more."
    with pytest.raises(AssertionError, match="the refusal gives internals away"):
        refusals.clear(reply(500, {"title": "Sorry", "detail": f"{detail} {inside}"}))
    with pytest.raises(AssertionError, match="the refusal gives internals away"):
        refusals.clear(reply(500, {"title": "Sorry", "detail": detail, "debug": inside.replace('"', "")}))


YES = {
    "buy": ["Upgrade your plan.", "Please buy credits.", "Purchase more credits", "Top up in the settings"],
    "admin": ["Ask your admin.", "Only an administrator may do this."],
    "allocation": ["You have no allocation.", "Nothing is allocated to you."],
    "no purchase": ["Nothing was purchased yet.", "No credits were purchased.", "It has not made a purchase."],
    "no key": [
        "No OpenRouter key is stored for you.",
        "You have not added a key: store one first.",
        "An OpenRouter key was not stored.",
    ],
    "check key": ["The provider refused your key.", "Check your key."],
    "not charged": ["You were not charged.", "Nothing was charged.", "No charge was made."],
    "own account": ["The account of your own key has no money left.", "Your key has reached its rate limit."],
}
NO = {
    "buy": ["You have 8 credits.", "It is forbidden.", "A rebuyer"],
    "admin": ["You may not do this.", "Badminton is fun."],
    "allocation": ["You have no credits.", "Your location is unknown."],
    "no purchase": ["Please purchase credits.", "Your purchase was refused."],
    "no key": ["Your key is stored.", "The provider refused your key.", "Store a key."],
    "check key": ["Monkeys refused.", "The provider failed."],
    "not charged": ["You were charged 9 credits.", "The provider failed."],
    "own account": ["The provider refused your own key.", "Your account is empty."],
}


@pytest.mark.parametrize(("topic", "detail"), [(topic, text) for topic, texts in YES.items() for text in texts])
def test_a_message_that_speaks_of_a_topic_is_heard(reply: MakeReply, topic: str, detail: str) -> None:
    refusals.says(reply(402, {"detail": detail}), topic)
    refusals.says(reply(402, {"detail": detail.upper()}), topic)


@pytest.mark.parametrize(("topic", "detail"), [(topic, text) for topic, texts in NO.items() for text in (*texts, "")])
def test_a_message_that_speaks_of_something_else_is_red_and_quoted(reply: MakeReply, topic: str, detail: str) -> None:
    with pytest.raises(AssertionError) as red:
        refusals.says(reply(402, {"detail": detail, "title": YES[topic][0]}), topic)
    assert str(red.value) == f"the message does not say {refusals._TOPICS[topic][1]}: it reads '{detail}'."


def test_every_topic_is_shown_to_say_yes_and_no() -> None:
    assert set(YES) == set(NO) == set(refusals._TOPICS)


def test_an_upgrade_is_offered_by_a_link_and_a_sentence(reply: MakeReply) -> None:
    link = "https://ops.example/upgrade?org=an-id"
    refusals.offers_upgrade(reply(402, {"detail": "Upgrade to go on.", "upgrade_url": link}), "an-id")
    for body, says in (
        ({"detail": "Upgrade to go on."}, "carries no upgrade link"),
        ({"detail": "Upgrade to go on.", "upgrade_url": "/upgrade"}, "carries no upgrade link"),
        ({"detail": "You may not.", "upgrade_url": link}, "how to get more credits"),
        ({"detail": "Upgrade to go on.", "upgrade_url": "https://ops.example/upgrade"}, "not the organisation's own"),
    ):
        with pytest.raises(AssertionError, match=says):
            refusals.offers_upgrade(reply(402, body), "an-id")


@pytest.mark.usefixtures("now")
def test_the_reset_date_is_the_first_of_the_next_month(reply: MakeReply) -> None:
    refusals.names_reset_date(reply(429, {"detail": "Your quota starts anew on 2027-01-01."}))
    for detail in ("Your quota starts anew on 2026-12-31.", "Your quota is used up.", ""):
        with pytest.raises(AssertionError, match="does not name the reset date 2027-01-01"):
            refusals.names_reset_date(reply(429, {"detail": detail}))


LIMITS = {"X-RateLimit-Limit": "700", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(RESET)}


@pytest.mark.usefixtures("now")
def test_rate_limit_headers_that_agree_are_green(reply: MakeReply) -> None:
    refusals.rate_limit(reply(200, {}, LIMITS), 0, 700)
    for wait in ("3599", "3600", "3602"):
        refusals.rate_limit(reply(429, {}, LIMITS | {"Retry-After": wait}), 0, 700)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (200, {}, "X-RateLimit-Limit is none, expected 700"),
        (200, LIMITS | {"X-RateLimit-Limit": "10000"}, "X-RateLimit-Limit is 10,000, expected 700"),
        (200, LIMITS | {"X-RateLimit-Remaining": "-1"}, "X-RateLimit-Remaining is -1, expected 0"),
        (200, LIMITS | {"X-RateLimit-Remaining": "0.0"}, "X-RateLimit-Remaining is none, expected 0"),
        (200, LIMITS | {"X-RateLimit-Reset": str(RESET + 1)}, "X-RateLimit-Reset is"),
        (200, LIMITS | {"X-RateLimit-Reset": "Fri, 01 Jan 2027 00:00:00 GMT"}, "X-RateLimit-Reset is none"),
        (429, LIMITS, "Retry-After is None, but the quota resets in 3600 s"),
        (429, LIMITS | {"Retry-After": "60"}, "Retry-After is 60, but the quota resets in 3600 s"),
    ],
)
def test_rate_limit_headers_that_do_not_agree_are_red(
    reply: MakeReply, status: int, headers: dict[str, str], says: str
) -> None:
    with pytest.raises(AssertionError) as red:
        refusals.rate_limit(reply(status, {}, headers), 0, 700)
    assert says in str(red.value)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("wait", ["3597", "3603"])
def test_a_wait_that_is_more_than_two_seconds_off_is_red(reply: MakeReply, wait: str) -> None:
    with pytest.raises(AssertionError, match="but the quota resets in 3600 s"):
        refusals.rate_limit(reply(429, {}, LIMITS | {"Retry-After": wait}), 0, 700)


@pytest.mark.usefixtures("now")
def test_only_a_429_has_to_say_how_long_to_wait(reply: MakeReply) -> None:
    refusals.rate_limit(reply(503, {}, LIMITS), 0, 700)


@pytest.mark.parametrize("status", [401, 429])
def test_of_another_status_nothing_but_the_status_is_judged(reply: MakeReply, status: int) -> None:
    with pytest.raises(AssertionError) as red:
        refusals.refused(reply(status, {}), Refusal(402), "the individual", str)
    assert "media type" not in str(red.value)


@pytest.mark.parametrize("phrase", ["Aardvark Required", "Zebra Required"])
def test_any_other_phrase_is_a_mistake_in_the_feature(phrase: str) -> None:
    with pytest.raises(ValueError, match="it is 'Payment Required'"):
        Refusal.of(f"402 {phrase}")


def test_five_words_are_a_sentence_and_a_sentence_may_go_over_a_line(reply: MakeReply) -> None:
    refusals.clear(reply(402, {"title": "Not enough credits", "detail": "Please buy some more credits."}))
    refusals.says(reply(502, {"detail": "Nothing was\ncharged."}), "not charged")


def test_of_a_long_answer_the_beginning_is_shown(reply: MakeReply) -> None:
    long = reply(402, {"words": "z" * 999})
    checks: list[Callable[[], None]] = [
        lambda: refusals.refused(long, Refusal(403), "the individual", str),
        lambda: refusals.clear(long),
        lambda: refusals.offers_upgrade(long),
    ]
    for check in checks:
        with pytest.raises(AssertionError) as red:
            check()
        assert str(red.value).count("z") == long.text[:300].count("z")


def test_of_the_inside_that_is_given_away_forty_characters_are_shown(reply: MakeReply) -> None:
    body = {"title": "Sorry", "detail": f"You may buy more credits at sk-or-v1-{'7' * 99}"}
    with pytest.raises(AssertionError) as red:
        refusals.clear(reply(402, body))
    assert len(str(red.value).split("'")[1]) == 40


def test_what_a_feature_asks_for_can_not_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(Refusal(402), "status", 200)  # noqa: B010
