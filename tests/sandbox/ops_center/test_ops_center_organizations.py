"""Organisations: permissions, and the credits that change."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Organization, Person

    Problem = Callable[[requests.Response, int, str], dict[str, Any]]

UNKNOWN = str(uuid.uuid4())
MEMBERS_MAY = [
    ("GET", "/credits/organization/{}"),
    ("GET", "/credits/organization/{}/my-allocation"),
    ("GET", "/org/{}"),
]
ADMINS_MAY = [
    ("POST", "/credits/organization/{}/purchase", {"amount": 1}),
    ("POST", "/credits/organization/{}/allocate", {"user_email": "a@example.com", "credits": 1}),
    ("GET", "/credits/organization/{}/usage-attribution", None),
    ("POST", "/org/{}/invite", {"email": "a@example.com", "role": "member"}),
    ("DELETE", "/org/{}", None),
]


def test_who_makes_an_organisation_is_its_admin(center: Deployment) -> None:
    person = center.person()

    made = person.post("/org", {"name": "Test Organization", "subscription_tier": "platform"}).json()

    assert made.keys() == {"id", "name", "subscription_tier", "created_at"}
    assert (made["name"], made["subscription_tier"]) == ("Test Organization", "platform")
    shown = person.get(f"/org/{made['id']}").json()
    assert shown == made | {"members": [{"user_email": person.email, "role": "admin", "allocated": 0, "used": 0}]}
    assert person.delete(f"/org/{made['id']}").status_code == 204


@pytest.mark.parametrize(("method", "path"), MEMBERS_MAY)
def test_what_members_may_strangers_may_not(
    organization: Organization, bystander: Person, problem: Problem, method: str, path: str
) -> None:
    member = organization.member()

    problem(bystander.call(method, path.format(organization.id)), 403, "not_a_member")
    problem(bystander.call(method, path.format(UNKNOWN)), 404, "organization_not_found")
    assert member.call(method, path.format(organization.id)).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), ADMINS_MAY)
def test_what_admins_may_members_may_not(
    *, organization: Organization, bystander: Person, problem: Problem, method: str, path: str, body: object
) -> None:
    member = organization.member()

    problem(member.call(method, path.format(organization.id), json=body), 403, "admin_required")
    problem(bystander.call(method, path.format(organization.id), json=body), 403, "not_a_member")
    problem(bystander.call(method, path.format(UNKNOWN), json=body), 404, "organization_not_found")
    assert organization.credits()["total_credits"] == 10_000


def test_a_purchase_adds_to_the_total(center: Deployment, organization: Organization) -> None:
    answer = organization.purchase(500)

    assert answer.status_code == 201
    body = answer.json()
    assert (body["org_id"], body["amount"], body["total_credits"]) == (organization.id, 500, 10_500)
    [row] = center.sql("SELECT * FROM credit_transactions WHERE id = %s", body["transaction_id"])
    assert (row["amount"], row["transaction_type"], row["org_id"]) == (500, "purchase", organization.id)
    assert organization.credits() == {
        "org_id": organization.id,
        "total_credits": 10_500,
        "allocated_credits": 0,
        "unallocated_credits": 10_500,
    }


@pytest.mark.parametrize("amount", [0, -5, 1.5, "10", True, None, 2**31])
def test_only_a_positive_whole_number_can_be_purchased_or_allocated(
    organization: Organization, problem: Problem, amount: Any
) -> None:
    problem(organization.purchase(amount), 422, "invalid_request")
    problem(organization.allocate(organization.admin, amount), 422, "invalid_request")


def test_a_total_that_no_integer_holds_is_refused(organization: Organization, problem: Problem) -> None:
    problem(organization.purchase(2**31 - 1), 422, "amount_too_large")
    assert organization.credits()["total_credits"] == 10_000


def test_an_allocation_adds_to_what_the_member_has(organization: Organization) -> None:
    member = organization.member(2000)

    answer = organization.allocate(member, 500)

    assert answer.status_code == 200
    assert answer.json() == {"user_email": member.email, "allocated": 2500, "used": 0, "remaining": 2500}
    assert organization.credits()["unallocated_credits"] == 7500
    assert member.get(f"{organization.path}/my-allocation").json() == {
        "allocated": 2500,
        "used": 0,
        "remaining": 2500,
    }


def test_more_than_is_unallocated_can_not_be_allocated(organization: Organization, problem: Problem) -> None:
    member = organization.member(9999)

    problem(organization.allocate(member, 2), 409, "insufficient_unallocated_credits")
    assert organization.allocate(member, 1).status_code == 200


def test_only_members_are_given_credits(organization: Organization, center: Deployment, problem: Problem) -> None:
    problem(organization.allocate(center.person(), 1), 404, "member_not_found")


def test_nobody_is_invited_twice(organization: Organization, center: Deployment, problem: Problem) -> None:
    guest = center.person()

    first = organization.invite(guest, "admin")

    assert first.status_code == 201
    assert first.json() == {"org_id": organization.id, "user_email": guest.email, "role": "admin"}
    problem(organization.invite(guest), 409, "already_a_member")
    guest.email = guest.email.upper()
    problem(organization.invite(guest), 409, "already_a_member")


@pytest.mark.parametrize(
    "change", [{"role": "owner"}, {"email": "nobody"}, {"email": None}, {"email": "a\x00@example.com"}]
)
def test_a_malformed_invitation_is_refused(
    organization: Organization, problem: Problem, change: dict[str, object]
) -> None:
    body = {"email": "a@example.com", "role": "member"} | change

    problem(organization.admin.post(f"/org/{organization.id}/invite", body), 422, "invalid_request")


def test_the_organisation_pays_for_its_member(center: Deployment, organization: Organization) -> None:
    member = organization.member(2500)
    center.grant(member.id, 77)

    answer = member.ask().json()

    assert (answer["cost_credits"], answer["credits_remaining"], answer["byok_used"]) == (9, 2491, False)
    assert organization.credits() == {
        "org_id": organization.id,
        "total_credits": 9991,
        "allocated_credits": 2491,
        "unallocated_credits": 7500,
    }
    allocation = member.get(f"{organization.path}/my-allocation").json()
    assert allocation == {"allocated": 2500, "used": 9, "remaining": 2491}
    assert member.balance() == 77
    [row] = center.sql("SELECT * FROM credit_transactions WHERE user_id = %s AND amount < 0", member.id)
    assert (row["org_id"], row["amount"]) == (organization.id, -9)
    center.always_true()


def test_the_admin_sees_who_used_what(organization: Organization) -> None:
    busy, idle = organization.member(100), organization.member(100)
    busy.ask()
    busy.ask(50)

    rows = organization.admin.get(f"{organization.path}/usage-attribution").json()

    assert {"user_id": busy.id, "user_email": busy.email, "credits_used": 14, "api_calls": 2} in rows
    assert next(row for row in rows if row["user_email"] == idle.email)["api_calls"] == 0
    assert len(rows) == 3


def test_an_admin_without_an_allocation_is_told_so(
    center: Deployment, organization: Organization, problem: Problem
) -> None:
    center.grant(organization.admin.id, 1000)

    body = problem(organization.admin.ask(), 403, "no_credit_allocation")

    assert "allocate" in body["detail"]
    assert "purchase" not in body["detail"]
    assert organization.admin.balance() == 1000
    assert center.provider_calls(organization.admin) == []


def test_an_empty_organisation_is_named_as_the_reason(center: Deployment, problem: Problem) -> None:
    admin = center.person()
    made = admin.post("/org", {"name": "Empty", "subscription_tier": "trial"}).json()

    assert "purchase" in problem(admin.ask(), 403, "no_credit_allocation")["detail"]
    assert admin.delete(f"/org/{made['id']}").status_code == 204


def test_an_organisation_that_holds_too_little_is_told_to_upgrade(center: Deployment, problem: Problem) -> None:
    admin = center.person()
    org = admin.post("/org", {"name": "Small", "subscription_tier": "starter"}).json()["id"]
    center.organizations.append(org)
    admin.post(f"/credits/organization/{org}/purchase", {"amount": 100})
    admin.post(f"/credits/organization/{org}/allocate", {"user_email": admin.email, "credits": 100})

    answer = admin.ask(1000, "anthropic/claude-3-sonnet")

    body = problem(answer, 402, "insufficient_organization_credits")
    assert org in body["upgrade_url"]
    assert body["upgrade_url"] in body["detail"]
    assert answer.headers["X-RateLimit-Remaining"] == "700"
    assert admin.get(f"/credits/organization/{org}").json()["total_credits"] == 100
    assert center.provider_calls(admin) == []


def test_a_member_can_not_use_more_than_their_allocation(
    center: Deployment, organization: Organization, problem: Problem
) -> None:
    member = organization.member(10)
    assert member.ask().status_code == 200

    body = problem(member.ask(), 402, "allocation_exhausted")

    assert "allocate" in body["detail"]
    assert member.get(f"{organization.path}/my-allocation").json()["remaining"] == 1
    assert len(center.provider_calls(member)) == 1
    assert member.calls_used() == 1


def test_a_member_of_several_names_the_one_that_pays(
    center: Deployment, organization: Organization, problem: Problem
) -> None:
    member = organization.member(100)
    other = member.post("/org", {"name": "Own", "subscription_tier": "trial"}).json()["id"]
    stranger = center.person().post("/org", {"name": "Other", "subscription_tier": "trial"}).json()["id"]
    center.organizations += [other, stranger]

    problem(member.ask(), 400, "organization_required")
    problem(member.ask(headers={"X-Organization-Id": stranger}), 403, "not_a_member")
    problem(member.ask(headers={"X-Organization-Id": UNKNOWN}), 403, "not_a_member")
    problem(member.ask(headers={"X-Organization-Id": "no id"}), 422, "invalid_request")
    problem(member.ask(headers={"X-Organization-Id": other}), 403, "no_credit_allocation")
    assert member.ask(headers={"X-Organization-Id": organization.id}).json()["credits_remaining"] == 91
    assert len(center.provider_calls(member)) == 1


def test_an_individual_can_not_name_an_organisation(
    bystander: Person, organization: Organization, problem: Problem
) -> None:
    problem(bystander.ask(headers={"X-Organization-Id": organization.id}), 403, "not_a_member")


def test_a_removed_organisation_leaves_its_journal(center: Deployment, problem: Problem) -> None:
    admin = center.person(100)
    org = admin.post("/org", {"name": "Short", "subscription_tier": "trial"}).json()["id"]
    admin.post(f"/credits/organization/{org}/purchase", {"amount": 50})

    assert admin.delete(f"/org/{org}").status_code == 204

    problem(admin.get(f"/org/{org}"), 404, "organization_not_found")
    assert [row["amount"] for row in center.sql("SELECT amount FROM credit_transactions WHERE org_id = %s", org)] == [
        50
    ]
    for table in ("organization_credits", "organization_members"):
        assert center.sql(f"SELECT * FROM {table} WHERE org_id = %s", org) == []
    assert admin.ask().json()["credits_remaining"] == 91
