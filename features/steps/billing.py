"""What Lago knows: customers, subscriptions, events and invoices, through its API and in its tables."""

from behave import then, when

from creditflow.checks.billing import Billing
from features.memory import CreditContext


@then("Lago knows {who} as a customer by the same id")
def knows_customer(context: CreditContext, who: str) -> None:
    Billing(context.target).customer(context.cast.subject(who))


@then("Lago has one active {plan} subscription for {who}")
def active_subscription(context: CreditContext, plan: str, who: str) -> None:
    Billing(context.target).subscription(context.cast.subject(who), plan)


@then("lago's tables contain one customer and one active subscription of theirs")
def customer_and_subscription_rows(context: CreditContext) -> None:
    Billing(context.target).customer_rows(context.cast.subject("they"))


@then("soon Lago has one finalized invoice for {who}")
def invoice_soon(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    context.session.soon(lambda: Billing(context.target).invoice(person))


@then("lago's tables contain one finalized invoice of theirs")
def invoice_rows(context: CreditContext) -> None:
    Billing(context.target).invoice_rows(context.cast.subject("they"))


@then("soon Lago has an event for {whose} request")
def event_soon(context: CreditContext, who: str) -> None:
    answer = context.cast.subject(who).answers[-1]
    context.session.soon(lambda: Billing(context.target).event(answer))


@then("soon Lago bills {who} for {number} call(s) this month")
def billed_soon(context: CreditContext, who: str, calls: int) -> None:
    person = context.cast.subject(who)
    context.session.soon(lambda: Billing(context.target).billed(person, calls))


@then("Lago refuses the same event a second time")
def event_refused_twice(context: CreditContext) -> None:
    Billing(context.target).refuses_repetition(context.memory.answer)


@then("Lago receives no event for {whose} request within {number} second(s)")
def no_event(context: CreditContext, who: str, seconds: int) -> None:
    Billing(context.target).no_event(context.cast.subject(who).answers[-1], seconds)


@then("the invoice is over {number} dollars, the price of the {plan} plan")
def invoice_amount(context: CreditContext, dollars: int, plan: str) -> None:
    Billing(context.target).invoiced(context.cast.subject("they"), plan, dollars)


@when("{who} change(s) to the {plan} plan")
def changes_plan(context: CreditContext, who: str, plan: str) -> None:
    context.cast.change_plan(context.cast.subject(who), plan)


@when("{whose} subscription is cancelled")
def cancels_subscription(context: CreditContext, who: str) -> None:
    context.cast.end_subscription(context.cast.subject(who))


@then("the {plan} plan follows in Lago when the month that is paid for is over")
def plan_follows(context: CreditContext, plan: str) -> None:
    Billing(context.target).followed_by(context.cast.subject("they"), plan)


@then("lago's tables contain one active {plan} subscription of theirs")
def active_subscription_row(context: CreditContext, plan: str) -> None:
    Billing(context.target).active_rows(context.cast.subject("they"), plan)
