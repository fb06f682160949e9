"""Installing: from an old Python, without a network, and when all is there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
        timeout=120,
        check=False,
    )


def test_an_old_python_says_in_one_sentence_that_it_is_too_old() -> None:
    pretend = "import sys; sys.version_info = (3, 8, 18); import bootstrap; sys.exit(bootstrap.main())"
    ran = subprocess.run(
        [sys.executable, "-c", pretend], cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("Python 3.11 or newer is needed, this is 3.8: ")
    assert len(ran.stderr.splitlines()) == 1


def test_an_old_python_can_read_the_file() -> None:
    source = (PROJECT / "bootstrap.py").read_text()
    compile(source, "bootstrap.py", "exec", dont_inherit=True)
    newer = {"f-string": 'f"', "annotation": "->  ", "walrus": ":="}
    assert [name for name, mark in newer.items() if mark in source] == []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone has of it."""
    for name in (
        "bootstrap.py",
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
