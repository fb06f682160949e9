"""The facts about the target in the report: addresses and versions, without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from creditflow.core.redaction import redactor
from creditflow.reporting.characters import writable

NAME = "environment.properties"
"""The file beside the results from which Allure reads the facts."""


class Environment:
    """Collects facts while the run connects; the Allure formatter writes them at the end."""

    def __init__(self) -> None:
        self._facts: dict[str, str] = {}

    def add(self, facts: Mapping[str, str]) -> None:
        """Add facts by name, such as "Keycloak" with its address and version."""
        self._facts |= facts

    def write(self, folder: Path) -> None:
        """Write the facts beside the results, if there are any."""
        if self._facts:
            facts = {redactor.clean(name): redactor.clean(value) for name, value in self._facts.items()}
            lines = [f"{_key(name)}={_value(value)}\n" for name, value in facts.items()]
            (folder / NAME).write_text("".join(lines), encoding="utf-8")


def _one_line(text: str) -> str:
    return writable(" ".join(str(text).split()))


def _value(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\")


def _key(text: str) -> str:
    """Return a name with spaces and separators escaped, as in a properties file."""
    return re.sub(r"([ :=\\])", r"\\\1", _one_line(text))


environment = Environment()
"""The facts about this run's target."""
