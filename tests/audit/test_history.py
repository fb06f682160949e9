"""How the record of requests and answers is read as operations, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import jwt
import pytest

from creditflow.audit.history import (
    Act,
    Allocated,
    Asked,
    AskedPastOpsCenter,
    CounterLost,
    Dissolved,
    Founded,
    Granted,
    History,
    Joined,
    Names,
    Operation,
    Placed,
    Purchased,
    Unsubscribed,
    Visited,
    acts,
    read,
)
from creditflow.core import period
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.record import Record, RecordedRequest

NAMES = Names(by_email={"ann@example.com": "ann-id"}, by_name={"cf-ann": "ann-id", "cf-ben": "ben-id"})
MODEL = "openai/gpt-4"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "cf-ann q1 how are you"}], "max_tokens": 95}

MakeReply = Callable[..., Reply]


def token_of(who: Any) -> str:
    return jwt.encode({"sub": who} if who else {}, "a secret of nobody, long enough for HS256")


ANN = token_of("ann-id")


def composed(text: str) -> str:
    """Return an equal text that is another object, like a text from another process."""
    return "".join(list(text))


def operations(*entries: RecordedRequest, exact: bool = True) -> tuple[Operation, ...]:
    return read(entries, NAMES, exact)


def chat(answer: Reply | None, body: Any = QUESTION, token: str | None = ANN, **headers: str) -> RecordedRequest:
    named = {name.replace("_", "-"): composed(value) for name, value in headers.items()}
    return RecordedRequest(composed("chat"), token, {"body": body, "headers": named}, answer)


def only(*entries: RecordedRequest, exact: bool = True) -> Asked:
    """Return the only LLM request of a record."""
    (asked,) = operations(*entries, exact=exact)
    assert isinstance(asked, Asked)
    return asked


def test_nothing_done_is_no_operation() -> None:
    assert operations() == ()


@pytest.mark.parametrize(
    ("entry", "operation"),
    [
        (RecordedRequest("grant", None, {"user_id": "ann-id", "credits": 5}, None), Granted("ann-id", 5)),
        (RecordedRequest("forget_counter", None, {"user_id": "ann-id"}, None), CounterLost("ann-id")),
        (
            RecordedRequest("remove_organization", ANN, {"organization": "club"}, Reply(204, {}, "", 1)),
            Dissolved("club"),
        ),
        (
            RecordedRequest("create_organization", ANN, {}, Reply(201, {}, '{"id": "club"}', 1)),
            Founded("club", "ann-id"),
        ),
        (
            RecordedRequest(
                "invite", ANN, {"organization": "club", "email": "ann@example.com"}, Reply(201, {}, "{}", 1)
            ),
            Joined("club", "ann-id", "ann@example.com"),
        ),
        (
            RecordedRequest(
                "invite", ANN, {"organization": "club", "email": "else@example.com"}, Reply(201, {}, "{}", 1)
            ),
            Joined("club", "", "else@example.com"),
        ),
        (
            RecordedRequest(
                "invite", ANN, {"organization": "club", "email": "ANN@Example.com"}, Reply(201, {}, "{}", 1)
            ),
            Joined("club", "ann-id", "ann@example.com"),
        ),
        (RecordedRequest("end_subscription", None, {"user_id": "ann-id"}, None), Unsubscribed("ann-id")),
        (
            RecordedRequest(
                "purchase", ANN, {"organization": "club", "credits": 5, "key": "k"}, Reply(201, {}, "{}", 1)
            ),
            Purchased("club", "ann-id", 5, "k"),
        ),
        (
            RecordedRequest(
                "purchase", ANN, {"organization": "club", "credits": 5, "key": None}, Reply(201, {}, "{}", 1)
            ),
            Purchased("club", "ann-id", 5, None),
        ),
        (
            RecordedRequest(
                "allocate",
                ANN,
                {"organization": "club", "email": "ann@example.com", "credits": 5},
                Reply(200, {}, "{}", 1),
            ),
            Allocated("club", "ann-id", 5),
        ),
        (
            RecordedRequest(
                "allocate",
                ANN,
                {"organization": "club", "email": "else@example.com", "credits": 5},
                Reply(200, {}, "{}", 1),
            ),
            Allocated("club", "", 5),
        ),
        (
            RecordedRequest("chat_past_ops_center", None, {"body": QUESTION}, Reply(200, {}, "{}", 1)),
            AskedPastOpsCenter("ann-id"),
        ),
    ],
    ids=lambda value: value.operation if isinstance(value, RecordedRequest) else "",
)
def test_what_succeeded_is_done_and_what_was_refused_or_not_answered_is_not(
    entry: RecordedRequest, operation: Operation
) -> None:
    assert operations(entry) == (operation,)
    if entry.reply is not None:
        for refusal in (Reply(409, {}, entry.reply.text, 1), Reply(500, {}, entry.reply.text, 1), None):
            assert operations(RecordedRequest(entry.operation, entry.token, entry.values, refusal)) == ()


def test_who_asks_past_ops_center_is_told_by_the_last_message() -> None:
    body = {"messages": [{"content": "cf-ann said"}, {"content": "cf-ben asks"}]}
    answer = Reply(200, {}, "{}", 1)
    assert operations(RecordedRequest("chat_past_ops_center", None, {"body": body}, answer)) == (
        AskedPastOpsCenter("ben-id"),
    )
    body = {"messages": [{"content": "somebody asks"}]}
    assert operations(RecordedRequest("chat_past_ops_center", None, {"body": body}, answer)) == (
        AskedPastOpsCenter(""),
    )


@pytest.mark.parametrize("body", [None, {}, {"messages": 5}, {"messages": []}])
def test_a_malformed_question_past_ops_center_is_nobodys(body: Any) -> None:
    answer = Reply(200, {}, "{}", 1)
    assert operations(RecordedRequest("chat_past_ops_center", None, {"body": body}, answer)) == (
        AskedPastOpsCenter(""),
    )


def test_calls_are_placed_in_this_period_from_its_first_moment_on() -> None:
    def placed(at: Any) -> Operation:
        (operation,) = operations(
            RecordedRequest("place_calls", None, {"user_id": "ann-id", "count": 3, "at": at}, None)
        )
        return operation

    assert placed(period.start()) == Placed("ann-id", 3, True)
    assert placed(period.now()) == Placed("ann-id", 3, True)
    assert placed(period.start() - timedelta(microseconds=1)) == Placed("ann-id", 3, False)


def test_requests_that_change_nothing_are_no_operations() -> None:
    assert (
        operations(
            RecordedRequest("balance", ANN, {}, Reply(200, {}, "{}", 1)),
            RecordedRequest("trouble", None, {"caller": "x"}, None),
        )
        == ()
    )


def test_operations_come_in_the_order_of_the_record() -> None:
    record = Record()
    record.add("grant", None, None, user_id="ann-id", credits=5)
    record.add("chat", ANN, None, body=QUESTION, headers={})
    record.add("grant", None, None, user_id="ann-id", credits=6)
    first, second, third = operations(*record.take())
    assert (first, type(second), third) == (Granted("ann-id", 5), Asked, Granted("ann-id", 6))
    assert record.take() == []


def test_an_answered_request_says_who_asked_what_and_what_came_back(reply: MakeReply) -> None:
    answer = reply(200, {"usage": {"total_tokens": 100}}, {"X-Request-Id": "r1"})
    assert only(chat(answer)) == Asked("ann-id", "r1", MODEL, 100, 200, estimate=100)


def test_a_refusal_keeps_its_status_and_code(reply: MakeReply) -> None:
    asked = only(chat(reply(402, {"code": "insufficient_credits"}, {"X-Request-Id": "r1"})))
    assert asked == Asked("ann-id", "r1", MODEL, 100, 402, "insufficient_credits", estimate=100)


def test_a_request_without_an_answer_is_kept_as_one() -> None:
    assert only(chat(None)) == Asked("ann-id", "", MODEL, 100, None, estimate=100, whole=False)
    assert only(chat(None), exact=False).tokens == 100


def test_an_answer_that_names_no_request_and_no_code_names_none(reply: MakeReply) -> None:
    asked = only(chat(reply(200, {})))
    assert (asked.request, asked.code) == ("", "")


def test_where_the_provider_is_exact_the_tokens_are_those_of_the_feature_else_those_reported(reply: MakeReply) -> None:
    answer = reply(200, {"usage": {"total_tokens": 77}})
    assert only(chat(answer)).tokens == 100
    assert only(chat(answer), exact=False).tokens == 77
    assert only(chat(reply(200, {})), exact=False).tokens is None


@pytest.mark.parametrize("token", [None, "", "no token", token_of(None)])
def test_a_token_that_names_nobody_is_nobodys(token: str | None, reply: MakeReply) -> None:
    assert only(chat(reply(401, {}), token=token)).who == ""


def test_a_token_that_has_expired_or_is_forged_is_still_its_owners(reply: MakeReply) -> None:
    expired = jwt.encode({"sub": "ann-id", "exp": 1, "aud": "else"}, "a secret of nobody, long enough for HS256")
    assert only(chat(reply(401, {}), token=expired)).who == "ann-id"


@pytest.mark.parametrize("body", ["no object", ["a list"], None, {}, {"messages": 5}])
def test_a_malformed_question_is_kept_without_a_model_and_without_tokens(body: Any, reply: MakeReply) -> None:
    asked = only(chat(reply(422, {}, {"X-Request-Id": "r1"}), body))
    assert asked == Asked("ann-id", "r1", "", None, 422)


def test_a_stream_is_whole_when_it_came_to_its_end(reply: MakeReply) -> None:
    streamed = QUESTION | {"stream": True}
    assert only(chat(reply(200, "", {}, ({}, {}, "[DONE]")), streamed)).whole
    assert not only(chat(reply(200, "", {}, ("[DONE]", {})), streamed)).whole
    assert not only(chat(reply(200, "", {}, ({},)), streamed)).whole
    assert not only(chat(reply(200, "", {}, ()), streamed)).whole
    assert only(chat(reply(200, ""), QUESTION | {"stream": False})).whole


def test_who_left_a_stream_is_told_from_whom_it_was_cut_off(reply: MakeReply) -> None:
    entry = chat(reply(200, "", {}, ({},)), QUESTION | {"stream": True})
    left = RecordedRequest("chat", entry.token, dict(entry.values) | {"left_early": True}, entry.reply)
    assert only(left).left_early
    assert not only(entry).left_early


def test_a_request_on_the_own_key_is_told_by_its_header(reply: MakeReply) -> None:
    assert only(chat(reply(), X_Use_BYOK="true")).own_key
    assert not only(chat(reply(), X_Use_BYOK="false")).own_key
    assert not only(chat(reply())).own_key


def test_the_organisation_that_is_named_is_told(reply: MakeReply) -> None:
    assert only(chat(reply(), X_Organization_Id="club")).organization == "club"
    assert only(chat(reply())).organization is None


def test_requests_under_one_idempotency_key_are_the_same_when_their_bodies_are(reply: MakeReply) -> None:
    def same(key: str, body: Any) -> object:
        return only(chat(reply(), body, Idempotency_Key=key)).same

    turned = dict(reversed(QUESTION.items()))
    assert list(turned) != list(QUESTION)
    assert same("k", QUESTION) == same("k", turned) is not None
    assert same("k", QUESTION) != same("k", QUESTION | {"max_tokens": 96})
    assert same("k", QUESTION) != same("l", QUESTION)
    assert only(chat(reply())).same is None


def test_only_requests_after_the_trouble_and_of_whom_it_was_made_for_are_troubled(reply: MakeReply) -> None:
    trouble = RecordedRequest(composed("trouble"), None, {"caller": "cf-ann"}, None)
    ask, ben = chat(reply(502)), chat(reply(502), token=token_of("ben-id"))
    assert [d.troubled for d in operations(ask, trouble, ask, ben) if isinstance(d, Asked)] == [False, True, False]


def test_a_trouble_for_somebody_else_is_not_ours(reply: MakeReply) -> None:
    trouble = RecordedRequest("trouble", None, {"caller": "cf-stranger"}, None)
    assert not only(trouble, chat(reply(502))).troubled


def test_another_act_in_somebodys_name_is_no_trouble(reply: MakeReply) -> None:
    for act in ("a call", "untrouble"):
        assert not only(RecordedRequest(act, None, {"caller": "cf-ann"}, None), chat(reply(502))).troubled


@pytest.mark.parametrize(
    ("kept", "field"),
    [
        (Granted("a", 1), "credits"),
        (Placed("a", 1, True), "count"),
        (Founded("club", "a"), "who"),
        (Joined("club", "a"), "who"),
        (Dissolved("club"), "organization"),
        (Purchased("club", "a", 1, None), "credits"),
        (Allocated("club", "a", 1), "credits"),
        (CounterLost("a"), "who"),
        (AskedPastOpsCenter("a"), "who"),
        (Asked("a", "r1", MODEL, 1, 200), "status"),
        (History({}, {}, (), {}), "operations"),
        (NAMES, "by_name"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_was_done_stays_as_it_was_done(kept: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(kept, field, getattr(kept, field))


def test_a_request_is_by_default_whole_on_the_platforms_key_and_in_no_trouble() -> None:
    asked = Asked("a", "r1", MODEL, 1, 200)
    assert (asked.whole, asked.left_early, asked.own_key, asked.troubled) == (True, False, False, False)


def test_a_request_knows_the_services_that_were_away_and_redis_loses_every_counter() -> None:
    def service(what: str, name: str) -> RecordedRequest:
        return RecordedRequest(f"service_{what}", None, {"service": name}, None)

    request = RecordedRequest("chat", ANN, {"body": {}, "headers": {}}, Reply(502, {}, "{}", 1))
    done = operations(
        service("away", "Lago"), request, service("away", "Redis"), request, service("back", "Lago"), request
    )
    lost = [CounterLost(who, unsure=True) for who in sorted(NAMES.by_name.values())]
    assert [each for each in done if isinstance(each, CounterLost)] == lost
    away = [set(each.away) for each in done if isinstance(each, Asked)]
    assert away == [{"Lago"}, {"Lago", "Redis"}, {"Redis"}]
    assert operations(service("back", "Redis")) == operations(service("away", "Ops-Center")) == tuple(lost)


@pytest.mark.parametrize(
    ("claim", "verified"), [({"email_verified": False}, False), ({"email_verified": True}, True), ({}, True)]
)
def test_a_request_knows_whether_its_token_says_that_the_address_is_verified(
    claim: dict[str, bool], verified: bool
) -> None:
    token = jwt.encode({"sub": "ann-id", **claim}, "a secret of nobody, long enough for HS256")
    assert only(chat(Reply(402, {}, "{}", 1), token=token)).address_verified is verified


@pytest.mark.parametrize(
    ("status", "claims", "visited"),
    [
        (200, {}, True),
        (201, {}, True),
        (403, {}, False),
        (401, {}, False),
        (503, {}, False),
        (200, {"email": ""}, False),
        (200, {"email_verified": False}, False),
    ],
)
def test_who_uses_an_endpoint_of_an_organisation_with_a_verified_address_has_visited_one(
    status: int, claims: dict[str, Any], visited: bool
) -> None:
    address = {"sub": "ann-id", "email": "Ann@example.com", "email_verified": True}
    token = jwt.encode(address | claims, "a secret of nobody, long enough for HS256")
    entry = RecordedRequest("read", token, {"organization": "club"}, Reply(status, {}, "{}", 1))
    assert operations(entry) == ((Visited("ann-id", "ann@example.com"),) if visited else ())
    assert operations(replace(entry, values={})) == ()


def test_the_payer_is_a_part_of_what_is_repeated(reply: MakeReply) -> None:
    answer = reply(200, {})
    plain = only(chat(answer, Idempotency_Key="key")).same
    assert plain == only(chat(answer, Idempotency_Key="key", X_Use_BYOK="false")).same
    assert plain != only(chat(answer, Idempotency_Key="key", X_Use_BYOK="true")).same
    assert plain != only(chat(answer, Idempotency_Key="key", X_Organization_Id="an-id")).same


def test_the_length_of_an_answer_counts_from_when_it_was_set(reply: MakeReply) -> None:
    longer = RecordedRequest("lengthen", None, {"caller": "cf-ann", "words": 240}, None)
    body = {name: value for name, value in QUESTION.items() if name != "max_tokens"}
    before, after = operations(chat(reply(200, {}), body), longer, chat(reply(200, {}), body))
    assert isinstance(before, Asked)
    assert isinstance(after, Asked)
    assert (before.tokens, before.estimate, after.tokens, after.estimate) == (100, 100, 245, 100)


def acts_of(*entries: RecordedRequest) -> tuple[Act, ...]:
    return acts(entries, NAMES, True)


def sign_in(token: str, began: float = 0, seconds: int = 100) -> RecordedRequest:
    return RecordedRequest(
        composed("sign_in"), token, {"audience": "ops-center", "seconds": seconds}, None, began, began + 1
    )


def token_for(who: str, **claims: Any) -> str:
    return jwt.encode(
        {"sub": who, "aud": ["account", "ops-center"], **claims}, "a secret of nobody, long enough for HS256"
    )


def test_every_entry_is_an_act_also_a_refused_one_in_the_order_of_their_ends() -> None:
    values = {"organization": "club", "credits": 5, "key": None}
    refused = RecordedRequest("purchase", ANN, values, Reply(403, {}, '{"code": "no_admin"}', 1), 1.0, 4.0)
    founded = RecordedRequest("create_organization", ANN, {}, Reply(201, {}, '{"id": "club"}', 1), 2.0, 3.0)
    first, second = acts_of(refused, founded)
    assert first == Act("create_organization", "ann-id", 2.0, 3.0, 201, made="club")
    assert second == Act("purchase", "ann-id", 1.0, 4.0, 403, "no_admin", given=values)
    assert acts_of(RecordedRequest("chat", ANN, {"body": QUESTION, "headers": {}}, None))[0].status is None


def test_an_act_of_the_provider_is_about_the_person_of_that_name() -> None:
    trouble = RecordedRequest("trouble", None, {"caller": "cf-ben", "kind": "slow"}, None)
    assert acts_of(trouble)[0].who == "ben-id"
    assert acts_of(RecordedRequest("trouble", None, {"caller": "else", "kind": "slow"}, None))[0].who == ""


def test_an_act_has_the_llm_request_with_its_tokens(reply: MakeReply) -> None:
    longer = RecordedRequest("lengthen", None, {"caller": "cf-ann", "words": 240}, None)
    body = {name: value for name, value in QUESTION.items() if name != "max_tokens"}
    asked = acts_of(longer, chat(reply(200, {}, {"X-Request-Id": "r1"}), body))[1].asked
    assert asked == Asked("ann-id", "r1", MODEL, 245, 200, estimate=100)
    assert acts_of(longer)[0].asked is None


def test_an_act_knows_the_address_in_the_token_and_whether_it_is_verified() -> None:
    def address(**claims: Any) -> tuple[str, bool, str]:
        (act,) = acts_of(RecordedRequest("read", token_for("ann-id", **claims), {}, None))
        return act.address, act.verified, act.email

    assert address(email="Ann@Example.com") == ("ann@example.com", True, "ann@example.com")
    assert address(email="a@b.c", email_verified=False) == ("a@b.c", False, "")
    assert address() == ("", True, "")


def test_a_token_is_good_after_its_sign_in_and_until_it_ends() -> None:
    token = token_for("ann-id")

    def goodness(began: float, ended: float, used: str | None = token, seconds: int = 100) -> str:
        asked = RecordedRequest("read", used, {}, None, began, ended)
        return acts_of(sign_in(token, seconds=seconds), asked)[-1].token

    assert goodness(5, 97) == "good"
    assert goodness(5, 98) == goodness(103, 104) == "unsure"
    assert goodness(103.5, 104) == "expired"
    assert goodness(5, 6, token_for("ann-id", more=1)) == "forged"
    assert goodness(5, 6, None) == goodness(5, 6, "") == "none"


def test_a_sign_in_for_another_client_gives_no_good_token() -> None:
    good, other = token_for("ann-id"), token_for("ann-id", aud="another")
    asked = RecordedRequest("read", other, {}, None, 5, 6)
    assert acts_of(sign_in(good), sign_in(other), asked)[-1].token == "forged"
    alone = token_for("ann-id", aud="ops-center")
    assert acts_of(sign_in(alone), RecordedRequest("read", alone, {}, None, 5, 6))[-1].token == "good"


def test_a_token_of_a_withdrawn_signing_key_may_be_refused_and_a_newer_one_not() -> None:
    old, new = token_for("ann-id"), token_for("bob-id")
    withdrawn = RecordedRequest("withdraw_signing_key", None, {}, None, 2, 3)
    reads = [RecordedRequest("read", token, {}, None, at, at + 1) for token, at in ((old, 1), (old, 5), (new, 7))]
    made = acts_of(sign_in(old), reads[0], withdrawn, reads[1], sign_in(new, began=6), reads[2])
    assert [act.token for act in made if act.what == "read"] == ["good", "unsure", "good"]


def test_where_no_sign_in_is_known_every_token_is_good_but_none() -> None:
    assert acts_of(RecordedRequest("read", ANN, {}, None))[0].token == "good"
    assert acts_of(RecordedRequest("read", None, {}, None))[0].token == "none"


def test_an_act_is_by_default_with_a_good_token_and_without_an_answer() -> None:
    act = Act("read", "a", 1, 2)
    assert (act.status, act.code, act.token, act.address, act.verified, act.made, act.asked) == (
        (None, "", "good", "", True, "", None)
    )
    assert act.given == {}


def test_a_record_knows_begin_and_end_and_keeps_the_last_of_equal_readings() -> None:
    record = Record()
    record.add("grant", None, None, user_id="ann-id", credits=5)
    record.add("read", ANN, Reply(200, {}, "1", 1), began=1.0, endpoint="EP1")
    record.add("read", ANN, Reply(200, {}, "2", 1), began=2.0, endpoint="EP1")
    record.add("read", ANN, Reply(403, {}, "3", 1), began=3.0, endpoint="EP1")
    record.add("read", ANN, Reply(403, {}, "4", 1), began=4.0, endpoint="EP2")
    record.add("grant", None, None, user_id="ann-id", credits=5)
    record.add("grant", None, None, user_id="ann-id", credits=5)
    entries = record.take()
    assert [entry.reply.text for entry in entries if entry.reply] == ["2", "3", "4"]
    assert [entry.operation for entry in entries] == ["grant", "read", "read", "read", "grant", "grant"]
    assert entries[0].began == entries[0].ended > 0
    assert entries[1].began == 2.0 < entries[1].ended
