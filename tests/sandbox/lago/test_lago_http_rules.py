"""The rules for all resources of Lago's API: key, root keys, statuses, pages, paths."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import requests

if TYPE_CHECKING:
    from tests.sandbox.lago.conftest import Api


NOT_FOUND = (404, "resource_not_found", None)


def test_health_needs_no_key(api: Api) -> None:
    answer = api.without_key().ok("GET", "/health")
    assert (answer["message"], "stand-in" in answer["version"]) == ("Success", True)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "wrong"])
@pytest.mark.parametrize("path", ["customers", "subscriptions", "events", "invoices"])
def test_without_the_key_nothing_is_answered(api: Api, header: str | None, path: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = api("GET", f"/api/v1/{path}", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"status": 401, "error": "Unauthorized"})


def test_the_key_is_the_second_word_whatever_the_first(api: Api) -> None:
    answer = api("GET", "/api/v1/plans", headers={"Authorization": f"Token {api.key}"})
    assert answer.status_code == 200


def test_no_answer_has_rate_limit_headers(api: Api) -> None:
    for answer in (api("GET", "/api/v1/customers"), api("GET", "/api/v1/customers/nobody")):
        assert not [name for name in answer.headers if "ratelimit" in name.lower()]


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("customers", "customer"),
        ("subscriptions", "subscription"),
        ("events", "event"),
    ],
)
@pytest.mark.parametrize("inside", [None, {}, "text"])
def test_a_missing_root_key_is_400(api: Api, path: str, root: str, inside: object) -> None:
    answer = api("POST", f"/api/v1/{path}", {"code": "x"} if inside is None else {root: inside})
    message = f"BadRequest: param is missing or the value is empty: {root}"
    assert (answer.status_code, answer.json()) == (400, {"status": 400, "error": message})


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"text"'])
def test_a_body_that_is_no_json_object_is_400(api: Api, body: bytes) -> None:
    answer = api("POST", "/api/v1/events", data=body)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_text_that_cannot_be_stored_is_400(api: Api, text: str) -> None:
    assert api("POST", "/api/v1/customers", {"customer": {"external_id": text}}).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/coupons"),
        ("POST", "/api/v1/plans"),
        ("GET", "/nothing"),
        ("PATCH", "/api/v1/customers"),
        ("GET", "/api/v1/customers/"),
    ],
)
def test_an_unknown_route_is_resource_not_found(api: Api, method: str, path: str) -> None:
    assert api.error_of(api(method, path)) == NOT_FOUND


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("customers/nobody", "customer_not_found"),
        ("customers/nobody/current_usage", "customer_not_found"),
        ("subscriptions/none", "subscription_not_found"),
        ("invoices/none", "invoice_not_found"),
        ("invoices/00000000-0000-4000-8000-000000000000", "invoice_not_found"),
        ("events/none", "event_not_found"),
    ],
)
def test_what_does_not_exist_is_404_with_its_own_code(api: Api, path: str, code: str) -> None:
    assert api.error_of(api("GET", f"/api/v1/{path}")) == (404, code, None)


def send(api: Api, transaction_ids: list[str], subscription: str) -> None:
    events = [
        {"transaction_id": one, "external_subscription_id": subscription, "code": "llm_requests"}
        for one in transaction_ids
    ]
    api.ok("POST", "/api/v1/events/batch", {"events": events})


def page(api: Api, subscription: str, **params: object) -> tuple[int, dict[str, int | None]]:
    listed = api.ok("GET", "/api/v1/events", params={"external_subscription_id": subscription, **params})
    return len(listed["events"]), listed["meta"]


def meta(current: int, following: int | None, previous: int | None, pages: int, total: int) -> dict[str, int | None]:
    return {
        "current_page": current,
        "next_page": following,
        "prev_page": previous,
        "total_pages": pages,
        "total_count": total,
    }


def test_lists_come_in_pages(api: Api, new_id: str) -> None:
    send(api, [f"{new_id}-{number}" for number in range(7)], new_id)
    assert page(api, new_id) == (7, meta(1, None, None, 1, 7))
    assert page(api, new_id, per_page=3) == (3, meta(1, 2, None, 3, 7))
    assert page(api, new_id, per_page=3, page=2) == (3, meta(2, 3, 1, 3, 7))
    assert page(api, new_id, per_page=3, page=3) == (1, meta(3, None, 2, 3, 7))
    assert page(api, new_id, per_page=3, page=4) == (0, meta(4, None, None, 3, 7))
    assert page(api, new_id, per_page="x", page=-1) == (7, meta(1, None, None, 1, 7))


def test_an_empty_list_counts_from_zero(api: Api, new_id: str) -> None:
    assert page(api, new_id) == (0, meta(0, None, None, 0, 0))


def test_every_page_has_different_items(api: Api, new_id: str) -> None:
    send(api, [f"{new_id}-{number}" for number in range(5)], new_id)
    params = {"external_subscription_id": new_id, "per_page": 2}
    pages = [api.ok("GET", "/api/v1/events", params=params | {"page": number}) for number in (1, 2, 3)]
    seen = [event["transaction_id"] for one in pages for event in one["events"]]
    assert sorted(seen) == [f"{new_id}-{number}" for number in range(5)]


def test_a_customer_path_is_cut_at_the_dot(api: Api, new_id: str) -> None:
    api.ok("POST", "/api/v1/customers", {"customer": {"external_id": f"{new_id}@example.com"}})
    found = api.error_of(api("GET", f"/api/v1/customers/{new_id}@example.com"))
    assert found == (404, "customer_not_found", None)
    assert api.error_of(api("GET", f"/api/v1/customers/{new_id}@example.com/current_usage")) == NOT_FOUND
    api.ok("POST", "/api/v1/customers", {"customer": {"external_id": f"{new_id}@example"}})
    assert api.ok("GET", f"/api/v1/customers/{new_id}@example.com")["customer"]["external_id"] == f"{new_id}@example"
    api.ok("DELETE", f"/api/v1/customers/{new_id}@example")


@pytest.mark.parametrize("mark", [":", "%2F", "%20", "%2E"])
def test_other_marks_in_a_customer_path_pass(api: Api, new_id: str, mark: str) -> None:
    external_id = f"{new_id}{unquote(mark)}x"
    api.ok("POST", "/api/v1/customers", {"customer": {"external_id": external_id}})
    # requests would decode %2E before it sends it.
    prepared = requests.Request("DELETE", api.url, headers={"Authorization": f"Bearer {api.key}"}).prepare()
    prepared.url = f"{api.url}/api/v1/customers/{new_id}{mark}x"
    answer = api.session.send(prepared, timeout=60)
    assert (answer.status_code, answer.json()["customer"]["external_id"]) == (200, external_id)


def test_subscription_paths_accept_dots(api: Api, customer: str) -> None:
    api.subscribe(customer, "trial", f"{customer}.v1.json")
    found = api.ok("GET", f"/api/v1/subscriptions/{customer}.v1.json")["subscription"]
    assert found["external_id"] == f"{customer}.v1.json"
