"""What Lago must know of a person, through its API and in its tables (plan items I4, T7 to T9)."""

from __future__ import annotations

from creditflow.actors.llm_requests import Answer
from creditflow.actors.people import Person
from creditflow.checks import diagnosis
from creditflow.core import polling
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.target import Target

ACTIVE = 1
"""Lago's integer for an active subscription."""
FINALIZED = 1
"""Lago's integer for a finalized invoice."""
SUBSCRIPTION = 0
"""Lago's integer for an invoice of a subscription."""


class Billing:
    """Lago's side of the credit flow on one target."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def customer(self, person: Person) -> None:
        """Require that Lago knows a person as a customer by their Keycloak user id."""
        found = self.target.lago.customer(person.id) or {}
        agree(
            [
                Finding(
                    f"Lago's customer for {person.alias} has the external id {{}}",
                    found.get("external_id"),
                    person.id,
                )
            ],
        )

    def subscription(self, person: Person, plan: str) -> None:
        """Require an active subscription of a plan, and only one."""
        found = self.target.lago.subscription(person.subscription) or {}
        agree(
            [
                Finding(f"the subscription of {person.alias} is {{}}", found.get("status"), "active"),
                Finding(f"the plan of {person.alias} in Lago is {{}}", found.get("plan_code"), plan),
                Finding("the subscription's customer is {}", found.get("external_customer_id"), person.id),
            ],
        )

    def customer_rows(self, person: Person) -> None:
        """Require one row of `customers` and one active row of `subscriptions` of the person's plan (T7, T8)."""
        subscriptions = self.target.lago_db.subscriptions(person.id)
        agree(
            [
                Finding(
                    f"{{}} customers of {person.alias} are in lago",
                    len(self.target.lago_db.customers(person.id)),
                    1,
                ),
                Finding(
                    "the subscriptions in lago have the status {}",
                    [s["status"] for s in subscriptions],
                    [ACTIVE],
                ),
                Finding(
                    "the subscriptions in lago are of the plan {}",
                    [s["plan_code"] for s in subscriptions],
                    [person.plan],
                ),
            ],
        )

    def invoice(self, person: Person) -> None:
        """Require one finalized invoice through the API."""
        invoices = self.target.lago.invoices(person.id)
        agree(
            [
                Finding(
                    f"Lago's invoices for {person.alias} are {{}}",
                    [i.get("status") for i in invoices],
                    ["finalized"],
                ),
                Finding("they are of the type {}", [i.get("invoice_type") for i in invoices], ["subscription"]),
            ],
        )

    def invoice_rows(self, person: Person) -> None:
        """Require one finalized row of `invoices`, over the same amount as the API says (T9)."""
        rows = self.target.lago_db.invoices(person.id)
        told = [i.get("total_amount_cents") for i in self.target.lago.invoices(person.id)]
        agree(
            [
                Finding(
                    f"the invoices of {person.alias} in lago have the status {{}}",
                    [r["status"] for r in rows],
                    [FINALIZED],
                ),
                Finding("they are of the type {}", [r["invoice_type"] for r in rows], [SUBSCRIPTION]),
                Finding(
                    f"the invoices of {person.alias} in lago are over {{}} cents",
                    [r["total_amount_cents"] for r in rows],
                    told,
                ),
            ],
        )

    def event(self, answer: Answer) -> None:
        """Require one event under the request's id, for the person's subscription."""
        found = self.target.lago.event(answer.request_id) or {}
        wanted = answer.person.subscription
        agree(
            [
                Finding("Lago has the event {}", found.get("transaction_id"), answer.request_id),
                Finding("the event is for the subscription {}", found.get("external_subscription_id"), wanted),
            ],
            lambda: diagnosis.of_person(self.target, answer.person),
        )

    def billed(self, person: Person, calls: int) -> None:
        """Require the calls for which a person is billed in the running period: what Lago counted of their events."""
        units = self.target.lago.billed_calls(person.id, person.subscription)
        agree(
            [Finding(f"Lago bills {person.alias} for {{}} calls this month", [_count(u) for u in units], [calls])],
            lambda: diagnosis.of_person(self.target, person),
        )

    def no_event(self, answer: Answer, seconds: float) -> None:
        """Require that no event of a request arrives while it is watched for some seconds."""
        request = answer.request_id
        holds(bool(request), "the answer carries no X-Request-Id by which Lago could be asked for an event")
        polling.never(
            lambda: self.target.lago.event(request) is not None,
            seconds,
            f"Lago received an event for the request {request[:4]} of {answer.person.alias}",
        )

    def refuses_repetition(self, answer: Answer) -> None:
        """Require that Lago refuses a second event of the same request, so that nothing is billed twice."""
        found = self.target.lago.event(answer.request_id) or {}
        holds(bool(found), f"Lago has no event of the request {answer.request_id[:4]} that could be repeated")
        status = self.target.lago.repeat_event(answer.person.subscription, answer.request_id, str(found["code"]))
        agree([Finding("Lago answered the repeated event with {}", status, 422)])


def _count(units: str) -> int | str:
    """Lago's units ("9.0") as a whole number; as they are where they are none."""
    try:
        number = float(units)
    except ValueError:
        return units
    return int(number) if number.is_integer() else units
