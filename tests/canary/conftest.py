"""Runs small features in which every secret is a canary, and searches everything that they write for them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest
from echoes import REFUSED, echoes
from spellings import traces

from sandbox import program

PROJECT = Path(__file__).resolve().parents[2]
FEATURES = Path(__file__).resolve().parent / "project"


@dataclass
class Ran:
    """One run: its exit status, its folder, what it printed, and its canaries by name."""

    status: int
    folder: Path
    stdout: bytes
    stderr: bytes
    canaries: dict[str, str]

    def written(self) -> dict[str, bytes]:
        """Return everything that the process wrote, by name: all files and both streams."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        own = self.folder / "features"
        written = {str(path.relative_to(self.folder)): path.read_bytes() for path in files if own not in path.parents}
        return written | {"stdout": self.stdout, "stderr": self.stderr}

    def leaks(self) -> list[str]:
        """Return where canaries were found, and in which spellings."""
        found = {name: sorted(traces(self.canaries, data)) for name, data in self.written().items()}
        return [f"{name}: {len(hits)} hits: {'; '.join(hits[:4])}" for name, hits in found.items() if hits]


def canary(name: str) -> str:
    """Return a secret with characters that every spelling changes, and a unique beginning."""
    return f"{secrets.token_hex(4)}-canary/{name}+9&\"'<{secrets.token_hex(4)}>%é\\{secrets.token_hex(4)}"


def plain_canary(name: str) -> str:
    """Return a secret that is valid in a header and in the text of a feature."""
    return f"{secrets.token_hex(4)}-canary-{name}-{secrets.token_hex(8)}"


@pytest.fixture(scope="session")
def canaries() -> dict[str, str]:
    """Return the secrets of a run by setting; a password is part of an address."""
    return {
        "unicorn_db_url": canary("unicorn"),
        "unicorn_db_read_url": canary("reader"),
        "lago_db_read_url": canary("lago"),
        "redis_url": canary("redis"),
        "keycloak_client_secret": canary("client"),
        "lago_api_key": plain_canary("lago"),
        "litellm_master_key": plain_canary("litellm"),
        "provider_control_token": plain_canary("control"),
        "test_openrouter_key": f"sk-or-v1-{secrets.token_hex(24)}",
        "password": plain_canary("password"),
    }


@pytest.fixture(scope="session")
def token() -> str:
    """Return the token that everybody gets who signs in."""
    claims = {"iss": "https://keycloak.example/realms/uchub", "sub": secrets.token_hex(16), "exp": 4102444800}
    return jwt.encode(claims, secrets.token_hex(32), algorithm="HS256", headers={"kid": "a-key"})


@pytest.fixture(scope="session")
def ports(token: str) -> Iterator[dict[str, int]]:
    """Start services that repeat everything that they receive, and yield their ports."""
    with echoes(token) as listening:
        yield listening


class Runs:
    """Runs of the small features with the same canaries."""

    def __init__(self, root: Path, canaries: dict[str, str], ports: dict[str, int]) -> None:
        self._root, self._canaries, self._ports = root, canaries, ports

    def run(self, name: str, *arguments: str, **environment: str) -> Ran:
        """Run behave in a copy of the features, with every canary as a setting."""
        folder = self._root / name
        shutil.copytree(FEATURES, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for feature in folder.rglob("*.feature"):
            feature.write_text(feature.read_text("utf-8").replace("CANARY", self._canaries["password"]), "utf-8")
        kept = self._root / f"{name}.json"
        kept.write_text(json.dumps(self._canaries), "utf-8")
        done = program.Program(
            ["behave", "-D", f"ports={json.dumps(self._ports)}", *arguments],
            cwd=folder,
            env={**os.environ, **self._settings(), **_process(kept), **environment},
            stderr=None,
        )
        output, errors = done.read(300)
        return Ran(done.wait(), folder, output, errors, json.loads(kept.read_text("utf-8")))

    def of_the_suite(self, name: str, *arguments: str) -> Ran:
        """Run the suite itself, or a command of it, against services that all fail."""
        folder = self._root / name
        folder.mkdir()
        given = self._settings()
        for setting in ("UNICORN_DB_URL", "UNICORN_DB_READ_URL", "LAGO_DB_READ_URL", "REDIS_URL"):
            echo = self._ports["redis" if setting == "REDIS_URL" else "postgresql"]
            given[setting] = given[setting].replace(":7/", f":{echo}/")
        done = subprocess.run(
            [sys.executable, "-m", *(argument.replace("FOLDER", str(folder)) for argument in arguments)],
            cwd=PROJECT,
            env={**os.environ, **given, **_process(folder), "JOURNAL_DIR": str(folder / "journal")},
            capture_output=True,
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, folder, done.stdout, done.stderr, self._canaries)

    def _settings(self) -> dict[str, str]:
        echo = f"http://127.0.0.1:{self._ports['http']}"
        given = {name.upper(): value for name, value in self._canaries.items() if name != "password"}
        for name in ("unicorn_db_url", "unicorn_db_read_url", "lago_db_read_url", "redis_url"):
            password = quote(self._canaries[name], safe="")
            scheme, user, path = ("redis", "", "0") if name == "redis_url" else ("postgresql", "unicorn", "unicorn_db")
            given[name.upper()] = f"{scheme}://{user}:{password}@127.0.0.1:7/{path}"
        return given | {
            "OPS_CENTER_URL": f"{echo}/500",
            "KEYCLOAK_URL": f"{echo}/good",
            "LAGO_API_URL": f"{echo}/500",
            "LITELLM_URL": f"{echo}/500",
            "PROVIDER_URL": f"http://127.0.0.1:{REFUSED}",
            "HTTP_TIMEOUT_S": "30",
        }


def _process(kept: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(FEATURES.parent)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "CANARIES": str(kept),
    }


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, canaries: dict[str, str], ports: dict[str, int]) -> Runs:
    """Return an object that starts runs with canaries."""
    return Runs(tmp_path_factory.mktemp("canaries"), canaries, ports)
