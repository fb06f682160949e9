"""Subscriptions: who may start one, how one plan follows another, how it ends, and how it is found."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api, Database, OwnLago


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


def test_an_upgrade_is_immediate(api: Api, database: Database, customer: str) -> None:
    old = api.subscribe(customer, "starter")
    new = api.subscribe(customer, "professional")
    assert (new["status"], new["previous_plan_code"]) == ("active", "starter")
    assert plans_of(api, customer, "active") == ["professional"]
    assert plans_of(api, customer, "terminated") == ["starter"]
    rows = database.execute(
        "select id::text, status, previous_subscription_id::text as previous from subscriptions"
        " where external_id = %s order by created_at",
        (customer,),
    ).fetchall()
    assert rows == [
        {"id": old["lago_id"], "status": 2, "previous": None},
        {"id": new["lago_id"], "status": 1, "previous": old["lago_id"]},
    ]


def test_an_upgrade_is_invoiced(api: Api, customer: str) -> None:
    for plan in ("starter", "professional"):
        api.subscribe(customer, plan)

    def invoiced() -> None:
        assert sorted(one["total_amount_cents"] for one in api.invoices(customer)) == [1900, 4900]

    api.eventually(invoiced)


def test_a_downgrade_waits_for_the_end_of_the_period(api: Api, customer: str) -> None:
    current = api.subscribe(customer, "professional")
    answer = api.subscribe(customer, "starter")
    assert (answer["lago_id"], answer["plan_code"]) == (current["lago_id"], "professional")
    period_end = datetime.fromisoformat(current["current_billing_period_ending_at"])
    assert answer["next_plan_code"] == "starter"
    assert answer["downgrade_plan_date"] == (period_end + timedelta(seconds=1)).date().isoformat()
    assert plans_of(api, customer, "pending") == ["starter"]
    api.ok("DELETE", f"/api/v1/subscriptions/{customer}")
    assert plans_of(api, customer, "active", "pending") == []
    assert plans_of(api, customer, "canceled") == ["starter"]


def test_at_the_end_of_the_period_the_downgrade_begins(own_lago: OwnLago, new_id: str) -> None:
    own_lago.start(job_delay_ms=0)
    api = own_lago.api
    for plan in ("professional", "starter"):
        api.subscribe(new_id, plan)
    with psycopg.connect(own_lago.database_url, autocommit=True) as connection:
        connection.execute("update jobs set run_at = now() where kind = 'start_subscription'")

    def begun() -> None:
        assert plans_of(api, new_id, "active") == ["starter"]
        assert plans_of(api, new_id, "terminated") == ["professional"]
        assert [one["total_amount_cents"] for one in api.invoices(new_id)] == [1900, 4900]

    api.eventually(begun)


def test_a_second_change_of_mind_replaces_the_first(api: Api, customer: str) -> None:
    for plan in ("professional", "starter", "trial"):
        api.subscribe(customer, plan)
    assert plans_of(api, customer, "active") == ["professional"]
    assert plans_of(api, customer, "pending") == ["trial"]


def test_a_pending_one_is_found_by_its_status_and_can_be_canceled(api: Api, customer: str) -> None:
    for plan in ("professional", "starter"):
        api.subscribe(customer, plan)
    path = f"/api/v1/subscriptions/{customer}?status=pending"
    assert api.ok("GET", path)["subscription"]["plan_code"] == "starter"
    canceled = api.ok("DELETE", path)["subscription"]
    assert (canceled["status"], canceled["canceled_at"] is None) == ("canceled", False)
    assert plans_of(api, customer) == ["professional"]


def test_the_removal_of_a_customer_cancels_what_is_pending(api: Api, database: Database, customer: str) -> None:
    for plan in ("professional", "starter"):
        api.subscribe(customer, plan)
    api.ok("DELETE", f"/api/v1/customers/{customer}")

    def ended() -> None:
        rows = database.execute("select status from subscriptions where external_id = %s order by status", (customer,))
        assert [row["status"] for row in rows.fetchall()] == [2, 3]

    api.eventually(ended)


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
    found = api.ok("GET", f"/api/v1/subscriptions/{customer}?status=terminated")["subscription"]
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


def test_an_anniversary_is_a_month_from_today_on(api: Api, customer: str) -> None:
    fields = {"external_customer_id": customer, "plan_code": "trial", "external_id": customer}
    assert refused(api, fields | {"billing_time": "sometimes"})[2] == {"billing_time": ["value_is_invalid"]}
    body = {"subscription": fields | {"billing_time": "anniversary"}}
    made = api.ok("POST", "/api/v1/subscriptions", body)["subscription"]
    assert made["billing_time"] == "anniversary"
    days = datetime.fromisoformat(made["current_billing_period_ending_at"]) - datetime.fromisoformat(made["started_at"])
    assert 26 <= days.days <= 31
