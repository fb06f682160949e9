"""Sandboxes for tests, separate from the user's own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.handle import Sandbox
from sandbox.prepare import prepare
from sandbox.settings import PROJECT, SandboxSettings, sandbox_settings
from sandbox.state import State, wait_for_end


@dataclass
class Home:
    """A state folder with the shared preparation, and its command line."""

    path: Path
    prepared: Path

    @property
    def settings(self) -> SandboxSettings:
        return sandbox_settings({"SANDBOX_HOME": str(self.path), "SANDBOX_PREPARED": str(self.prepared)})

    @property
    def state(self) -> State:
        state = State.read(self.settings)
        assert state is not None, f"no sandbox has written its state into {self.path}"
        return state

    def environment(self, **more: str) -> dict[str, str]:
        own = {"SANDBOX_HOME": str(self.path), "SANDBOX_PREPARED": str(self.prepared)}
        return {**os.environ, **own, **more}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sandbox", *arguments]
        return subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def begin(self, code: str, **environment: str) -> subprocess.Popen[str]:
        """Start a Python process that runs the code."""
        command = [sys.executable, "-c", code]
        return subprocess.Popen(
            command, cwd=PROJECT, env=self.environment(**environment), stdout=subprocess.PIPE, text=True
        )

    def processes(self) -> list[psutil.Process]:
        """Return every process of the sandbox, the supervisor first."""
        supervisor = self.state.supervisor.process()
        assert supervisor is not None, "the supervisor does not run"
        return [supervisor, *supervisor.children(recursive=True)]

    def status(self) -> dict[str, Any]:
        ran = self.run("status", "--json")
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer

    @staticmethod
    def gone(processes: list[psutil.Process], seconds: float = 60) -> bool:
        """Return whether the processes end in time."""
        return not wait_for_end(processes, seconds)


@pytest.fixture(scope="session")
def prepared() -> Path:
    settings = sandbox_settings()
    prepare(settings, print)
    return settings.prepared


@pytest.fixture
def home(tmp_path: Path, prepared: Path) -> Iterator[Home]:
    own = Home(tmp_path / "home", prepared)
    yield own
    own.run("down")


@pytest.fixture(scope="module")
def whole(own: Sandbox) -> Home:
    """Return a sandbox with every service."""
    return Home(own.where.home, own.where.prepared)
