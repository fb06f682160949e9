"""Runs of behave as subprocesses, to interrupt, kill and run in parallel, and counts of what the systems contain."""

from __future__ import annotations

import configparser
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from keycloak import KeycloakAdmin
from psycopg2 import sql

from creditflow.cleanup import journal
from creditflow.core import polling
from creditflow.core.expect import holds
from creditflow.target.settings import PROJECT, load
from creditflow.target.target import Target
from sandbox import program

FLOWS = PROJECT / "features" / "flows"
LIMIT_S = 300.0


@dataclass
class Running:
    """A run of behave in progress."""

    process: program.Program
    journals: Path
    folder: Path
    output: str = field(default="")

    def until(self, text: str) -> None:
        """Wait until the console shows a text."""
        end = time.monotonic() + LIMIT_S
        while text not in self.output:
            ready, _, _ = select.select([self.process.stdout], [], [], end - time.monotonic())
            read = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert read, f"the run ended or was silent before it printed {text!r}:\n{self.output}"
            self.output += read.decode("utf-8", "replace")

    def until_journal_has(self, lines: int) -> None:
        """Wait until its journal has this number of lines."""

        def long_enough() -> None:
            assert self.process.returncode is None, f"the run ended before its journal had {lines} lines"
            files = list(self.journals.glob("*/*.jsonl"))
            holds(bool(files) and files[0].read_bytes().count(b"\n") >= lines, "the journal is shorter")

        polling.soon(long_enough, LIMIT_S, 0.005)

    def until_it_waits(self) -> None:
        """Wait until a step or a removal of `waiting` waits."""
        polling.soon(lambda: holds((self.folder / "waits").exists(), "the run does not wait"), LIMIT_S)

    def for_seconds(self, seconds: float) -> None:
        """Let it run for a while, or to its end."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Wait for its end and return the exit status."""
        rest, _ = self.process.read(LIMIT_S)
        self.output += rest.decode("utf-8", "replace")
        return self.process.wait()

    @property
    def journal(self) -> journal.JournalContent:
        """The content of its journal, the only one in the folder."""
        (path,) = self.journals.glob("*/*.jsonl")
        return journal.parse(path, path.read_bytes())


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, deployment: dict[str, str]) -> Iterator[Start]:
    """Start runs on the sandbox with features, arguments and other settings; they are killed at the end of the test."""
    running: list[Running] = []

    def begin(*arguments: str | Path, settings: Mapping[str, str] | None = None) -> Running:
        folder = tmp_path / f"run-{len(running)}"
        folder.mkdir()
        config = configparser.ConfigParser()
        config.read(PROJECT / "behave.ini")
        config["behave"].update(paths=str(PROJECT / "features"), outfiles=str(folder / "allure-results"))
        with (folder / "behave.ini").open("w") as file:
            config.write(file)
        own = {"JOURNAL_DIR": str(tmp_path / "journals"), "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **deployment, **own, **(settings or {})}
        process = program.Program(["behave", *arguments], cwd=folder, env=environment)
        running.append(Running(process, Path((settings or own).get("JOURNAL_DIR", own["JOURNAL_DIR"])), folder))
        return running[-1]

    yield begin
    for one in running:
        if one.process.returncode is None:
            one.kill()


@pytest.fixture
def target(tmp_path: Path, deployment: dict[str, str]) -> Iterator[Target]:
    """Connect to the sandbox, with the journals of the test."""
    opened = Target(load({}, {**deployment, "JOURNAL_DIR": str(tmp_path / "journals")}))
    yield opened
    opened.close()


Count = Callable[[], dict[str, int]]


@pytest.fixture
def count(target: Target, users: KeycloakAdmin, cache: Any) -> Count:
    """Count all rows, keys, users and calls in every system."""

    def counted() -> dict[str, int]:
        database = target.unicorn.database
        rows = sql.SQL("SELECT count(*) AS number FROM {}")
        tables = sorted(database.columns())
        lago = target.lago_db.database
        return {
            **{table: database.rows(rows.format(sql.Identifier(table)))[0]["number"] for table in tables},
            "Lago customers": lago.rows("SELECT count(*) AS n FROM customers WHERE deleted_at IS NULL")[0]["n"],
            "Lago subscriptions": lago.rows("SELECT count(*) AS n FROM subscriptions WHERE status = 1")[0]["n"],
            "Redis keys": len(list(cache.scan_iter())),
            "Keycloak users": users.users_count(),
            "provider calls": len(target.provider.all_calls()),
            "provider troubles": len(target.provider.troubles()),
            "provider accounts": len(target.provider.accounts()),
        }

    return counted
