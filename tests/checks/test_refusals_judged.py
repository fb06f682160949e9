"""A refusal is judged by its meaning, not by its wording; every check has examples that pass and that fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from creditflow.checks import refusals
from creditflow.checks.refusals import Refusal
from creditflow.core import period
from creditflow.core.expect import verdict
from creditflow.target.drivers.http import Http, Reply

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
    body = {"type": "urn:problem:no-credits", "status": 402, "code": "insufficient_credits", "title": "No credits"}
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
        (402, {"status": 402, "code": "insufficient_credits"}, PROBLEM, "the problem's type is none, expected an addr"),
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


@pytest.mark.parametrize("wait", ["", "soon", "0"])
def test_a_503_says_in_how_many_seconds_to_try_again(reply: MakeReply, wait: str) -> None:
    body = {"type": "urn:problem:away", "status": 503}
    refusals.refused(reply(503, body, PROBLEM | {"Retry-After": "2"}), Refusal(503), "the individual", str)
    with pytest.raises(AssertionError, match="the refusal's Retry-After is"):
        refusals.refused(reply(503, body, PROBLEM | {"Retry-After": wait}), Refusal(503), "the individual", str)


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


GOOD = {
    "buy": [
        "This request costs 9 credits, and you have 8 left. Buy credits at https://ops.example/buy.",
        "Insufficient credits. Please top up your balance to continue.",
        "You don't have enough credits for this request: upgrade your plan.",
        "Your credit balance is too low to access the API. Go to Plans & Billing to upgrade, or purchase credits.",
        "You ran out of credits. To go on, add credits in the settings.",
        "You have 8 credits left, but this request needs 9. You can buy more credits in the billing settings.",
        "Not enough credits are available. Ask its admin to buy credits or upgrade at https://ops.example/upgrade.",
        "This request requires more credits. You requested 100 tokens, but can only afford 88 with the credits left. "
        "To increase, visit https://ops.example/credits and add more credits.",
    ],
    "admin": [
        "Your allocation is used up. Ask your organisation's admin to allocate more credits to you.",
        "You have no credits allocated. Please contact your administrator.",
        "Your spending limit has been reached. Contact your organization owner to raise it.",
        "0 credits of your allocation are left; turn to the admin of your organisation.",
        "You have used all your credits. To get more, reach out to your workspace owner.",
        "Your credits are used up. Please speak to an admin of your team about a larger allocation.",
        "Your organisation has too few credits. You may not purchase any: tell its admin.",
        "Request more credits from your admin: this request costs 9, and 8 are left.",
        "Your monthly budget is used up, so get in touch with your administrator.",
        "You have exceeded your limit. You can ask your admin for more.",
        "This costs 9 credits. 8 are left. Write to your admin.",
        "Your allocation has 8 credits left. Talk to your admin, or choose a cheaper model.",
    ],
    "allocation": [
        "No credits were allocated to you. Ask the admin to allocate some.",
        "You have no allocation in this organisation: contact its admin.",
        "Nothing is allocated to you yet. Please ask your administrator for an allocation.",
        "You are a member without an allocation; turn to your organisation's admin.",
    ],
    "no purchase": [
        "Nothing was purchased yet. Your admin needs to purchase credits first.",
        "The organisation has no credits: it has to purchase some first.",
        "Your organisation has not bought any credits. Ask its admin to buy credits.",
    ],
    "no key": [
        "No OpenRouter key is stored for you. Store one in the settings.",
        "You have not added a key: add one first.",
        "An OpenRouter key was not found for your account. Please configure your key under Settings, API keys.",
        "You didn't provide an API key. You need to provide your API key in the settings.",
        "No API key found for provider openrouter. Set up a key to use this option.",
        "We couldn't find an API key for OpenRouter. Save it on the page of your keys.",
        "Missing API key. Please add a valid one at https://ops.example/settings/keys.",
        "There is no key for anthropic/claude-3-sonnet: connect an OpenRouter key.",
        "You haven't connected a provider key yet, so please enter your key first.",
        "Your key for this model is missing. Upload it, or use platform credits.",
        "No key is stored. To use your own key, create one at OpenRouter, then paste it into the settings.",
        "You asked to use your own key, but no key is stored: store a key, or use credits instead.",
    ],
    "check key": [
        "The provider refused your key. Check it in the settings.",
        "The provider refused your own API key. Store a working one, or send the request without it.",
        "Your OpenRouter key was rejected: replace it under Settings, API keys.",
        "Incorrect API key provided. You can find your API key at https://openrouter.example/keys.",
        "Your API key is invalid or has been revoked. Please generate a new one in your account.",
        "Invalid key. Please verify your API key and try again.",
        "The key that you stored has expired; create another.",
        "OpenRouter did not accept your key, so check that it is complete.",
        "Your stored key does not work. It is not known to OpenRouter. Please update it.",
        "Authentication failed with your key. Your key needs to be replaced.",
        "Your key was declined by the provider. Enter a valid one or pay with credits.",
        "Your key no longer works. Please rotate your key and save the new one.",
    ],
    "quota": [
        "All 700 calls of this month are used. Wait until 2027-01-01, or upgrade your plan.",
        "You've reached your monthly limit. It resets on 2027-01-01.",
        "Quota exceeded. Try again after 2027-01-01.",
        "You have no calls left this month; new ones are available from 2027-01-01.",
    ],
    "not charged": [
        "The provider could not answer. Try again in a moment. Nothing was charged.",
        "The model is overloaded. You were not charged. Please retry your request.",
        "An upstream error occurred; no credits were deducted. Wait a minute, then send the request again.",
        "No charge was made. Choose another model.",
    ],
    "own account": [
        "The account of your own key has no money left. Add some at the provider.",
        "Your key has reached its rate limit. Wait a minute.",
        "The account that your key belongs to is empty: top up there, at the provider.",
    ],
}
"""Messages as real platforms write them, in other words than the reference's."""

