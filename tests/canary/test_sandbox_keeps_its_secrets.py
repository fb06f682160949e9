"""The secrets of a running sandbox are in its private files, and nowhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from spellings import traces

from creditflow.target.drivers.realm import SignInRefusedError
from creditflow.target.settings import load
from creditflow.target.target import Target
from sandbox.credentials import Credentials
from sandbox.settings import SandboxSettings, sandbox_settings

ENOUGH = 100_000_000
"""Bytes. Larger files belong to the databases and are in a private folder."""


@pytest.fixture(scope="module")
def settings(deployment: dict[str, str]) -> SandboxSettings:
    found = sandbox_settings()
    assert found.target.is_file(), "no sandbox is up"
    return found


@pytest.fixture(scope="module")
def known(settings: SandboxSettings) -> dict[str, str]:
    """Return all credentials of the sandbox."""
    credentials = asdict(Credentials.load(settings.secrets))
    assert len(credentials) >= 12
    assert all(len(value) >= 20 for value in credentials.values())
    return credentials


@pytest.fixture(scope="module")
def used(deployment: dict[str, str]) -> dict[str, str]:
    """Send wrong secrets to the sandbox, so that its logs contain them if they contain any."""
    target = Target(load({}, deployment))
    wrong = {"wrong password": "canary-of-a-wrong-password-7Hx2", "wrong token": "canary-of-a-wrong-token-9Qz4"}
    try:
        with pytest.raises(SignInRefusedError):
            target.keycloak.token("nobody-of-this-name", wrong["wrong password"])
        assert target.ops_center.http.send("GET", "/api/v1/credits", token=wrong["wrong token"]).status in (401, 404)
        assert target.litellm.http.send("GET", "/v1/models", token=wrong["wrong token"]).status in (400, 401)
        assert target.provider.http.send("GET", "/control/calls", token=wrong["wrong token"]).status == 401
        assert target.lago.http.send("GET", "/api/v1/plans", token=wrong["wrong token"]).status == 401
    finally:
        target.close()
    return wrong


def test_no_secret_is_on_a_command_line(settings: SandboxSettings, known: dict[str, str]) -> None:
    lines = {}
    for process in psutil.process_iter():
        try:
            lines[process.pid] = "\0".join(process.cmdline())
        except psutil.Error:
            continue
    ours = [line for line in lines.values() if "sandbox" in line]
    assert len(ours) >= 7, "the sandbox's processes are not in the list"
    shown = [f"{pid}: {trace}" for pid, line in lines.items() for trace in traces(known, line.encode())]
    assert not shown


def test_no_secret_is_in_a_log(settings: SandboxSettings, known: dict[str, str], used: dict[str, str]) -> None:
    logs = [path for path in settings.logs.rglob("*") if path.is_file()]
    assert {"keycloak", "litellm", "ops-center", "lago", "provider", "postgresql", "redis"} <= {p.stem for p in logs}
    contents = {path.name: path.read_bytes() for path in logs}
    assert sum(map(len, contents.values())) > 1000
    found = [f"{name}: {trace}" for name, data in contents.items() for trace in traces(known | used, data)]
    size = sum(map(len, contents.values()))
    print(f"\n{len(known | used)} secrets in {len(contents)} logs with {size:,} bytes: {len(found)} hits")
    assert not found


def test_every_file_with_a_secret_is_private(settings: SandboxSettings, known: dict[str, str]) -> None:
    secret_files, open_to_others = [], []
    for folder in {settings.home, settings.prepared}:
        for path in _files(folder):
            data = path.read_bytes()
            if any(value.encode() in data for value in known.values()):
                secret_files.append(path)
                if not _private(path, folder):
                    open_to_others.append(f"{path}: {stat.filemode(path.stat().st_mode)}")
    print(f"\n{len(secret_files)} files contain a secret: {', '.join(sorted({p.name for p in secret_files}))}")
    assert settings.target in secret_files
    assert settings.secrets in secret_files
    assert not open_to_others


def test_the_files_of_state_are_for_their_owner_alone(settings: SandboxSettings) -> None:
    for path in (settings.target, settings.state, settings.secrets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for folder in (path for path in settings.run.rglob("*") if path.is_dir() and path.parent == settings.run):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0, f"{folder} is open to others"
    assert stat.S_IMODE(settings.run.stat().st_mode) & 0o066 == 0, "others can list what is in the run's folder"


def _private(path: Path, root: Path) -> bool:
    """Return whether only the owner can read a file, because of its mode or that of a parent folder."""
    if path.stat().st_mode & 0o077 == 0:
        return True
    above = [folder for folder in path.parents if folder == root or root in folder.parents]
    return any(folder.stat().st_mode & 0o011 == 0 for folder in above)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the sandbox's own files, without installed ones, which are older than the secrets."""
    installed = {"litellm-venv", "allure", "node_modules", "keycloak", "cache", "pytest"}
    for root, folders, names in os.walk(folder):
        if Path(root) == folder:
            folders[:] = [name for name in folders if name not in installed]
        for name in names:
            path = Path(root, name)
            if path.is_file() and not path.is_symlink() and path.stat().st_size < ENOUGH:
                yield path
