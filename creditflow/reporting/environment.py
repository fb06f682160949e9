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
            (folder / NAME).write_text("".join(_lines(self._facts)), encoding="utf-8")


def complete(folder: Path, facts: Mapping[str, str]) -> None:
    """Write facts before those beside the results; facts of the same names are replaced."""
    path, first = folder / NAME, _lines(facts)
    written = path.read_text("utf-8").splitlines(keepends=True) if path.is_file() else []
    names = tuple(f"{_key(name)}=" for name in facts)
    path.write_text("".join([*first, *(line for line in written if not line.startswith(names))]), encoding="utf-8")


def _lines(facts: Mapping[str, str]) -> list[str]:
    return [f"{_key(redactor.clean(name))}={_value(redactor.clean(value))}\n" for name, value in facts.items()]


def _one_line(text: str) -> str:
    return writable(" ".join(str(text).split()))


def _value(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\")


def _key(text: str) -> str:
    """Return a name with spaces and separators escaped, as in a properties file."""
    return re.sub(r"([ :=\\])", r"\\\1", _one_line(text))


environment = Environment()
"""The facts about this run's target."""
