"""What the fuzz tests share: a machine on which nothing is set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from creditflow.target.settings import Settings


@pytest.fixture(scope="module")
def nothing_set() -> Iterator[None]:
    """Return a machine on which nothing is set: not in the environment, and no `.env`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
            patch.delenv(name, raising=False)
        patch.setitem(Settings.model_config, "env_file", None)
        yield
