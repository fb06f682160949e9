"""What credits people have, and what is charged to them."""

from behave import given, then, when

from creditflow.actors import PriceList
from features.language import number
from features.memory import CreditContext


@given("these prices in credits for 100 tokens")
def prices(context: CreditContext) -> None:
    context.cast.prices = PriceList({row["model"]: number(row["credits"]) for row in context.table})


@given("{who} has/have {number} credits of their own")
@when("{who} is/are granted {number} credit(s)")
def granted(context: CreditContext, who: str, credits: int) -> None:
    person = context.cast.subject(who)
    context.target.grants.grant(person.id, credits, person.plan)


@then("{who} has/have {number} credit(s) left")
def credits_left(context: CreditContext, who: str, credits: int) -> None:
    context.accounts.credits(context.cast.subject(who), credits)


@then("soon {who} has/have {number} credit(s) left")
def credits_left_soon(context: CreditContext, who: str, credits: int) -> None:
    context.session.soon(lambda: context.accounts.credits(context.cast.subject(who), credits))


@then("{number} charge(s) of {number} credit(s) is/are on {whose} account")
def charges_of(context: CreditContext, count: int, credits: int, who: str) -> None:
    context.accounts.charges(context.cast.subject(who), [credits] * count)


@then("charges of {numbers} credits are on {whose} account")
def different_charges(context: CreditContext, credits: list[int], who: str) -> None:
    context.accounts.charges(context.cast.subject(who), credits)


@then("no charge is on {whose} account")
def no_charge(context: CreditContext, who: str) -> None:
    context.accounts.charges(context.cast.subject(who), [])


@then("no organisation paid for {who}")
def no_organization_paid(context: CreditContext, who: str) -> None:
    context.accounts.no_organization_charged(context.cast.subject(who))


@then("nothing was charged to {whose} own credits")
def own_credits_not_charged(context: CreditContext, who: str) -> None:
    context.accounts.no_individual_charged(context.cast.subject(who))


@then("no credits are reserved for {who}")
def nothing_reserved(context: CreditContext, who: str) -> None:
    context.accounts.nothing_held(context.cast.subject(who))


@then("soon no credits are reserved for {who}")
def nothing_reserved_soon(context: CreditContext, who: str) -> None:
    context.session.soon(lambda: context.accounts.nothing_held(context.cast.subject(who)))


@then("{whose} usage page shows {number} credit(s) spent since the first of the month")
def usage_page(context: CreditContext, who: str, credits: int) -> None:
    context.accounts.spent(context.cast.subject(who), credits)


@then("{whose} movements in unicorn_db read")
def movements(context: CreditContext, who: str) -> None:
    wanted = [(row["kind"], number(row["amount"])) for row in context.table]
    context.accounts.movements(context.cast.subject(who), wanted)
