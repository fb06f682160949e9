"""The suite itself: what it would run, runs that must not begin, and what its failures say."""

from behave import then, when

from creditflow.checks import holds, own_runs, verdict
from features.memory import CreditContext


@when("the suite is asked what it would run")
def asks_selection(context: CreditContext) -> None:
    context.memory.selected = own_runs.selected()


@when("the suite is asked what it would run for {tag}")
def asks_selection_for(context: CreditContext, tag: str) -> None:
    context.memory.selected = own_runs.selected(tag)


@then("it would run every scenario of {selection} and no other")
def runs_exactly(context: CreditContext, part: str) -> None:
    own_runs.require_exactly(context.memory.selected, part)


@when("a run is started while every service is away")
def starts_without_services(context: CreditContext) -> None:
    context.memory.ended = own_runs.start_without_services(context.target.settings)


@when("a run is started on a database without the tables of unicorn_db")
def starts_without_tables(context: CreditContext) -> None:
    context.memory.ended = own_runs.start_without_tables(context.target.settings)


@then("it ends with status 2 before its first scenario")
def does_not_begin(context: CreditContext) -> None:
    own_runs.require_not_begun(context.memory.ended)


@then("it names {services} as away, with what to try next")
def names_services(context: CreditContext, services: list[str]) -> None:
    own_runs.require_services_named(context.memory.ended, services)


@then("it names each table that is missing")
def names_tables(context: CreditContext) -> None:
    own_runs.require_tables_named(context.memory.ended, [row["table"] for row in context.table])


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
