"""The services behind the credit flow, and the models on offer."""

from behave import then, when

from creditflow.checks import platform
from features.language import number
from features.memory import CreditContext


@when("the services are asked how they are")
def asks_services(context: CreditContext) -> None:
    context.memory.services = platform.services(context.target)


@then("{service} is up")
def service_is_up(context: CreditContext, service: str) -> None:
    platform.require_up(context.memory.services, service)


@when("Ops-Center is asked how it is")
def asks_ops_center(context: CreditContext) -> None:
    context.memory.reply = context.target.ops_center.status()


@then("it reports itself and at least 5 services as up")
def reports_up(context: CreditContext) -> None:
    platform.require_status(context.memory.reply)


@when("{who} look(s) at the models on offer")
def looks_at_models(context: CreditContext, who: str) -> None:
    context.memory.reply = context.target.ops_center.models(context.cast.subject(who).token)


@then("the models on offer cost for 100 tokens")
def models_cost(context: CreditContext) -> None:
    prices = {row["model"]: number(row["credits"]) for row in context.table}
    platform.require_offer(context.memory.reply, prices)


@then("LiteLLM serves each of them")
def litellm_serves(context: CreditContext) -> None:
    platform.require_served(context.target)
