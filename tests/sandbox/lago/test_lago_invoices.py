"""A job makes one invoice for a subscription paid in advance: later, reliably, and only once."""

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


def test_an_invoice_waits_for_its_customer_before_it_locks_anything(own_lago: OwnLago, new_id: str) -> None:
    own_lago.start(job_delay_ms=60_000)
    own_lago.api.subscribe(new_id, "starter")
    with (
        psycopg.connect(own_lago.database_url) as changes_the_plan,
        psycopg.connect(own_lago.database_url, autocommit=True) as looks,
    ):
        changes_the_plan.execute("select from customers for update")
        looks.execute("update jobs set run_at = now()")

        def job_waits() -> None:
            waiting = looks.execute(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%customers%'"
            )
            assert waiting.fetchone() == (1,)

        own_lago.api.eventually(job_waits)
        changes_the_plan.execute("select from subscriptions for update nowait")
        changes_the_plan.commit()
    the_invoice(own_lago.api, new_id, 1900)