WITHOUT_CAUSE = {
    "buy": ["Upgrade your plan.", "It is forbidden. Buy credits.", "Please buy credits to support us."],
    "admin": ["Ask your admin.", "Your password is wrong. Contact your administrator."],
    "allocation": [
        "Ask your admin.",
        "You have no credits. Ask your admin.",
        "Your location is unknown: ask the admin.",
    ],
    "no purchase": ["Please purchase credits.", "Your purchase was refused. Please buy credits."],
    "no key": ["Store a key.", "Your key is stored. Add another.", "The provider refused your key. Store another."],
    "check key": ["Check your key.", "The provider failed. Check your key.", "Monkeys refused. Check your key."],
    "quota": ["Wait until 2027-01-01.", "You have 8 credits. Upgrade your plan."],
    "not charged": ["Try again later.", "You were charged 9 credits. Try again.", "No, you were charged. Try again."],
    "own account": [
        "The provider refused your own key. Add money.",
        "Your account is empty: add money.",
    ],
}
"""Messages that do not say what is wrong."""

WITHOUT_INSTRUCTION = {
    "buy": [
        "You have 8 credits left, not enough for this request.",
        "Insufficient credits. Thank you for using our service!",
        "Insufficient credits. Credits can't be bought with vouchers.",
        "Not enough credits. Check your key.",
        "Not enough credits: nothing was bought yet.",
        "Not enough credits. Get some rest.",
    ],
    "admin": [
        "Your allocation is used up.",
        "Your allocation is used up. Only an administrator may change it.",
        "Your allocation is used up. Your admin was informed.",
        "Your allocation is used up. We are sorry for the trouble.",
        "Your allocation is used up. Contact support.",
        "Your allocation is used up. Buy credits in the settings.",
        "Your allocation is used up. Badminton is fun: ask for it.",
        "Your allocation is used up. Don't ask your admin.",
    ],
    "allocation": ["No credits were allocated to you.", "You have no allocation. Your admin decides about it."],
    "no purchase": ["Nothing was purchased yet.", "The organisation has no credits. Ask your admin."],
    "no key": [
        "No key is stored for you.",
        "No key is stored. Have a nice day!",
        "No key is stored. Keys are stored encrypted.",
        "No key is stored, and no store takes yours.",
        "No key was found. Check your spelling.",
        "No key is stored. Buy credits.",
        "No key is stored. Store your invoices in the folder.",
    ],
    "check key": [
        "The provider refused your key.",
        "The provider refused your key. Thank you for your patience.",
        "The provider refused your key. It was checked twice.",
        "The check of your key failed.",
        "Your key was rejected because we check every key.",
        "Your key was rejected. Please try again later.",
        "Your key was rejected. Sign in again.",
        "Your key was rejected. Store your data in one of our regions.",
        "Your key was rejected. Check your subscription.",
        "Your key was rejected. Ask your admin.",
        "Your key was rejected. Your key is important to us.",
        "Your key was rejected. Never check your key in public.",
    ],
    "quota": [
        "Your quota is used up.",
        "You have reached the limit. We value your loyalty.",
        "All calls of this month are used. Please try our other products.",
        "All calls are used. Please continue reading our terms.",
        "All calls are used. Our support is available at 0800 123.",
        "Your quota is used up. Upgrade your browser.",
    ],
    "not charged": [
        "Nothing was charged.",
        "Nothing was charged. We are sorry.",
        "Nothing was charged. Check your key.",
        "You were not charged, although we tried it.",
        "Nothing was charged. Send it to a friend.",
        "Nothing was charged. Wait, it gets better.",
    ],
    "own account": [
        "The account of your own key has no money left.",
        "Your key has reached its rate limit. Sorry!",
        "The account of your own key has no money left. Please send some feedback.",
        "Your key has reached its rate limit. Use some patience.",
    ],
}
"""Messages that say what is wrong, and then nothing that their reader can do about it."""


