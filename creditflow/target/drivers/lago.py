"""Lago, through its official client: customers, subscriptions, events and invoices."""

from __future__ import annotations

import functools
import time
from contextlib import suppress
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
from creditflow.target.drivers.record import Recorder, record_nothing
from creditflow.target.drivers.request_timeout import RequestTimeout

# The official client opens a new httpx client for each call, which reads the whole certificate bundle (35 ms).
# This cache reads it once.
setattr(httpx_transport, "create_ssl_context", functools.lru_cache(httpx_transport.__dict__["create_ssl_context"]))  # noqa: B010


class Lago:
    """One organisation of a Lago server.

    Each method raises `ServiceUnavailableError` if Lago does not answer, or answers with an error.

    Args:
        url: its address, without /api/v1.
        key: an API key that may read and write.
        timeout_s: the deadline of each request, in seconds; the official client's own deadlines do not count.
        record: receives each subscription, and its end.
    """

    def __init__(self, url: str, key: str, timeout_s: float, record: Recorder = record_nothing) -> None:
        self.url, self._record = url, record
        self.http = Http("Lago", url, timeout_s)
        proxies.use_in_httpx(url)
        self._client = Client(api_key=key, api_url=url, retry_on_rate_limit=False)
        self._timeout = RequestTimeout(timeout_s)

    def create_customer(self, external_id: str, name: str, email: str) -> None:
        """Create or update a customer."""
        wanted = Customer.parse_obj({"external_id": external_id, "name": name, "email": email})
        self._send("create a customer", lambda c: c.customers.create(wanted))

    def subscribe(self, customer: str, subscription: str, plan_code: str) -> None:
        """Subscribe a customer to a plan; `subscription` is the subscription's external id.

        The first period begins today and is a whole month, so that its invoice is over the whole price of the plan.

        A subscription that is already there changes to the plan: to a dearer one immediately, to a cheaper one at the
        end of the period.
        """
        wanted = Subscription.parse_obj(
            {
                "external_customer_id": customer,
                "external_id": subscription,
                "plan_code": plan_code,
                "billing_time": "anniversary",
            }
        )
        began = time.monotonic()
        self._send(f"subscribe to the plan {plan_code}", lambda c: c.subscriptions.create(wanted))
        self._record("subscribe", None, None, began=began, user_id=customer, plan=plan_code)

    def end_subscription(self, customer: str, subscription: str) -> None:
        """End a customer's subscription immediately; do nothing if there is none."""
        began = time.monotonic()
        try:
            self._send("end a subscription", lambda c: c.subscriptions.destroy(subscription))
        except _UnknownCustomerError:
            return
        self._record("end_subscription", None, None, began=began, user_id=customer)

    def remove_customer(self, external_id: str, subscription: str) -> None:
        """End a customer's subscription immediately, and remove the customer; do nothing if they do not exist."""
        self.end_subscription(external_id, subscription)
        with suppress(_UnknownCustomerError):
            self._send("remove a customer", lambda c: c.customers.destroy(external_id))

    def customer(self, external_id: str) -> dict[str, Any] | None:
        """Return a customer's fields, or None."""
        return self._find("read a customer", lambda c: c.customers.find(external_id))

    def customers(self) -> list[dict[str, Any]]:
        """Return the fields of all customers."""
        found: list[dict[str, Any]] = []
        page: int | None = 1
        while page:
            asked = {"page": str(page), "per_page": "100"}
            answer: Any = self._send("list customers", lambda c, asked=asked: c.customers.find_all(asked))
            found += [customer.dict() for customer in answer["customers"]]
            page = answer["meta"].get("next_page")
        return found

    def subscription(self, external_id: str) -> dict[str, Any] | None:
        """Return an active subscription's fields, or None."""
        return self._find("read a subscription", lambda c: c.subscriptions.find(external_id))

    def event(self, transaction_id: str) -> dict[str, Any] | None:
        """Return the event with this transaction id, or None."""
        return self._find("read an event", lambda c: c.events.find(transaction_id))

    def billed_calls(self, customer: str, subscription: str) -> list[str]:
        """Return the units of a subscription's current period, one figure for each charge of its plan."""
        found = self._find("read the current usage", lambda c: c.customers.current_usage(customer, subscription)) or {}
        return [str(charge.get("units")) for charge in objects(found.get("charges_usage"))]

    def repeat_event(self, subscription: str, transaction_id: str, code: str) -> int:
        """Send an event with a transaction id that Lago already has, and return the HTTP status."""
        body = {
            "event": {
                "transaction_id": transaction_id,
                "external_subscription_id": subscription,
                "code": code,
            }
        }
        return self.http.send("POST", "/api/v1/events", token=self._client.api_key, body=body).status

    def invoices(self, customer: str) -> list[dict[str, Any]]:
        """Return a customer's invoices."""

        def request(client: Any) -> list[dict[str, Any]]:
            found = client.invoices.find_all({"external_customer_id": customer})
            return [invoice.dict() for invoice in found["invoices"]]

        invoices: list[dict[str, Any]] = self._send("list invoices", request)
        return invoices

    def version(self) -> str:
        """Return Lago's version.

        Raises:
            ServiceUnavailableError: Lago reports that it is not healthy.
        """
        reply = self.http.send("GET", "/health")
        if reply.status != 200:
            raise ServiceUnavailableError("Lago", self.url, f"reports that it is not healthy (status {reply.status})")
        return str(reply.body.get("version", "unknown"))

    def check(self) -> None:
        """Require that Lago is healthy and accepts the key.

        Raises:
            ServiceUnavailableError: it is not healthy, or refuses the key.
        """
        self.version()
        self._send("list plans", lambda c: c.plans.find_all({"per_page": 1}))

    def _find(self, what: str, request: Any) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._send(what, lambda client: request(client).dict())
        except _UnknownCustomerError:
            return None
        return found

    def _send(self, what: str, request: Any) -> Any:
        with waits.on("Lago"):
            try:
                return self._timeout.call(lambda: request(self._client))
            except TimeoutError as error:
                raise ServiceUnavailableError("Lago", self.url, f"{error} when asked to {what}") from None
            except LagoApiError as error:
                if error.status_code == 404 and what.startswith(("read", "end", "remove")):
                    raise _UnknownCustomerError from None
                cure = "correct LAGO_API_KEY" if error.status_code == 401 else ""
                reason = error.response.get("code", "") if isinstance(error.response, dict) else ""
                answer = f"answered {error.status_code} {reason}".strip()
                raise ServiceUnavailableError("Lago", self.url, f"{answer} when asked to {what}", cure) from None
            except httpx.HTTPError as error:
                problem = f"can't be reached{proxies.through(self.url)} to {what} ({type(error).__name__})"
                raise ServiceUnavailableError("Lago", self.url, problem) from None
            except _UNREADABLE as error:
                problem = f"gave an answer that can't be read when asked to {what} ({type(error).__name__})"
                raise ServiceUnavailableError("Lago", self.url, problem) from None


_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""The errors of the official client for an answer of another shape."""


class _UnknownCustomerError(Exception):
    pass
