"""The audit finds every value of one system that disagrees with the scenario's operations, on a real target.

Each test damages data of the test's own people and repairs it at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import redis
from allure_commons import hookimpl, plugin_manager

from creditflow.actors.bystanders import Bystanders
from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import LlmRequest, new_key, send
from creditflow.actors.people import Person
from creditflow.audit import reconciliation
from creditflow.audit.parties import Parties, history_of
from creditflow.audit.reconciliation import LedgerMismatchError
from creditflow.cleanup.cleanup import Cleanup
from creditflow.core import period
from creditflow.core.prices import PriceList
from creditflow.target.drivers.record import RecordedRequest
from creditflow.target.target import Target

PREFIX = "The ledger disagrees: "


@dataclass
class Scenario:
    """An individual with 500 credits, a member of an organisation with 1,000, who each paid 9, and the bystanders."""

    target: Target
    cast: Cast
    bystanders: Bystanders
    entries: list[RecordedRequest]
    ids: dict[str, str]

    def audited(self, *more: RecordedRequest, seconds: float = 0) -> str:
        """Return the message of the audit; empty if every system agrees."""
        try:
            parties = Parties.of(self.cast, self.bystanders)
            history = history_of(self.target, parties, [*self.entries, *more])
            reconciliation.audit(self.target, parties, history, seconds)
        except LedgerMismatchError as red:
            return str(red)
        return ""

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
def scenario(target: Target) -> Iterator[Scenario]:
    cleanup = Cleanup()
    cast = Cast(target, cleanup, lambda secret: None)
    cast.prices = PriceList({"GPT-3.5-turbo": 9, "GPT-4": 48})
    try:
        bystanders = Bystanders.make(
            target, lambda remove: cleanup.add_finalizer("the bystanders", remove), lambda secret: None
        )
        individual, admin = cast.person("individual", "professional", 500), cast.person("admin", "platform")
        organization = cast.organization("the organisation", admin, credits=1_000)
        member = cast.member("member", organization, 300)
        answer = send(target.ops_center, individual, LlmRequest("GPT-3.5-turbo", 100))
        paid = send(target.ops_center, member, LlmRequest("GPT-3.5-turbo", 100))
        ids = {
            "individual": individual.id,
            "organization": organization.id,
            "admin_email": admin.email,
            "member": member.id,
            "member_email": member.email,
            "request": answer.request_id,
            "paid": paid.request_id,
            "stranger": "00000000-0000-4000-8000-000000000000",
            "bystander": bystanders.cast.people[0].id,
            "their_organization": bystanders.cast.organizations[0].id,
        }
        made = Scenario(target, cast, bystanders, target.record.take(), ids)
        assert made.audited(seconds=10) == ""
        yield made
    finally:
        cleanup.carry_out()


@pytest.fixture
def individual(scenario: Scenario) -> Person:
    return scenario.cast.mentioned("the individual")


class Damage(NamedTuple):
    """How the books are damaged and repaired, and the words of the audit's message."""

    do: str
    undo: str
    says: tuple[str, ...]


def changed(where: str, wrong: str, right: str, *says: str, found_again: str = "") -> Damage:
    """Return the damage of one column of one row; `where` is "table: condition"."""
    table, _, condition = where.partition(": ")
    undo = f"UPDATE {table} SET {right} WHERE {found_again or condition}"
    return Damage(f"UPDATE {table} SET {wrong} WHERE {condition}", undo, says)


OWN_CREDITS = "user_credits: user_id = '{individual}'"
CHARGE = "credit_transactions: request_id = '{request}'"
CALL = "usage_tracking: request_id = '{request}'"
POOL = "organization_credits: org_id = '{organization}'"
SHARE = "organization_members: org_id = '{organization}' AND user_email = '{member_email}'"
ADMINS_SHARE = "organization_members: org_id = '{organization}' AND user_email = '{admin_email}'"
THE_CHARGE, THE_CALL = "usage -9 of request {request:.8}", "100 tokens for 9 of request {request:.8}"

