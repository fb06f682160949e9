"""Who takes part, and how they sign in."""

from behave import given, then, when
from behave.runner import Context

from creditflow.checks import diagnosis
from creditflow.core import expect
from creditflow.core.expect import Finding
from creditflow.core.naming import RUN
from creditflow.target.drivers.keycloak import SignInRefusedError


@given("a/an {role} on the {plan} plan with {number} credit(s)")
def makes_person(context: Context, role: str, plan: str, credits: int) -> None:
    context.cast.person(role, plan, credits)


@given("an individual without a subscription, with {number} credits")
def makes_person_without_subscription(context: Context, credits: int) -> None:
    context.cast.person("individual", "", credits)


@when("{who} sign(s) in")
def signs_in(context: Context, who: str) -> None:
    person = context.cast.subject(who)
    expect.holds(bool(person.token), f"Keycloak gave {person.alias} no access token")


@when("somebody whom nobody made tries to sign in")
def nobody_signs_in(context: Context) -> None:
    context.username = f"{RUN}-nobody"
    _try_to_sign_in(context, "whatever the password")


@when("{who} try/tries to sign in with a wrong password")
def signs_in_wrongly(context: Context, who: str) -> None:
    context.username = context.cast.subject(who).name
    _try_to_sign_in(context, "not the password")


@then("Keycloak refuses the sign-in")
def sign_in_refused(context: Context) -> None:
    expect.agree([Finding("Keycloak's error is", context.refusal, "invalid_grant")])


@then("the hint says that Keycloak answers but has no such user")
def hint_no_user(context: Context) -> None:
    hint = diagnosis.why_unauthorized(context.target, context.username)
    expect.holds(f"has no user {context.username}" in hint and "create the user" in hint, f"the hint reads '{hint}'")


@then("the hint says that Keycloak answers and the user exists")
def hint_user_exists(context: Context) -> None:
    hint = diagnosis.why_unauthorized(context.target, context.username)
    expect.holds("Keycloak answers and the user" in hint and "check the password" in hint, f"the hint reads '{hint}'")


@then("Keycloak knows {who} by their user id")
def keycloak_knows(context: Context, who: str) -> None:
    person = context.cast.subject(who)
    found = context.target.keycloak.find_user(person.name)
    expect.agree([Finding(f"Keycloak knows {person.alias} by the id", found, person.id)])


def _try_to_sign_in(context: Context, password: str) -> None:
    try:
        context.target.keycloak.token(context.username, password)
        context.refusal = "none: it was accepted"
    except SignInRefusedError as refused:
        context.refusal = refused.error
