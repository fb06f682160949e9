"""Runs behave many times without loading its libraries many times: a process that has them and forks for every run.

`python -m sandbox.faults.stage` reads one order a line from standard input, and answers each with two lines: the
process id when the run begins, and the exit status when it has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.faults import SUITE, switch_on
from sandbox.settings import PROJECT

LIBRARIES = (
    "behave.__main__", "behave.formatter.base", "behave.runner", "allure_behave.formatter", "allure", "httpx", "jwt",
    "keycloak", "lago_python_client.client", "psycopg2.extras", "pydantic_settings", "redis", "requests", "tenacity",
    "cryptography.hazmat.primitives.asymmetric.rsa",
)  # fmt: skip
"""What every run of the features needs beyond the project's own modules, which each run loads for itself."""


class Stage:
    """Where the features are run; one run at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.faults.stage"],
            cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def behave(self, arguments: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str]:
        """Run behave; its exit status, and what it printed.

        Args:
            arguments: of its command line.
            environment: beyond the own one.
            seconds: the deadline, after which it is ended by force.

        Raises:
            SandboxError: it did not end in time, or the stage itself has ended.
        """
        with tempfile.NamedTemporaryFile() as printed:
            order = {"arguments": list(arguments), "environment": dict(environment), "output": printed.name}
            pid = self._ask(order)
            late = threading.Timer(seconds, _kill, [pid])
            late.start()
            try:
                status = self._answer()
            finally:
                late.cancel()
            output = Path(printed.name).read_text(errors="replace")
        if status == -signal.SIGKILL:
            raise SandboxError(
                f"The features did not end within {seconds:.0f} s. The last they said:\n{output[-2000:]}"
            )
        return status, output

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _ask(self, order: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SandboxError("The process that runs the features has ended: run the faults again.") from None
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SandboxError("The process that runs the features has ended: run the faults again.")
        return int(line)


def main() -> None:
    """Load the libraries, then fork for every order until there are no more."""
    for name in LIBRARIES:
        import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _perform(order)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _perform(order: dict[str, Any]) -> None:
    """Run behave in a child process, which ends here."""
    os.setsid()
    os.environ.update(order["environment"])
    with open(order["output"], "w", encoding="utf-8") as output, open(os.devnull, encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.path.insert(0, str(PROJECT))
    status = 1
    try:
        switch_on(SUITE)
        status = int(import_module("behave.__main__").main(order["arguments"]) or 0)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
