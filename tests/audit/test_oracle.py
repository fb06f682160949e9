"""Which answers the oracle allows: each clause of the contract, each boundary from both sides, and requests at once."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from creditflow.audit import oracle
from creditflow.audit.history import Act, Asked, History
from creditflow.audit.ledger import Agreement
from creditflow.audit.oracle import Decision, Verdict
from creditflow.audit.oracle_state import Past, Quantity
from creditflow.core import period

ANN, BEN, EVE = "ann-id", "ben-id", "eve-id"
CLUB, TEAM = "0b8c1d2e-0000-4000-8000-00000000c1ab", "0b8c1d2e-0000-4000-8000-0000000007ea"
SMALL, LARGE, CLAUDE = "openai/gpt-3.5-turbo", "openai/gpt-4", "anthropic/claude-3-sonnet"
PEOPLE = {ANN: "Ann", BEN: "Ben", EVE: "Eve"}
ADDRESS = {ANN: "ann@example.com", BEN: "ben@example.com", EVE: "eve@example.com"}
OTHER_ID = "0b8c1d2e-0000-4000-8000-00000000e15e"


class Story:
    """A history that is told act by act: each takes a second, and begins when the one before has ended."""

    def __init__(self, exact: bool = True, plan_s: float = 60.0) -> None:
        self.acts: list[Act] = []
        self.now = 0.0
        self._exact, self._plan_s = exact, plan_s

    def act(self, what: str, who: str = "", status: int | None = None, code: str = "", **more: Any) -> Story:
        """Add an act; `span` is its begin and its end, after which the story goes on."""
        began, ended = more.pop("span", (self.now, self.now + 1))
        self.now = max(self.now, ended)
        names = ("token", "address", "verified", "made", "asked")
        named: dict[str, Any] = {"address": ADDRESS.get(who, "")} | {n: more.pop(n) for n in names if n in more}
        self.acts.append(Act(what, who, began, ended, status, code, **named,
                             given=more))  # fmt: skip
        return self

    def ask(self, who: str, status: int | None = 200, code: str = "", tokens: int = 100, **more: Any) -> Story:
        """Add an LLM request that reserves and uses so many tokens."""
        headers = {}
        if more.pop("own", False):
            headers["X-Use-BYOK"] = "true"
        for name, header in (("key", "Idempotency-Key"), ("org", "X-Organization-Id")):
            if value := more.pop(name, None):
                headers[header] = value
        stream, model = more.pop("stream", False), more.pop("model", SMALL)
        plain = {"model": model, "messages": [{"role": "user", "content": "a b"}], "max_tokens": tokens - 2}
        body = more.pop("body", plain | ({"stream": True} if stream else {}))
        left = {"left_early": True} if more.pop("left", False) else {}
        used, whole = more.pop("used", tokens), more.pop("whole", status is not None and not left)
        same = (json.dumps(body), headers.get("X-Use-BYOK", "false"), headers.get("X-Organization-Id", ""))
        asked = Asked(
            who,
            f"r{len(self.acts)}",
            model,
            used,
            status,
            code,
            whole=whole,
            left_early=bool(left),
            own_key="X-Use-BYOK" in headers,
            organization=headers.get("X-Organization-Id"),
            same=(headers["Idempotency-Key"], *same) if "Idempotency-Key" in headers else None,
            estimate=more.pop("estimate", tokens),
        )
        return self.act("chat", who, status, code, body=body, headers=headers, asked=asked, **left, **more)

    def at_once(self, *asked: tuple[Any, ...], **more: Any) -> Story:
        """Add LLM requests that overlap: who, status, code, and tokens of each."""
        began = self.now
        for each in asked:
            self.ask(*each, span=(began, began + 1), **more)
        return self

    def grant(self, who: str, credits: int) -> Story:
        return self.act("grant", user_id=who, credits=credits)

    def calls(self, who: str, count: int) -> Story:
        return self.act("place_calls", user_id=who, count=count, at=period.now())

    def found(self, who: str = ANN, club: str = CLUB) -> Story:
        return self.act("create_organization", who, 201, name="club", tier="platform", made=club)

    def invite(self, who: str, status: int = 201, code: str = "", role: str = "member", **more: Any) -> Story:
        given = {"organization": CLUB, "email": ADDRESS.get(who, who), "role": role} | more
        return self.act("invite", given.pop("by", ANN), status, code, **given)

    def buy(self, credits: Any, status: int = 201, code: str = "", **more: Any) -> Story:
        given = {"organization": CLUB, "credits": credits, "key": None} | more
        return self.act("purchase", given.pop("by", ANN), status, code, **given)

    def allocate(self, who: str, credits: Any, status: int = 200, code: str = "", **more: Any) -> Story:
        given = {"organization": CLUB, "email": ADDRESS.get(who, who), "credits": credits} | more
        return self.act("allocate", given.pop("by", ANN), status, code, **given)

    def store(self, who: str, provider: str = "openrouter", key: str = "k1", state: str = "good") -> Story:
        self.act("open_account", key=key, state=state)
        return self.act("store_key", who, 201, provider=provider, key=key, form="sk-or-xxxxxxxxxxxx"[: 6 + 12])

    def trouble(self, who: str, kind: str) -> Story:
        return self.act("trouble", who, kind=kind)

    def club_of_two(self, credits: int = 1_000, allocation: int = 300) -> Story:
        """Ann founds an organisation, Ben is its member with an allocation."""
        self.found().invite(BEN).buy(credits)
        return self.allocate(BEN, allocation) if allocation else self

    def history(self) -> History:
        acts = tuple(sorted(self.acts, key=lambda act: act.ended))
        return History(PEOPLE, {}, (), {SMALL: 9, LARGE: 48}, acts, self._exact, self._plan_s)

    def verdict(self) -> Verdict:
        return oracle.judge(self.history())

    def last(self) -> Decision:
        return self.verdict().decided[-1]


def allowed(story: Story) -> Decision:
    """Require that every answer was allowed, and return what decided the last one."""
    verdict = story.verdict()
    assert (verdict.wrong, verdict.unknown) == ((), ())
    assert verdict.agreement is Agreement.YES
    return verdict.decided[-1]


def wrong(story: Story) -> str:
    """Require that exactly one answer was not allowed, and return the sentence about it."""
    verdict = story.verdict()
    assert verdict.agreement is Agreement.NO
    (sentence,) = verdict.wrong
    return sentence


@pytest.mark.parametrize(
    ("credits", "tokens", "status", "code", "clause", "boundary"),
    [
        (9, 100, 200, "", "answered", "exact"),
        (10, 100, 200, "", "answered", "one more"),
        (500, 100, 200, "", "answered", "far"),
        (8, 100, 402, "insufficient_credits", "insufficient credits", "one short"),
        (0, 100, 402, "insufficient_credits", "insufficient credits", "far"),
    ],
)
def test_own_credits_have_to_be_enough_for_the_reservation(
    credits: int, tokens: int, status: int, code: str, clause: str, boundary: str
) -> None:
    story = Story().grant(ANN, credits).ask(ANN, status, code, tokens)
    assert allowed(story) == Decision(clause, "trial", "own credits", "whole", "plain", boundary, ANN, "r1")
    other = (402, "insufficient_credits") if status == 200 else (200, "")
    assert wrong(Story().grant(ANN, credits).ask(ANN, *other, tokens))


def test_the_sentence_says_who_asked_for_what_what_came_and_what_was_allowed() -> None:
    assert wrong(Story().grant(ANN, 8).ask(ANN)) == (
        "Ann has 8 credits and a request that reserves 9 was answered 200; expected 402 insufficient_credits "
        "(a request to openai/gpt-3.5-turbo, request r1)"
    )
    assert wrong(Story().grant(ANN, 9).ask(ANN, 402, "insufficient_credits", stream=True)) == (
        "Ann has 9 credits and a request that reserves 9 was answered 402 insufficient_credits; expected an answer "
        "(a stream to openai/gpt-3.5-turbo, request r1)"
    )


def test_of_known_answers_only_what_they_did_counts() -> None:
    story = Story().grant(ANN, 18).ask(ANN, 402, "insufficient_credits").ask(ANN).ask(ANN)
    assert len(story.verdict().wrong) == 1
    known = oracle.judge(story.history(), len(story.acts) - 1)
    assert (known.wrong, [decision.clause for decision in known.decided]) == ((), ["answered"])
    assert oracle.judge(story.ask(ANN).history(), len(story.acts) - 1).wrong


def test_each_answer_leaves_less_for_the_next_and_a_failure_leaves_all() -> None:
    story = Story().grant(ANN, 18).ask(ANN).trouble(ANN, "server_error").ask(ANN, 502, "provider_error")
    allowed(story.act("end_trouble", ANN).ask(ANN))
    allowed(story.ask(ANN, 402, "insufficient_credits"))
    assert wrong(story.ask(ANN))


def test_what_is_beyond_the_estimate_is_paid_as_far_as_there_is_something_left() -> None:
    story = Story().grant(ANN, 12).ask(ANN, used=1_000)
    allowed(story.ask(ANN, 402, "insufficient_credits", tokens=10))
    story = Story().grant(ANN, 20).ask(ANN, used=200).ask(ANN, tokens=20)
    allowed(story.ask(ANN, 402, "insufficient_credits", tokens=10))


@pytest.mark.parametrize("used", [9_999, 10_000])
def test_the_last_call_of_the_quota_passes_and_the_next_is_refused(used: int) -> None:
    def story() -> Story:
        subscribed = Story().act("subscribe", user_id=ANN, plan="professional").grant(ANN, 100)
        return subscribed.calls(ANN, used)

    if used == 9_999:
        assert allowed(story().ask(ANN)).boundary == "exact"
        allowed(story().ask(ANN).ask(ANN, 429, "quota_exceeded"))
        assert "has used 10,000 of 10,000 calls" in wrong(story().ask(ANN).ask(ANN))
        assert "has used 9,999 of 10,000 calls" in wrong(story().ask(ANN, 429, "quota_exceeded"))
    else:
        assert allowed(story().ask(ANN, 429, "quota_exceeded")).boundary == "one short"
        assert "expected 429 quota_exceeded" in wrong(story().ask(ANN))


def test_quota_comes_before_credits_and_body_before_quota_and_token_before_body() -> None:
    story = Story().calls(ANN, 700)
    allowed(story.ask(ANN, 429, "quota_exceeded"))
    assert wrong(Story().calls(ANN, 700).ask(ANN, 402, "insufficient_credits"))
    allowed(Story().calls(ANN, 700).ask(ANN, 422, "unknown_model", model="openai/gpt-0"))
    assert wrong(Story().calls(ANN, 700).ask(ANN, 429, "quota_exceeded", model="openai/gpt-0"))
    allowed(Story().ask(ANN, 401, "x", model="openai/gpt-0", token="forged"))
    assert wrong(Story().ask(ANN, 422, "x", model="openai/gpt-0", token="forged"))


@pytest.mark.parametrize("token", ["none", "forged", "expired"])
def test_without_a_good_token_the_answer_is_401(token: str) -> None:
    assert allowed(Story().ask(ANN, 401, "unauthenticated", token=token)).clause == "token"
    assert wrong(Story().grant(ANN, 100).ask(ANN, token=token))
    assert wrong(Story().grant(ANN, 100).ask(ANN, 401, "unauthenticated"))
    assert wrong(Story().ask(ANN, 401, "invalid_byok_key", token=token))


def test_a_token_that_ends_during_the_request_is_good_or_not() -> None:
    allowed(Story().grant(ANN, 100).ask(ANN, token="unsure"))
    allowed(Story().grant(ANN, 100).ask(ANN, 401, "invalid_token", token="unsure"))
    assert wrong(Story().ask(ANN, token="unsure"))


@pytest.mark.parametrize(
    "body",
    [
        {},
        "no object",
        {"model": SMALL},
        {"model": [SMALL], "messages": [{"role": "user", "content": "a"}], "stream": True, "stream_options": 5},
        {"model": SMALL, "messages": []},
        {"model": SMALL, "messages": 5},
        {"messages": [{"role": "user", "content": "a"}]},
        {"model": "openai/gpt-0", "messages": [{"role": "user", "content": "a"}]},
        {"model": SMALL, "messages": [{"role": "user", "content": "a"}], "max_tokens": 0},
        {"model": SMALL, "messages": [{"role": "user", "content": "a"}], "max_tokens": 128_001},
    ],
)
def test_a_body_that_is_no_request_is_refused(body: Any) -> None:
    assert allowed(Story().grant(ANN, 100).ask(ANN, 422, "invalid_request", body=body)).clause == "body"
    assert wrong(Story().grant(ANN, 100).ask(ANN, body=body))


@pytest.mark.parametrize("limit", [1, 128_000])
def test_a_limit_within_the_bounds_is_accepted(limit: int) -> None:
    body = {"model": SMALL, "messages": [{"role": "user", "content": "a"}], "max_tokens": limit}
    allowed(Story().grant(ANN, 20_000).ask(ANN, body=body))
    assert wrong(Story().grant(ANN, 20_000).ask(ANN, 422, "invalid_request", body=body))


@pytest.mark.parametrize(
    "more", [{"n": 0}, {"max_completion_tokens": 0}, {"max_tokens": "5"}, {"messages": [{"role": "user"}]}]
)
def test_where_the_contract_does_not_say_whether_a_body_is_good_both_answers_are_right(more: dict[str, Any]) -> None:
    body = {"model": SMALL, "messages": [{"role": "user", "content": "a"}]} | more
    allowed(Story().grant(ANN, 100).ask(ANN, body=body))
    allowed(Story().grant(ANN, 100).ask(ANN, 422, "invalid_request", body=body))
    assert wrong(Story().grant(ANN, 100).ask(ANN, 402, "insufficient_credits", body=body))


@pytest.mark.parametrize(
    ("more", "is_good"),
    [
        ({"n": 1}, True),
        ({"n": 16}, True),
        ({"n": 17}, False),
        ({"n": True}, False),
        ({"max_completion_tokens": 1}, True),
        ({"max_completion_tokens": 128_000}, True),
        ({"max_completion_tokens": 128_001}, False),
        ({"max_completion_tokens": "5"}, False),
        ({"max_tokens": None}, True),
        ({"messages": ["a"]}, False),
        ({"messages": [{"content": "a"}]}, False),
    ],
)
def test_a_body_is_good_up_to_its_bounds(more: dict[str, Any], is_good: bool) -> None:
    body = {"model": SMALL, "messages": [{"role": "user", "content": "a"}]} | more
    verdict = Story().grant(ANN, 100).ask(ANN, 422, "invalid_request", body=body).verdict()
    assert verdict.agreement is (Agreement.NO if is_good else Agreement.YES)
    allowed(Story().grant(ANN, 100).ask(ANN, body=body))


@pytest.mark.parametrize(("length", "status"), [(1, 200), (255, 200), (256, 422)])
def test_an_idempotency_key_has_at_most_255_characters(length: int, status: int) -> None:
    allowed(Story().grant(ANN, 100).ask(ANN, status, "" if status == 200 else "invalid_request", key="k" * length))
    other = 422 if status == 200 else 200
    assert "sent" not in wrong(Story().grant(ANN, 100).ask(ANN, other, key="k" * length))


def test_a_body_that_reserves_nobody_knows_what_is_unknown() -> None:
    verdict = Story().grant(ANN, 100).ask(ANN, estimate=None).verdict()
    assert verdict.unknown == ("what a request to openai/gpt-3.5-turbo of Ann reserves is not known",)
    assert verdict.wrong == ()


def test_a_repeated_request_gets_the_first_answer_again_and_costs_nothing() -> None:
    story = Story().grant(ANN, 9).ask(ANN, key="k").ask(ANN, key="k")
    assert allowed(story).clause == "replay"
    assert wrong(Story().grant(ANN, 9).ask(ANN, key="k").ask(ANN, 402, "insufficient_credits", key="k"))
    story = Story().ask(ANN, 402, "insufficient_credits", key="k").grant(ANN, 9)
    assert wrong(story.ask(ANN, key="k"))
    allowed(Story().ask(ANN, 402, "insufficient_credits", key="k").grant(ANN, 9).ask(ANN, 402, "insufficient_credits", key="k"))  # fmt: skip  # noqa: E501


def test_a_key_is_used_up_for_another_body_or_payer_but_not_for_another_user() -> None:
    story = Story().grant(ANN, 100).grant(BEN, 100).ask(ANN, key="k")
    allowed(story.ask(ANN, 422, "idempotency_key_reused", tokens=50, key="k"))
    allowed(story.ask(ANN, 422, "idempotency_key_reused", own=True, key="k"))
    allowed(story.ask(BEN, key="k", tokens=50))
    assert wrong(story.ask(ANN, key="k", tokens=50))


def test_the_account_of_a_key_that_becomes_empty_ends_no_trouble_of_the_provider() -> None:
    story = Story().grant(ANN, 100).trouble(ANN, "rate_limited").trouble(ANN, "").ask(ANN, 502, "provider_error")
    assert story.verdict().wrong == ()


def test_a_key_is_free_after_a_server_error_and_after_a_refused_body() -> None:
    story = Story().grant(ANN, 100).trouble(ANN, "server_error").ask(ANN, 502, "provider_error", key="k")
    allowed(story.act("end_trouble", ANN).ask(ANN, key="k"))
    allowed(Story().grant(ANN, 100).ask(ANN, 422, "unknown_model", model="x", key="k").ask(ANN, key="k"))


def test_while_the_first_request_runs_its_repetition_is_409_or_the_same_answer() -> None:
    story = Story().grant(ANN, 9).at_once((ANN,), (ANN, 409, "idempotency_key_in_progress"), key="k")
    assert allowed(story).clause == "first still running"
    allowed(Story().grant(ANN, 9).at_once((ANN,), (ANN,), key="k"))
    verdict = Story().grant(ANN, 9).ask(ANN, 409, "idempotency_key_in_progress", key="k").verdict()
    assert verdict.agreement is Agreement.NO
    story = Story().grant(ANN, 9).at_once((ANN, 409, "x"), (ANN, 409, "x"), key="k")
    assert len(story.verdict().wrong) == 2


def test_without_a_stored_key_a_request_with_the_own_key_is_refused() -> None:
    assert allowed(Story().ask(ANN, 400, "byok_key_missing", own=True)).clause == "byok key missing"
    assert wrong(Story().grant(ANN, 100).ask(ANN, own=True))
    removed = Story().store(ANN).act("remove_key", ANN, 204, provider="openrouter")
    allowed(removed.ask(ANN, 400, "byok_key_missing", own=True))


def test_the_own_key_pays_without_credits() -> None:
    decision = allowed(Story().store(ANN).ask(ANN, own=True))
    assert (decision.clause, decision.payer) == ("answered", "own key")
    assert wrong(Story().store(ANN).ask(ANN, 402, "insufficient_credits", own=True))
    assert wrong(Story().store(ANN).ask(ANN, 400, "byok_key_missing", own=True))


def test_an_openai_key_serves_only_models_of_openai() -> None:
    allowed(Story().store(ANN, "openai").ask(ANN, own=True))
    allowed(Story().store(ANN, "openai").ask(ANN, 400, "byok_key_missing", own=True, model=CLAUDE))
    assert wrong(Story().store(ANN, "openai").ask(ANN, own=True, model=CLAUDE))
    allowed(Story().store(ANN).ask(ANN, own=True, model=CLAUDE))


def test_the_provider_refuses_a_key_that_it_does_not_know_and_one_whose_account_is_empty() -> None:
    unknown = Story().act("store_key", ANN, 201, provider="openrouter", key="k1", form="sk-or-xxxxxxxxx")
    assert allowed(unknown.ask(ANN, 401, "invalid_byok_key", own=True)).clause == "key refused"
    assert allowed(Story().store(ANN, state="empty").ask(ANN, 502, "provider_error", own=True))
    assert wrong(Story().store(ANN, state="empty").ask(ANN, 401, "invalid_byok_key", own=True))
    both = Story().store(ANN, "openai", "k2").store(ANN, "openrouter", "k1", "empty")
    allowed(both.ask(ANN, 502, "provider_error", own=True))


def test_a_copied_key_counts_as_none() -> None:
    story = Story().store(ANN).store(BEN, key="k2").act("copy_key", owner_id=ANN, user_id=BEN)
    allowed(story.ask(BEN, 400, "byok_key_missing", own=True))
    allowed(story.ask(ANN, own=True))


@pytest.mark.parametrize(
    ("total", "allocation", "status", "code", "clause", "boundary"),
    [
        (1_000, 9, 200, "", "answered", "exact"),
        (1_000, 8, 402, "allocation_exhausted", "allocation exhausted", "one short"),
        (1_000, 0, 403, "no_credit_allocation", "no allocation", "one short"),
        (8, 8, 402, "insufficient_organization_credits", "organisation's credits", "one short"),
        (9, 9, 200, "", "answered", "exact"),
    ],
)
def test_the_organisation_pays_for_its_member(
    total: int, allocation: int, status: int, code: str, clause: str, boundary: str
) -> None:
    def story() -> Story:
        return Story().grant(BEN, 1_000).club_of_two(total, allocation)

    decision = allowed(story().ask(BEN, status, code))
    assert (decision.clause, decision.payer, decision.boundary) == (clause, "organisation", boundary)
    for other in [(200, ""), (402, "insufficient_credits"), (403, "no_credit_allocation"),
                  (402, "allocation_exhausted"), (402, "insufficient_organization_credits")]:  # fmt: skip
        if other != (status, code):
            assert wrong(story().ask(BEN, *other))


def test_what_one_member_spends_the_other_lacks_only_in_the_total() -> None:
    story = Story().club_of_two(30, 20).allocate(ANN, 10)
    allowed(story.ask(BEN).ask(BEN).ask(ANN))
    allowed(story.ask(BEN, 402, "insufficient_organization_credits", tokens=40))


def test_a_member_of_two_organisations_names_one() -> None:
    story = (
        Story()
        .club_of_two()
        .found(EVE, TEAM)
        .act("invite", EVE, 201, organization=TEAM, email=ADDRESS[BEN], role="member")
    )
    assert allowed(story.ask(BEN, 400, "organization_required")).clause == "organization required"
    allowed(story.ask(BEN, org=CLUB))
    allowed(story.ask(BEN, 403, "no_credit_allocation", org=TEAM))
    assert "is a member of several organisations" in wrong(story.ask(BEN))


def test_only_the_own_organisation_can_be_named() -> None:
    story = Story().club_of_two().grant(EVE, 100)
    assert allowed(story.ask(EVE, 403, "not_a_member", org=CLUB)).clause == "foreign organization"
    allowed(story.ask(EVE))
    allowed(story.ask(BEN, org=CLUB))
    allowed(story.ask(EVE, 404, "organization_not_found", org=OTHER_ID))
    allowed(story.ask(EVE, 422, "invalid_request", org="no-uuid"))
    assert wrong(story.ask(EVE, org=CLUB))


def test_after_its_removal_an_organisation_pays_for_nobody() -> None:
    story = Story().grant(BEN, 9).club_of_two().act("remove_organization", ANN, 204, organization=CLUB)
    allowed(story.ask(BEN))
    allowed(story.ask(BEN, 402, "insufficient_credits"))
    allowed(story.buy(5, 404, "organization_not_found"))
    assert wrong(story.buy(5))


def test_an_invitation_counts_when_the_address_is_verified() -> None:
    story = Story().grant(BEN, 100).club_of_two()
    allowed(story.ask(BEN, verified=False))
    assert wrong(Story().grant(BEN, 100).club_of_two().ask(BEN, 402, "allocation_exhausted", verified=False))
    assert wrong(Story().club_of_two().ask(BEN, verified=False))
    allowed(story.ask(BEN))


def test_a_member_stays_one_with_a_new_address_and_the_next_owner_of_the_old_is_none() -> None:
    story = Story().club_of_two().ask(BEN).ask(BEN, address="new@example.com").grant(EVE, 9)
    allowed(story.ask(EVE, address=ADDRESS[BEN]))
    allowed(story.ask(EVE, 402, "insufficient_credits", address=ADDRESS[BEN]))
    assert wrong(Story().club_of_two().ask(BEN).ask(BEN, 402, "insufficient_credits", address="new@example.com"))


@pytest.mark.parametrize("how", ["an own key", "storing a key", "a refusal", "a page", "a request"])
def test_an_invitation_is_taken_up_by_a_request_on_credits_or_about_an_organisation(how: str) -> None:
    def used() -> Story:
        story = Story().club_of_two()
        match how:
            case "an own key":
                return story.store(BEN).ask(BEN, own=True)
            case "storing a key":
                return story.store(BEN)
            case "a refusal":
                return story.buy(5, 403, "admin_required", by=BEN)
            case "a page":
                return story.act("read", BEN, 200, endpoint="EP5", organization=CLUB)
        return story.ask(BEN)

    def answered() -> Story:
        return used().ask(BEN, address="new@example.com")

    def refused() -> Story:
        return used().ask(BEN, 402, "insufficient_credits", address="new@example.com")

    member = how in ("a page", "a request")
    allowed(answered() if member else refused())
    assert wrong(refused() if member else answered())


def test_the_key_of_a_request_that_its_client_left_may_be_in_use() -> None:
    for status, code in ((409, "idempotency_key_in_progress"), (200, "")):
        story = Story().grant(ANN, 9).ask(ANN, left=True, stream=True, key="k")
        allowed(story.ask(ANN, status, code, stream=True, key="k"))


def test_the_key_of_a_refused_own_key_is_taken() -> None:
    story = Story().grant(ANN, 100).store(ANN, state="unknown").ask(ANN, 401, "invalid_byok_key", own=True, key="k")
    assert wrong(story.ask(ANN, tokens=50, key="k"))


def test_a_repetition_of_a_refused_own_key_counts_no_second_call() -> None:
    story = Story().grant(ANN, 100).store(ANN, state="unknown").calls(ANN, 698)
    for _ in range(2):
        story.ask(ANN, 401, "invalid_byok_key", own=True, key="k")
    allowed(story.ask(ANN))
    assert wrong(story.ask(ANN))


def test_who_used_an_address_before_it_was_invited_is_no_member() -> None:
    story = Story().grant(BEN, 18).act("sign_in", BEN).ask(BEN).club_of_two()
    allowed(story.ask(BEN, address="new@example.com"))
    allowed(story.ask(BEN, 402, "insufficient_credits", address="new@example.com"))


def test_whose_request_may_have_ended_too_early_may_be_a_member() -> None:
    for status, code in ((200, ""), (402, "insufficient_credits")):
        story = Story().club_of_two().act("service_away", service="PostgreSQL")
        story.act("read", BEN, 503, "service_unavailable", endpoint="EP5", organization=CLUB)
        story.act("service_back", service="PostgreSQL")
        allowed(story.ask(BEN, status, code, address="new@example.com"))


def test_who_has_an_address_after_its_owner_may_be_no_member() -> None:
    def refused(story: Story) -> Story:
        page = {"endpoint": "EP5", "organization": CLUB, "address": ADDRESS[BEN]}
        return story.act("service_back", service="PostgreSQL").act("read", EVE, 403, "not_a_member", **page)

    away = Story().club_of_two().act("service_away", service="PostgreSQL")
    assert wrong(refused(away))
    away = Story().club_of_two().act("service_away", service="PostgreSQL")
    allowed(refused(away.act("read", BEN, 503, "service_unavailable", endpoint="EP5", organization=CLUB)))


@pytest.mark.parametrize(
    ("kind", "own", "stream", "status", "code", "whole"),
    [
        ("server_error", False, False, 502, "provider_error", True),
        ("out_of_money", False, True, 502, "provider_error", False),
        ("rate_limited", True, False, 502, "provider_error", True),
        ("bad_key", False, False, 502, "provider_error", True),
        ("bad_key", True, False, 401, "invalid_byok_key", True),
        ("slow", False, False, 504, "provider_timeout", True),
        ("broken_stream", False, True, 200, "", False),
        ("broken_stream", False, False, 502, "provider_error", True),
        ("broken_end", False, True, 200, "", True),
        ("broken_end", False, True, 200, "", False),
        ("long_answer", False, False, 200, "", True),
    ],
)
def test_the_provider_fails_as_it_was_told(
    kind: str, own: bool, stream: bool, status: int, code: str, whole: bool
) -> None:
    def story() -> Story:
        return Story().store(ANN).grant(ANN, 9).trouble(ANN, kind)

    allowed(story().ask(ANN, status, code, own=own, stream=stream, whole=whole))
    for other in {500, 503} | ({502} if status != 502 and kind != "broken_stream" else set()):
        assert wrong(story().ask(ANN, other, "provider_error", own=own, stream=stream))
    healed = story().act("end_trouble", ANN)
    assert (status, whole) == (200, True) or wrong(healed.ask(ANN, status, code, own=own, stream=stream, whole=whole))


def test_without_a_trouble_the_provider_answers() -> None:
    for answer in ((502, "provider_error"), (504, "provider_timeout"), (500, "internal")):
        assert wrong(Story().grant(ANN, 9).ask(ANN, *answer))
    assert "expected an answer" in wrong(Story().grant(ANN, 9).ask(ANN, stream=True, whole=False))


def test_a_real_provider_may_fail_by_itself() -> None:
    for answer in ((502, "provider_error"), (504, "provider_timeout"), (200, "")):
        allowed(Story(exact=False).grant(ANN, 9).ask(ANN, *answer))
    allowed(Story(exact=False).store(ANN).ask(ANN, 401, "invalid_byok_key", own=True))
    assert wrong(Story(exact=False).grant(ANN, 9).ask(ANN, 500, "internal"))
    assert wrong(Story(exact=False).grant(ANN, 8).ask(ANN, 502, "provider_error"))


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [("LiteLLM", 502, "provider_error"), ("the provider", 504, "provider_timeout"), ("PostgreSQL", 503, "x")],
)
def test_a_service_that_is_away_explains_its_own_refusal(service: str, status: int, code: str) -> None:
    def story() -> Story:
        return Story().grant(ANN, 100).act("service_away", service=service)

    allowed(story().ask(ANN, status, code))
    assert wrong(story().ask(ANN, 500, "internal"))
    back = story().act("service_back", service=service)
    allowed(back.ask(ANN, status, code).ask(ANN))
    assert wrong(back.ask(ANN, status, code))
    for other in {"LiteLLM", "PostgreSQL", "Redis", "Lago", "Keycloak"} - {service, "LiteLLM" * (service[0] == "t")}:
        assert wrong(Story().grant(ANN, 100).act("service_away", service=other).ask(ANN, status, code))


def test_an_outage_explains_nothing_before_it_and_all_until_a_request_after_it_is_answered() -> None:
    before = Story().grant(ANN, 100).ask(ANN, 503, "x").act("service_away", service="PostgreSQL")
    assert wrong(before)
    story = Story().grant(ANN, 100).act("service_away", service="PostgreSQL")
    began = story.now
    story.act("service_back", service="PostgreSQL", span=(began + 1, began + 2))
    allowed(story.ask(ANN, span=(began, began + 3)).ask(ANN, 503, "x"))
    allowed(story.ask(ANN))
    assert wrong(story.ask(ANN, 503, "x"))


def test_while_lago_is_away_the_last_known_plan_may_be_any() -> None:
    story = Story().grant(ANN, 100).calls(ANN, 5_000).act("service_away", service="Lago")
    allowed(story.ask(ANN))
    allowed(story.ask(ANN, 429, "quota_exceeded"))
    assert wrong(
        Story().grant(ANN, 100).calls(ANN, 699).act("service_away", service="Lago").ask(ANN, 429, "quota_exceeded")
    )


def test_a_lost_answer_is_unknown_unless_ops_center_was_away_or_the_client_left() -> None:
    verdict = Story().ask(ANN, None).verdict()
    assert verdict.unknown == ("no answer came to a request to openai/gpt-3.5-turbo of Ann",)
    assert verdict.agreement is Agreement.UNKNOWN
    allowed(Story().act("service_away", service="Ops-Center").ask(ANN, None).ask(ANN, 402, "insufficient_credits"))
    allowed(Story().grant(ANN, 9).ask(ANN, None, left=True).ask(ANN))
    allowed(Story().grant(ANN, 9).ask(ANN, None, left=True).ask(ANN, 402, "insufficient_credits"))


def test_a_changed_plan_has_an_effect_at_once_or_a_minute_later_and_then_surely() -> None:
    def story(pause: float) -> Story:
        told = Story().act("subscribe", user_id=ANN, plan="trial").grant(ANN, 99).calls(ANN, 700)
        told.act("subscribe", user_id=ANN, plan="professional")
        told.now += pause
        return told

    allowed(story(0).ask(ANN))
    allowed(story(0).ask(ANN, 429, "quota_exceeded"))
    allowed(story(61).ask(ANN))
    assert wrong(story(61).ask(ANN, 429, "quota_exceeded"))


def test_the_first_plan_and_the_trial_without_one_have_an_effect_at_once() -> None:
    assert wrong(Story().grant(ANN, 99).calls(ANN, 700).ask(ANN))
    story = Story().grant(ANN, 99).calls(ANN, 700).act("subscribe", user_id=ANN, plan="starter")
    assert allowed(story.ask(ANN)).tier == "starter"
    assert wrong(
        Story()
        .grant(ANN, 99)
        .calls(ANN, 700)
        .act("subscribe", user_id=ANN, plan="starter")
        .ask(ANN, 429, "quota_exceeded")
    )


def test_a_cheaper_plan_waits_for_the_end_of_the_month_and_an_ended_one_does_not() -> None:
    def story() -> Story:
        return Story().act("subscribe", user_id=ANN, plan="professional").grant(ANN, 99).calls(ANN, 1_000)

    def later(told: Story) -> Story:
        told.now += 61
        return told

    allowed(later(story().act("subscribe", user_id=ANN, plan="starter")).ask(ANN))
    assert wrong(later(story().act("end_subscription", user_id=ANN)).ask(ANN))
    allowed(later(story().act("end_subscription", user_id=ANN)).ask(ANN, 429, "quota_exceeded"))
    for status, code in ((200, ""), (429, "quota_exceeded")):
        allowed(story().act("end_subscription", user_id=ANN).ask(ANN, status, code))


def test_enterprise_has_no_limit() -> None:
    story = Story().act("subscribe", user_id=ANN, plan="enterprise").grant(ANN, 99).calls(ANN, 1_000_000)
    allowed(story.ask(ANN))
    assert wrong(story.ask(ANN, 429, "quota_exceeded"))


def test_a_call_counts_in_the_month_in_which_it_begins() -> None:
    story = Story().calls(ANN, 700).grant(ANN, 99).act("set_clock", moment=datetime(2090, 1, 31, tzinfo=UTC))
    allowed(story.ask(ANN))
    story.act("set_clock", moment=None)
    allowed(story.ask(ANN, 429, "quota_exceeded"))


def test_calls_that_were_placed_beside_a_counter_may_be_seen_when_the_counter_is_lost() -> None:
    story = Story().grant(ANN, 999).ask(ANN).calls(ANN, 699)
    allowed(story.ask(ANN, 429, "quota_exceeded"))
    story = Story().grant(ANN, 999).ask(ANN).calls(ANN, 699)
    allowed(story.ask(ANN))
    lost = Story().grant(ANN, 999).ask(ANN).calls(ANN, 699).act("forget_counter", user_id=ANN)
    assert wrong(lost.ask(ANN))


@pytest.mark.parametrize("service", ["Redis", "Lago", "the provider"])
def test_an_outage_of_redis_alone_loses_the_counter(service: str) -> None:
    story = Story().grant(ANN, 999).ask(ANN).calls(ANN, 699)
    story.act("service_away", service=service).act("service_back", service=service)
    story.now += 61
    told = story.ask(ANN)
    assert bool(wrong(told)) if service == "Redis" else allowed(told)


def test_with_enough_for_two_exactly_two_of_three_at_once_pass() -> None:
    two = ((ANN,), (ANN,), (ANN, 402, "insufficient_credits"))
    allowed(Story().grant(ANN, 18).at_once(*two))
    allowed(Story().grant(ANN, 26).at_once(*two))
    assert wrong(Story().grant(ANN, 18).at_once((ANN,), (ANN,), (ANN,))) == (
        "Ann had 18 credits and 3 requests at the same time that each need 9 were answered 200; "
        "expected a refusal of at least one"
    )
    mixed = wrong(Story().grant(ANN, 18).at_once((ANN,), (ANN, 200, "", 200)))
    assert mixed.startswith("Ann had 18 credits and 2 requests at the same time that each need 9 to 18 were answered")
    one = ((ANN,), (ANN, 402, "insufficient_credits"), (ANN, 402, "insufficient_credits"))
    assert len(Story().grant(ANN, 18).at_once(*one).verdict().wrong) == 2
    assert len(Story().grant(ANN, 27).at_once(*two).verdict().wrong) == 1


def test_with_two_calls_left_exactly_two_of_three_at_once_pass() -> None:
    def story() -> Story:
        return Story().grant(ANN, 999).calls(ANN, 698)

    allowed(story().at_once((ANN,), (ANN,), (ANN, 429, "quota_exceeded")))
    assert "had 2 calls" in wrong(story().at_once((ANN,), (ANN,), (ANN,)))
    one = ((ANN,), (ANN, 429, "quota_exceeded"), (ANN, 429, "quota_exceeded"))
    assert len(story().at_once(*one).verdict().wrong) == 2


def test_two_members_at_once_spend_no_more_than_the_organisation_has() -> None:
    story = Story().club_of_two(20, 10).allocate(ANN, 10)
    allowed(story.at_once((ANN,), (BEN,)))
    allowed(story.ask(ANN, 402, "insufficient_organization_credits"))
    alone = Story().club_of_two(1_000, 18).at_once((BEN,), (BEN,), (BEN,))
    assert "the allocation of Ben had 18 credits and 3 requests" in wrong(alone)
    shared = Story().club_of_two(18, 18)
    assert "the organisation had 18 credits" in shared.at_once((BEN,), (BEN,), (BEN,)).verdict().wrong[0]


def test_a_purchase_at_the_same_moment_may_come_first_or_not() -> None:
    def story() -> Story:
        return Story().club_of_two(8, 8)

    began = story().now
    for status, code in ((200, ""), (402, "insufficient_organization_credits"), (402, "allocation_exhausted")):
        told = story().buy(100, span=(began, began + 1)).allocate(BEN, 100, span=(began, began + 1))
        allowed(told.ask(BEN, status, code, span=(began, began + 1)))


def test_a_stream_whose_client_left_goes_on() -> None:
    story = Story().grant(ANN, 18).ask(ANN, stream=True, left=True)
    allowed(story.ask(ANN))
    allowed(story.ask(ANN, 402, "insufficient_credits"))
    assert wrong(Story().grant(ANN, 17).ask(ANN, stream=True, left=True).ask(ANN))


@pytest.mark.parametrize(
    ("credits", "status", "code"),
    [
        (100, 201, ""),
        (0, 422, "invalid_request"),
        (0.5, 422, "invalid_request"),
        (True, 422, "invalid_request"),
        (2_147_483_547, 201, ""),
        (2_147_483_548, 422, "total_too_large"),
    ],
)
def test_a_purchase_is_above_0_and_the_total_has_a_limit(credits: Any, status: int, code: str) -> None:
    allowed(Story().found().buy(100).buy(credits, status, code))
    other = 201 if status == 422 else 422
    assert wrong(Story().found().buy(100).buy(credits, other, ""))


def test_only_an_admin_purchases_allocates_invites_and_removes() -> None:
    story = Story().club_of_two()
    for who in (BEN, EVE):
        allowed(story.buy(5, 403, "x", by=who))
        allowed(story.allocate(BEN, 5, 403, "x", by=who))
        allowed(story.invite(EVE, 403, "x", by=who))
        allowed(story.act("remove_organization", who, 403, "x", organization=CLUB))
    allowed(story.invite(EVE, role="admin").buy(5, by=EVE))
    assert wrong(Story().club_of_two().buy(5, by=BEN))


def test_an_organisation_that_does_not_exist_is_404_and_a_malformed_id_422() -> None:
    allowed(Story().buy(5, 404, "x", organization=OTHER_ID))
    allowed(Story().buy(5, 422, "x", organization="no-uuid"))
    assert wrong(Story().buy(5, 403, "x", organization=OTHER_ID))


@pytest.mark.parametrize(
    ("credits", "status", "code"), [(700, 200, ""), (701, 409, "insufficient_unallocated_credits")]
)
def test_an_allocation_has_to_be_unallocated(credits: int, status: int, code: str) -> None:
    allowed(Story().club_of_two().allocate(BEN, credits, status, code))
    other = (409, "insufficient_unallocated_credits") if status == 200 else (200, "")
    assert wrong(Story().club_of_two().allocate(BEN, credits, *other))


def test_allocations_at_once_pass_as_far_as_there_is_something_unallocated() -> None:
    def at_once(*statuses: int) -> Verdict:
        story = Story().club_of_two(600, 0)
        began = story.now
        for status in statuses:
            code = "" if status == 200 else "insufficient_unallocated_credits"
            story.allocate(BEN, 300, status, code, span=(began, began + 1))
        return story.verdict()

    assert at_once(200, 200, 409).agreement is Agreement.YES
    assert at_once(200, 200, 200).agreement is Agreement.NO
    assert at_once(200, 409, 409).agreement is Agreement.NO


def test_an_allocation_needs_a_member_and_a_number() -> None:
    allowed(Story().club_of_two().allocate(EVE, 5, 404, "member_not_found"))
    assert wrong(Story().club_of_two().allocate(EVE, 5))
    allowed(Story().club_of_two().allocate(BEN, -5, 422, "x"))
    allowed(Story().club_of_two().allocate("BEN@Example.com", 5))


def test_an_invitation_comes_once_and_in_the_right_form() -> None:
    allowed(Story().found().invite("BEN@example.com").invite(BEN, 409, "already_a_member"))
    assert wrong(Story().club_of_two().invite(BEN))
    assert wrong(Story().found().invite(BEN, 409, "already_a_member"))
    allowed(Story().found().invite(BEN, 422, "x", role="owner"))
    allowed(Story().found().invite("nobody", 422, "x"))


def test_an_organisation_needs_a_known_tier_and_a_founder_with_an_address() -> None:
    given = {"name": "n", "tier": "platform", "made": CLUB}
    allowed(Story().act("create_organization", ANN, 201, **given))
    allowed(Story().act("create_organization", ANN, 422, "x", name="n", tier="golden"))
    allowed(Story().act("create_organization", ANN, 422, "email_required", address="", name="n", tier="platform"))
    assert wrong(Story().act("create_organization", ANN, 201, address="", **given))
    assert wrong(Story().act("create_organization", ANN, 422, "x", name="n", tier="platform"))


@pytest.mark.parametrize(
    ("form", "statuses"),
    [
        ("sk-or-xxxxxxxx", {201}),
        ("sk-or-xxxxxxx", {201, 422}),
        ("sk-or-", {422}),
        ("my-opexxxxxxxx", {422}),
        ("sk-or-xx x x x x", {422}),
        ("", {422}),
    ],
)
def test_a_key_has_the_form_of_its_provider(form: str, statuses: set[int]) -> None:
    for status in (201, 422):
        story = Story().act("store_key", ANN, status, "", provider="openrouter", key="k", form=form)
        assert (story.verdict().agreement is Agreement.YES) == (status in statuses)


def test_a_key_in_an_address_is_refused_and_its_removal_succeeds() -> None:
    allowed(Story().act("store_key_in_address", ANN, 422, "x", provider="openrouter"))
    assert wrong(Story().act("store_key_in_address", ANN, 201, provider="openrouter"))
    allowed(Story().act("remove_key", ANN, 204, provider="openai"))
    allowed(Story().act("remove_key", ANN, 422, "x", provider="else"))


def test_a_page_of_an_organisation_is_for_members_and_its_usage_for_admins() -> None:
    for endpoint, who, status in [("EP2", BEN, 200), ("EP2", EVE, 403), ("EP6", ANN, 200), ("EP6", BEN, 403)]:
        story = Story().club_of_two().act("read", who, status, endpoint=endpoint, organization=CLUB)
        allowed(story)
        other = 403 if status == 200 else 200
        assert wrong(Story().club_of_two().act("read", who, other, endpoint=endpoint, organization=CLUB))
    allowed(Story().act("read", ANN, 404, endpoint="EP12", organization=OTHER_ID))
    allowed(Story().act("read", ANN, 422, endpoint="EP12", organization="no-uuid"))


def test_everybody_reads_their_own_pages_with_a_good_token() -> None:
    allowed(Story().act("read", ANN, 200, endpoint="EP1"))
    allowed(Story().act("read", ANN, 401, endpoint="EP1", token="expired"))
    assert wrong(Story().act("read", ANN, 200, endpoint="EP1", token="expired"))
    assert wrong(Story().act("read", ANN, 403, endpoint="EP1"))
    pages: list[tuple[dict[str, Any], int]] = [
        ({"limit": 50, "offset": 0}, 200),
        ({"limit": 0}, 422),
        ({"limit": 101}, 422),
    ]
    for page, status in pages:
        allowed(Story().act("read", ANN, status, endpoint="EP8", **page))
    assert wrong(Story().act("read", ANN, 422, endpoint="EP8", limit=100, offset=999))


def test_a_repeated_purchase_is_made_once() -> None:
    story = Story().found().buy(100, key="k").buy(100, key="k")
    assert allowed(story).clause == "replay"
    allowed(story.allocate(ANN, 101, 409, "insufficient_unallocated_credits"))
    allowed(story.buy(101, 422, "idempotency_key_reused", key="k"))
    assert wrong(story.buy(101, key="k"))


def test_who_is_nobody_of_the_scenario_makes_the_answer_unknown() -> None:
    verdict = Story().ask("else").verdict()
    assert verdict.unknown == (
        "a request to openai/gpt-3.5-turbo of somebody, who is nobody of this scenario, was answered 200",
    )
    allowed(Story().ask("else", 401, "x", token="forged"))


def test_nothing_done_is_allowed() -> None:
    assert Story().verdict() == Verdict((), (), ())


@pytest.mark.parametrize(
    ("more", "shape"),
    [
        ({}, "plain"),
        ({"n": 2}, "n"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, "content in parts"),
        ({"messages": [{"role": "user", "content": None}]}, "no content"),
        ({"max_completion_tokens": 5, "tools": []}, "max_completion_tokens, tools"),
        ({"models": []}, "unknown fields"),
        ({"stream": True, "stream_options": {"include_usage": True}}, "plain"),
        ({"stream": True}, "no usage asked for"),
    ],
)
def test_the_shape_of_a_request_is_named(more: dict[str, Any], shape: str) -> None:
    body = {"model": SMALL, "messages": [{"role": "user", "content": "a"}], "max_tokens": 5} | more
    assert allowed(Story().grant(ANN, 99).ask(ANN, body=body)).shape == shape
    without = {"model": SMALL, "messages": [{"role": "user", "content": "a"}]}
    assert allowed(Story().grant(ANN, 99).ask(ANN, body=without)).shape == "no limit"


def span(began: float, ended: float, status: int | None = 200) -> Act:
    return Act("chat", ANN, began, ended, status)


def test_a_fact_has_both_values_while_it_changes() -> None:
    past = Past("old")
    past.change(2, 3, "new")
    for began, ended, values in [(0, 2, ["old"]), (0, 2.5, ["old", "new"]), (2.5, 9, ["old", "new"]), (3, 4, ["new"])]:
        assert past.during(span(began, ended)) == values
    past.change(5, 6, "last")
    assert past.during(span(4, 5.5)) == ["new", "last"]
    assert past.during(span(6, 7)) == ["last"]


@pytest.mark.parametrize(
    ("began", "ended", "goes_on", "status", "least", "most"),
    [
        (0, 5, False, 200, -7, -4),  # settled before
        (0, 6, False, 200, -9, 0),  # ends during it
        (8, 9, False, 200, -9, 0),  # begins during it
        (10, 11, False, 200, 0, 0),  # begins when it ends
        (11, 12, False, 200, 0, 0),  # begins afterwards
        (0, 5, True, 200, -9, -4),  # reserved, and not settled
        (0, 5, True, None, -9, 0),  # nobody knows
    ],
)
def test_a_quantity_is_an_interval(
    began: float, ended: float, goes_on: bool, status: int | None, least: float, most: float
) -> None:
    quantity = Quantity()
    quantity.add(span(began, ended, status), -7, -4, 9, goes_on)
    assert quantity.during(span(5, 10)) == (least, most)
    (flow,) = quantity.flows
    assert quantity.during(flow.act) == (0, 0)


def test_what_comes_during_a_request_may_be_there_or_not() -> None:
    quantity = Quantity()
    quantity.add(span(0, 1), 10)
    quantity.add(span(5, 8), 3)
    assert quantity.during(span(6, 7)) == (10, 13)
    assert quantity.during(span(8, 9)) == (13, 13)


def test_a_burst_passes_if_one_order_explains_it() -> None:
    def burst(there: float, *needs_and_takes: tuple[float, float], status: int = 200) -> int:
        quantity = Quantity()
        quantity.add(span(0, 1), there)
        for needs, takes in needs_and_takes:
            quantity.add(span(2, 3, status), -takes, -takes, needs)
        return len(list(quantity.overdrawn()))

    assert burst(10, (10, 2), (8, 8)) == 0
    assert burst(9, (10, 2), (8, 8)) == 1
    assert burst(10, (8, 8), (10, 3)) == 1
    assert burst(10, (4, 1), (10, 5)) == 0
    assert burst(12, (4, 9), (4, 9), (4, 9)) == 0
    assert burst(11, (4, 9), (4, 9), (4, 9)) == 1
    assert burst(0, (4, 4), status=502) == burst(0, (4, 4)) == 0
    assert burst(0) == 0


def test_requests_one_after_the_other_are_no_burst() -> None:
    quantity = Quantity()
    quantity.add(span(0, 1), 9)
    quantity.add(span(2, 3), -9, needs=9)
    quantity.add(span(3, 4), 9)
    quantity.add(span(4, 5), -9, needs=9)
    assert list(quantity.overdrawn()) == []
    quantity.add(span(4.5, 6), -9, needs=9)
    ((burst, there),) = list(quantity.overdrawn())
    assert (len(burst), there) == (2, 9)
    assert list(quantity.overdrawn(lambda _: 9)) == []


def test_a_verdict_stays_as_it_is() -> None:
    with pytest.raises(FrozenInstanceError):
        Verdict((), (), ()).wrong = ("x",)  # type: ignore[misc]
    decision = Story().grant(ANN, 9).ask(ANN).last()
    assert replace(decision, clause="x") != decision
