"""Plans and metrics are addressed by code; wallets keep decimal credits, granted by a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api, Database


PLAN = {
    "name": "P",
    "interval": "monthly",
    "amount_cents": 100,
    "amount_currency": "USD",
    "pay_in_advance": True,
}


@pytest.mark.parametrize("code", ["trial", "starter", "professional", "platform", "enterprise"])
def test_the_platforms_plans_are_there_from_the_start(api: Api, code: str) -> None:
    plan = api.ok("GET", f"/api/v1/plans/{code}")["plan"]
    assert (plan["interval"], plan["amount_currency"], plan["pay_in_advance"]) == ("monthly", "USD", True)
    assert [charge["billable_metric_code"] for charge in plan["charges"]] == ["llm_requests"]


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"code": "trial"}, {"code": ["value_already_exist"]}),
        ({"code": ""}, {"code": ["value_is_mandatory"]}),
        ({"code": "x", "interval": "daily"}, {"interval": ["value_is_invalid"]}),
        ({"code": "x", "amount_cents": None}, {"amount_cents": ["value_is_mandatory"]}),
        ({"code": "x", "amount_cents": -1}, {"amount_cents": ["value_is_invalid"]}),
        ({"code": "x", "amount_currency": "?"}, {"amount_currency": ["value_is_invalid"]}),
    ],
)
def test_wrong_fields_of_a_plan_are_named(api: Api, fields: dict[str, Any], errors: dict[str, Any]) -> None:
    assert api.error_of(api("POST", "/api/v1/plans", {"plan": PLAN | fields})) == (
        422,
        "validation_errors",
        errors,
    )


def test_a_removed_plan_ends_its_subscriptions_and_frees_its_code(api: Api, customer: str) -> None:
    first = api.ok("POST", "/api/v1/plans", {"plan": PLAN | {"code": customer}})["plan"]
    api.subscribe(customer, customer)
    assert api.ok("DELETE", f"/api/v1/plans/{customer}")["plan"]["pending_deletion"] is True

    def gone() -> None:
        assert api.error_of(api("GET", f"/api/v1/plans/{customer}")) == (404, "plan_not_found", None)

    api.eventually(gone)
    assert api("GET", f"/api/v1/subscriptions/{customer}").status_code == 404
    second = api.ok("POST", "/api/v1/plans", {"plan": PLAN | {"code": customer}})["plan"]
    assert second["lago_id"] != first["lago_id"]
    api.ok("DELETE", f"/api/v1/plans/{customer}")


def test_a_metric_has_one_code(api: Api) -> None:
    wanted = {"name": "M", "code": "llm_requests", "aggregation_type": "count_agg"}
    answer = api("POST", "/api/v1/billable_metrics", {"billable_metric": wanted})
    assert api.error_of(answer)[2] == {"code": ["value_already_exist"]}
    unknown = wanted | {"code": "x", "aggregation_type": "guess"}
    answer = api("POST", "/api/v1/billable_metrics", {"billable_metric": unknown})
    assert api.error_of(answer)[2] == {"aggregation_type": ["value_is_invalid"]}


def wallet(customer: str, **more: str) -> dict[str, Any]:
    return {"wallet": {"external_customer_id": customer, "rate_amount": "0.5", "currency": "USD", **more}}


def test_granted_credits_land_a_moment_later(api: Api, database: Database, customer: str) -> None:
    made = api.ok("POST", "/api/v1/wallets", wallet(customer, granted_credits="10.5", paid_credits="4"))["wallet"]
    assert (made["credits_balance"], made["balance_cents"], made["rate_amount"]) == ("0.0", 0, "0.5")

    def landed() -> None:
        shown = api.ok("GET", f"/api/v1/wallets/{made['lago_id']}")["wallet"]
        assert (shown["credits_balance"], shown["balance_cents"]) == ("10.5", 525)

    api.eventually(landed)
    path = f"/api/v1/wallets/{made['lago_id']}/wallet_transactions"
    booked = {one["transaction_status"]: one for one in api.ok("GET", path)["wallet_transactions"]}
    assert (booked["granted"]["status"], booked["granted"]["amount"]) == ("settled", "5.25")
    assert (booked["purchased"]["status"], booked["purchased"]["settled_at"]) == ("pending", None)
    row = database.execute("select status, credits_balance::text from wallets where id = %s", (made["lago_id"],))
    assert row.fetchone() == {"status": 0, "credits_balance": "10.50000"}


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"rate_amount": ""}, {"rate_amount": ["value_is_mandatory"]}),
        ({"external_customer_id": ""}, {"external_customer_id": ["value_is_mandatory"]}),
        ({"external_customer_id": "nobody"}, {"customer": ["customer_not_found"]}),
        ({"currency": "EUR"}, {"currency": ["currencies_does_not_match"]}),
        ({"granted_credits": "many"}, {"granted_credits": ["invalid_granted_credits", "invalid_amount"]}),
        ({"granted_credits": 10}, {"granted_credits": ["invalid_granted_credits", "invalid_amount"]}),
        ({"paid_credits": "-1"}, {"paid_credits": ["invalid_paid_credits", "invalid_amount"]}),
    ],
)
def test_wrong_fields_of_a_wallet_are_named(
    api: Api, customer: str, fields: dict[str, Any], errors: dict[str, Any]
) -> None:
    answer = api("POST", "/api/v1/wallets", wallet(customer, **fields))
    assert api.error_of(answer) == (422, "validation_errors", errors)


def test_more_than_the_balance_cannot_be_voided(api: Api, customer: str) -> None:
    wallet_id = api.ok("POST", "/api/v1/wallets", wallet(customer))["wallet"]["lago_id"]
    wanted = {"wallet_id": wallet_id, "voided_credits": "1"}
    answer = api("POST", "/api/v1/wallet_transactions", {"wallet_transaction": wanted})
    assert api.error_of(answer)[2] == {"voided_credits": ["insufficient_credits"]}
    api.ok("DELETE", f"/api/v1/wallets/{wallet_id}")
    wanted = {"wallet_id": wallet_id, "granted_credits": "1"}
    answer = api("POST", "/api/v1/wallet_transactions", {"wallet_transaction": wanted})
    assert api.error_of(answer)[2] == {"wallet_id": ["wallet_is_terminated"]}
