"""Customers have an external_id, are removed softly, and their id can be used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api, Database


def test_the_same_external_id_changes_the_customer(api: Api, customer: str) -> None:
    before = api.ok("GET", f"/api/v1/customers/{customer}")["customer"]
    wanted = {"external_id": customer, "name": "Ann", "country": "DE", "customer_type": "individual"}
    after = api.ok("POST", "/api/v1/customers", {"customer": wanted})["customer"]
    assert after["lago_id"] == before["lago_id"]
    assert (after["name"], after["country"], after["currency"]) == ("Ann", "DE", "USD")


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"name": "x"}, {"external_id": ["value_is_mandatory"]}),
        ({"external_id": " "}, {"external_id": ["value_is_mandatory"]}),
        ({"external_id": "x", "email": "nonsense"}, {"email": ["invalid_email_format"]}),
        ({"external_id": "x", "currency": "dollars"}, {"currency": ["value_is_invalid"]}),
        ({"external_id": "x", "customer_type": "crowd"}, {"customer_type": ["value_is_invalid"]}),
    ],
)
def test_wrong_fields_are_named(api: Api, fields: dict[str, str], errors: dict[str, list[str]]) -> None:
    assert api.error_of(api("POST", "/api/v1/customers", {"customer": fields})) == (
        422,
        "validation_errors",
        errors,
    )


def test_metadata_that_is_no_array_is_dropped(api: Api, customer: str) -> None:
    entries = [{"key": "run", "value": "1", "display_in_invoice": False}]
    for metadata in (entries, {"run": "2"}):
        wanted = {"external_id": customer, "metadata": metadata}
        shown = api.ok("POST", "/api/v1/customers", {"customer": wanted})["customer"]["metadata"]
        assert [(one["key"], one["value"]) for one in shown] == [("run", "1")]


def test_removal_is_soft_and_frees_the_id(api: Api, database: Database, customer: str) -> None:
    first = api.ok("DELETE", f"/api/v1/customers/{customer}")["customer"]
    assert api.error_of(api("GET", f"/api/v1/customers/{customer}")) == (404, "customer_not_found", None)
    assert api.error_of(api("DELETE", f"/api/v1/customers/{customer}")) == (404, "customer_not_found", None)
    second = api.ok("POST", "/api/v1/customers", {"customer": {"external_id": customer}})["customer"]
    assert second["lago_id"] != first["lago_id"]
    rows = database.execute(
        "select id::text, deleted_at is null as kept from customers where external_id = %s", (customer,)
    ).fetchall()
    assert {row["id"]: row["kept"] for row in rows} == {first["lago_id"]: False, second["lago_id"]: True}


def test_removal_ends_subscriptions_a_moment_later(api: Api, database: Database, customer: str) -> None:
    api.subscribe(customer, "trial")
    api.ok("DELETE", f"/api/v1/customers/{customer}")

    def ended() -> None:
        rows = database.execute(
            "select status, terminated_at is not null as dated from subscriptions where external_id = %s",
            (customer,),
        ).fetchall()
        assert rows == [{"status": 2, "dated": True}]

    api.eventually(ended)
