"""Runs of the suite itself: the scenarios that it would select, and runs that must not begin (plan items X1 to X4)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from creditflow.core.errors import NotTestableError
from creditflow.core.expect import Finding, agree, holds, written
from creditflow.reporting import evidence, selection
from creditflow.target.settings import PROJECT, Settings

SELECTIONS = {
    "the suite": "*/*.feature",
    "flow 1": "flows/1_*.feature",
    "flow 2": "flows/2_*.feature",
    "flow 3": "flows/3_*.feature",
    "the edge cases": "edge_cases/*.feature",
}
"""The files of each part of the plan."""

ADDRESSES = ("ops_center_url", "keycloak_url", "unicorn_db_url", "unicorn_db_read_url", "redis_url", "lago_api_url",
             "litellm_url")  # fmt: skip
"""The settings with the addresses of the services."""

NOBODY_LISTENS = 1
"""A port without a service (tcpmux, RFC 1078)."""
LONGEST_S = 90
"""The deadline of a run that must not begin, in seconds."""

_BEHAVE_INI = f"""[behave]
paths = {PROJECT / "features"}
runner = creditflow.reporting.runner:Runner
default_format = creditflow.reporting.console:Formatter
summary = no
show_snippets = no
"""

Selected = list[selection.Place]
"""The scenarios that a run selects."""


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its exit status, and what it printed."""

    status: int
    output: str


def selected(tags: str = "") -> Selected:
    """Return the scenarios that the suite would run: with its defaults, or for a tag expression."""
    return selection.scenarios(tags)


def require_exactly(found: Selected, part: str) -> None:
    """Require that the selected scenarios are those of a part of the plan: each of them, and no other."""
    wanted = selection.written(SELECTIONS[part])
    agree(
        [
            Finding(f"of {part} it would leave out", _titles(set(wanted) - set(found)), []),
            Finding(f"beside {part} it would run", _titles(set(found) - set(wanted)), []),
            Finding("it would run", len(found), len(wanted), "scenarios"),
        ]
    )


def start_without_services(settings: Settings) -> Ended:
    """Start a run for which no service listens, and wait for its end."""
    away = {name: _elsewhere(_plain(getattr(settings, name))) for name in ADDRESSES}
    return _run(settings, {name: url for name, url in away.items() if url})


def start_without_tables(settings: Settings) -> Ended:
    """Start a run on a database that has none of the tables of unicorn_db, and wait for its end.

    Raises:
        NotTestableError: the settings name no such database.
    """
    other = _plain(settings.lago_db_read_url)
    if not other:
        raise NotTestableError("this target names no database without the tables", "set LAGO_DB_READ_URL")
    return _run(settings, {"unicorn_db_read_url": other})


def require_not_begun(run: Ended) -> None:
    """Require that a run ended with status 2 before its first scenario."""
    scenarios = [line.strip() for line in run.output.splitlines() if re.match(r" +[✓✗] ", line)]
    agree(
        [
            Finding("the run ended with the status", run.status, 2),
            Finding("the run had begun with", scenarios[:3], []),
            Finding("the run says 'The run can't begin':", "The run can't begin:" in run.output, True),
        ],
        lambda: f"its last lines read: {_last_lines(run)}",
    )


def require_services_named(run: Ended, services: Sequence[str]) -> None:
    """Require one line for each of these services, with its address and what to try next."""
    lines = [line.strip(" -") for line in run.output.splitlines()]
    unnamed = [s for s in services if not any(re.match(rf"{s}\b.* at \S+ .*: .+\.$", line) for line in lines)]
    holds(
        not unnamed,
        f"the run does not name {written(unnamed)} with what to try next; its last lines read: {_last_lines(run)}",
    )


def require_tables_named(run: Ended, tables: Sequence[str]) -> None:
    """Require that a run names each of these tables as missing."""
    unnamed = [table for table in tables if not re.search(rf"\b{table}\b", run.output)]
    holds(
        bool(tables) and not unnamed,
        f"the run does not name {written(unnamed)}; its last lines read: {_last_lines(run)}",
    )


def _run(settings: Settings, changes: Mapping[str, str]) -> Ended:
    """Run the first scenario of the services with these settings, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="credit-flow-") as name:
        folder = Path(name)
        (folder / "behave.ini").write_text(_BEHAVE_INI, "utf-8")
        known = {field: _plain(getattr(settings, field)) for field in Settings.model_fields}
        own = {"journal_dir": str(folder / "journals"), "http_timeout_s": "5", "run_timeout_s": str(LONGEST_S)}
        environment = {field.upper(): value for field, value in {**known, **changes, **own}.items()}
        done = subprocess.run(
            [sys.executable, "-m", _program(), str(PROJECT / "features" / "platform" / "1_services.feature"), "--stop"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_S,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    evidence.attach_text("What the run printed", done.stdout)
    return Ended(done.returncode, done.stdout)


def _last_lines(run: Ended) -> str:
    """Return the last lines of a run, as many as can be read in a sentence."""
    lines = [" ".join(line.split()) for line in run.output.splitlines() if line.strip()]
    return " / ".join(lines[-4:])[:600] or "nothing"


def _program() -> str:
    """Return the module that runs the features in this process: behave, or what begins it."""
    module = sys.modules["__main__"].__spec__
    return module.name.removesuffix(".__main__") if module else "behave"


def _elsewhere(url: str) -> str:
    """Return an address on the same host, with a port on which nobody listens."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts._replace(netloc=f"{place[0]}{place[1]}{host}:{NOBODY_LISTENS}").geturl() if url else ""


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _titles(places: set[selection.Place]) -> list[str]:
    return [f"{place.feature}:{place.line} {place.title}" for place in sorted(places, key=str)][:5]
