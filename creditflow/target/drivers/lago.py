"""Lago's API: customers, subscriptions, events and invoices."""

from __future__ import annotations

import time
from typing import Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.drivers.http import Http, Reply, an_object, objects, part, whole
from creditflow.target.drivers.record import Recorder, record_nothing

BASE = "/api/v1"

NEEDED = {"customer": "external_id", "customers": "external_id", "event": "code"}
"""The field, a text, without which the suite can do nothing with an object of Lago's answer."""


class Lago:
    """One organisation of a Lago server.

    Each method raises `ServiceUnavailableError` if Lago does not answer, or answers with an error.

    Args:
        url: its address, without /api/v1.
        key: an API key that may read and write.
        timeout_s: the deadline of each request, in seconds.
        record: receives each subscription, and its end.
    """

    def __init__(self, url: str, key: str, timeout_s: float, record: Recorder = record_nothing) -> None:
        self.url, self._key, self._record = url, key, record
        self.http = Http("Lago", url, timeout_s)

    def create_customer(self, external_id: str, name: str, email: str) -> None:
        """Create or update a customer."""
        self._send("POST", "/customers", {"customer": {"external_id": external_id, "name": name, "email": email}})

    def subscribe(self, customer: str, subscription: str, plan_code: str) -> None:
        """Subscribe a customer to a plan; `subscription` is the subscription's external id.

        The first period begins today and is a whole month, so that its invoice is over the whole price of the plan.

        A subscription that is already there changes to the plan: to a dearer one immediately, to a cheaper one at the
        end of the period.
        """
        wanted = {
            "external_customer_id": customer,
            "external_id": subscription,
            "plan_code": plan_code,
            "billing_time": "anniversary",
        }
        began = time.monotonic()
        self._send("POST", "/subscriptions", {"subscription": wanted})
        self._record("subscribe", None, None, began=began, user_id=customer, plan=plan_code)

    def end_subscription(self, customer: str, subscription: str) -> None:
        """End a customer's subscription immediately; do nothing if there is none."""
        began = time.monotonic()
        if self._found("DELETE", f"/subscriptions/{part(subscription)}"):
            self._record("end_subscription", None, None, began=began, user_id=customer)

    def remove_customer(self, external_id: str, subscription: str) -> None:
        """End a customer's subscription immediately, and remove the customer; do nothing if they do not exist."""
        self.end_subscription(external_id, subscription)
        self._found("DELETE", f"/customers/{part(external_id)}")

    def customer(self, external_id: str) -> dict[str, Any] | None:
        """Return a customer's fields, or None."""
        return self._find("customer", f"/customers/{part(external_id)}")

    def customers(self) -> list[dict[str, Any]]:
        """Return the fields of all customers."""
        found: list[dict[str, Any]] = []
        page, following = 0, 1
        while following > page:
            page = following
            reply = self._send("GET", "/customers", page=page, per_page=100)
            found += self._list("customers", reply)
            following = whole(an_object(reply.body.get("meta")).get("next_page")) or 0
        return found

    def subscription(self, external_id: str) -> dict[str, Any] | None:
        """Return an active subscription's fields, or None."""
        return self._find("subscription", f"/subscriptions/{part(external_id)}")

    def event(self, transaction_id: str) -> dict[str, Any] | None:
        """Return the event with this transaction id, or None."""
        return self._find("event", f"/events/{part(transaction_id)}")

    def billed_calls(self, customer: str, subscription: str) -> list[str]:
        """Return the units of a subscription's current period, one figure for each charge of its plan."""
        path = f"/customers/{part(customer)}/current_usage"
        usage = self._find("customer_usage", path, external_subscription_id=subscription) or {}
        return [str(charge.get("units")) for charge in objects(usage.get("charges_usage"))]

    def repeat_event(self, subscription: str, transaction_id: str, code: str) -> int:
        """Send an event with a transaction id that Lago already has, and return the HTTP status."""
        event = {"transaction_id": transaction_id, "external_subscription_id": subscription, "code": code}
        return self.http.send("POST", f"{BASE}/events", token=self._key, body={"event": event}).status

    def invoices(self, customer: str) -> list[dict[str, Any]]:
        """Return a customer's invoices."""
        return self._list("invoices", self._send("GET", "/invoices", external_customer_id=customer))

    def version(self) -> str:
        """Return Lago's version.

        Raises:
            ServiceUnavailableError: Lago reports that it is not healthy.
        """
        reply = self.http.send("GET", "/health")
        if reply.status != 200:
            what = f"reports that it is not healthy (status {reply.status})"
            raise ServiceUnavailableError("Lago", self.url, what)
        return str(reply.body.get("version", "unknown"))

    def check(self) -> None:
        """Require that Lago is healthy and accepts the key.

        Raises:
            ServiceUnavailableError: it is not healthy, or refuses the key.
        """
        self.version()
        self._list("plans", self._send("GET", "/plans", per_page=1))

    def _find(self, name: str, path: str, **params: str | int) -> dict[str, Any] | None:
        """Return the object with this name in Lago's answer, or None if Lago does not know it."""
        reply = self._found("GET", path, **params)
        if reply is None:
            return None
        found = reply.body.get(name)
        if not _usable(name, found):
            raise self._unreadable("GET", path)
        return an_object(found)

    def _list(self, name: str, reply: Reply) -> list[dict[str, Any]]:
        found = reply.body.get(name)
        if not isinstance(found, list) or not all(_usable(name, one) for one in found):
            raise self._unreadable("GET", f"/{name}")
        return objects(found)

    def _send(self, method: str, path: str, body: Any = None, **params: str | int) -> Reply:
        """Return the reply to a request that succeeded."""
        reply = self._found(method, path, body, **params)
        if reply is None:
            raise self.http.unavailable(method, BASE + path, "answered 404")
        return reply

    def _found(self, method: str, path: str, body: Any = None, **params: str | int) -> Reply | None:
        """Return the reply to a request that succeeded, or None if Lago does not know what it is about."""
        reply = self.http.send(method, BASE + path, token=self._key, body=body, params=params)
        if reply.status == 404:
            return None
        if reply.status >= 300:
            cure = "correct LAGO_API_KEY" if reply.status == 401 else ""
            answer = f"answered {reply.status} {reply.body.get('code', '')}".strip()
            raise self.http.unavailable(method, BASE + path, answer, cure)
        return reply

    def _unreadable(self, method: str, path: str) -> ServiceUnavailableError:
        return self.http.unavailable(method, BASE + path, "gave an answer that can't be read")


def _usable(name: str, found: Any) -> bool:
    """Return whether a part of Lago's answer is an object with the field that is needed."""
    return isinstance(found, dict) and (name not in NEEDED or isinstance(found.get(NEEDED[name]), str))
