"""The state of a running sandbox: `state.json`, and the processes that it names."""

import os
import signal
import time
from contextlib import suppress
from typing import Self

import psutil
from pydantic import BaseModel, ValidationError

from sandbox.errors import SandboxError
from sandbox.files import write_private
from sandbox.settings import SandboxSettings

CLOCK_TOLERANCE = 2.0
"""Seconds that a process's start time may differ after the machine's clock was set."""


class ProcessId(BaseModel):
    """A process, identified by its number and its start time."""

    pid: int
    started: float
    """When it started, seconds since 1970."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a running process; raise `psutil.NoSuchProcess`."""
        return cls(pid=pid, started=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs, else None."""
        try:
            process = psutil.Process(self.pid)
            return None if self._is_older_than(process) or not _runs(process) else process
        except psutil.Error:
            return None

    def is_another_process(self) -> bool:
        """Return whether the number now belongs to a later process."""
        try:
            return self._is_older_than(psutil.Process(self.pid))
        except psutil.Error:
            return False

    def _is_older_than(self, process: psutil.Process) -> bool:
        return process.create_time() - self.started > CLOCK_TOLERANCE


class ServiceState(BaseModel):
    """The state of one service."""

    phase: str
    """waiting, starting, healthy, died or stopped; silent when it did not answer a check."""
    port: int
    url: str
    log: str
    version: str
    process: ProcessId | None = None
    seconds: float | None = None
    """Seconds from the start of its process to its first healthy answer."""
    exit_status: int | None = None
    environment: list[str] = []
    """The names of the extra environment variables of its last restart."""
    fault: str = ""
    """The fault (deliberate defect, `sandbox.faults`) that is switched on in it."""

    def described(self) -> str:
        """Describe its state in a few words."""
        words = self.phase if self.exit_status is None else f"{self.phase} (exit status {self.exit_status})"
        return f"{words}, with the fault {self.fault} switched on" if self.fault else words


class State(BaseModel):
    """The state of the sandbox, as its supervisor wrote it."""

    supervisor: ProcessId
    owner: ProcessId | None = None
    """The process that started it."""
    phase: str
    """starting, ready or stopping."""
    keep: bool
    """Whether it stays up without a user."""
    services: dict[str, ServiceState] = {}
    seconds: float | None = None
    """Seconds that the start took."""

    @classmethod
    def read(cls, settings: SandboxSettings) -> Self | None:
        """Read the state, None without one; raise `SandboxError` for an unreadable file."""
        try:
            return cls.model_validate_json(settings.state.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise SandboxError(
                f"{settings.state}, which names the processes of the running sandbox, can't be understood "
                f"({type(error).__name__}): end those processes, then remove the file."
            ) from error

    def write(self, settings: SandboxSettings) -> None:
        """Write the state in one step."""
        write_private(settings.state, self.model_dump_json(indent=2))

    def is_up(self) -> bool:
        """Return whether the supervisor still runs."""
        return self.supervisor.process() is not None

    def problems(self) -> list[str]:
        """Return why the sandbox can't be used, one clause for each reason; empty when all is healthy."""
        if self.phase != "ready":
            return [f"it is {self.phase}"]
        return [
            f"{name} {service.described()}" for name, service in self.services.items() if service.phase != "healthy"
        ]


def sweep(state: State) -> list[str]:
    """End the processes that a killed supervisor left; return the names of their services."""
    left = {name: found for name, service in state.services.items() if (found := _left(service))}
    everything = [process for processes in left.values() for process in processes]
    for process in everything:
        _signal(process, signal.SIGTERM)
    alive = wait_for_end(everything, 3)
    for process in alive:
        _signal(process, signal.SIGKILL)
    wait_for_end(alive, 5)
    return list(left)


def wait_for_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until the processes have ended; return those that still run.

    A process that its parent has not waited for yet counts as ended.
    """
    deadline = time.monotonic() + seconds
    alive = [process for process in processes if _runs(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = [process for process in alive if _runs(process)]
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _left(service: ServiceState) -> list[psutil.Process]:
    """Return the service's processes: it and its children, or its group when it has ended."""
    if service.process is None:
        return []
    leader = service.process.process()
    if leader is not None:
        return [leader, *leader.children(recursive=True)]
    if service.process.is_another_process():
        return []  # the system reuses a number only when its process group is empty
    return group(service.process.pid)


def group(number: int) -> list[psutil.Process]:
    """Return the processes of a process group."""
    return [process for process in psutil.process_iter() if _group(process) == number]


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except OSError:
        return None


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.Error):  # it may have ended by itself
        process.send_signal(number)
