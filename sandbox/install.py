"""Install the packages of the suite into `.venv`, with only Python's own library.

A complete environment has a marker with the hash of the requirements; while it fits, there is nothing to do.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = PROJECT / ".venv"
SUITE = ("requirements.txt",)
TESTS = ("tests/requirements.txt",)
READ = ("pyproject.toml", "constraints.txt", "sandbox/requirements.txt")
"""The files that the requirements refer to."""
MEGABYTES = 900
LONGEST_INSTALL = 1800
"""The most seconds of the download of all packages."""


class InstallError(Exception):
    """An expected error. Its message says what went wrong, where, and what to do next."""


def install(arguments: Sequence[str]) -> int:
    """Make or complete the environment, then prepare the sandbox and the report's tool.

    Returns the exit status: 0, or 2 with a message on standard error.
    """
    parser = argparse.ArgumentParser(prog="bootstrap.py", description="Install what the suite needs into .venv.")
    parser.add_argument("--tests", action="store_true", help="also what the suite's own tests need")
    parser.add_argument("--no-sandbox", action="store_true", help="leave the sandbox unprepared")
    wanted = parser.parse_args(arguments)
    # A plain `kill` then removes what is unfinished, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _install_packages(SUITE + (TESTS if wanted.tests else ()))
    except InstallError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"{error.filename or ENVIRONMENT} can't be written ({error.strerror}): make room on the disk "
            "or set the folder's rights, then run bootstrap.py again.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("Interrupted; what was half-made is removed.", file=sys.stderr)
        return 130
    return _prepare(sandbox=not wanted.no_sandbox)


def installer_environment() -> dict[str, str]:
    """Return the caller's environment for pip and uv, without the variables that would install packages elsewhere.

    If the caller's home can't be written, uv's cache is in the project.
    """
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    own["PIP_USER"] = "0"
    cache = Path(own.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    nearest = next(place for place in (cache / "uv", cache, *cache.parents) if os.path.exists(place))
    if not os.access(nearest, os.W_OK):
        own.setdefault("UV_CACHE_DIR", str(PROJECT / ".sandbox" / "uv-cache"))
    return own


def _install_packages(files: Sequence[str]) -> None:
    hashes = {name: sha256((PROJECT / name).read_bytes()).hexdigest() for name in (*files, *READ)}
    needed = {"python": sys.version, "place": str(ENVIRONMENT), **hashes}
    marker = ENVIRONMENT / ".installed.json"
    known = _known(marker)
    if all(known.get(name) == value for name, value in needed.items()):
        return
    usable = known.get("place", needed["place"]) == needed["place"] and _runs(ENVIRONMENT)
    _check(new=not usable)
    target = ENVIRONMENT if usable else ENVIRONMENT.with_name(".venv.partial")
    steps: list[tuple[str, Callable[[], None]]] = [
        ("uv, which installs", lambda: _install_uv(target)),
        ("the packages of " + ", ".join(files), lambda: _install_requirements(target, files)),
    ]
    if not usable:
        steps.insert(0, ("an environment for the packages", lambda: _make_environment(target)))
    marker.unlink(missing_ok=True)
    try:
        for number, (title, step) in enumerate(steps, 1):
            print(f"[{number}/{len(steps)}] {title} ...", end=" ", flush=True)
            began = time.monotonic()
            step()
            print(f"{time.monotonic() - began:.0f} s", flush=True)
        (target / marker.name).write_text(json.dumps({**(known if usable else {}), **needed}, indent=2))
        if not usable:
            _give_name(target)
    finally:
        if not usable:
            shutil.rmtree(target, ignore_errors=True)


def _known(marker: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(marker.read_text())
    except (OSError, ValueError):
        return {}
    return known


def _runs(environment: Path) -> bool:
    """Return whether the environment's Python runs, and is the version of this one."""
    script = "import sys, pip; print(sys.version)"
    try:
        ran = subprocess.run(
            [environment / "bin" / "python", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0 and ran.stdout.strip() == sys.version


def _check(new: bool) -> None:
    if new and find_spec("ensurepip") is None:
        major, minor = sys.version_info[:2]
        raise InstallError(
            f"This Python, {sys.executable}, can't make environments (its module ensurepip is missing): "
            f"install the package python{major}.{minor}-venv, then run bootstrap.py again."
        )
    free = shutil.disk_usage(PROJECT).free // 2**20
    if free < MEGABYTES:
        raise InstallError(
            f"The disk of {PROJECT} has {free} MB free, and the packages need {MEGABYTES} MB: make room, "
            "then run bootstrap.py again."
        )


def _make_environment(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    try:
        venv.create(target, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:
        raise InstallError(
            f"No environment could be made in {target} ({_last_line(error.output)}): make room on the disk "
            f"or repair {sys.executable}, then run bootstrap.py again."
        ) from error


def _install_uv(target: Path) -> None:
    # pip reads the pin of uv alone; uv then installs everything else in seconds.
    _run(
        [target / "bin" / "python", "-m", "pip", "install", "--quiet", "uv", "-c", PROJECT / "constraints.txt"],
        "pip",
    )


def _install_requirements(target: Path, files: Sequence[str]) -> None:
    command: list[str | Path] = [
        target / "bin" / "uv",
        "pip",
        "install",
        "--python",
        target / "bin" / "python",
    ]
    for name in files:
        command += ["-r", PROJECT / name]
    _run(command, "uv")


def _run(command: list[str | Path], tool: str) -> None:
    try:
        ran = subprocess.run(
            command,
            cwd=PROJECT,  # `-e .` of the requirements means the folder that the installer runs in
            env=installer_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_INSTALL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InstallError(
            f"{tool} did not install the packages within {LONGEST_INSTALL} s: check the network, then run "
            "bootstrap.py again."
        ) from error
    if ran.returncode != 0:
        raise InstallError(
            f"{tool} could not install the packages ({_last_line(ran.stdout)}): check the network and the "
            "room on the disk, then run bootstrap.py again."
        )


def _last_line(output: str | bytes | None) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no output"])[-1][:300]


def _give_name(target: Path) -> None:
    """Rename the complete environment, and correct the folder's name in its scripts."""
    for script in [*(target / "bin").iterdir(), target / "pyvenv.cfg"]:
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if bytes(target) in content and b"\0" not in content:
            script.write_bytes(content.replace(bytes(target), bytes(ENVIRONMENT)))
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    target.rename(ENVIRONMENT)


def _prepare(*, sandbox: bool) -> int:
    """Run the preparations that need the packages; return the first exit status that is not 0."""
    modules = [["sandbox", "prepare"]] if sandbox and not _has_target() else []
    for module in [*modules, ["creditflow.reporting.report_tool"]]:
        status = subprocess.run([ENVIRONMENT / "bin" / "python", "-m", *module], cwd=PROJECT, check=False).returncode
        if status != 0:
            return status
    return 0


def _has_target() -> bool:
    """Return whether the environment or `.env` names a deployment, so that no sandbox is needed."""
    if os.environ.get("OPS_CENTER_URL"):
        return True
    try:
        lines = (PROJECT / ".env").read_text().splitlines()
    except OSError:
        return False
    named = [line.partition("=")[2].strip(" '\"") for line in lines if line.strip().startswith("OPS_CENTER_URL=")]
    return any(named)