def _pairs(of_topics: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(topic, text) for topic, texts in of_topics.items() for text in texts]


@pytest.mark.parametrize(("topic", "detail"), _pairs(GOOD))
def test_a_message_that_says_what_is_wrong_and_what_to_do_is_green(reply: MakeReply, topic: str, detail: str) -> None:
    refusals.says(reply(402, {"detail": detail}), topic)
    refusals.says(reply(402, {"detail": detail.upper()}), topic)


@pytest.mark.parametrize(("topic", "detail"), _pairs(WITHOUT_CAUSE))
def test_a_message_that_does_not_say_what_is_wrong_is_red_and_quoted(reply: MakeReply, topic: str, detail: str) -> None:
    with pytest.raises(AssertionError) as red:
        refusals.says(reply(402, {"detail": detail, "title": GOOD[topic][0]}), topic)
    meaning = refusals._ADVICE[topic].meaning
    assert str(red.value) == f"the message does not say that {meaning}: it reads '{detail}'."


@pytest.mark.parametrize(("topic", "detail"), _pairs(WITHOUT_INSTRUCTION))
def test_a_message_that_tells_nobody_what_to_do_is_red_and_quoted(reply: MakeReply, topic: str, detail: str) -> None:
    with pytest.raises(AssertionError) as red:
        refusals.says(reply(402, {"detail": detail, "title": GOOD[topic][0]}), topic)
    doing = refusals._ADVICE[topic].doing
    assert str(red.value) == f"the message does not tell its reader to {doing}: it reads '{detail}'."


@pytest.mark.parametrize("topic", sorted(GOOD))
def test_an_empty_message_is_red(reply: MakeReply, topic: str) -> None:
    with pytest.raises(AssertionError, match="it reads ''"):
        refusals.says(reply(402, {"detail": "", "title": GOOD[topic][0]}), topic)


