"""What the tests of the suite share."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from keycloak import KeycloakAdmin

import sandbox

# The same examples in every run, and no verdict that depends on how busy the machine is.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def deployment() -> Iterator[dict[str, str]]:
    """The settings of a running sandbox, by environment name; started for this run when none is up."""
    running = sandbox.start(keep=False, report=print)
    yield running.settings
    running.stop()


@pytest.fixture(scope="session")
def users(deployment: dict[str, str]) -> KeycloakAdmin:
    """The realm's users, seen past the suite's own driver."""
    return KeycloakAdmin(
        server_url=f"{deployment['KEYCLOAK_URL']}/",
        realm_name=deployment["KEYCLOAK_REALM"],
        client_id=deployment["KEYCLOAK_CLIENT_ID"],
        client_secret_key=deployment["KEYCLOAK_CLIENT_SECRET"],
    )


@pytest.fixture
def cache(deployment: dict[str, str]) -> Iterator[Any]:
    """What Redis keeps, as texts, seen past the suite's own driver."""
    with redis.Redis.from_url(deployment["REDIS_URL"], decode_responses=True) as opened:
        yield opened