DAMAGES = {
    "a credit too many of a person": changed(
        OWN_CREDITS, "credits_remaining = 492", "credits_remaining = 491",
        "the individual: credits: 492 in user_credits; 492 in the API, expected 491; "
        "unicorn_db has 1 charge of 9 for request {request:.4}",
        "the provider was called once with the platform's key",
    ),
    "a reservation that was not released": changed(
        OWN_CREDITS, "credits_reserved = 4", "credits_reserved = 0",
        "the individual: reserved credits: 4 in unicorn_db, expected 0",
    ),
    "a reservation of a member that was not released": changed(
        SHARE, "reserved_credits = 4", "reserved_credits = 0",
        "the member: reserved credits: 4 in unicorn_db, expected 0",
    ),
    "a reservation of an organisation that was not released": changed(
        POOL, "reserved_credits = 4", "reserved_credits = 0",
        "the organisation: reserved credits: 4 in unicorn_db, expected 0",
    ),
    "a charge lost": changed(
        CHARGE, "user_id = '{stranger}'", "user_id = '{individual}'",
        f"the individual: movements: credit_transactions lacks {THE_CHARGE}",
        "500 in the sum of credit_transactions, expected 491",
        "no credits were deducted although the provider was called once",
    ),
    "a charge too many": Damage(
        "INSERT INTO credit_transactions (user_id, amount, transaction_type, description, request_id) "
        "VALUES ('{individual}', -9, 'usage', 'too many', '{stranger}')",
        "DELETE FROM credit_transactions WHERE user_id = '{individual}' AND description = 'too many'",
        ("the individual: movements: credit_transactions has usage -9 of request 00000000 too many",
         "unicorn_db has 1 charge of 9 for request {request:.4} and 1 charge of 9 for request 0000"),
    ),
    "a charge of another amount": changed(
        CHARGE, "amount = -10", "amount = -9",
        f"the individual: movements: credit_transactions lacks {THE_CHARGE} and has usage -10",
    ),
    "a charge given back": Damage(
        "INSERT INTO credit_transactions (user_id, amount, transaction_type, description, request_id) "
        "VALUES ('{individual}', 9, 'refund', 'too many', '{request}')",
        "DELETE FROM credit_transactions WHERE user_id = '{individual}' AND description = 'too many'",
        ("the individual: credits: 500 in the sum of credit_transactions, expected 491",
         "the individual: movements: credit_transactions has refund +9 of request {request:.8} too many"),
    ),
    "a charge of a request that nobody made": changed(
        CHARGE, "request_id = '{stranger}'", "request_id = '{request}'",
        f"lacks {THE_CHARGE} and has usage -9 of request 00000000 too many",
        found_again="request_id = '{stranger}'",
    ),
    "a charge on the organisation": changed(
        CHARGE, "org_id = '{organization}'", "org_id = NULL",
        "the organisation: credits: 982 in the sum of credit_transactions, expected 991",
        f"the organisation: movements: credit_transactions has {THE_CHARGE} too many",
        "paid by an organisation",
    ),
    "a call at another cost": changed(
        CALL, "credits = 8", "credits = 9",
        f"counted calls: usage_tracking lacks {THE_CALL} and has 100 tokens for 8 of request",
    ),
    "a call of other tokens": changed(
        CALL, "tokens = 99", "tokens = 100",
        f"counted calls: usage_tracking lacks {THE_CALL} and has 99 tokens for 9 of request",
    ),
    "a call that is not the asker's": changed(
        CALL, "user_id = '{stranger}'", "user_id = '{individual}'",
        "the individual: calls of this month: 0 in usage_tracking, expected 1",
        f"counted calls: usage_tracking lacks {THE_CALL}",
    ),
    "a call of another month": changed(
        CALL, "created_at = created_at - interval '40 days'", "created_at = created_at + interval '40 days'",
        "the individual: calls of this month: 0 in usage_tracking, expected 1",
    ),
    "a call that names another payer": changed(
        "usage_tracking: request_id = '{paid}'", "org_id = NULL", "org_id = '{organization}'",
        "the member: counted calls: usage_tracking lacks",
    ),
    "a credit too many of an organisation": changed(
        POOL, "total_credits = 992", "total_credits = 991",
        "the organisation: credits: 992 in organization_credits; 992 in the API, expected 991; "
        "unicorn_db has 992 total and 291 allocated credits for the organisation",
    ),
    "a credit too many allocated": changed(
        POOL, "allocated_credits = 292", "allocated_credits = 291",
        "the organisation: allocated credits: 292 in organization_credits; 292 in the API, expected 291",
    ),
    "a member who used less": changed(
        SHARE, "used_credits = 8", "used_credits = 9",
        "the member in the organisation: allocation used: 8 in organization_members, expected 9",
        "the organisation: allocated credits: 292 in organization_members, expected 291",
    ),
    "a member who is somebody else": changed(
        ADMINS_SHARE, "user_email = 'else@example.com'", "user_email = '{admin_email}'",
        "the admin in the organisation: allocation left: none in organization_members, expected 0",
        "else@example.com in the organisation: allocation left: 0 in organization_members, expected none",
        found_again="user_email = 'else@example.com'",
    ),
    "an organisation without credits": Damage(
        "DELETE FROM organization_credits WHERE org_id = '{organization}'",
        "INSERT INTO organization_credits (org_id, total_credits, allocated_credits) "
        "VALUES ('{organization}', 991, 291)",
        ("the organisation: credits: none in organization_credits",
         "unicorn_db has no credits row for the organisation"),
    ),
    "a bystander's credits": changed(
        "user_credits: user_id = '{bystander}'", "credits_remaining = 999", "credits_remaining = 1000",
        "the bystander: credits: 999 in user_credits, expected 1,000", "the bystander asked nothing",
    ),
    "the bystanders' organisation": changed(
        "organization_credits: org_id = '{their_organization}'", "total_credits = 999", "total_credits = 1000",
        "the bystanders' organisation: credits: 999 in organization_credits, expected 1,000",
    ),
    "a charge of a bystander": Damage(
        "INSERT INTO credit_transactions (user_id, amount, transaction_type, description, request_id) "
        "VALUES ('{bystander}', -9, 'usage', 'too many', '{stranger}')",
        "DELETE FROM credit_transactions WHERE user_id = '{bystander}' AND description = 'too many'",
        ("the bystander: movements: credit_transactions has usage -9 of request 00000000 too many",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_row_is_red_and_the_sentence_names_whose_what_and_where(scenario: Scenario, damage: Damage) -> None:
    with scenario.damaged(damage.do, damage.undo):
        said = scenario.audited()
    assert said.startswith(PREFIX)
    for words in damage.says:
        assert words.format(**scenario.ids) in said
    assert scenario.audited() == ""


def test_a_counter_that_is_off_by_one_is_red(
    scenario: Scenario, individual: Person, deployment: dict[str, str]
) -> None:
    counter = f"usage:{individual.id}:{period.name()}:calls"
    with redis.Redis.from_url(deployment["REDIS_URL"]) as cache:
        cache.incr(counter)
        try:
            said = scenario.audited()
        finally:
            cache.decr(counter)
    assert said.startswith(f"{PREFIX}the individual: calls of this month: 2 in the API, expected 1; ")
    assert "the individual: counter: 2 in Redis, expected 1" in said


def test_a_counter_that_is_gone_though_nobody_removed_it_is_red(
    scenario: Scenario, individual: Person, deployment: dict[str, str]
) -> None:
    counter = f"usage:{individual.id}:{period.name()}:calls"
    lost = RecordedRequest("forget_counter", None, {"user_id": individual.id}, None)
    with redis.Redis.from_url(deployment["REDIS_URL"]) as cache:
        kept, seconds = cache.get(counter), cache.ttl(counter)
        cache.delete(counter)
        try:
            verdicts = scenario.audited(), scenario.audited(lost)
        finally:
            cache.set(counter, kept, ex=seconds)
    assert "the individual: counter: none in Redis, expected 1" in verdicts[0]
    assert verdicts[1] == ""


def test_a_provider_call_that_no_request_asked_for_is_red(scenario: Scenario, individual: Person) -> None:
    before = len(scenario.target.provider.calls(individual.name))
    body = {"model": "openai/gpt-3.5-turbo", "messages": [{"role": "user", "content": f"{individual.name} q0"}]}
    scenario.target.litellm.chat(body)
    asked_past = scenario.target.record.take()
    assert len(scenario.target.provider.calls(individual.name)) == before + 1
    said = scenario.audited()
    assert said.startswith(
        f"{PREFIX}the individual: provider calls with the platform's key: 2 in the provider's journal, expected 1; "
    )
    assert scenario.audited(*asked_past) == ""
    scenario.entries += asked_past


def test_an_event_that_no_request_made_is_red(target: Target, cast: Cast) -> None:
    individual, transaction = cast.person("individual", "professional"), new_key()
    event = {"transaction_id": transaction, "external_subscription_id": individual.subscription, "code": "api_call"}
    token = target.settings.lago_api_key.get_secret_value()
    sent = target.lago.http.send("POST", "/api/v1/events", token=token, body={"event": event})
    assert sent.status == 200, sent.text
    parties = Parties.of(cast, None)
    history = history_of(target, parties, target.record.take())
    with pytest.raises(LedgerMismatchError) as red:
        reconciliation.audit(target, parties, history, 0.5)
    assert str(red.value).startswith(
        f"within 0.5 s: {PREFIX}the individual: events in Lago: Lago has event of request "
    )
    assert f"event of request {transaction[:8]} for {individual.subscription} too many" in str(red.value)


def test_a_request_without_an_answer_is_red_although_every_system_agrees(
    scenario: Scenario, individual: Person
) -> None:
    unanswered = RecordedRequest("chat", individual.token, {"body": {}, "headers": {}}, None)
    assert scenario.audited(unanswered) == (
        "The ledger can't tell: the individual asked and no answer came: it may have been charged."
    )


class Page:
    """Collects the tables on the scenario's page."""

    def __init__(self) -> None:
        self.html = ""

    @hookimpl
    def add_description_html(self, test_description_html: str) -> None:
        self.html += test_description_html

    def rows(self, marked: bool) -> list[list[str]]:
        """Return the cells of the rows that are marked, or of the others."""
        found = re.findall(r"<tr([^>]*)>(.*?)</tr>", self.html)
        return [re.findall(r"<td[^>]*>(.*?)</td>", cells) for style, cells in found if bool(style) is marked]


@pytest.fixture
def page() -> Iterator[Page]:
    listener = Page()
    plugin_manager.register(listener)
    yield listener
    plugin_manager.unregister(listener)


def test_the_report_shows_who_had_what_before_and_after_and_that_nothing_differs(
    scenario: Scenario, page: Page
) -> None:
    assert scenario.audited() == ""
    where = "nowhere: the sum of credit_transactions, user_credits, the API"
    assert ["the individual", "credits", "500", "491", "491", where] in page.rows(marked=False)
    assert page.rows(marked=True) == []


def test_the_report_marks_where_it_differs(scenario: Scenario, page: Page) -> None:
    with scenario.damaged(DAMAGES["a credit too many of a person"].do, DAMAGES["a credit too many of a person"].undo):
        assert scenario.audited()
    where = "user_credits: 492; the API: 492"
    assert page.rows(marked=True) == [["the individual", "credits", "500", "492", "491", where]]


def test_a_bystander_who_changed_has_a_row_of_their_own(scenario: Scenario, page: Page) -> None:
    with scenario.damaged(DAMAGES["a bystander's credits"].do, DAMAGES["a bystander's credits"].undo):
        assert scenario.audited()
    assert [row[:2] for row in page.rows(marked=True)] == [["the bystander", "credits"]]
    assert ["the bystanders", "everything else"] in [row[:2] for row in page.rows(marked=False)]


def test_of_a_scenario_without_people_nothing_is_asked(target: Target, cleanup: Cleanup) -> None:
    nobody = Cast(target, cleanup, lambda secret: None)
    foreign = RecordedRequest("chat", None, {"body": {}, "headers": {}}, None)
    parties = Parties.of(nobody, None)
    reconciliation.audit(target, parties, history_of(target, parties, [foreign]), 0)