@pytest.mark.parametrize(("topic", "detail"), _pairs(GOOD))
def test_a_message_of_another_case_is_red(reply: MakeReply, topic: str, detail: str) -> None:
    """Two messages about credits, or about limits, have the same advice; no other passes for another one's."""
    alike = [set(pair) for pair in itertools.combinations(("admin", "allocation", "buy", "no purchase"), 2)]
    alike.append({"own account", "quota"})
    for other in set(refusals._ADVICE) - {topic}:
        if {topic, other} not in alike:
            with pytest.raises(AssertionError):
                refusals.says(reply(402, {"detail": detail}), other)


def test_every_topic_is_shown_to_say_yes_and_no() -> None:
    assert set(GOOD) == set(WITHOUT_CAUSE) == set(WITHOUT_INSTRUCTION) == set(refusals._ADVICE)


def test_an_upgrade_is_offered_by_a_link_and_a_sentence(reply: MakeReply) -> None:
    link = "https://ops.example/upgrade?org=an-id"
    refusals.offers_upgrade(
        reply(402, {"detail": "You have too few credits. Upgrade your plan.", "upgrade_url": link}), "an-id"
    )
    for body, says in (
        ({"detail": "You have too few credits. Upgrade your plan."}, "carries no upgrade link"),
        (
            {"detail": "You have too few credits. Upgrade your plan.", "upgrade_url": "/upgrade"},
            "carries no upgrade link",
        ),
        ({"detail": "You may not.", "upgrade_url": link}, "the credits are too few"),
        (
            {"detail": "You have too few credits. Upgrade your plan.", "upgrade_url": "https://ops.example/upgrade"},
            "not the organisation's own",
        ),
    ):
        with pytest.raises(AssertionError, match=says):
            refusals.offers_upgrade(reply(402, body), "an-id")


class Website(Http):
    """An Ops-Center with one page."""

    def __init__(self, page: Reply) -> None:
        super().__init__("Ops-Center", "https://ops.example", 1)
        self._page = page

    def send(self, method: str, path: str, **_: object) -> Reply:
        assert (method, path) == ("GET", "/billing/upgrade?org=7")
        return self._page


@pytest.mark.parametrize(
    ("status", "headers", "link", "says"),
    [
        (200, {"Content-Type": "text/html; charset=utf-8"}, "https://ops.example/billing/upgrade?org=7", None),
        (302, {"Location": "https://auth.example/login"}, "https://ops.example/billing/upgrade?org=7", None),
        (404, {"Content-Type": "text/html"}, "https://ops.example/billing/upgrade?org=7", "leads to no page"),
        (302, {}, "https://ops.example/billing/upgrade?org=7", "leads to no page"),
        (200, {"Content-Type": "application/json"}, "https://ops.example/billing/upgrade?org=7", "leads to no page"),
        (404, {}, "https://shop.example/credits", None),
        (404, {}, "http://localhost:7000/credits", None),
        (404, {}, "http://[shop.example", "the upgrade link is no address: http://[shop.example"),
        (404, {}, "http://shop.example/credits", "neither https nor on this machine: shop.example"),
    ],
)
def test_an_upgrade_link_leads_to_a_page_or_to_a_safe_place_elsewhere(
    reply: MakeReply, status: int, headers: dict[str, str], link: str, says: str | None
) -> None:
    refusal, website = reply(402, {"upgrade_url": link}), Website(reply(status, {}, headers))
    assert (says or "None") in str(verdict(lambda: refusals.leads_to_a_page(refusal, website)))


@pytest.mark.usefixtures("now")
def test_the_reset_date_is_the_first_of_the_next_month(reply: MakeReply) -> None:
    refusals.names_reset_date(reply(429, {"detail": "Your quota is used up. It starts anew on 2027-01-01."}))
    refusals.names_reset_date(reply(429, {"detail": "You have used all calls. Try again on January 1, 2027."}))
    refusals.names_reset_date(reply(429, {"detail": "The limit of 700 calls is reached. Come back on 1 Jan 2027."}))
    for detail in ("Your quota starts anew on 2026-12-31.", "Your quota is used up.", "It resets on 1 May 2027.", ""):
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
    refusals.says(reply(502, {"detail": "Nothing was\ncharged.\nPlease try\nagain."}), "not charged")


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
