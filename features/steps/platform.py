"""The services behind the credit flow, and what the suite itself would run."""

from behave import then, when
from behave.runner import Context

from creditflow.core import expect
from creditflow.core.expect import Finding
from creditflow.core.prices import MODELS
from creditflow.reporting import selection
from creditflow.target import health
from features.language import number


@when("the services are asked how they are")
def asks_services(context: Context) -> None:
    context.health = {h.service: h for h in health.services(context.target)}


@then("{service} is up")
def service_is_up(context: Context, service: str) -> None:
    found = context.health[service]
    expect.agree([Finding(f"{service} is", found.state, "up")], lambda: found.says)


@when("Ops-Center is asked how it is")
def asks_ops_center(context: Context) -> None:
    context.reply = context.target.ops_center.status()


@then("it reports itself and its services as up")
def reports_up(context: Context) -> None:
    services = context.reply.body.get("services", {})
    down = sorted(name for name, state in services.items() if state != "up")
    expect.agree(
        [
            Finding("Ops-Center reports", down, [], "as not up"),
            Finding("Ops-Center's status answer is", context.reply.status, 200),
            Finding("Ops-Center reports on", min(len(services), 5), 5, "services or more"),
        ],
        lambda: f"it said {context.reply.text[:300]}",
    )


@when("{who} look(s) at the models on offer")
def looks_at_models(context: Context, who: str) -> None:
    context.reply = context.target.ops_center.models(context.cast.subject(who).token)


@then("the models on offer cost for 100 tokens")
def models_cost(context: Context) -> None:
    wanted = {MODELS[row["model"]]: number(row["credits"]) for row in context.table}
    data = context.reply.body.get("data", [])
    expect.agree(
        [
            Finding("Ops-Center answers with status", context.reply.status, 200),
            Finding("the answer is a", context.reply.body.get("object"), "list"),
            Finding(
                "the models on offer cost",
                {m.get("id"): m.get("credits_per_100_tokens") for m in data},
                wanted,
            ),
            Finding("each of them is called a", {m.get("object") for m in data}, {"model"}),
        ],
    )


@then("LiteLLM serves each of them")
def litellm_serves(context: Context) -> None:
    missing = sorted(set(MODELS.values()) - set(context.target.litellm.models()))
    expect.holds(not missing, f"LiteLLM does not serve {expect.written(missing)}")


@when("the suite is asked what it would run")
def asks_selection(context: Context) -> None:
    context.selected = selection.scenarios()


@when("the suite is asked what it would run for {tag}")
def asks_selection_for(context: Context, tag: str) -> None:
    context.selected = selection.scenarios(tag)
    context.tag = tag


@then("it would run every feature of the plan's flows, edge cases, risks and platform")
def runs_every_feature(context: Context) -> None:
    found = sorted({place.feature for place in context.selected})
    expect.agree([Finding("it would run", found, selection.features())])


@then("it would run scenarios of {place} and of nothing else")
def runs_only(context: Context, place: str) -> None:
    folders = sorted({found.folder for found in context.selected})
    expect.agree([Finding("it would run scenarios of", folders, [place])], lambda: f"the tag was {context.tag}")
