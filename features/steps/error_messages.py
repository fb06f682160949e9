"""What users read when they are refused."""

from behave import then

from creditflow.checks import refusals
from features.memory import CreditContext, last_reply


@then("the message shows where to buy more")
def message_buy(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.offers_upgrade(reply)


@then("the message shows where the organisation can buy more")
def message_buy_for_organization(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.offers_upgrade(reply, context.cast.find_organization("the organisation").id)


@then("the message asks to contact the organisation's admin")
def message_admin(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "admin")


@then("the message explains the missing allocation")
def message_allocation(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "allocation")
        refusals.clear(reply)


@then("the message says that nothing was purchased")
def message_no_purchase(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "no purchase")


@then("the message says that nothing was charged and asks to try again")
def message_not_charged(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "not charged")


@then("the refusal is a clear sentence that shows no internals")
def refusal_is_clear(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.clear(reply)


@then("the link leads to a page")
def link_leads_somewhere(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.leads_to_a_page(reply, context.target.ops_center.http)
