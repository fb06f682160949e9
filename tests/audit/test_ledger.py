"""The rules of the ledger, one promise of the contract after the other."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from creditflow.audit import ledger
from creditflow.audit.history import (
    Allocated,
    Asked,
    AskedPastOpsCenter,
    CounterLost,
    Dissolved,
    Founded,
    Granted,
    History,
    Joined,
    Operation,
    Placed,
    Purchased,
    Unsubscribed,
    Visited,
)
from creditflow.audit.ledger import (
    Account,
    Agreement,
    Books,
    Call,
    Counted,
    Event,
    Line,
    Movement,
    Value,
    Verdict,
    apart,
    expected,
    judge,
)

ANN, BEN, CLUB, TEAM = "ann-id", "ben-id", "club-id", "team-id"
SMALL, LARGE = "openai/gpt-3.5-turbo", "openai/gpt-4"
PRICES = {SMALL: 9, LARGE: 48}

CLUB_OF_TWO: tuple[Operation, ...] = (
    Founded(CLUB, ANN),
    Joined(CLUB, BEN),
    Purchased(CLUB, ANN, 1_000, None),
    Allocated(CLUB, BEN, 300),
)


def history(*operations: Operation) -> History:
    """Return a history of Ann, who has a subscription, and of Ben, who has none."""
    return History({ANN: "the admin", BEN: "the member"}, {ANN: "ann-subscription"}, operations, PRICES)


def asked(request: str = "r1", who: str = ANN, model: str = SMALL, tokens: int | None = 100, **more: Any) -> Asked:
    """Return a request, answered unless `more` changes that."""
    return Asked(who, request, model, tokens, **({"status": 200} | more))


def books(*operations: Operation) -> Books:
    """Return the books after these operations; nothing is unknown or wrong."""
    after = expected(history(*operations))
    assert (after.wrong, after.unknown) == ([], [])
    return after


def of(owner: str, kept: Books, organization: str = "") -> dict[str, Value]:
    """Return all values of one owner, by what is recorded."""
    return {
        account.what: value
        for account, value in kept.figures.items()
        if (account.owner, account.organization) == (owner, organization)
    }


def nothing_kept(**otherwise: Value) -> dict[str, Value]:
    """Return the values of a person who did nothing, with these exceptions."""
    kept: dict[str, Value] = {
        "credits": 0,
        "movements": (),
        "reserved credits": 0,
        "calls of this month": 0,
        "counted calls": (),
        "counter": 0,
        "events in Lago": (),
        "provider calls with the own key": 0,
        "provider calls with the platform's key": 0,
    }
    return kept | {name.replace("_", " "): value for name, value in otherwise.items()}


def problems(*operations: Operation) -> tuple[list[str], list[str]]:
    """Return what must not have happened, and what can't be known."""
    after = expected(history(*operations))
    return after.wrong, after.unknown


def test_who_did_nothing_has_nothing_and_is_charged_nothing() -> None:
    after = books()
    assert of(ANN, after) == of(BEN, after) == nothing_kept()
    assert {account.owner for account in after.figures} == {ANN, BEN}


def test_a_grant_is_credits_and_a_row() -> None:
    after = books(Granted(ANN, 500), Granted(ANN, 20))
    rows = (Movement("grant", 20, ANN), Movement("grant", 500, ANN))
    assert of(ANN, after) == nothing_kept(credits=520, movements=rows)
    assert of(BEN, after) == nothing_kept()


def test_an_answered_request_is_charged_once_counted_once_and_told_to_lago_once() -> None:
    after = of(ANN, books(Granted(ANN, 500), asked(tokens=250)))
    assert after == nothing_kept(
        credits=477,
        movements=(Movement("grant", 500, ANN), Movement("usage", -23, ANN, "r1")),
        calls_of_this_month=1,
        counted_calls=(Call("r1", SMALL, 250, 23, own_key=False, answered=True),),
        counter=1,
        events_in_Lago=(Event("r1", "ann-subscription"),),
    ) | {ledger.PLATFORM_KEY: 1}


def test_a_person_without_a_subscription_has_events_that_name_none() -> None:
    assert books(Granted(BEN, 9), asked(who=BEN)).figures[Account(BEN, ledger.EVENTS)] == (Event("r1", ""),)


@pytest.mark.parametrize(
    ("model", "tokens", "cost"), [(SMALL, 100, 9), (LARGE, 100, 48), (SMALL, 50, 5), (SMALL, 1, 1)]
)
def test_a_request_costs_what_the_feature_says_of_its_model(model: str, tokens: int, cost: int) -> None:
    assert (
        books(Granted(ANN, 100), asked(model=model, tokens=tokens)).figures[Account(ANN, ledger.CREDITS)] == 100 - cost
    )


def test_requests_are_kept_one_by_one_in_the_order_of_sorting() -> None:
    after = books(Granted(ANN, 100), asked("r2"), asked("r1", LARGE and ANN, LARGE))
    assert after.figures[Account(ANN, ledger.CREDITS)] == 43
    assert after.figures[Account(ANN, ledger.EVENTS)] == (
        Event("r1", "ann-subscription"),
        Event("r2", "ann-subscription"),
    )
    assert after.figures[Account(ANN, ledger.COUNTER)] == after.figures[Account(ANN, ledger.CALLS)] == 2


