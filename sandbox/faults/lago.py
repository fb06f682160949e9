"""Faults of Lago: wrong customers, subscriptions, invoices and events."""

from sandbox.faults import fault, replace, rewrite
from sandbox.lago import billing, customers, events, invoices, lifecycle, subscriptions


@fault("I4", "Lago answered the repeated event with 200, expected 422")
def repeated_event_is_accepted() -> None:
    """Accept a repeated event, so that the customer is billed twice for one call."""
    rewrite(
        events.create,
        "raise invalid(transaction_id=VALUE_ALREADY_EXIST)",
        'return JSONResponse({"event": {"transaction_id": values[1]}})',
    )


@fault("EP7", "the individual: events in Lago: Lago lacks event of request")
def accepted_events_are_lost() -> None:
    """Accept an event and lose it, so that the call is never billed."""
    rewrite(
        events.create_batch,
        "    events = await _insert_all(connection, rows)",
        "    events = await _insert_all(connection, rows); await connection.execute('delete from events where"
        " transaction_id = any(%s)', ([each[1] for each in rows],))",
    )


@fault("I4", "Lago bills the individual for 0 calls this month, expected 1")
def events_are_counted_for_the_next_period() -> None:
    """Bill calls a month late, and those of the last month never."""
    rewrite(events._time, "fromtimestamp(float(value), UTC)", "fromtimestamp(float(value) + 31 * 24 * 3600, UTC)")


@fault("T9", "Lago's invoices for the individual are none, expected finalized")
def invoice_is_missing() -> None:
    """Send no invoice for a plan that is paid in advance."""
    rewrite(billing.put_starting_invoice, "await queue.put(", "del queue; (")


@fault("T9", "Lago's invoices for the individual are draft, expected finalized")
def invoice_stays_a_draft() -> None:
    """Write the invoice of a plan paid in advance, and never send it."""
    rewrite(billing._insert, "%(term)s, 0, 1,", "%(term)s, 0, 0,")


@fault("T9", "Lago's invoices for the individual are 2 times finalized, expected finalized")
def invoice_is_made_twice() -> None:
    """Send two invoices for one plan that is paid in advance."""
    rewrite(
        billing.make_starting_invoice,
        "period = current_period(subscription)",
        "period = current_period(subscription); await _insert(connection, customer_id=subscription['customer_id'],"
        " amount_cents=subscription['amount_cents'], currency=subscription['amount_currency'],"
        " subscription_id=subscription['id'])",
    )


@fault("T9", "the invoices of the individual in lago are over 4,900 cents, expected 49")
def invoice_is_in_dollars_and_not_in_cents() -> None:
    """Show a customer who has to pay 49 dollars an invoice of 49 cents."""
    rewrite(
        invoices.to_json,
        'if name.endswith("_amount_cents")}',
        'if name.endswith("_amount_cents")}, "total_amount_cents": row["total_amount_cents"] // 100',
    )


@fault("T7", "Lago's customer for the individual has the external id", "expected")
def customer_has_another_id_than_in_keycloak() -> None:
    """Give a customer another id than in Keycloak, so that no bill can be matched to its user."""
    rewrite(customers.to_json, '"external_id": row["external_id"]', '"external_id": row["slug"]')


@fault("T8", "the subscription of the individual is none, expected active")
def subscription_stays_pending() -> None:
    """Leave a subscription of today pending, so that the plan never begins."""
    rewrite(lifecycle._start, '"status": ACTIVE', '"status": PENDING')


@fault("T8", "the subscriptions in lago have the status 2 times 1, expected 1")
def subscription_is_made_twice() -> None:
    """Make two subscriptions for one, so that the customer pays for both."""
    before = lifecycle._insert

    async def insert_twice(*given: object) -> object:
        await before(*given)  # type: ignore[arg-type]
        return await before(*given)  # type: ignore[arg-type]

    replace(lifecycle, "_insert", insert_twice)


@fault("T8", "the plan of the individual in Lago is trial, expected professional")
def every_subscription_is_a_trial() -> None:
    """Subscribe every customer to the trial, whatever plan they chose."""
    rewrite(subscriptions.create, 'text(params, "plan_code")', '"trial"')


@fault("X5", "Lago's customer for the individual has the external id")
def customer_is_known_by_name_only() -> None:
    """Forget the user id of a customer, so that bills can't be matched to the people who pay them."""
    rewrite(customers.to_json, '"external_id": row["external_id"]', '"external_id": row["name"]')


@fault("T9", "the invoices of the individual are over 9,800 cents in Lago's API, expected 4,900")
def invoice_is_over_twice_the_price() -> None:
    """Invoice twice the price of the plan."""
    rewrite(
        billing.make_starting_invoice,
        'amount_cents=subscription["amount_cents"]',
        'amount_cents=2 * subscription["amount_cents"]',
    )


@fault("T8", "the limit of the trial user is 700 calls in the usage, expected 1,000")
def upgrade_waits_for_the_next_month() -> None:
    """Let a dearer plan begin with the next month, though the customer pays and is refused now."""
    rewrite(lifecycle.subscribe, 'plan["amount_cents"] >= current["amount_cents"]', "False")


@fault("T8", "the plan of the individual in Lago is starter, expected professional")
def smaller_plan_begins_at_once() -> None:
    """Let a cheaper plan begin at once, in the middle of a month that is paid for."""
    rewrite(lifecycle.subscribe, 'plan["amount_cents"] >= current["amount_cents"]', "True")


@fault("T8", "the subscriptions of the trial user in lago are")
def upgrade_keeps_the_old_subscription() -> None:
    """Start the subscription on the dearer plan, and go on with the old one, so that the customer pays for both."""
    rewrite(lifecycle._upgrade, 'await _end(connection, current["id"])', "pass")


@fault("T8", "the limit of the individual is 10,000 calls in the usage, expected 1,000")
def smaller_plan_never_begins() -> None:
    """Forget the smaller plan that a customer chose, so that they go on paying for the larger one."""
    rewrite(lifecycle.start, "where id = %s and status = 0", "where id = %s and status = 0 and false")


@fault("T8", "the limit of the individual is 10,000 calls in the usage, expected 1,000")
def larger_plan_goes_on_beside_the_smaller_one() -> None:
    """Start the smaller plan and go on with the larger one, so that the customer pays for both."""
    rewrite(lifecycle.start, 'await _end(connection, begun["previous_subscription_id"])', "pass")
