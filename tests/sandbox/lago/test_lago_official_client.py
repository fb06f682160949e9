"""The official client, unchanged, works on the stand-in as on Lago."""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from lago_python_client.client import Client
from lago_python_client.exceptions import LagoApiError

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api

# The client's types demand the optional fields too, so they can't check a call that leaves some out.
models: Any = importlib.import_module("lago_python_client.models")


def event(transaction_id: str, subscription: str) -> Any:
    return models.Event(
        transaction_id=transaction_id,
        external_subscription_id=subscription,
        code="llm_requests",
        timestamp=int(time.time()),
        properties={"model": "openai/gpt-4", "tokens": 100},
    )


def test_makes_changes_finds_lists_and_removes_a_customer(client: Any, new_id: str) -> None:
    made = client.customers.create(
        models.Customer(
            external_id=new_id,
            name="Ann",
            email="ann@example.com",
            currency="USD",
            metadata=models.MetadataList(__root__=[models.Metadata(key="run", value="1", display_in_invoice=False)]),
        )
    )
    changed = client.customers.create(models.Customer(external_id=new_id, name="Anne"))
    assert (changed.lago_id, changed.name, changed.email) == (made.lago_id, "Anne", "ann@example.com")
    assert client.customers.find(new_id).metadata.__root__[0].value == "1"
    assert new_id in [one.external_id for one in client.customers.find_all({"per_page": 10})["customers"]]
    assert client.customers.destroy(new_id).external_id == new_id
    with pytest.raises(LagoApiError) as refused:
        client.customers.find(new_id)
    assert (refused.value.status_code, refused.value.response["code"]) == (404, "customer_not_found")


def test_starts_finds_lists_and_terminates_a_subscription(client: Any, customer: str) -> None:
    wanted = models.Subscription(external_customer_id=customer, plan_code="professional", external_id=f"{customer}.1")
    made = client.subscriptions.create(wanted)
    assert (made.status, made.plan_code, made.plan_amount_cents) == ("active", "professional", "4900")
    assert client.subscriptions.find(f"{customer}.1").lago_id == made.lago_id
    listed = client.subscriptions.find_all({"external_customer_id": customer, "status[]": ["active", "pending"]})
    assert [one.lago_id for one in listed["subscriptions"]] == [made.lago_id]
    assert client.subscriptions.destroy(f"{customer}.1").status == "terminated"
    assert client.subscriptions.find_all({"external_customer_id": customer})["subscriptions"] == []


def test_changes_the_plan_of_a_subscription(client: Any, customer: str) -> None:
    def subscribe(plan: str) -> Any:
        wanted = models.Subscription(external_customer_id=customer, plan_code=plan, external_id=customer)
        return client.subscriptions.create(wanted)

    first = subscribe("starter")
    upgraded = subscribe("professional")
    assert (upgraded.status, upgraded.plan_code, upgraded.previous_plan_code) == ("active", "professional", "starter")
    assert upgraded.lago_id != first.lago_id
    downgraded = subscribe("trial")
    assert (downgraded.lago_id, downgraded.next_plan_code) == (upgraded.lago_id, "trial")
    assert client.subscriptions.find(customer, {"status": "pending"}).plan_code == "trial"
    assert client.subscriptions.destroy(customer).status == "terminated"


def test_finds_the_invoice_of_a_subscription(api: Api, client: Any, customer: str) -> None:
    client.subscriptions.create(
        models.Subscription(external_customer_id=customer, plan_code="professional", external_id=customer)
    )

    def one_invoice() -> str:
        invoices = client.invoices.find_all({"external_customer_id": customer})["invoices"]
        assert [(one.status, one.total_amount_cents) for one in invoices] == [("finalized", 4900)]
        return str(invoices[0].lago_id)

    invoice = client.invoices.find(api.eventually(one_invoice))
    assert [one.external_id for one in invoice.subscriptions.__root__] == [customer]
    assert [one.amount_cents for one in invoice.fees.__root__] == [4900]


def test_lists_the_plans(client: Any) -> None:
    assert "professional" in [plan.code for plan in client.plans.find_all({"per_page": 10})["plans"]]


def test_sends_events_and_reads_the_usage(client: Any, customer: str) -> None:
    client.subscriptions.create(
        models.Subscription(external_customer_id=customer, plan_code="trial", external_id=customer)
    )
    sent = client.events.create(event(f"{customer}-1", customer))
    assert (sent.transaction_id, sent.properties["tokens"]) == (f"{customer}-1", 100)
    assert client.events.find(f"{customer}-1").lago_id == sent.lago_id
    client.events.batch_create(models.BatchEvent(events=[event(f"{customer}-{n}", customer) for n in (2, 3)]))
    with pytest.raises(LagoApiError) as refused:
        client.events.create(event(f"{customer}-1", customer))
    assert refused.value.status_code == 422
    assert refused.value.response["error_details"] == {"transaction_id": ["value_already_exist"]}
    usage = client.customers.current_usage(customer, customer)
    assert [(one.events_count, one.units) for one in usage.charges_usage] == [(3, "3.0")]


def test_tells_a_wrong_key(deployment: dict[str, str]) -> None:
    stranger: Any = Client(api_key="wrong", api_url=deployment["LAGO_API_URL"])
    with pytest.raises(LagoApiError) as refused:
        stranger.customers.find_all()
    assert (refused.value.status_code, refused.value.detail) == (401, "Unauthorized")
