"""What the tests of the suite share."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

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