def test_an_own_key_costs_nobody_anything_and_counts() -> None:
    after = books(*CLUB_OF_TWO, asked(who=BEN, own_key=True))
    assert of(BEN, after) == nothing_kept(
        calls_of_this_month=1,
        counted_calls=(Call("r1", SMALL, 100, 0, own_key=True, answered=True),),
        counter=1,
        events_in_Lago=(Event("r1", ""),),
        provider_calls_with_the_own_key=1,
    )
    assert after.figures[Account(CLUB, ledger.CREDITS)] == 1_000
    assert after.figures[Account(BEN, ledger.USED, CLUB)] == 0


REFUSALS = [
    {"status": 102},
    {"status": 499},
    {"status": 401},
    {"status": 402, "code": "insufficient_credits"},
    {"status": 403, "code": "no_credit_allocation"},
    {"status": 409},
    {"status": 422},
    {"status": 429, "code": "quota_exceeded"},
    {"status": 400, "code": "byok_key_missing", "own_key": True},
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal["status"]))
@pytest.mark.parametrize("troubled", [False, True])
def test_a_refused_request_leaves_nothing(refusal: dict[str, Any], troubled: bool) -> None:
    kept, untouched = books(Granted(ANN, 500), asked(troubled=troubled, **refusal)), books(Granted(ANN, 500))
    assert kept == untouched


