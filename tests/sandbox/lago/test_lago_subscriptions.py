"""Subscriptions: who may start one, how it ends, and how it is found."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api, Database


def refused(api: Api, fields: dict[str, Any]) -> tuple[int, str | None, Any]:
    return api.error_of(api("POST", "/api/v1/subscriptions", {"subscription": fields}))


def plans_of(api: Api, customer: str, *statuses: str) -> list[str]:
    params = {"external_customer_id": customer, "status[]": statuses}
    return [one["plan_code"] for one in api.ok("GET", "/api/v1/subscriptions", params=params)["subscriptions"]]


def test_an_unknown_customer_is_made(api: Api, new_id: str) -> None:
    subscription = api.subscribe(new_id, "trial")
    made = api.ok("DELETE", f"/api/v1/customers/{new_id}")["customer"]
    assert subscription["lago_customer_id"] == made["lago_id"]
    assert made["currency"] == "USD"


def test_the_checks_come_in_lagos_order_and_make_no_customer(api: Api, new_id: str) -> None:
    assert refused(api, {"plan_code": "none"}) == (404, "plan_not_found", None)
    mandatory = ["value_is_mandatory"]
    assert refused(api, {"plan_code": "trial"})[2] == {"external_customer_id": mandatory}
    assert refused(api, {"plan_code": "trial", "external_customer_id": new_id})[2] == {"external_id": mandatory}
    assert api("GET", f"/api/v1/customers/{new_id}").status_code == 404


def test_the_same_plan_again_returns_the_same_subscription(api: Api, customer: str) -> None:
    assert api.subscribe(customer, "starter")["lago_id"] == api.subscribe(customer, "starter")["lago_id"]
    assert plans_of(api, customer, "active", "pending", "terminated", "canceled") == ["starter"]


def test_asked_for_at_once_it_starts_only_once(api: Api, customer: str) -> None:
    callers = [api.another() for _ in range(8)]
    with ThreadPoolExecutor(len(callers)) as threads:
        made = list(threads.map(lambda caller: caller.subscribe(customer, "starter")["lago_id"], callers))
    assert len(set(made)) == 1


def test_an_id_that_is_active_for_another_customer_is_refused(api: Api, customer: str) -> None:
    api.subscribe(customer, "starter")
    other = {"external_customer_id": str(uuid.uuid4()), "plan_code": "starter", "external_id": customer}
    assert refused(api, other)[2] == {"external_id": ["value_already_exist"]}
    assert api("GET", f"/api/v1/customers/{other['external_customer_id']}").status_code == 404


def test_another_plan_is_refused(api: Api, customer: str) -> None:
    api.subscribe(customer, "starter")
    other = {"external_customer_id": customer, "plan_code": "professional", "external_id": customer}
    assert refused(api, other)[2] == {"plan_code": ["value_is_invalid"]}
    assert plans_of(api, customer) == ["starter"]


def test_one_that_ended_is_found_only_by_its_status(api: Api, customer: str) -> None:
    api.subscribe(customer, "trial")
    api.ok("DELETE", f"/api/v1/subscriptions/{customer}")
    assert api.error_of(api("GET", f"/api/v1/subscriptions/{customer}")) == (
        404,
        "subscription_not_found",
        None,
    )
    assert api.error_of(api("DELETE", f"/api/v1/subscriptions/{customer}")) == (
        404,
        "subscription_not_found",
        None,
    )
    params = {"external_customer_id": customer, "status[]": "terminated"}
    [found] = api.ok("GET", "/api/v1/subscriptions", params=params)["subscriptions"]
    assert found["terminated_at"] is not None


def test_a_list_filters_by_status_in_brackets_only(api: Api, customer: str) -> None:
    api.subscribe(customer, "trial", f"{customer}-1")
    api.subscribe(customer, "starter", f"{customer}-2")
    api.ok("DELETE", f"/api/v1/subscriptions/{customer}-1")
    assert plans_of(api, customer) == ["starter"]
    assert plans_of(api, customer, "terminated") == ["trial"]
    assert plans_of(api, customer, "terminated", "active") == ["starter", "trial"]
    scalar = {"external_customer_id": customer, "status": "terminated"}
    listed = api.ok("GET", "/api/v1/subscriptions", params=scalar)["subscriptions"]
    assert [one["plan_code"] for one in listed] == ["starter"]


def test_the_status_is_an_integer_in_the_table(api: Api, database: Database, customer: str) -> None:
    made = api.subscribe(customer, "trial")
    row = database.execute(
        "select s.status, s.billing_time, p.interval, c.external_id from subscriptions s"
        " join plans p on p.id = s.plan_id join customers c on c.id = s.customer_id where s.id = %s",
        (made["lago_id"],),
    ).fetchone()
    assert row == {"status": 1, "billing_time": 0, "interval": 1, "external_id": customer}
