"""What Lago records about a person, in its API and in its tables (plan items I4, T7 to T9)."""

from __future__ import annotations

from datetime import date, timedelta

from creditflow.actors.llm_requests import Answer
from creditflow.actors.people import Person
from creditflow.checks import diagnosis
from creditflow.core import polling
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.target import Target

PENDING = 0
"""Lago's number for a subscription that waits for its beginning."""
ACTIVE = 1
"""Lago's number for an active subscription."""
FINALIZED = 1
"""Lago's number for a finalized invoice."""
SUBSCRIPTION = 0
"""Lago's number for an invoice of a subscription."""


class Billing:
    """The checks of what Lago records about people and requests.

    Args:
        target: the systems to read.
    """

    def __init__(self, target: Target) -> None:
        self.target = target

    def customer(self, person: Person) -> None:
        """Require that Lago has a person as a customer under their Keycloak user id."""
        found = self.target.lago.customer(person.id) or {}
        what = f"Lago's customer for {person.alias} has the external id"
        agree([Finding(what, found.get("external_id"), person.id)])

    def subscription(self, person: Person, plan: str) -> None:
        """Require an active subscription of a plan, and only one."""
        found = self.target.lago.subscription(person.subscription) or {}
        agree(
            [
                Finding(f"the subscription of {person.alias} is", found.get("status"), "active"),
                Finding(f"the plan of {person.alias} in Lago is", found.get("plan_code"), plan),
                Finding("the subscription's customer is", found.get("external_customer_id"), person.id),
            ],
        )

    def customer_rows(self, person: Person) -> None:
        """Require one row of `customers` and one active row of `subscriptions` of the person's plan (T7, T8)."""
        customers, rows = self.target.lago_db.customers(person.id), self.target.lago_db.subscriptions(person.id)
        statuses, plans = [row["status"] for row in rows], [row["plan_code"] for row in rows]
        agree(
            [
                Finding(f"{person.alias} has", len(customers), 1, "rows", "lago (customers)"),
                Finding("the subscriptions in lago have the status", statuses, [ACTIVE]),
                Finding("the subscriptions in lago are of the plan", plans, [person.plan]),
            ],
        )

    def active_rows(self, person: Person, plan: str) -> None:
        """Require one row of `subscriptions` that is active, of a plan, and none that waits (T8)."""
        rows = self.target.lago_db.subscriptions(person.id)
        found = [(row["status"], row["plan_code"]) for row in rows if row["status"] in (PENDING, ACTIVE)]
        agree([Finding(f"the subscriptions of {person.alias} in lago are", found, [(ACTIVE, plan)])])

    def invoice(self, person: Person) -> None:
        """Require one finalized invoice in Lago's API."""
        invoices = self.target.lago.invoices(person.id)
        statuses, types = [i.get("status") for i in invoices], [i.get("invoice_type") for i in invoices]
        agree(
            [
                Finding(f"Lago's invoices for {person.alias} are", statuses, ["finalized"]),
                Finding("they are of the type", types, ["subscription"]),
            ],
        )

    def invoiced(self, person: Person, plan: str, dollars: int) -> None:
        """Require the price of a plan in Lago, and one invoice over it in the API and in the tables (T9)."""
        subscription = self.target.lago.subscription(person.subscription) or {}
        in_the_api = [i.get("total_amount_cents") for i in self.target.lago.invoices(person.id)]
        rows = [row["total_amount_cents"] for row in self.target.lago_db.invoices(person.id)]
        said = subscription.get("plan_amount_cents")
        price = None if said is None else _count(str(said))
        cents, what = dollars * 100, f"the invoices of {person.alias} are over"
        agree(
            [
                Finding(f"the plan of {person.alias} in Lago is", subscription.get("plan_code"), plan),
                Finding(what, in_the_api, [cents], "cents", "Lago's API"),
                Finding(what, rows, [cents], "cents", "lago (invoices)"),
                Finding("the price of the plan is", price, cents, "cents", "Lago"),
            ],
        )

    def followed_by(self, person: Person, plan: str) -> None:
        """Require that another plan follows a person's subscription when the period that is paid for is over."""
        found = self.target.lago.subscription(person.subscription) or {}
        paid_until = str(found.get("current_billing_period_ending_at"))[:10]
        agree(
            [
                Finding("the plan that follows is", found.get("next_plan_code"), plan),
                Finding("it begins after", _day_before(found.get("downgrade_plan_date")), paid_until),
            ],
        )

    def invoice_rows(self, person: Person) -> None:
        """Require one finalized row of `invoices`, over the same amount as in the API (T9)."""
        rows = self.target.lago_db.invoices(person.id)
        in_the_api = [i.get("total_amount_cents") for i in self.target.lago.invoices(person.id)]
        who = f"the invoices of {person.alias} in lago"
        agree(
            [
                Finding(f"{who} have the status", [row["status"] for row in rows], [FINALIZED]),
                Finding("they are of the type", [row["invoice_type"] for row in rows], [SUBSCRIPTION]),
                Finding(f"{who} are over", [row["total_amount_cents"] for row in rows], in_the_api, "cents"),
            ],
        )

    def event(self, answer: Answer) -> None:
        """Require one event under the request's id, for the person's subscription."""
        found = self.target.lago.event(answer.request_id) or {}
        wanted = answer.person.subscription
        agree(
            [
                Finding("Lago has the event", found.get("transaction_id"), answer.request_id),
                Finding("the event is for the subscription", found.get("external_subscription_id"), wanted),
            ],
            lambda: diagnosis.of_person(self.target, answer.person),
        )

    def billed(self, person: Person, calls: int) -> None:
        """Require the calls that Lago counted for a person in the running period."""
        units = [_count(unit) for unit in self.target.lago.billed_calls(person.id, person.subscription)]
        agree(
            [Finding(f"Lago bills {person.alias} for", units, [calls], "calls this month")],
            lambda: diagnosis.of_person(self.target, person),
        )

    def no_event(self, answer: Answer, seconds: float) -> None:
        """Require that no event of a request arrives within some seconds."""
        request = answer.request_id
        holds(bool(request), "the answer has no X-Request-Id, so that Lago can't be asked for its event")
        polling.never(
            lambda: self.target.lago.event(request) is not None,
            seconds,
            f"Lago received an event for the request {request[:4]} of {answer.person.alias}",
        )

    def refuses_repetition(self, answer: Answer) -> None:
        """Require that Lago refuses a second event of the same request, so that nothing is billed twice."""
        found = self.target.lago.event(answer.request_id) or {}
        holds(bool(found), f"Lago has no event of the request {answer.request_id[:4]} to repeat")
        status = self.target.lago.repeat_event(answer.person.subscription, answer.request_id, str(found["code"]))
        agree([Finding("Lago answered the repeated event with", status, 422)])


def _day_before(day: object) -> str:
    """Return the day before a date such as 2026-12-26, or the text unchanged if it is none."""
    try:
        return (date.fromisoformat(str(day)) - timedelta(days=1)).isoformat()
    except ValueError:
        return str(day)


def _count(units: str) -> int | str:
    """Return Lago's units ("9.0") as a whole number, or unchanged if they are none."""
    try:
        number = float(units)
    except ValueError:
        return units
    return int(number) if number.is_integer() else units
