"""Every check of the accounts is red when the books are wrong in one place, on a real target.

Each test damages data of the test's own people and repairs it at its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import Answer, LlmRequest, send
from creditflow.actors.people import Organization, Person
from creditflow.checks import diagnosis
from creditflow.checks.accounts import Accounts, HistoryEntry
from creditflow.cleanup.cleanup import Cleanup
from creditflow.core import period
from creditflow.core.expect import Finding, agree, verdict
from creditflow.core.prices import PriceList
from creditflow.target.settings import load
from creditflow.target.target import Target

MODEL = "openai/gpt-3.5-turbo"


@dataclass
class Books:
    """An individual of 10,000 credits and a member of an organisation of 10,000, who each paid 9 for one request.

    The member's allocation is 2,500. The neighbour has 500 credits and sent no request.
    """

    target: Target
    cast: Cast
    accounts: Accounts
    individual: Person
    neighbour: Person
    member: Person
    organization: Organization
    answer: Answer
    ids: dict[str, str]

    def carry_out(self, statement: str) -> None:
        """Carry out a statement in `unicorn_db` with the ids of the parties in the place of their `{names}`."""
        self.target.grants.database.rows(statement.format(**self.ids))

    @contextmanager
    def damaged(self, damage: str, repair: str) -> Iterator[None]:
        """Damage the books, and repair them at the end."""
        self.carry_out(damage)
        try:
            yield
        finally:
            self.carry_out(repair)


@pytest.fixture(scope="module")
def books(target: Target) -> Iterator[Books]:
    cleanup = Cleanup()
    cast = Cast(target, cleanup, lambda secret: None)
    try:
        cast.prices = PriceList({"GPT-3.5-turbo": 9, "GPT-4": 48})
        individual = cast.person("individual", "professional", 10_000)
        neighbour = cast.person("neighbour", "professional", 500)
        organization = cast.organization("the organisation", cast.person("admin", "platform"), credits=10_000)
        member = cast.member("member", organization, 2_500)
        answer = send(target.ops_center, individual, LlmRequest("GPT-3.5-turbo", 100))
        paid = send(target.ops_center, member, LlmRequest("GPT-3.5-turbo", 100))
        assert answer.arrived
        assert paid.arrived
        ids = {
            "individual": individual.id,
            "neighbour": neighbour.id,
            "member": member.id,
            "member_email": member.email,
            "organization": organization.id,
            "request": answer.request_id,
            "member_request": paid.request_id,
        }
        accounts = Accounts(target, cast)
        yield Books(target, cast, accounts, individual, neighbour, member, organization, answer, ids)
    finally:
        cleanup.carry_out()


CHECKS: dict[str, Callable[[Books], None]] = {
    "credits": lambda b: b.accounts.credits(b.individual, 9_991),
    "charges": lambda b: b.accounts.charges(b.individual, [9]),
    "calls": lambda b: b.accounts.calls(b.individual, 1, 10_000),
    "counter": lambda b: b.accounts.counter(b.individual, 1),
    "one call": lambda b: b.accounts.one_call(b.answer, 100, 9),
    "provider": lambda b: b.accounts.provider_calls(b.individual, 0, 1),
    "exact": lambda b: b.accounts.exact(b.answer),
    "stated": lambda b: b.accounts.stated(b.answer, 9, 9_991),
    "spent": lambda b: b.accounts.spent(b.individual, 9),
    "history": lambda b: b.accounts.history(b.individual, [HistoryEntry(MODEL, 100, 9, False)]),
    "page": lambda b: b.accounts.page(b.individual, b.target.ops_center.history(b.individual.token), 100, 9),
    "nothing held": lambda b: b.accounts.nothing_held(b.individual),
    "nothing held for the member": lambda b: b.accounts.nothing_held(b.member),
    "no organisation charged": lambda b: b.accounts.no_organization_charged(b.individual),
    "no individual charged": lambda b: b.accounts.no_individual_charged(b.member),
    "allocation": lambda b: b.accounts.allocation(b.member, b.organization, 2_491),
    "used": lambda b: b.accounts.used(b.member, b.organization, 9),
    "organisation": lambda b: b.accounts.organization(b.organization, 9_991, 7_500),
    "attribution": lambda b: b.accounts.attribution(b.organization, [(b.member, 9, 1)]),
}


class Damage(NamedTuple):
    """How the books are damaged and repaired, which check must be red, and the words of its message."""

    check: str
    what: str
    do: str
    undo: str
    says: tuple[str, ...]


def changed(check: str, what: str, where: str, wrong: str, right: str, *says: str) -> Damage:
    """Return the damage of one column of one row; `where` is "table: condition"."""
    table, _, condition = where.partition(": ")
    update = f"UPDATE {table} SET {{}} WHERE {condition}"
    return Damage(check, what, update.replace("{}", wrong), update.replace("{}", right), says)


def added(check: str, what: str, who: str, org: str, amount: int, kind: str, *says: str) -> Damage:
    """Return the damage of one movement too many."""
    return Damage(
        check,
        what,
        "INSERT INTO credit_transactions (user_id, org_id, amount, transaction_type, description, request_id) "
        f"VALUES ('{who}', {org}, {amount}, '{kind}', 'too many', gen_random_uuid())",
        f"DELETE FROM credit_transactions WHERE user_id = '{who}' AND description = 'too many'",
        says,
    )


OWN_CREDITS = "user_credits: user_id = '{individual}'"
CALL = "usage_tracking: request_id = '{request}'"
CHARGE = "credit_transactions: request_id = '{request}'"
POOL = "organization_credits: org_id = '{organization}'"
SHARE = "organization_members: org_id = '{organization}' AND user_email = '{member_email}'"
MEMBER_CALL = "usage_tracking: request_id = '{member_request}'"
MORE, LESS = "credits_remaining = credits_remaining + 1", "credits_remaining = credits_remaining - 1"

DAMAGES = [
    changed(
        "credits", "one credit too many of their own", OWN_CREDITS, MORE, LESS,
        "the individual has 9,992 credits in the API, expected 9,991",
        "the individual has 9,992 credits in unicorn_db (user_credits), expected 9,991",
        "unicorn_db has 1 charge of 9 for request ",
        "the provider was called once",
    ),
    changed(
        "credits", "one credit too few of their own", OWN_CREDITS, LESS, MORE,
        "the individual has 9,990 credits in unicorn_db (user_credits), expected 9,991",
    ),
    added(
        "credits", "a second charge", "{individual}", "NULL", -9, "usage",
        "the movements of the individual add up to 9,982 credits in unicorn_db (credit_transactions), expected 9,991",
    ),
    changed(
        "credits", "a charge of another amount", CHARGE, "amount = -10", "amount = -9",
        "the movements of the individual add up to 9,990 credits in unicorn_db (credit_transactions), expected 9,991",
    ),
    changed(
        "credits", "a charge on another's account", CHARGE,
        "user_id = '{neighbour}'", "user_id = '{individual}'",
        "the movements of the individual add up to 10,000 credits in unicorn_db (credit_transactions), expected 9,991",
    ),
    added(
        "charges", "a second charge", "{individual}", "NULL", -9, "usage",
        "the charges on the account of the individual are ", ", expected 9",
    ),
    added(
        "charges", "a charge too many on the organisation", "{individual}", "'{organization}'", -1, "usage",
        "the charges on the account of the individual are 1 and 9 in unicorn_db (credit_transactions), expected 9",
    ),
    changed(
        "charges", "a charge on another's account", CHARGE,
        "user_id = '{neighbour}'", "user_id = '{individual}'",
        "the charges on the account of the individual are none in unicorn_db (credit_transactions), expected 9",
    ),
    changed(
        "charges", "a charge for a request that nobody made", CHARGE,
        "request_id = '{organization}'", "request_id = '{request}'",
        "the charges of the individual (credit_transactions) and their charged calls (usage_tracking) "
        "are not of the same requests",
    )._replace(undo="UPDATE credit_transactions SET request_id = '{request}' WHERE request_id = '{organization}'"),
    changed(
        "charges", "a call of another cost", CALL, "credits = 8", "credits = 9",
        "the charged calls of the individual cost 8 in unicorn_db (usage_tracking), expected 9",
    ),
    changed(
        "charges", "a call that is not recorded for them", CALL,
        "user_id = '{neighbour}'", "user_id = '{individual}'",
        "the charged calls of the individual cost none in unicorn_db (usage_tracking), expected 9",
    ),
    changed(
        "calls", "a call that is not recorded for them", CALL,
        "user_id = '{neighbour}'", "user_id = '{individual}'",
        "the individual has 0 calls in unicorn_db (usage_tracking), expected 1",
    ),
    changed(
        "calls", "a call in the last period", CALL,
        "created_at = created_at - interval '32 days'", "created_at = created_at + interval '32 days'",
        "the individual has 0 calls in unicorn_db (usage_tracking), expected 1",
    ),
    changed(
        "calls", "a call too many", MEMBER_CALL, "user_id = '{individual}'", "user_id = '{member}'",
        "the individual has 2 calls in unicorn_db (usage_tracking), expected 1",
    ),
    changed(
        "one call", "other tokens", CALL, "tokens = 101", "tokens = 100",
        "the counted calls are ", "101", "(usage_tracking), expected ", "100",
    ),
    changed(
        "one call", "paid by an own key", CALL, "byok = true", "byok = false",
        "the counted calls are ", "(usage_tracking)",
    ),
    changed(
        "one call", "a failed call", CALL, "status = 502", "status = 200",
        "the counted calls are ", "502", "(usage_tracking), expected ",
    ),
    changed(
        "history", "another model", CALL, "model = 'openai/gpt-4'", f"model = '{MODEL}'",
        "the history of the individual reads openai/gpt-4", f"expected {MODEL}",
    ),
    changed("page", "other tokens", CALL, "tokens = 101", "tokens = 100", " has 101 tokens, expected 100"),
    changed("page", "another cost", CALL, "credits = 8", "credits = 9", " cost 8 credits, expected 9"),
    changed(
        "page", "somebody else's call", MEMBER_CALL, "user_id = '{individual}'", "user_id = '{member}'",
        "the requests in the individual's history that are not theirs are ", ", expected none",
    ),
    changed(
        "spent", "a call of another cost", CALL, "credits = 8", "credits = 9",
        "the usage page of the individual shows 8 credits, expected 9",
    ),
    changed(
        "nothing held", "a reservation left", OWN_CREDITS, "credits_reserved = 5", "credits_reserved = 0",
        "the individual has 5 reserved credits in unicorn_db, expected 0",
    ),
    changed(
        "nothing held for the member", "a reservation left", SHARE, "reserved_credits = 48", "reserved_credits = 0",
        "the member has 48 reserved credits in unicorn_db, expected 0",
    ),
    added(
        "no organisation charged", "an organisation paid", "{individual}", "'{organization}'", -9, "usage",
        "organisations have 1 movements for the individual in unicorn_db (credit_transactions), expected 0",
    ),
    added(
        "no individual charged", "the member paid too", "{member}", "NULL", -9, "usage",
        "the member has 1 movements of their own credits in unicorn_db (credit_transactions), expected 0",
    ),
    changed(
        "allocation", "used once more", SHARE, "used_credits = 18", "used_credits = 9",
        "the member has 2,482 credits of their allocation left in the API, expected 2,491",
        "the member has 2,482 credits of their allocation left in unicorn_db (organization_members), expected 2,491",
        "the organisation's page gives the member 2,482 credits to spend, expected 2,491",
    ),
    changed(
        "allocation", "allocated one more", SHARE, "allocated_credits = 2501", "allocated_credits = 2500",
        "the member has 2,492 credits of their allocation left in unicorn_db (organization_members), expected 2,491",
    ),
    changed(
        "used", "used once more", SHARE, "used_credits = 18", "used_credits = 9",
        "the member has used 18 credits of their allocation in the API, expected 9",
        "the member has used 18 credits of their allocation in unicorn_db (organization_members), expected 9",
    ),
    changed(
        "organisation", "one credit too many", POOL,
        "total_credits = total_credits + 1", "total_credits = total_credits - 1",
        "the organisation has 9,992 credits in the API, expected 9,991",
        "the organisation has 9,992 credits in unicorn_db (organization_credits), expected 9,991",
        "the organisation has 7,501 unallocated credits in the API, expected 7,500",
    ),
    changed(
        "organisation", "one credit too few allocated", POOL,
        "allocated_credits = allocated_credits - 1", "allocated_credits = allocated_credits + 1",
        "the organisation has 2,490 allocated credits in unicorn_db (organization_credits), expected 2,491",
    ),
    added(
        "organisation", "a second purchase", "{member}", "'{organization}'", 10_000, "purchase",
        "the movements of the organisation add up to 19,991 credits in unicorn_db (credit_transactions), expected",
    ),
    added(
        "organisation", "a second charge", "{member}", "'{organization}'", -9, "usage",
        "the movements of the organisation add up to 9,982 credits in unicorn_db (credit_transactions), expected 9,991",
        "the member",
    ),
    changed(
        "attribution", "a call of another cost", MEMBER_CALL, "credits = 10", "credits = 9",
        "the breakdown gives the member 10 credits, expected 9",
    ),
    changed(
        "attribution", "a call that nobody owns", MEMBER_CALL, "org_id = NULL", "org_id = '{organization}'",
        "the breakdown gives the member ", "expected 9", "expected 1",
    ),
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_books_that_are_right_are_green(books: Books, check: str) -> None:
    CHECKS[check](books)


@pytest.mark.parametrize("damage", DAMAGES, ids=[f"{d.check}-{d.what}" for d in DAMAGES])
def test_a_check_goes_red_when_the_books_are_wrong_and_says_where(books: Books, damage: Damage) -> None:
    check = CHECKS[damage.check]
    check(books)
    with books.damaged(damage.do, damage.undo):
        said = verdict(lambda: check(books))
    assert said is not None, f"{damage.what}: '{damage.check}' stayed green"
    for part in damage.says:
        assert part in said
    check(books)


def test_a_counter_that_is_wrong_or_gone_is_red(books: Books, cache: Any) -> None:
    key = f"usage:{books.individual.id}:{period.name()}:calls"
    assert cache.get(key) == "1"
    cache.set(key, 7, keepttl=True)
    wrong = verdict(lambda: CHECKS["counter"](books))
    kept = cache.ttl(key)
    cache.delete(key)
    gone = verdict(lambda: CHECKS["counter"](books))
    cache.set(key, 1, ex=kept)
    assert wrong is not None
    assert "the counter of the individual is at 7 in Redis, expected 1; unicorn_db has 1 charge of 9" in wrong
    assert gone is not None
    assert "the counter of the individual is at none in Redis, expected 1" in gone
    CHECKS["counter"](books)


def test_a_provider_that_was_asked_without_a_charge_is_red_with_the_hint_of_what_may_be_off(books: Books) -> None:
    who = books.neighbour
    books.accounts.provider_total(who, 0)
    content = f"{who.name} past Ops-Center and without a charge"
    answered = books.target.litellm.chat(
        {"model": MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": 5}
    )
    assert answered == 200
    total = verdict(lambda: books.accounts.provider_total(who, 0))
    keys = verdict(lambda: books.accounts.provider_calls(who, 0, 0))
    books.target.provider.forget(who.name)
    assert total is not None
    assert total.startswith("the provider was called 1 times for the neighbour, expected 0; ")
    assert "no credits were deducted although the provider was called once for the neighbour" in total
    assert "check that it is enabled in the API router" in total
    assert keys is not None
    assert "with the platform's key for the neighbour, expected 0" in keys


def test_the_wrong_key_is_red(books: Books) -> None:
    with pytest.raises(AssertionError) as red:
        books.accounts.provider_calls(books.individual, own_key=1, platform_key=0)
    assert "called 0 times with the own key of the individual, expected 1" in str(red.value)
    assert "called 1 times with the platform's key for the individual, expected 0" in str(red.value)


@pytest.mark.parametrize(
    ("check", "field", "value", "says"),
    [
        ("stated", "cost_credits", 10, "it cost 10 credits, expected 9"),
        ("stated", "cost_credits", "9", "it cost '9' (of the type str) credits, expected 9"),
        ("stated", "credits_remaining", 9_990, "9,990 credits are left, expected 9,991"),
        ("stated", "byok_used", True, ": yes, expected no"),
        ("exact", "usage", {"total_tokens": 99}, "the provider reported 99 tokens, expected 100"),
        ("exact", "usage", None, "the provider reported none tokens, expected 100"),
    ],
)
def test_an_answer_that_states_something_else_is_red(
    books: Books, check: str, field: str, value: Any, says: str
) -> None:
    text = json.dumps(books.answer.reply.body | {field: value})
    answer = replace(books.answer, reply=replace(books.answer.reply, text=text))
    with pytest.raises(AssertionError) as red:
        CHECKS[check](replace(books, answer=answer))
    assert says in str(red.value)
    assert "unicorn_db has 1 charge of 9" in str(red.value)


def test_a_cost_that_is_not_the_price_list_s_is_a_mistake_in_the_feature(books: Books) -> None:
    books.accounts.priced("GPT-3.5-turbo", 100, 9)
    with pytest.raises(AssertionError, match="100 tokens of GPT-4 cost 48 by the feature's prices, expected 47"):
        books.accounts.priced("GPT-4", 100, 47)


def test_a_double_charge_reads_as_person_system_expected_found_and_what_was_recorded(
    books: Books, deployment: dict[str, str]
) -> None:
    """PostgreSQL refuses to charge a request twice here, so the checks read a temporary table of their own session."""
    target = Target(load({}, {k: v for k, v in deployment.items() if k != "UNICORN_DB_READ_URL"}))
    database = target.unicorn.database
    try:
        database.rows("SET default_transaction_read_only = off")
        database.rows("CREATE TEMP TABLE credit_transactions (LIKE public.credit_transactions)")
        for _ in ("as it was", "once more"):
            database.rows(
                "INSERT INTO pg_temp.credit_transactions SELECT * FROM public.credit_transactions WHERE user_id = %s "
                "AND (transaction_type = 'usage' OR NOT EXISTS (SELECT 1 FROM pg_temp.credit_transactions))",
                books.individual.id,
            )
        nine_less = (
            "UPDATE user_credits SET credits_remaining = credits_remaining {} 9 WHERE user_id = '{{individual}}'"
        )
        with books.damaged(nine_less.format("-"), nine_less.format("+")):
            said = verdict(lambda: Accounts(target, books.cast).credits(books.individual, 9_991))
    finally:
        target.close()
    request = books.answer.request_id[:4]
    assert said is not None
    assert said.startswith("the individual has 9,982 credits in the API, expected 9,991; ")
    assert "the individual has 9,982 credits in unicorn_db (user_credits), expected 9,991; " in said
    assert f"unicorn_db has 2 charges of 9 for request {request} (credit_transactions)" in said
    assert "; the provider was called once" in said
    assert "Traceback" not in said
    assert "\n" not in said


def test_a_real_provider_s_own_count_moves_the_figures_by_the_feature_s_price_and_nothing_else(
    cast: Cast, deployment: dict[str, str]
) -> None:
    """The stand-in reports 100 tokens where 200 were announced, like a provider that counts its own tokens."""
    person = cast.person("individual", "professional", 10_000)
    answer = send(cast.target.ops_center, person, LlmRequest("GPT-3.5-turbo", 200, text="Hello, this is a test."))
    assert answer.reported_tokens == 100
    real = Target(load({}, {k: v for k, v in deployment.items() if k not in ("PROVIDER_URL", "UNICORN_DB_URL")}))
    try:
        accounts = Accounts(real, cast)
        accounts.credits(person, 9_982)
        accounts.charges(person, [18])
        accounts.stated(answer, 18, 9_982)
        accounts.spent(person, 18)
        accounts.one_call(answer, 200, 18)
        for wrong in (9_981, 9_983, 9_991):
            with pytest.raises(AssertionError, match=r"has 9,991 credits in the API"):
                accounts.credits(person, wrong)
        with pytest.raises(AssertionError):
            accounts.charges(person, [9])
    finally:
        real.close()
    with pytest.raises(AssertionError, match="the provider reported 100 tokens, expected 200"):
        Accounts(cast.target, cast).exact(answer)
    with pytest.raises(AssertionError, match="has 9,991 credits in the API, expected 9,982"):
        Accounts(cast.target, cast).credits(person, 9_982)


def test_a_repetition_on_a_real_provider_moves_the_figures_once(cast: Cast, deployment: dict[str, str]) -> None:
    person = cast.person("individual", "professional", 10_000)
    request = LlmRequest("GPT-3.5-turbo", 200, key="once-and-again", text="Hello, this is a test.")
    first, again = (send(cast.target.ops_center, person, request) for _ in range(2))
    assert (first.reply.status, again.reply.status) == (200, 200)
    real = Target(load({}, {k: v for k, v in deployment.items() if k not in ("PROVIDER_URL", "UNICORN_DB_URL")}))
    try:
        accounts = Accounts(real, cast)
        accounts.credits(person, 9_982)
        accounts.charges(person, [18])
        accounts.spent(person, 18)
        accounts.movements(person, [("grant", 10_000), ("usage", -18)])
        with pytest.raises(
            AssertionError, match="where the feature announces 200, so that 9 credits are due instead of 18"
        ):
            accounts.credits(person, 9_973)
    finally:
        real.close()


def test_what_is_recorded_of_somebody_who_asked_nothing_says_so(books: Books) -> None:
    said = diagnosis.of_person(books.target, books.neighbour)
    assert "unicorn_db has no charge (credit_transactions)" in said
    assert "no calls of the neighbour are counted (usage_tracking)" in said
    assert "the provider was called never" in said
    assert "the neighbour asked nothing" in said
    assert diagnosis.why_no_key(books.target, books.neighbour).startswith(
        f"no key is stored for user id {books.neighbour.id} (user_byok_keys)"
    )


def test_what_can_not_be_asked_is_left_out_or_named_and_never_hides_the_mismatch(
    books: Books, deployment: dict[str, str]
) -> None:
    away = {"PROVIDER_URL": "http://127.0.0.1:9", "UNICORN_DB_READ_URL": deployment["UNICORN_DB_READ_URL"]}
    target = Target(load({}, {**deployment, **away}))
    try:
        said = diagnosis.of_person(target, books.individual)
    finally:
        target.close()
    assert "unicorn_db has 1 charge of 9" in said
    assert "The provider stand-in at http://127.0.0.1:9 can't be reached" in said
    with pytest.raises(AssertionError, match=r"^X is 1, expected 2; unicorn_db has 1 charge"):
        agree([Finding("X is", 1, 2)], lambda: said)
