"""Start a Python program as a process of its own, with the libraries imported already.

A server process (multiprocessing's forkserver) imports the libraries that a run of the features needs, and none
of the project's own modules. Each program is a fork of it. It behaves as `python -m MODULE`: folder, environment,
outputs, exit status, signals and session are its own.
"""

from __future__ import annotations

import atexit
import io
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    "allure_behave.formatter", "behave.formatter._builtins", "behave.parser", "behave.runner",
    "cryptography.hazmat.primitives.asymmetric.rsa", "hamcrest", "httpx", "jwt", "keycloak",
    "psutil", "psycopg2.extras", "pydantic_settings", "redis", "requests", "rich.console",
    "tenacity", "typer",
)  # fmt: skip
"""The libraries that a run of the features imports."""

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(LIBRARIES))

_one_at_a_time = threading.Lock()
"""A start also reads the status of each process that has ended; the second thread that reads one would get 255."""


class Program:
    """A running `python -m MODULE ARGUMENTS`, with a part of the interface of `subprocess.Popen`.

    Args:
        arguments: the module and its arguments.
        cwd: its folder.
        env: its whole environment.
        stderr: `subprocess.STDOUT` for one output, None for two separate ones.

    Attributes:
        stdout: its standard output, to be read.
        stderr: its standard error, if separate.
        pid: its process id, also the id of its session and process group.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stderr: int | None = subprocess.STDOUT,
    ) -> None:
        reading, writing = _server.Pipe(duplex=False)
        errors_read, errors_write = (None, None) if stderr == subprocess.STDOUT else _server.Pipe(duplex=False)
        self._process = _server.Process(
            target=_become, args=([str(part) for part in arguments], str(cwd), dict(env), writing, errors_write)
        )
        with _one_at_a_time:
            self._process.start()
        writing.close()
        self.stdout = _readable(reading)
        self.stderr = None
        if errors_read is not None and errors_write is not None:
            errors_write.close()
            self.stderr = _readable(errors_read)
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status; minus the number of the signal that ended it; None while it runs."""
        with _one_at_a_time:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit status.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        status = self.returncode
        if status is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        with suppress(ProcessLookupError):
            if self.returncode is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program and its process group."""
        with suppress(ProcessLookupError):
            if self.returncode is None:
                os.killpg(self.pid, signal.SIGKILL)

    def read(self, timeout: float) -> tuple[bytes, bytes]:
        """Read both outputs to their end, and wait for the end of the program.

        Raises:
            subprocess.TimeoutExpired: it did not end in time and was killed; the exception has its output.
        """
        until = time.monotonic() + timeout
        open_files = {file.fileno(): file for file in (self.stdout, self.stderr) if file is not None}
        outputs = dict.fromkeys(open_files, b"")
        while open_files:
            ready = multiprocessing.connection.wait(list(open_files), max(0.0, until - time.monotonic()))
            if not ready:
                self.kill()
                self.wait()
                raise subprocess.TimeoutExpired(str(self._process), timeout, b"".join(outputs.values()))
            for number in ready:
                assert isinstance(number, int)
                part = os.read(number, 65_536)
                outputs[number] += part
                if not part:
                    del open_files[number]
        self.wait(max(0.1, until - time.monotonic()))
        both = list(outputs.values())
        return both[0], both[1] if both[1:] else b""


def run(
    arguments: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], timeout: float, stderr: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE ARGUMENTS` as `subprocess.run` does; its outputs are UTF-8 text.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    program = Program(arguments, cwd=cwd, env=env, stderr=stderr)
    output, errors = program.read(timeout)
    return subprocess.CompletedProcess(
        list(arguments), program.wait(), output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")
    )


def _readable(pipe: Connection) -> io.BufferedReader:
    file = open(os.dup(pipe.fileno()), "rb")  # noqa: SIM115
    pipe.close()
    return file


def _begin_as_python_does() -> None:
    """Import again what the environment's .pth files name, because some of it reads the command line."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "creditflow"]:
        del sys.modules[name]
    for folder in site.getsitepackages():
        site.addsitedir(folder)


def _become(
    arguments: list[str], folder: str, environment: dict[str, str], output: Connection, errors: Connection | None
) -> NoReturn:
    """Run the program in this fork, and exit."""
    os.setsid()
    os.dup2(output.fileno(), 1)
    os.dup2((errors or output).fileno(), 2)
    output.close()
    if errors is not None:
        errors.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv, sys.orig_argv = list(arguments), [sys.executable, "-m", *arguments]
    _begin_as_python_does()
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    unbuffered = "PYTHONUNBUFFERED" in environment
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1 if unbuffered else -1)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    status = 0
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        status = 1
        sys.excepthook(*sys.exc_info())
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
