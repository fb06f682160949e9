"""What users read when they are refused, and what the suite's own failures say."""

from behave import then, when
from behave.runner import Context

from creditflow.checks import refusals
from creditflow.core import expect
from features.memory import last_reply


@then("the message shows where to buy more")
def message_buy(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.offers_upgrade(reply)


@then("the message shows where the organisation can buy more")
def message_buy_for_organization(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.offers_upgrade(reply, context.cast.find_organization("the organisation").id)


@then("the message asks to turn to the organisation's admin")
def message_admin(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "admin")


@then("the message explains the missing allocation")
def message_allocation(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "allocation")
        refusals.clear(reply)


@then("the message says that nothing was purchased")
def message_no_purchase(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "no purchase")


@then("the message says that nothing was charged")
def message_not_charged(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "not charged")


@then("the refusal is a clear sentence that gives no internals away")
def refusal_is_clear(context: Context) -> None:
    with last_reply(context) as reply:
        refusals.clear(reply)


@when("the suite checks that {who} has/have {number} credits left")
def suite_checks_credits(context: Context, who: str, credits: int) -> None:
    person = context.cast.subject(who)
    context.verdict = expect.verdict(lambda: context.accounts.credits(person, credits))


@when("the suite checks that {organization} has {number} credits")
def suite_checks_organization(context: Context, organization: str, credits: int) -> None:
    found = context.cast.find_organization(organization)
    context.verdict = expect.verdict(lambda: context.accounts.organization(found, credits))


@then("the check is red")
def check_is_red(context: Context) -> None:
    expect.holds(context.verdict is not None, "the check is green")


@then("its message names the individual, {number} found and {number} expected")
def message_names(context: Context, found: int, wanted: int) -> None:
    sentence = f"the individual has {found:,} credits in the API, expected {wanted:,}"
    expect.holds(sentence in context.verdict, f"the message reads '{context.verdict}'")


@then("its message says that the credit middleware may be off")
def message_middleware(context: Context) -> None:
    expect.holds("the credit middleware may be off" in context.verdict, f"the message reads '{context.verdict}'")


@then("its message says that nothing was purchased for the organisation")
def message_nothing_purchased(context: Context) -> None:
    wanted = "nothing was purchased for the organisation"
    expect.holds(wanted in context.verdict, f"the message reads '{context.verdict}'")
