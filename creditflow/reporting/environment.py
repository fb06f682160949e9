"""What the report says of the target: addresses and versions, never a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from creditflow.core.redaction import redactor
from creditflow.reporting.characters import writable

NAME = "environment.properties"
"""The file beside the results that Allure reads the target's description from."""


class Environment:
    """Collects the description while the run connects; the Allure formatter writes it at the end."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, facts: Mapping[str, str]) -> None:
        """Add facts, a name such as ``Keycloak`` and what is known, such as an address and a version."""
        self._told |= facts

    def write(self, folder: Path) -> None:
        """Write them beside the results; nothing when nothing was told."""
        if self._told:
            told = redactor.clean_value(self._told)
            lines = [f"{_key(name)}={_value(value)}\n" for name, value in told.items()]
            (folder / NAME).write_text("".join(lines), encoding="utf-8")


def _one_line(text: str) -> str:
    return writable(" ".join(str(text).split()))


def _value(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\")


def _key(text: str) -> str:
    """A name as properties files spell it: spaces and separators escaped."""
    return re.sub(r"([ :=\\])", r"\\\1", _one_line(text))


environment = Environment()
"""The description of this run's target."""
