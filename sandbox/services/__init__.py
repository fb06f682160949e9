"""One module for each service: how it starts, when it is healthy, how it stops, and its log."""

from sandbox.services.base import Layout, Running, Service
from sandbox.services.keycloak import Keycloak
from sandbox.services.lago import Lago
from sandbox.services.litellm import LiteLLM
from sandbox.services.ops_center import OpsCenter
from sandbox.services.postgresql import PostgreSQL
from sandbox.services.provider import Provider
from sandbox.services.redis import Redis

SERVICE_CLASSES: dict[str, type[Service]] = {
    service.name: service for service in (LiteLLM, Keycloak, PostgreSQL, Redis, Provider, Lago, OpsCenter)
}
"""The classes by name, the slowest to start first."""


def with_needs(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the services with those that they need, in the order of their start."""
    wanted = set(names)
    for name in names:
        wanted.update(SERVICE_CLASSES[name].needs)
    return tuple(name for name in SERVICE_CLASSES if name in wanted)


__all__ = ["SERVICE_CLASSES", "Layout", "Running", "Service", "with_needs"]
