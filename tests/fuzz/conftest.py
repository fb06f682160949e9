"""What the fuzz tests share: how hard they try, and a machine on which nothing is set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from creditflow.settings import Settings

settings.register_profile(
    "fuzz",
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("fuzz")


@pytest.fixture(scope="module")
def nothing_set() -> Iterator[None]:
    """A machine on which nothing is set: not in the environment, and no `.env`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
            patch.delenv(name, raising=False)
        patch.setitem(Settings.model_config, "env_file", None)
        yield
