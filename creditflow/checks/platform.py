"""The services and the models on offer (plan items I1 to I6, EP10)."""

from __future__ import annotations

from collections.abc import Mapping

from creditflow.core.expect import Finding, agree, holds, written
from creditflow.core.prices import MODELS
from creditflow.target import health
from creditflow.target.drivers.http import Reply
from creditflow.target.target import Target

Services = Mapping[str, health.Health]
"""What is known of each service, by its name."""

LEAST_SERVICES = 5
"""How many services Ops-Center reports on at least: Keycloak, PostgreSQL, Redis, Lago and LiteLLM."""


def services(target: Target) -> Services:
    """Ask every service of the target for its health."""
    return {found.service: found for found in health.services(target)}


def require_up(found: Services, service: str) -> None:
    """Require that a service is up."""
    agree([Finding(f"{service} is", found[service].state, "up")], lambda: found[service].message)


def require_status(reply: Reply) -> None:
    """Require that Ops-Center's status reports at least `LEAST_SERVICES` services, and each of them as up."""
    reported = reply.body.get("services", {})
    down = sorted(name for name, state in reported.items() if state != "up")
    agree(
        [
            Finding("Ops-Center reports", down, [], "as not up"),
            Finding("Ops-Center's status answer is", reply.status, 200),
        ],
        lambda: f"the answer reads {reply.text[:300]}",
    )
    holds(
        len(reported) >= LEAST_SERVICES,
        f"Ops-Center reports on {len(reported)} services, expected at least {LEAST_SERVICES}",
        lambda: f"the answer reads {reply.text[:300]}",
    )


def require_reported_up(target: Target, service: str) -> None:
    """Require that Ops-Center's status reports one service as up."""
    reply = target.ops_center.status()
    reported = reply.body.get("services", {})
    agree([Finding(f"Ops-Center reports {service} as", reported.get(service.lower()), "up")])


def require_offer(reply: Reply, prices: Mapping[str, int]) -> None:
    """Require that the models on offer are these and cost these credits for 100 tokens.

    Args:
        reply: Ops-Center's answer.
        prices: credits by the plan's name of the model.
    """
    data = reply.body.get("data", [])
    agree(
        [
            Finding("Ops-Center answers with status", reply.status, 200),
            Finding("the answer is a", reply.body.get("object"), "list"),
            Finding(
                "the models on offer cost",
                {m.get("id"): m.get("credits_per_100_tokens") for m in data},
                {MODELS[model]: credits for model, credits in prices.items()},
            ),
            Finding("each of them is called a", {m.get("object") for m in data}, {"model"}),
        ],
    )


def require_served(target: Target) -> None:
    """Require that LiteLLM serves every model of the plan."""
    missing = sorted(set(MODELS.values()) - set(target.litellm.models()))
    holds(not missing, f"LiteLLM does not serve {written(missing)}")
