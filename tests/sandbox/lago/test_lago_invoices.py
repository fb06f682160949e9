"""A subscription paid in advance brings one invoice, made by a job: later, surely, and only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api, Database, OwnLago


def the_invoice(api: Api, customer: str, cents: int) -> dict[str, object]:
    def one() -> dict[str, object]:
        found = api.invoices(customer)
        assert [invoice["total_amount_cents"] for invoice in found] == [cents]
        return found[0]

    return api.eventually(one)


@pytest.mark.parametrize(
    ("plan", "cents"),
    [("professional", 4900), ("trial", 0)],
)
def test_an_invoice_of_the_plans_amount_follows(
    api: Api, database: Database, customer: str, plan: str, cents: int
) -> None:
    subscription = api.subscribe(customer, plan)
    invoice = the_invoice(api, customer, cents)
    assert (invoice["status"], invoice["invoice_type"]) == ("finalized", "subscription")
    assert invoice["payment_status"] == ("pending" if cents else "succeeded"), "nothing counts as paid"
    shown = api.ok("GET", f"/api/v1/invoices/{invoice['lago_id']}")["invoice"]
    assert [one["lago_id"] for one in shown["subscriptions"]] == [subscription["lago_id"]]
    row = database.execute(
        "select i.status, i.invoice_type, i.total_amount_cents, c.external_id,"
        " l.subscription_id::text as subscription from invoices i join customers c on c.id = i.customer_id"
        " join invoice_subscriptions l on l.invoice_id = i.id where i.id = %s",
        (invoice["lago_id"],),
    ).fetchone()
    assert row == {
        "status": 1,
        "invoice_type": 0,
        "total_amount_cents": cents,
        "external_id": customer,
        "subscription": subscription["lago_id"],
    }


def test_an_upgrade_brings_an_invoice_of_its_own(api: Api, customer: str) -> None:
    api.subscribe(customer, "starter")
    api.subscribe(customer, "professional")

    def both() -> None:
        assert [one["total_amount_cents"] for one in api.invoices(customer)] == [4900, 1900]

    api.eventually(both)
    numbers = [one["number"] for one in api.invoices(customer)]
    assert [number[-4:] for number in numbers] == ["-002", "-001"]


def test_a_plan_paid_in_arrears_brings_none(api: Api, customer: str) -> None:
    wanted = {
        "name": "P",
        "code": customer,
        "interval": "monthly",
        "amount_cents": 5,
        "amount_currency": "USD",
    }
    api.ok("POST", "/api/v1/plans", {"plan": wanted})
    api.subscribe(customer, customer, f"{customer}-1")
    api.subscribe(customer, "starter", f"{customer}-2")
    # Jobs run in their order: once the second subscription's invoice is there, the first one's would be.
    the_invoice(api, customer, 1900)
    api.ok("DELETE", f"/api/v1/plans/{customer}")


def test_filters_find_the_invoice_or_nothing(api: Api, customer: str) -> None:
    api.subscribe(customer, "professional")
    invoice = the_invoice(api, customer, 4900)
    for name, right, wrong in (
        ("status", "finalized", "draft"),
        ("statuses[]", "finalized", "voided"),
        ("payment_status", "pending", "failed"),
        ("invoice_type", "subscription", "one_off"),
        ("currency", "USD", "EUR"),
        ("issuing_date_from", invoice["issuing_date"], "2999-01-01"),
        ("issuing_date_to", invoice["issuing_date"], "2001-01-01"),
    ):
        for value, count in ((right, 1), (wrong, 0)):
            params = {"external_customer_id": customer, name: value}
            assert len(api.ok("GET", "/api/v1/invoices", params=params)["invoices"]) == count, (name, value)
    assert api.error_of(api("GET", "/api/v1/invoices?status=strange"))[2] == {"status": ["value_is_invalid"]}


def test_an_invoice_is_paid_and_voided(api: Api, customer: str) -> None:
    api.subscribe(customer, "professional")
    path = f"/api/v1/invoices/{the_invoice(api, customer, 4900)['lago_id']}"
    assert api("POST", f"{path}/retry_payment").status_code == 200
    paid = api.ok("PUT", path, {"invoice": {"payment_status": "succeeded"}})["invoice"]
    assert (paid["payment_status"], paid["total_paid_amount_cents"], paid["total_due_amount_cents"]) == (
        "succeeded",
        4900,
        0,
    )
    assert api.error_of(api("POST", f"{path}/retry_payment")) == (405, "invalid_status", None)
    assert api.ok("PUT", f"{path}/refresh")["invoice"]["status"] == "finalized"
    assert api.error_of(api("PUT", f"{path}/finalize")) == (404, "invoice_not_found", None)
    assert api.ok("POST", f"{path}/void")["invoice"]["status"] == "voided"
    assert api.error_of(api("POST", f"{path}/void")) == (405, "not_voidable", None)


def test_a_one_off_invoice_finds_no_add_on(api: Api, customer: str) -> None:
    wanted = {"external_customer_id": customer, "currency": "USD", "fees": [{"add_on_code": "none"}]}
    assert api.error_of(api("POST", "/api/v1/invoices", {"invoice": wanted})) == (
        404,
        "add_on_not_found",
        None,
    )


def test_a_job_survives_the_process_and_is_done_once(own_lago: OwnLago, new_id: str) -> None:
    own_lago.start(job_delay_ms=60_000)
    subscription = own_lago.api.subscribe(new_id, "professional")
    assert own_lago.api.invoices(new_id) == [], "the invoice is made after the answer"
    own_lago.kill()
    with psycopg.connect(own_lago.database_url, autocommit=True) as connection:
        # The same job twice, as a queue that delivers at least once would.
        connection.execute("insert into jobs (kind, payload, run_at) select kind, payload, run_at from jobs")
        assert connection.execute("update jobs set run_at = now() returning kind").fetchall() == [
            ("starting_invoice",),
            ("starting_invoice",),
        ]
        own_lago.start(job_delay_ms=0)

        def done() -> None:
            assert connection.execute("select count(*) from jobs").fetchone() == (0,)

        own_lago.api.eventually(done)
    invoices = own_lago.api.invoices(new_id)
    assert [one["total_amount_cents"] for one in invoices] == [4900]
    shown = own_lago.api.ok("GET", f"/api/v1/invoices/{invoices[0]['lago_id']}")["invoice"]
    assert [one["lago_id"] for one in shown["subscriptions"]] == [subscription["lago_id"]]
