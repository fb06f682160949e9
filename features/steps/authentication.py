"""Who takes part, and how they sign in."""

from behave import given, then, when

from creditflow.actors import people
from creditflow.checks import Finding, agree, diagnosis, holds
from features.memory import CreditContext


@given("a/an {role} on the {plan} plan with {number} credit(s)")
def makes_person(context: CreditContext, role: str, plan: str, credits: int) -> None:
    context.cast.person(role, plan, credits)


@given("an individual without a subscription, with {number} credits")
def makes_person_without_subscription(context: CreditContext, credits: int) -> None:
    context.cast.person("individual", "", credits)


@when("{who} sign(s) in")
def signs_in(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    holds(bool(person.token), f"Keycloak gave {person.alias} no access token")


@when("{who} sign(s) in again")
def signs_in_again(context: CreditContext, who: str) -> None:
    context.cast.subject(who).sign_in_again()


@when("an unknown user tries to sign in")
def unknown_user_signs_in(context: CreditContext) -> None:
    _try_to_sign_in(context, people.UNKNOWN_USER, "any password")


@when("{who} try/tries to sign in with a wrong password")
def signs_in_wrongly(context: CreditContext, who: str) -> None:
    _try_to_sign_in(context, context.cast.subject(who).name, "not the password")


@then("Keycloak refuses the sign-in")
def sign_in_refused(context: CreditContext) -> None:
    agree([Finding("Keycloak's error is", context.memory.sign_in_error, "invalid_grant")])


@then("the hint says that Keycloak answers but has no such user")
def hint_no_user(context: CreditContext) -> None:
    hint = diagnosis.why_unauthorized(context.target, context.memory.username)
    holds(f"has no user {context.memory.username}" in hint and "create the user" in hint, f"the hint reads '{hint}'")


@then("the hint says that Keycloak answers and the user exists")
def hint_user_exists(context: CreditContext) -> None:
    hint = diagnosis.why_unauthorized(context.target, context.memory.username)
    holds("Keycloak answers and the user" in hint and "check the password" in hint, f"the hint reads '{hint}'")


@then("Keycloak knows {who} by their user id")
def keycloak_knows(context: CreditContext, who: str) -> None:
    person = context.cast.subject(who)
    found = context.target.keycloak.find_user(person.name)
    agree([Finding(f"Keycloak knows {person.alias} by the id", found, person.id)])


def _try_to_sign_in(context: CreditContext, username: str, password: str) -> None:
    context.memory.forget_replies()
    context.memory.username = username
    context.memory.sign_in_error = people.sign_in_error(context.target.keycloak, username, password)
