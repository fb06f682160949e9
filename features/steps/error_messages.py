"""What users read when they are refused, and what the suite's own failures say."""

from behave import then, when

from creditflow.checks import holds, refusals, verdict
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


@then("the message says that nothing was charged")
def message_not_charged(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.says(reply, "not charged")


@then("the refusal is a clear sentence that shows no internals")
def refusal_is_clear(context: CreditContext) -> None:
    with last_reply(context) as reply:
        refusals.clear(reply)


@when("the suite checks that {who} has/have {number} credits left")
def suite_checks_credits(context: CreditContext, who: str, credits: int) -> None:
    person = context.cast.subject(who)
    context.memory.failure = verdict(lambda: context.accounts.credits(person, credits))


@when("the suite checks that {organization} has {number} credits")
def suite_checks_organization(context: CreditContext, organization: str, credits: int) -> None:
    found = context.cast.find_organization(organization)
    context.memory.failure = verdict(lambda: context.accounts.organization(found, credits))


@then("the check fails")
def check_fails(context: CreditContext) -> None:
    holds(context.memory.failure is not None, "the check passes")


@then("its message names the individual, {number} found and {number} expected")
def message_names(context: CreditContext, found: int, wanted: int) -> None:
    sentence = f"the individual has {found:,} credits in the API, expected {wanted:,}"
    _failed_with(context, sentence)


@then("its message says that the credit middleware may be off")
def message_middleware(context: CreditContext) -> None:
    _failed_with(context, "the credit middleware may be off")


@then("its message says that nothing was purchased for the organisation")
def message_nothing_purchased(context: CreditContext) -> None:
    _failed_with(context, "nothing was purchased for the organisation")


def _failed_with(context: CreditContext, sentence: str) -> None:
    failure = context.memory.failure or ""
    holds(sentence in failure, f"the message reads '{failure}'")
