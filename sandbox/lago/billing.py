"""Billing: the first invoice of a subscription, finalized at once and with one fee."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from . import jobs
from .database import Connection
from .periods import current_period
from .values import last_second, midnight, utc_now

STARTING_INVOICE = "starting_invoice"

_PAYMENT_PENDING, _PAYMENT_SUCCEEDED = 0, 1
_SUBSCRIPTION_FEE = 2


async def put_starting_invoice(queue: jobs.JobQueue, connection: Connection, subscription_id: UUID) -> None:
    """Queue the job that makes the first invoice of a subscription."""
    await queue.put(connection, STARTING_INVOICE, {"subscription_id": str(subscription_id)})


async def make_starting_invoice(connection: Connection, payload: dict[str, Any]) -> None:
    """Do the job: make one finalized invoice of the plan's amount (0 included) for a subscription's first period.

    Does nothing when the subscription has its starting invoice: the table takes only one. Locks the customer first, as
    a change of the plan does, so that neither waits for the other for ever.
    """
    cursor = await connection.execute(
        "select s.*, p.amount_cents, p.amount_currency from subscriptions s join plans p on p.id = s.plan_id"
        " join customers c on c.id = s.customer_id where s.id = %s and not exists (select 1"
        " from invoice_subscriptions b where b.subscription_id = s.id and b.invoicing_reason = 0) for update of c",
        (payload["subscription_id"],),
    )
    subscription = await cursor.fetchone()
    if subscription is None:
        return
    period = current_period(subscription)
    invoice_id = await _insert(
        connection,
        customer_id=subscription["customer_id"],
        amount_cents=subscription["amount_cents"],
        currency=subscription["amount_currency"],
        subscription_id=subscription["id"],
    )
    await connection.execute(
        "insert into invoice_subscriptions"
        " (organization_id, invoice_id, subscription_id, invoicing_reason, from_datetime, to_datetime)"
        " values (%s, %s, %s, 0, %s, %s)",
        (
            subscription["organization_id"],
            invoice_id,
            subscription["id"],
            max(midnight(period.first), subscription["started_at"]),
            last_second(period.last),
        ),
    )


async def _insert(
    connection: Connection,
    *,
    customer_id: UUID,
    amount_cents: int,
    currency: str,
    subscription_id: UUID,
) -> UUID:
    """Insert a finalized invoice with its one fee, and return its id; an invoice of 0 cents counts as paid."""
    # The caller has locked the customer, so that each of their invoices has its own number.
    cursor = await connection.execute("select * from customers where id = %s", (customer_id,))
    customer = await cursor.fetchone()
    if customer is None:
        raise RuntimeError(f"The customer {customer_id} of an invoice is gone from the table customers.")
    today = utc_now().date()
    term = customer["net_payment_term"] or 0
    cursor = await connection.execute(
        "insert into invoices (organization_id, billing_entity_id, customer_id, sequential_id,"
        " number, issuing_date,"
        " payment_due_date, net_payment_term, invoice_type, status, payment_status, currency,"
        " fees_amount_cents,"
        " sub_total_excluding_taxes_amount_cents, sub_total_including_taxes_amount_cents, total_amount_cents)"
        " select %(organization)s, %(billing_entity)s, %(customer)s, n, %(slug)s || '-' || case when n < 1000"
        " then lpad(n::text, 3, '0') else n::text end, %(issued)s, %(due)s, %(term)s, 0, 1,"
        " %(payment_status)s, %(currency)s, %(amount)s, %(amount)s, %(amount)s, %(amount)s"
        " from (select coalesce(max(sequential_id), 0) + 1 as n from invoices where customer_id ="
        " %(customer)s) as next"
        " returning id",
        {
            "organization": customer["organization_id"],
            "billing_entity": customer["billing_entity_id"],
            "customer": customer_id,
            "slug": customer["slug"],
            "issued": today,
            "due": today + timedelta(days=term),
            "term": term,
            "payment_status": _PAYMENT_PENDING if amount_cents else _PAYMENT_SUCCEEDED,
            "currency": currency,
            "amount": amount_cents,
        },
    )
    invoice = await cursor.fetchone()
    if invoice is None:
        raise RuntimeError("PostgreSQL returned no row for an invoice that was just inserted; look at its log.")
    await connection.execute(
        "insert into fees (organization_id, invoice_id, subscription_id, fee_type, amount_cents,"
        " amount_currency)"
        " values (%s, %s, %s, %s, %s, %s)",
        (
            customer["organization_id"],
            invoice["id"],
            subscription_id,
            _SUBSCRIPTION_FEE,
            amount_cents,
            currency,
        ),
    )
    invoice_id: UUID = invoice["id"]
    return invoice_id


JOBS: dict[str, jobs.Handler] = {STARTING_INVOICE: make_starting_invoice}