FAILURES = {
    "the provider was in trouble": {"status": 502, "code": "provider_error", "troubled": True},
    "the provider was slow": {"status": 504, "troubled": True},
    "the provider failed at once": {"status": 500, "troubled": True},
    "the stream broke": {"whole": False},
    "the own key was refused": {"status": 401, "code": json.loads('"invalid_byok_key"'), "own_key": True},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_request_that_failed_at_the_provider_counts_and_costs_nothing(failure: dict[str, Any]) -> None:
    after = books(Granted(ANN, 500), asked(**failure))
    own = bool(failure.get("own_key"))
    assert of(ANN, after) == nothing_kept(
        credits=500,
        movements=(Movement("grant", 500, ANN),),
        calls_of_this_month=1,
        counted_calls=(Call("r1", SMALL, 0, 0, own, answered=False),),
        counter=1,
        events_in_Lago=(Event("r1", "ann-subscription"),),
    ) | {ledger.OWN_KEY: int(own), ledger.PLATFORM_KEY: int(not own)}


def test_a_failed_request_of_a_member_names_their_organisation_and_costs_it_nothing() -> None:
    after = books(*CLUB_OF_TWO, asked(who=BEN, status=502, troubled=True))
    assert after.figures[Account(BEN, ledger.COUNTED)] == (Call("r1", SMALL, 0, 0, False, False, CLUB),)
    assert after.figures[Account(CLUB, ledger.CREDITS)] == 1_000


def test_who_leaves_a_stream_early_is_charged_whole() -> None:
    left = books(Granted(ANN, 500), asked(whole=False, left_early=True))
    assert left == books(Granted(ANN, 500), asked())


def test_the_same_request_under_one_idempotency_key_is_charged_once() -> None:
    once = books(Granted(ANN, 500), asked("r1", same=("key", "body")))
    twice = books(
        Granted(ANN, 500),
        asked("r1", same=("key", "body")),
        asked("r2", same=("key", "body")),
        asked("r3", same=("key", "body")),
    )
    assert twice.figures == once.figures
    assert twice.same == {"r2": "r1", "r3": "r1"}


@pytest.mark.parametrize(
    "other",
    [
        asked("r2", same=("other key", "body")),
        asked("r2", same=("key", "other body")),
        asked("r2", who=BEN, same=("key", "body")),
        asked("r2"),
    ],
    ids=["another key", "another body", "another person", "no key"],
)
def test_another_request_is_charged_by_itself(other: Asked) -> None:
    grants = Granted(ANN, 500), Granted(BEN, 500)
    after = books(*grants, asked("r1", same=("key", "body")), other)
    calls = [*after.figures[Account(ANN, ledger.COUNTED)], *after.figures[Account(BEN, ledger.COUNTED)]]  # type: ignore[misc]
    assert [call.request for call in calls] == ["r1", "r2"]
    assert after.same == {}


def test_a_failed_request_may_be_sent_again_under_its_key_and_is_then_charged() -> None:
    failed = asked("r1", same=("key", "body"), status=502, troubled=True)
    after = books(Granted(ANN, 500), failed, asked("r2", same=("key", "body")))
    assert after.figures[Account(ANN, ledger.CREDITS)] == 491
    assert after.figures[Account(ANN, ledger.CALLS)] == 2


def test_a_row_under_the_id_of_the_repeated_request_is_the_charge_of_the_first() -> None:
    repeated = history(Granted(ANN, 500), asked("r1", same=("key", "body")), asked("r2", same=("key", "body")))
    kept = expected(repeated)
    seen: dict[Account, dict[str, Value]] = {account: {"a system": v} for account, v in kept.figures.items()}
    second = (Movement("grant", 500, ANN), Movement("usage", -9, ANN, "r2"))
    seen[Account(ANN, ledger.MOVEMENTS)] = {"a system": second}
    assert judge(repeated, seen).agreement is Agreement.YES
    seen[Account(ANN, ledger.MOVEMENTS)] = {"a system": (*second, Movement("usage", -9, ANN, "r1"))}
    assert judge(repeated, seen).agreement is Agreement.NO


def test_a_purchase_is_credits_of_the_organisation_and_a_row_of_its_buyer() -> None:
    after = books(Founded(CLUB, ANN), Purchased(CLUB, ANN, 1_000, None), Purchased(CLUB, ANN, 1_000, None))
    assert of(CLUB, after) == {
        ledger.CREDITS: 2_000,
        ledger.ALLOCATED: 0,
        ledger.RESERVED: 0,
        ledger.MOVEMENTS: (Movement("purchase", 1_000, ANN), Movement("purchase", 1_000, ANN)),
    }
    assert of(ANN, after) == nothing_kept()


def test_the_same_purchase_under_one_idempotency_key_is_made_once() -> None:
    founded = Founded(CLUB, ANN), Joined(CLUB, BEN), Founded(TEAM, ANN)
    once = books(*founded, Purchased(CLUB, ANN, 5, "key"))
    assert books(*founded, Purchased(CLUB, ANN, 5, "key"), Purchased(CLUB, ANN, 5, "key")).figures == once.figures
    for other in (Purchased(CLUB, ANN, 5, "other"), Purchased(CLUB, BEN, 5, "key"), Purchased(TEAM, ANN, 5, "key")):
        after = books(*founded, Purchased(CLUB, ANN, 5, "key"), other)
        assert after.figures[Account(CLUB, ledger.CREDITS)] + after.figures[Account(TEAM, ledger.CREDITS)] == 10  # type: ignore[operator]


def test_what_is_allocated_is_left_to_the_member_and_stays_the_organisations() -> None:
    after = books(*CLUB_OF_TWO, Allocated(CLUB, BEN, 50), Allocated(CLUB, ANN, 1))
    assert (after.figures[Account(CLUB, ledger.CREDITS)], after.figures[Account(CLUB, ledger.ALLOCATED)]) == (
        1_000,
        351,
    )
    assert of(BEN, after, CLUB) == {ledger.LEFT: 350, ledger.USED: 0}
    assert of(ANN, after, CLUB) == {ledger.LEFT: 1, ledger.USED: 0}


def test_the_organisation_pays_for_its_member_and_the_member_does_not() -> None:
    after = books(Granted(BEN, 500), *CLUB_OF_TWO, asked(who=BEN), asked("r2", who=BEN, model=LARGE))
    assert of(BEN, after, CLUB) == {ledger.LEFT: 243, ledger.USED: 57}
    assert of(CLUB, after) == {
        ledger.CREDITS: 943,
        ledger.ALLOCATED: 243,
        ledger.RESERVED: 0,
        ledger.MOVEMENTS: (
            Movement("purchase", 1_000, ANN),
            Movement("usage", -48, BEN, "r2"),
            Movement("usage", -9, BEN, "r1"),
        ),
    }
    assert after.figures[Account(BEN, ledger.CREDITS)] == 500
    assert after.figures[Account(BEN, ledger.MOVEMENTS)] == (Movement("grant", 500, BEN),)
    assert after.figures[Account(BEN, ledger.COUNTED)] == (
        Call("r1", SMALL, 100, 9, False, True, CLUB),
        Call("r2", LARGE, 100, 48, False, True, CLUB),
    )
    assert of(ANN, after, CLUB) == {ledger.LEFT: 0, ledger.USED: 0}


def test_the_organisation_that_is_named_pays() -> None:
    two = *CLUB_OF_TWO, Founded(TEAM, BEN), Purchased(TEAM, BEN, 1_000, None), Allocated(TEAM, BEN, 300)
    for named, other in ((CLUB, TEAM), (TEAM, CLUB)):
        after = books(*two, asked(who=BEN, organization=named))
        assert (after.figures[Account(named, ledger.CREDITS)], after.figures[Account(other, ledger.CREDITS)]) == (
            991,
            1_000,
        )


def test_who_asks_before_they_join_or_after_the_organisation_is_gone_pays_themselves() -> None:
    after = books(Granted(BEN, 500), Founded(CLUB, ANN), asked(who=BEN), Joined(CLUB, BEN))
    assert after.figures[Account(BEN, ledger.CREDITS)] == 491
    after = books(Granted(BEN, 500), *CLUB_OF_TWO, Dissolved(CLUB), asked(who=BEN))
    assert after.figures[Account(BEN, ledger.CREDITS)] == 491


def test_an_answer_for_which_it_is_not_clear_who_pays_may_not_be() -> None:
    sentence = "the member was answered of request r1 although it is not clear who pays"
    two = *CLUB_OF_TWO, Allocated(CLUB, ANN, 10), Founded(TEAM, BEN)
    assert problems(*two, asked(who=BEN)) == ([sentence], [])
    assert problems(*CLUB_OF_TWO, asked(who=BEN, organization=TEAM)) == ([sentence], [])
    assert problems(Granted(BEN, 500), asked(who=BEN, organization=CLUB)) == ([sentence], [])
    assert problems(*two, asked(who=BEN, status=502, troubled=True)) == ([sentence], [])
    assert problems(*two, asked(who=BEN, own_key=True)) == ([], [])
    assert problems(*two, asked(who=BEN, status=400, code="organization_required")) == ([], [])
    assert problems(*two, asked(who=ANN)) == ([], [])


@pytest.mark.parametrize(
    ("operations", "what"),
    [
        ((Granted(ANN, 8), asked()), "credits would be -1"),
        ((Founded(CLUB, ANN), Purchased(CLUB, ANN, 8, None), Allocated(CLUB, ANN, 9), asked()), "credits would be -1"),
        (
            (Founded(CLUB, ANN), Purchased(CLUB, ANN, 9, None), Allocated(CLUB, ANN, 8), asked()),
            "allocation left would be -1",
        ),
    ],
)
def test_nobody_pays_more_than_there_was(operations: tuple[Operation, ...], what: str) -> None:
    wrong, unknown = problems(*operations)
    assert f"more was paid than there was: {what}" in wrong
    assert unknown == []


def test_the_last_credit_may_be_spent() -> None:
    assert books(Granted(ANN, 9), asked()).figures[Account(ANN, ledger.CREDITS)] == 0


def test_no_more_is_allocated_than_there_is() -> None:
    sentence = "more is allocated than there is: 9 of 8 credits"
    assert problems(Founded(CLUB, ANN), Purchased(CLUB, ANN, 8, None), Allocated(CLUB, ANN, 9)) == ([sentence], [])
    assert problems(Founded(CLUB, ANN), Purchased(CLUB, ANN, 9, None), Allocated(CLUB, ANN, 9)) == ([], [])


def test_placed_calls_count_in_their_own_month_only_and_cost_nothing() -> None:
    after = books(Placed(ANN, 7, this_period=True), Placed(ANN, 100, this_period=False))
    assert of(ANN, after) == nothing_kept(calls_of_this_month=7, counter=7)
    after = books(Granted(ANN, 9), Placed(ANN, 7, this_period=True), asked())
    assert after.figures[Account(ANN, ledger.CALLS)] == after.figures[Account(ANN, ledger.COUNTER)] == 8


def test_the_counter_may_be_absent_only_until_a_request_is_counted_and_after_it_was_lost() -> None:
    grant = Granted(ANN, 500)

    def absent(*operations: Operation) -> bool:
        return Account(ANN, ledger.COUNTER) in books(grant, *operations).absent

    assert absent()
    assert absent(asked(status=402))
    assert not absent(asked())
    assert not absent(asked(status=502, troubled=True))
    assert absent(asked(), CounterLost(ANN))
    assert absent(asked(), CounterLost(ANN), asked("r2", status=402))
    assert not absent(asked(), CounterLost(BEN))
    assert not absent(asked(), CounterLost(ANN), asked("r2"))
    assert absent(asked(), CounterLost(ANN, unsure=True), asked("r2"), CounterLost(ANN), asked("r3"))


def test_a_lost_counter_begins_where_it_was() -> None:
    after = books(Granted(ANN, 500), asked(), CounterLost(ANN), asked("r2"))
    assert after.figures[Account(ANN, ledger.COUNTER)] == 2


def test_who_asks_past_ops_center_is_known_to_the_provider_and_to_nobody_else() -> None:
    after = books(AskedPastOpsCenter(ANN), AskedPastOpsCenter(ANN))
    assert of(ANN, after) == nothing_kept() | {ledger.PLATFORM_KEY: 2}


def test_every_provider_call_is_on_the_key_that_it_was_asked_with() -> None:
    asked_thrice = asked("r1"), asked("r2", own_key=True), asked("r3")
    after = books(Granted(ANN, 500), *asked_thrice, AskedPastOpsCenter(ANN), AskedPastOpsCenter(ANN))
    assert (after.figures[Account(ANN, ledger.OWN_KEY)], after.figures[Account(ANN, ledger.PLATFORM_KEY)]) == (1, 4)


def test_of_an_organisation_that_is_gone_at_most_its_movements_are_kept() -> None:
    after = books(*CLUB_OF_TWO, asked(who=BEN), Dissolved(CLUB))
    rows = (Movement("purchase", 1_000, ANN), Movement("usage", -9, BEN, "r1"))
    assert of(CLUB, after) == {ledger.MOVEMENTS: rows}
    assert of(BEN, after, CLUB) == {}
    assert Account(CLUB, ledger.MOVEMENTS) in after.absent
    assert after.figures[Account(BEN, ledger.CALLS)] == 1


def test_a_request_without_an_answer_may_have_been_charged() -> None:
    assert problems(asked(status=None)) == ([], ["the admin asked and no answer came: it may have been charged"])


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_of_a_failure_that_nobody_ordered_it_is_not_known_whether_it_counted(status: int) -> None:
    wrong, unknown = problems(asked("request-1", status=status))
    assert wrong == []
    assert unknown == [
        f"the admin was answered {status} of request request-, and whether the provider was asked is not known"
    ]


@pytest.mark.parametrize("more", [{"tokens": None}, {"model": "unpriced"}])
def test_an_answer_of_which_the_cost_is_not_known_is_no_yes(more: dict[str, Any]) -> None:
    assert problems(asked(**more)) == ([], ["what of request r1 cost is not known: no tokens or no price"])


def test_an_answer_to_nobody_of_the_scenario_is_no_yes_and_a_refused_stranger_is_nothing() -> None:
    assert problems(asked(who="")) == ([], ["nobody of this scenario asked, and the answer was 200"])
    assert problems(asked(who="", status=None)) == ([], ["nobody of this scenario asked, and the answer was None"])
    assert problems(asked(who="", status=401)) == ([], [])


@pytest.mark.parametrize(
    "operation",
    [
        Granted("", 5),
        Placed("", 5, True),
        CounterLost(""),
        AskedPastOpsCenter(""),
        Joined(TEAM, BEN),
        Dissolved(TEAM),
        Purchased(TEAM, ANN, 5, None),
        Allocated(TEAM, ANN, 5),
        Allocated(CLUB, "", 5),
    ],
    ids=str,
)
def test_an_operation_on_nobody_of_the_scenario_is_no_yes(operation: Operation) -> None:
    sentence = f"{type(operation).__name__} concerns a person or an organisation that is not in this scenario"
    assert problems(*CLUB_OF_TWO, operation) == ([], [sentence])


def test_an_error_of_the_ledger_itself_is_no_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Movement:
        raise KeyError("a mistake")

    monkeypatch.setattr(ledger, "Movement", broken)
    with pytest.raises(KeyError):
        expected(history(Granted(ANN, 5)))


def all_seen(kept: History) -> dict[Account, dict[str, Value]]:
    """Return two systems with the expected values."""
    figures = expected(kept).figures
    return {account: {"one system": value, "another": value} for account, value in figures.items()}


SPENT = history(Granted(ANN, 500), asked(), asked("r2", status=402))


def test_the_verdict_is_yes_when_every_system_says_what_must_be() -> None:
    verdict = judge(SPENT, all_seen(SPENT))
    assert verdict.agreement is Agreement.YES
    assert [line for line in verdict.lines if line.differs] == []
    assert (verdict.wrong, verdict.unknown) == ((), ())


def test_one_system_that_says_something_else_makes_it_a_no_and_is_named() -> None:
    seen = all_seen(SPENT)
    seen[Account(ANN, ledger.CREDITS)]["another"] = 490
    verdict = judge(SPENT, seen)
    assert verdict.agreement is Agreement.NO
    (line,) = [line for line in verdict.lines if line.differs]
    assert line == Line(Account(ANN, ledger.CREDITS), 500, 491, {"one system": 491, "another": 490})
    assert line.differs == ["another"]


def test_what_a_system_does_not_say_is_not_what_must_be() -> None:
    seen = all_seen(SPENT)
    seen[Account(ANN, ledger.CREDITS)]["another"] = None
    assert judge(SPENT, seen).agreement is Agreement.NO


@pytest.mark.parametrize(
    ("too_much", "expected_value"),
    [(1, None), (0, None), ((Movement("usage", -9),), ()), ((Event("r9", ""),), ())],
)
def test_an_account_that_nobody_has_may_not_be_there(too_much: Value, expected_value: Value) -> None:
    seen = all_seen(SPENT) | {Account("a stranger", "something"): {"a system": too_much}}
    verdict = judge(SPENT, seen)
    assert verdict.agreement is Agreement.NO
    assert verdict.lines[-1] == Line(Account("a stranger", "something"), None, expected_value, {"a system": too_much})
    nothing = all_seen(SPENT) | {Account("a stranger", "something"): {"a system": expected_value}}
    assert judge(SPENT, nothing).agreement is Agreement.YES


def test_accounts_that_nobody_has_come_last_and_sorted() -> None:
    strange = [Account("a stranger", "one"), Account("a stranger", "two"), Account("a stranger", "two", CLUB)]
    seen = all_seen(SPENT) | {account: {"a system": 1} for account in reversed(strange)}
    assert [line.account for line in judge(SPENT, seen).lines[-3:]] == strange


def test_an_account_that_no_system_shows_is_a_line_without_a_system_and_no_difference() -> None:
    seen = all_seen(SPENT)
    del seen[Account(ANN, ledger.CREDITS)]
    verdict = judge(SPENT, seen)
    assert verdict.agreement is Agreement.YES
    assert verdict.lines[0] == Line(Account(ANN, ledger.CREDITS), 500, 491, {})


def test_what_cannot_be_told_is_unknown_unless_something_is_wrong_for_certain() -> None:
    unanswered = history(Granted(ANN, 500), asked(status=None), asked(status=None))
    seen = all_seen(unanswered)
    verdict = judge(unanswered, seen)
    assert verdict.agreement is Agreement.UNKNOWN
    assert verdict.unknown == ("the admin asked and no answer came: it may have been charged",)
    seen[Account(ANN, ledger.CREDITS)]["another"] = 491
    assert judge(unanswered, seen).agreement is Agreement.NO


def test_what_may_not_have_happened_is_a_no_although_every_figure_agrees() -> None:
    overspent = history(Granted(ANN, 8), asked())
    verdict = judge(overspent, all_seen(overspent))
    assert verdict.agreement is Agreement.NO
    assert verdict.wrong == ("more was paid than there was: credits would be -1",)


def test_before_is_what_there_was_when_the_first_request_was_sent() -> None:
    mixed = history(Granted(ANN, 500), asked(), Granted(ANN, 100), asked("r2"))
    before = {line.account: line.before for line in judge(mixed, {}).lines}
    assert before[Account(ANN, ledger.CREDITS)] == 500
    assert before[Account(ANN, ledger.MOVEMENTS)] == (Movement("grant", 500, ANN),)
    calm = history(Granted(ANN, 500), Granted(ANN, 100))
    assert judge(calm, {}).lines[0].before == 600


@pytest.mark.parametrize("value", [None, ()])
def test_what_may_be_absent_is_either_as_it_must_be_or_not_there(value: Value) -> None:
    line = Line(Account(ANN, "it"), None, 5, {"a": 5, "b": value, "c": 0, "d": 4}, may_be_absent=True)
    assert line.differs == ["c", "d"]
    assert replace(line, may_be_absent=False).differs == ["b", "c", "d"]


def test_a_counter_at_nought_is_not_a_lost_counter() -> None:
    flushed = history(Granted(ANN, 500), asked(), CounterLost(ANN))
    seen = all_seen(flushed)
    seen[Account(ANN, ledger.COUNTER)] = {"Redis": None}
    assert judge(flushed, seen).agreement is Agreement.YES
    seen[Account(ANN, ledger.COUNTER)] = {"Redis": 0}
    assert judge(flushed, seen).agreement is Agreement.NO


def test_rows_are_compared_whatever_their_order() -> None:
    kept = history(Granted(ANN, 500), asked(), asked("r2"))
    seen = {account: {"a": v[::-1] if isinstance(v, tuple) else v} for account, v in expected(kept).figures.items()}
    assert judge(kept, seen).agreement is Agreement.YES


def test_of_two_lists_of_rows_what_lacks_and_what_is_too_many_is_told_with_its_number() -> None:
    nine, ten = Movement("usage", -9, ANN, "r1"), Movement("usage", -10, ANN, "r1")
    assert apart((nine, nine), (nine, ten)) == ([nine], [ten])
    assert apart((nine,), (nine, nine)) == ([], [nine])
    assert apart((nine,), (nine,)) == ([], [])
    assert apart((nine,), None) == apart(9, (nine,)) == apart(9, 10) == ([], [])


def test_rows_read_as_people_speak_of_them() -> None:
    assert str(Movement("usage", -1_009, ANN, "0123456789")) == "usage -1,009 of request 01234567"
    assert str(Movement("grant", 10_000, ANN)) == "grant +10,000"
    assert str(Call("0123456789", SMALL, 1_000, 1_009, False, True)) == "1,000 tokens for 1,009 of request 01234567"
    assert str(Call("r1", SMALL, 100, 0, True, True)) == "100 tokens with the own key of request r1"
    assert str(Call("r1", SMALL, 0, 0, False, False)) == "0 tokens for 0, not answered of request r1"
    assert str(Event("r1", "")) == "event of request r1"
    assert str(Event("r1", "ann-subscription")) == "event of request r1 for ann-subscription"


def test_a_verdict_without_accounts_is_yes_only_when_nothing_is_unknown() -> None:
    assert Verdict((), (), ()).agreement is Agreement.YES
    assert Verdict((), (), ("unknown",)).agreement is Agreement.UNKNOWN
    assert Verdict((), ("wrong",), ("unknown",)).agreement is Agreement.NO


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (Movement("grant", 5), "credits"),
        (Call("r1", SMALL, 100, 9, False, True), "credits"),
        (Event("r1", ""), "request"),
        (Line(Account(ANN, "it"), None, 5, {}), "expected"),
        (Verdict((), (), ()), "wrong"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_the_ledger_said_stays_as_it_said_it(said: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(said, field, getattr(said, field))


LOST: dict[str, Any] = {"status": 502, "code": "provider_error", "away": frozenset({"LiteLLM"})}


@pytest.mark.parametrize("own_key", [False, True])
def test_a_request_lost_on_the_way_may_count_or_not_and_was_never_at_the_provider(own_key: bool) -> None:
    lost = history(Granted(ANN, 500), asked("r1", own_key=own_key, **LOST))
    kept = of(ANN, expected(lost))
    assert kept == nothing_kept(credits=500, movements=(Movement("grant", 500, ANN),))
    call = Call("r1", SMALL, 0, 0, own_key, answered=False)
    assert of(ANN, expected(lost, {"r1": Counted(ANN, call)})) == kept | {
        "calls of this month": 1,
        "counted calls": (call,),
        "counter": 1,
        "events in Lago": (Event("r1", "ann-subscription"),),
    }


@pytest.mark.parametrize(("counts", "agrees"), [((0, 0), "YES"), ((1, 1), "YES"), ((1, 0), "NO"), ((0, 1), "NO")])
def test_all_systems_agree_whether_a_lost_request_counts(counts: tuple[int, int], agrees: str) -> None:
    lost = history(asked("r1", **LOST))
    counted = (Call("r1", SMALL, 0, 0, own_key=False, answered=False),)
    rows, figure = counts
    seen: dict[Account, dict[str, Value]] = {
        Account(ANN, "counted calls"): {"usage_tracking": counted if rows else ()},
        Account(ANN, "calls of this month"): {"the API": figure},
    }
    assert judge(lost, seen).agreement.name == agrees


def test_what_postgresql_could_not_take_did_not_happen_only_while_it_is_away() -> None:
    refused: dict[str, Any] = {"status": 503, "code": "service_unavailable"}
    without = asked("r1", **refused, away=frozenset({"PostgreSQL"}))
    assert of(ANN, books(without)) == nothing_kept()
    for away in (frozenset[str](), frozenset({"Redis", "LiteLLM"})):
        _, unknown = problems(asked("r1", **refused, away=away))
        assert len(unknown) == 1


def test_the_journal_may_contain_a_lost_request_or_not() -> None:
    lost = history(asked("r1", **LOST))
    counted = (Call("r1", SMALL, 0, 0, own_key=False, answered=False),)
    for calls, agrees in ((0, "YES"), (1, "YES"), (2, "NO")):
        seen: dict[Account, dict[str, Value]] = {
            Account(ANN, "counted calls"): {"usage_tracking": counted},
            Account(ANN, "provider calls with the platform's key"): {"the provider's journal": calls},
        }
        assert judge(lost, seen).agreement.name == agrees


CUT_OFF: dict[str, Any] = {"status": None, "away": frozenset({"Ops-Center"})}


@pytest.mark.parametrize(
    ("call", "movements"),
    [
        (None, ()),
        (Call("r9", SMALL, 0, 0, own_key=False, answered=False), ()),
        (Call("r9", SMALL, 100, 9, own_key=False, answered=True), (Movement("usage", -9, ANN, "r9"),)),
    ],
    ids=["not sent", "not answered", "answered"],
)
def test_a_request_that_a_crash_cut_off_is_charged_only_if_it_was_answered(
    call: Call | None, movements: tuple[Movement, ...]
) -> None:
    kept = of(ANN, expected(history(asked("", **CUT_OFF)), {call.request: Counted(ANN, call)} if call else {}))
    assert kept["counted calls"] == ((call,) if call else ())
    assert kept["movements"] == movements


def test_a_crash_explains_one_call_for_each_request_that_it_cut_off() -> None:
    calls = tuple(Call(f"r{number}", SMALL, 0, 0, own_key=False, answered=False) for number in (8, 9))
    cut_off = history(asked("", **CUT_OFF))
    seen: dict[Account, dict[str, Value]] = {Account(ANN, "counted calls"): {"usage_tracking": calls}}
    assert judge(cut_off, seen).agreement is Agreement.NO
    for other in ({"model": LARGE}, {"own_key": True}, {"who": BEN}):
        seen = {Account(ANN, "counted calls"): {"usage_tracking": calls[:1]}}
        assert judge(history(asked("", **CUT_OFF, **other)), seen).agreement is Agreement.NO


def test_a_call_without_an_answer_that_all_systems_have_is_unknown_and_no_difference() -> None:
    call = Call("r9", SMALL, 100, 9, own_key=False, answered=True)
    late = history(Granted(ANN, 500), asked("", status=None))
    kept = expected(late, {"r9": Counted(ANN, call)})
    assert (kept.figures[Account(ANN, "counted calls")], kept.figures[Account(ANN, "credits")]) == ((call,), 491)
    assert len(kept.unknown) == 1
    seen: dict[Account, dict[str, Value]] = {Account(ANN, "counted calls"): {"usage_tracking": (call,)}}
    assert judge(late, seen).agreement is Agreement.UNKNOWN
    assert judge(late, seen | {Account(ANN, "credits"): {"user_credits": 500}}).agreement is Agreement.NO


def test_an_invitation_is_taken_up_with_a_verified_address_and_then_for_good() -> None:
    unverified = asked(who=BEN, address_verified=False)
    after = books(Granted(BEN, 500), *CLUB_OF_TWO, unverified)
    assert after.figures[Account(BEN, ledger.CREDITS)] == 491
    assert of(BEN, after, CLUB) == {ledger.LEFT: 300, ledger.USED: 0}
    taken_up = asked("r2", who=BEN)
    after = books(Granted(BEN, 500), *CLUB_OF_TWO, taken_up, unverified)
    assert after.figures[Account(BEN, ledger.CREDITS)] == 500
    assert of(BEN, after, CLUB) == {ledger.LEFT: 282, ledger.USED: 18}


def test_an_invitation_is_for_its_address_and_not_for_a_later_one_of_the_same_person() -> None:
    founded = Founded(CLUB, ANN), Joined(CLUB, BEN, "ben@example.com"), Purchased(CLUB, ANN, 1_000, None)
    club = *founded, Allocated(CLUB, BEN, 300)
    after = books(Granted(BEN, 500), *club, asked(who=BEN, address="new@example.com"))
    assert after.figures[Account(BEN, ledger.CREDITS)] == 491
    after = books(Granted(BEN, 500), *club, asked(who=BEN, address="ben@example.com"))
    assert after.figures[Account(BEN, ledger.CREDITS)] == 500


def test_an_invitation_is_taken_up_by_a_visit_and_not_by_an_own_key() -> None:
    founded = Founded(CLUB, ANN), Joined(CLUB, BEN, "ben@example.com"), Purchased(CLUB, ANN, 1_000, None)
    club, old, new = (Granted(BEN, 500), *founded, Allocated(CLUB, BEN, 300)), "ben@example.com", "new@example.com"
    later = asked("r2", who=BEN, address=new)
    for first, own_credits in (
        (Visited(BEN, old), 500),
        (Visited(BEN, new), 491),
        (asked(who=BEN, address=old, own_key=True), 491),
        (asked(who=BEN, address=old, status=429, code="quota_exceeded"), 491),
        (asked(who=BEN, address=old, status=402, code="allocation_exhausted"), 500),
    ):
        assert books(*club, first, later).figures[Account(BEN, ledger.CREDITS)] == own_credits


def test_a_founder_needs_no_verified_address() -> None:
    founded = Founded(CLUB, ANN), Purchased(CLUB, ANN, 1_000, None), Allocated(CLUB, ANN, 300)
    assert of(ANN, books(*founded, asked(address_verified=False)), CLUB)[ledger.LEFT] == 291


def test_events_after_the_end_of_a_subscription_name_none() -> None:
    after = books(Granted(ANN, 500), asked(), Unsubscribed(ANN), asked("r2"))
    assert after.figures[Account(ANN, ledger.EVENTS)] == (Event("r1", "ann-subscription"), Event("r2", ""))


def test_a_request_above_its_estimate_costs_what_it_used() -> None:
    long = asked(tokens=250, estimate=100)
    assert of(ANN, books(Granted(ANN, 500), long)) == of(ANN, books(Granted(ANN, 500), asked(tokens=250)))


def test_above_the_estimate_a_person_pays_no_more_than_they_have() -> None:
    after = books(Granted(ANN, 15), asked(tokens=250, estimate=100))
    assert after.figures[Account(ANN, ledger.CREDITS)] == 0
    assert after.figures[Account(ANN, ledger.COUNTED)] == (Call("r1", SMALL, 250, 15, False, True),)
    assert after.figures[Account(ANN, ledger.MOVEMENTS)] == (
        Movement("grant", 15, ANN),
        Movement("usage", -15, ANN, "r1"),
    )


def test_above_the_estimate_a_member_pays_no_more_than_is_left_of_the_allocation() -> None:
    club = Founded(CLUB, ANN), Purchased(CLUB, ANN, 1_000, None), Allocated(CLUB, ANN, 15)
    after = books(*club, asked(tokens=250, estimate=100))
    assert after.figures[Account(CLUB, ledger.CREDITS)] == 985
    assert after.figures[Account(ANN, ledger.LEFT, CLUB)] == 0


def test_what_was_estimated_is_always_due() -> None:
    wrong, _ = problems(Granted(ANN, 8), asked(tokens=250, estimate=100))
    assert wrong == ["more was paid than there was: credits would be -1"]


@pytest.mark.parametrize("said", [9, 11])
def test_of_several_long_answers_each_leaves_what_another_one_has_reserved(said: int) -> None:
    first, second = asked("r1", tokens=250, estimate=100, said=said), asked("r2", tokens=250, estimate=100)
    after = books(Granted(ANN, 20), first, second)
    assert after.figures[Account(ANN, ledger.CREDITS)] == 0
    assert Movement("usage", -said, ANN, "r1") in after.figures[Account(ANN, ledger.MOVEMENTS)]  # type: ignore[operator]
    alone = books(Granted(ANN, 20), first)
    assert Movement("usage", -20, ANN, "r1") in alone.figures[Account(ANN, ledger.MOVEMENTS)]  # type: ignore[operator]


@pytest.mark.parametrize("said", [8, 23, None])
def test_what_a_long_answer_says_counts_only_between_its_estimate_and_what_is_left(said: int | None) -> None:
    first, second = asked("r1", tokens=250, estimate=100, said=said), asked("r2", tokens=250, estimate=100)
    wrong, _ = problems(Granted(ANN, 20), first, second)
    assert wrong == ["more was paid than there was: credits would be -9"]


def test_the_same_request_with_another_payer_is_charged_by_itself() -> None:
    own, credits = asked("r1", same=("key", "body", "true")), asked("r2", same=("key", "body", "false"))
    assert books(Granted(ANN, 500), own, credits).same == {}


def test_a_refused_own_key_that_is_replayed_counts_once() -> None:
    refused: dict[str, Any] = {"status": 401, "code": "invalid_byok_key", "own_key": True, "same": ("key", "body")}
    after = books(asked("r1", **refused), asked("r2", **refused))
    assert after.figures[Account(ANN, ledger.CALLS)] == 1
    assert after.figures[Account(ANN, ledger.OWN_KEY)] == 1


def test_a_repeated_purchase_names_no_request() -> None:
    twice = Purchased(CLUB, ANN, 5, "key"), Purchased(CLUB, ANN, 5, "key")
    assert books(Founded(CLUB, ANN), *twice).same == {}


def counted(*requests: str) -> dict[str, Counted]:
    """Return calls of Ann that a system counts."""
    return {r: Counted(ANN, Call(r, SMALL, 100, 9, own_key=False, answered=True)) for r in requests}


def test_several_requests_whose_clients_left_are_told_apart_by_their_tokens() -> None:
    left = [asked("", tokens=tokens, status=None, whole=False, left_early=True) for tokens in (150, 6)]
    short, long = (
        Call(name, SMALL, n, c, own_key=False, answered=True) for name, n, c in (("r8", 6, 1), ("r9", 150, 14))
    )
    counted = {call.request: Counted(ANN, call) for call in (short, long)}
    assert of(ANN, expected(history(Granted(ANN, 500), *left), counted))["counted calls"] == (short, long)


def test_who_leaves_before_a_whole_answer_is_charged_under_the_id_that_the_systems_know() -> None:
    left = history(Granted(ANN, 500), asked("r1"), asked("", status=None, whole=False, left_early=True))
    after = expected(left, counted=counted("r1", "r2"))
    assert after.figures[Account(ANN, ledger.CREDITS)] == 482
    assert after.figures[Account(ANN, ledger.MOVEMENTS)] == (
        Movement("grant", 500, ANN),
        Movement("usage", -9, ANN, "r1"),
        Movement("usage", -9, ANN, "r2"),
    )
    nowhere = expected(left, counted=counted("r1"))
    assert nowhere.figures[Account(ANN, ledger.CALLS)] == 2


def test_an_event_that_may_be_late_is_missed_only_with_time() -> None:
    kept = history(Granted(ANN, 500), asked("r1"), asked("r2"))
    seen = all_seen(kept)
    first, second = (Event(request, "ann-subscription") for request in ("r1", "r2"))
    seen[Account(ANN, ledger.EVENTS)] = {"Lago": (first,)}
    assert judge(kept, seen).agreement is Agreement.NO
    assert judge(kept, seen, hurried=True).agreement is Agreement.YES
    seen[Account(ANN, ledger.EVENTS)] = {"Lago": (first, Event("r3", "ann-subscription"))}
    assert judge(kept, seen, hurried=True).agreement is Agreement.NO
    seen[Account(ANN, ledger.EVENTS)] = {"Lago": (first, second)}
    seen[Account(ANN, ledger.CREDITS)] = {"the API": 491}
    assert judge(kept, seen, hurried=True).agreement is Agreement.NO


def test_a_stream_that_broke_off_is_no_first_answer_so_that_its_repetition_counts_again() -> None:
    """Contract, "The LLM request", step 3: the key is free after a failure; half a stream is none to repeat."""
    broken = [asked(request, same=("key", "body"), whole=False) for request in ("r1", "r2")]
    after = of(ANN, books(Granted(ANN, 100), *broken, asked("r3", same=("key", "body"))))
    assert (after["calls of this month"], after["credits"]) == (3, 91)
