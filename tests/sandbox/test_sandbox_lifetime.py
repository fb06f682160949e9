"""When a sandbox ends, and what it leaves."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from sandbox.credentials import Credentials
from sandbox.preparation import PIECES
from sandbox.preparation.piece import MARKER
from sandbox.settings import PROJECT

if TYPE_CHECKING:
    from tests.sandbox.conftest import Home

OWNER = "import sandbox, signal; box = sandbox.start(); print(box.started, flush=True); signal.pause()"
SMALL = {"SANDBOX_ONLY": "redis"}


@contextmanager
def owner(home: Home, *, started: bool) -> Iterator[subprocess.Popen[str]]:
    """Start a process that only needs the sandbox."""
    process = home.begin(OWNER, **SMALL)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(started)
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_ends_with_its_owner_even_one_that_is_killed(home: Home) -> None:
    with owner(home, started=True) as process:
        processes = home.processes()
        process.send_signal(signal.SIGKILL)
        assert home.gone(processes)
    assert not home.settings.state.exists()
    assert not home.settings.target.exists()


def test_it_lives_as_long_as_anybody_needs_it(home: Home) -> None:
    with owner(home, started=True) as first, owner(home, started=False):
        processes = home.processes()
        first.kill()
        first.wait()
        assert not home.gone(processes, 1)
    assert home.gone(processes)


def test_two_starts_at_once_make_one_sandbox(home: Home) -> None:
    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda _: home.run("up", "--keep", **SMALL), range(2)))
    assert [one.returncode for one in ran] == [0, 0], ran
    assert sorted("already up" in one.stdout for one in ran) == [False, True]
    assert len([process for process in home.processes() if "redis" in process.name()]) == 1


def test_a_kept_one_stays_until_it_is_ended(home: Home) -> None:
    assert home.run("up", "--keep", **SMALL).returncode == 0
    processes = home.processes()
    with owner(home, started=False):
        pass
    assert not home.gone(processes, 0.5)
    assert home.run("down").returncode == 0
    assert home.gone(processes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_supervisor_that_is_asked_to_end_ends_its_services_first(home: Home, number: signal.Signals) -> None:
    assert home.run("up", "--keep", **SMALL).returncode == 0
    processes = home.processes()
    processes[0].send_signal(number)
    assert home.gone(processes)


def test_what_a_killed_supervisor_left_is_ended_by_the_next_start(home: Home) -> None:
    assert home.run("up", "--keep", SANDBOX_ONLY="postgresql,redis").returncode == 0
    supervisor, *left = home.processes()
    supervisor.kill()
    home.gone([supervisor])
    assert all(process.is_running() for process in left)
    ran = home.run("up", "--keep", **SMALL)
    assert ran.returncode == 0, ran.stderr
    assert "Ended what an earlier sandbox left running: postgresql, redis" in ran.stdout
    assert home.gone(left, 1)


def test_a_process_that_only_has_the_number_of_an_old_one_is_left_alone(home: Home) -> None:
    assert home.run("up", "--keep", **SMALL).returncode == 0
    supervisor, *left = home.processes()
    supervisor.kill()
    home.gone([supervisor])
    state = home.state
    with subprocess.Popen(["sleep", "60"]) as stranger:
        noted = state.services["redis"].process
        assert noted is not None
        noted.pid, noted.started = stranger.pid, noted.started - 60
        state.write(home.settings)
        assert home.run("down").returncode == 0
        assert stranger.poll() is None
        stranger.kill()
    for process in left:
        process.kill()


def test_a_state_that_can_not_be_understood_is_said_and_nothing_is_started_beside_it(home: Home) -> None:
    home.settings.run.mkdir(parents=True)
    home.settings.state.write_text('{"supervisor": ')
    for command in (("up",), ("down",), ("status",)):
        ran = home.run(*command, **SMALL)
        assert ran.returncode == 2
        assert "can't be understood" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
    home.settings.state.unlink()


def test_one_that_can_not_be_used_is_replaced(home: Home) -> None:
    assert home.run("up", "--keep", **SMALL).returncode == 0
    first, redis = home.processes()[:2]
    redis.kill()
    home.gone([redis])
    ran = home.run("up", "--keep", **SMALL)
    assert ran.returncode == 0, ran.stderr
    assert "redis died (exit status -9)" in ran.stdout
    assert home.gone([first], 1)
    assert home.run("status").returncode == 0


def test_a_taken_port_is_one_sentence(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = home.run("up", SANDBOX_ONLY="redis", SANDBOX_PORTS=f"redis={port}")
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    for said in (f"Port {port} on 127.0.0.1", "redis", f"process {os.getpid()}", "name another port"):
        assert said in ran.stderr
    assert home.run("status").returncode == 1


def test_a_pinned_port_is_used(home: Home) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert home.run("up", "--keep", SANDBOX_ONLY="redis", SANDBOX_PORTS=f"redis={port}").returncode == 0
    assert home.state.services["redis"].port == port


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("SANDBOX_PORTS", "redis=eighty", "'eighty'"),
        ("SANDBOX_PORTS", "redis=70000", "1 to 65535"),
        ("SANDBOX_PORTS", "redis=8080,lago=8080", "one of its own"),
        ("SANDBOX_PORTS", "mysql=3306", "'mysql'"),
        ("SANDBOX_ONLY", "mysql", "'mysql'"),
        ("SANDBOX_HOME", "/proc/nowhere", "SANDBOX_HOME"),
    ],
)
def test_a_setting_that_can_not_be_is_one_sentence(home: Home, setting: str, value: str, said: str) -> None:
    ran = home.run("up", **{setting: value})
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert said in ran.stderr


def test_a_service_that_does_not_come_up_is_named_with_its_log_and_the_cure(home: Home, tmp_path: Path) -> None:
    broken = _broken_litellm(home, tmp_path / "prepared")
    ran = broken.run("up", SANDBOX_ONLY="postgresql,redis,litellm")
    assert ran.returncode == 2
    assert ran.stderr.startswith("litellm did not come up: it ended with exit status 3.")
    assert "no module named proxy" in ran.stderr
    assert "remove the folder `litellm-venv`" in ran.stderr
    assert "<litellm_master_key>" in ran.stderr
    assert Credentials.load(broken.settings.secrets).litellm_master_key not in ran.stderr
    assert broken.run("status").returncode == 1
    mine = str(broken.path)
    assert [line for line in map(_command_line, psutil.process_iter()) if mine in line] == []


def _broken_litellm(home: Home, folder: Path) -> Home:
    """Return a preparation in which LiteLLM writes its key into the log and ends at once."""
    folder.mkdir()
    broken = dataclasses.replace(home, prepared=folder)
    shutil.copy(home.settings.secrets, folder)
    credentials = Credentials.load(broken.settings.secrets)
    for piece in (make(broken.settings, credentials) for make in PIECES):
        source = home.prepared / piece.folder_name
        piece.folder.mkdir()
        for part in source.iterdir():
            if part.name not in (MARKER, "bin"):
                (piece.folder / part.name).symlink_to(part)
        (piece.folder / MARKER).write_text(piece.fingerprint())
    program = folder / "litellm-venv" / "bin" / "python"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "no module named proxy, key $LITELLM_MASTER_KEY"\nexit 3\n')
    program.chmod(0o755)
    return broken


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_the_end_of_a_process_leaves_the_services_of_others_alone() -> None:
    code = (
        "import os, subprocess, sandbox.services.base\n"
        "variable = {'mirakuru_uuid': f'{os.getpid()}0:of-another-process'}\n"
        "quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}\n"
        "print(subprocess.Popen(['sleep', '60'], env=os.environ | variable, **quiet).pid)"
    )
    started = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    other = psutil.Process(int(started.stdout))
    try:
        assert other.status() != psutil.STATUS_ZOMBIE
    finally:
        other.kill()
