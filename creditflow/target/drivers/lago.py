"""Lago, through its official client: customers, subscriptions, events and invoices."""

from __future__ import annotations

import functools
from typing import Any

import httpx
from httpx._transports import default as httpx_transport
from lago_python_client.client import Client
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import Customer, Subscription

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers import proxies
from creditflow.target.drivers.http import Http, objects
from creditflow.target.drivers.request_timeout import Patience

# The official client opens a new httpx client for every call, each of which would read the whole certificate bundle
# (35 ms): they share one.
setattr(httpx_transport, "create_ssl_context", functools.lru_cache(httpx_transport.__dict__["create_ssl_context"]))  # noqa: B010


class Lago:
    """One organisation of a Lago server.

    Args:
        url: its address, without /api/v1.
        key: an API key that may read and write.
        timeout_s: deadline of every question, in seconds, whatever the official client's own are.
    """

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        self.url = url
        self.http = Http("Lago", url, timeout_s)
        proxies.use_in_httpx(url)
        self._client = Client(api_key=key, api_url=url, retry_on_rate_limit=False)
        self._patience = Patience(timeout_s)

    def create_customer(self, external_id: str, name: str, email: str) -> None:
        """Make a customer, or bring an existing one up to date."""
        wanted = Customer.parse_obj({"external_id": external_id, "name": name, "email": email})
        self._ask("create a customer", lambda c: c.customers.create(wanted))

    def subscribe(self, customer: str, subscription: str, plan_code: str) -> None:
        """Subscribe a customer to a plan, under an external id for the subscription."""
        wanted = Subscription.parse_obj(
            {"external_customer_id": customer, "external_id": subscription, "plan_code": plan_code}
        )
        self._ask(f"subscribe to the plan {plan_code}", lambda c: c.subscriptions.create(wanted))

    def remove_customer(self, external_id: str, subscription: str) -> None:
        """End a customer's subscription at once and remove the customer; what is not there is left alone."""
        for what, remove in (
            ("end a subscription", lambda c: c.subscriptions.destroy(subscription)),
            ("remove a customer", lambda c: c.customers.destroy(external_id)),
        ):
            try:
                self._ask(what, remove)
            except _UnknownError:
                continue

    def customer(self, external_id: str) -> dict[str, Any] | None:
        """A customer's fields, None when Lago knows none of this external id."""
        return self._find("read a customer", lambda c: c.customers.find(external_id))

    def customers(self) -> list[dict[str, Any]]:
        """Every customer's fields."""
        found: list[dict[str, Any]] = []
        page: int | None = 1
        while page:
            asked = {"page": str(page), "per_page": "100"}
            answer: Any = self._ask("list customers", lambda c, asked=asked: c.customers.find_all(asked))
            found += [customer.dict() for customer in answer["customers"]]
            page = answer["meta"].get("next_page")
        return found

    def subscription(self, external_id: str) -> dict[str, Any] | None:
        """An active subscription's fields, None when there is none of this external id."""
        return self._find("read a subscription", lambda c: c.subscriptions.find(external_id))

    def event(self, transaction_id: str) -> dict[str, Any] | None:
        """The event of a transaction id, None when Lago has received none."""
        return self._find("read an event", lambda c: c.events.find(transaction_id))

    def billed_calls(self, customer: str, subscription: str) -> list[str]:
        """The units that Lago counts in a subscription's running period, one figure a charge of its plan."""
        found = self._find("read the current usage", lambda c: c.customers.current_usage(customer, subscription)) or {}
        return [str(charge.get("units")) for charge in objects(found.get("charges_usage"))]

    def repeat_event(self, subscription: str, transaction_id: str, code: str) -> int:
        """Send an event of a transaction id that Lago already has; the HTTP status of what it answers."""
        body = {
            "event": {
                "transaction_id": transaction_id,
                "external_subscription_id": subscription,
                "code": code,
            }
        }
        return self.http.send("POST", "/api/v1/events", token=self._client.api_key, body=body).status

    def invoices(self, customer: str) -> list[dict[str, Any]]:
        """A customer's invoices."""

        def question(client: Any) -> list[dict[str, Any]]:
            found = client.invoices.find_all({"external_customer_id": customer})
            return [invoice.dict() for invoice in found["invoices"]]

        invoices: list[dict[str, Any]] = self._ask("list invoices", question)
        return invoices

    def version(self) -> str:
        """What Lago says its version is; raises `ServiceUnavailableError` when it is not healthy."""
        reply = self.http.send("GET", "/health")
        if reply.status != 200:
            raise ServiceUnavailableError("Lago", self.url, f"says that it is not healthy (status {reply.status})")
        return str(reply.body.get("version", "unknown"))

    def check(self) -> None:
        """Make sure that Lago is healthy and takes the key; raises `ServiceUnavailableError` otherwise."""
        self.version()
        self._ask("list plans", lambda c: c.plans.find_all({"per_page": 1}))

    def _find(self, what: str, question: Any) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._ask(what, lambda client: question(client).dict())
        except _UnknownError:
            return None
        return found

    def _ask(self, what: str, question: Any) -> Any:
        with waits.on("Lago"):
            try:
                return self._patience.within(lambda: question(self._client))
            except TimeoutError as error:
                raise ServiceUnavailableError("Lago", self.url, f"{error} when asked to {what}") from None
            except LagoApiError as error:
                if error.status_code == 404 and what.startswith(("read", "end", "remove")):
                    raise _UnknownError from None
                cure = "correct LAGO_API_KEY" if error.status_code == 401 else ""
                reason = error.response.get("code", "") if isinstance(error.response, dict) else ""
                said = f"answered {error.status_code} {reason}".strip()
                raise ServiceUnavailableError("Lago", self.url, f"{said} when asked to {what}", cure) from None
            except httpx.HTTPError as error:
                said = f"can't be reached{proxies.through(self.url)} to {what} ({type(error).__name__})"
                raise ServiceUnavailableError("Lago", self.url, said) from None
            except _UNREADABLE as error:
                said = f"gave an answer that can't be read when asked to {what} ({type(error).__name__})"
                raise ServiceUnavailableError("Lago", self.url, said) from None


_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What the official client ends in where an answer is not of its shape."""


class _UnknownError(Exception):
    pass
