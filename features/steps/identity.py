"""Who somebody is: accounts, e-mail addresses, and what happens when they change."""

from behave import given, then, when

from creditflow.actors import forged_tokens, people
from creditflow.actors.cast import Account
from creditflow.checks import Finding, agree
from features.memory import CreditContext


@given("a {role} with an unverified e-mail address, on the {plan} plan with {number} credits")
def makes_unverified(context: CreditContext, role: str, plan: str, credits: int) -> None:
    context.cast.person(role, plan, credits, Account(plan, plan, address_is_verified=False))


@given("a/an {role} without an e-mail address, on the {plan} plan with {number} credits")
def makes_without_address(context: CreditContext, role: str, plan: str, credits: int) -> None:
    context.cast.person(role, plan, credits, Account(plan, plan, has_address=False))


@given("a/an {role} on the {plan} plan, whom Keycloak lists as {plan} and the credits table as {plan}")
def makes_listed_otherwise(context: CreditContext, role: str, plan: str, in_keycloak: str, of_credits: str) -> None:
    context.cast.person(role, plan, 1_000, Account(in_keycloak, of_credits))


@when("{who} change(s) their e-mail address")
def changes_address(context: CreditContext, who: str) -> None:
    context.cast.change_address(context.cast.subject(who))


@when("{who} get(s) {whose} former e-mail address")
def takes_over_address(context: CreditContext, who: str, former: str) -> None:
    owner, person = context.cast.mentioned(former), context.cast.subject(who)
    context.cast.take_over_address(person, owner)


@when("{whose} e-mail address is verified")
def address_is_verified(context: CreditContext, who: str) -> None:
    context.cast.verify_address(context.cast.subject(who))


@when("{who} sign(s) in for a moment only")
def signs_in_for_a_moment(context: CreditContext, who: str) -> None:
    context.memory.short_lived_token = forged_tokens.short_lived(context.target, context.cast.subject(who))


@when("{whose} account is disabled")
def account_is_disabled(context: CreditContext, who: str) -> None:
    context.target.keycloak.disable(context.cast.subject(who).id)


@then("{whose} short sign-in is refused with 401 after its end")
def short_sign_in_ends(context: CreditContext, who: str) -> None:
    token = forged_tokens.wait_until_expired(context.memory.short_lived_token)
    status = context.target.ops_center.balance(token).status
    alias = context.cast.subject(who).alias
    agree([Finding(f"{alias}, whose account is disabled, sends an expired token and gets", status, 401)])


@when("{who} try/tries to sign in again")
def tries_to_sign_in_again(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    context.memory.forget_replies()
    context.memory.username = person.name
    context.memory.sign_in_error = people.sign_in_error(context.target.keycloak, person.name, person.password)
