"""Services that are away, and come back."""

from behave import given, then, when

from creditflow.checks import platform
from features.memory import CreditContext


@given("{service} is away")
@when("{service} goes away")
def goes_away(context: CreditContext, service: str) -> None:
    context.cast.take_away(service)


@when("{service} is back")
def is_back(context: CreditContext, service: str) -> None:
    context.target.outages.end(service)


@then("soon Ops-Center reports {service} as up")
def reported_up(context: CreditContext, service: str) -> None:
    context.session.soon(lambda: platform.require_reported_up(context.target, service))
