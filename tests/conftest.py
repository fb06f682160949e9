"""What the tests of the suite share."""

from collections.abc import Iterator

import pytest

import sandbox


@pytest.fixture(scope="session")
def deployment() -> Iterator[dict[str, str]]:
    """The settings of a running sandbox, by environment name; started for this run when none is up."""
    running = sandbox.start(keep=False, report=print)
    yield running.settings
    running.stop()
