"""What others know of a running sandbox: `state.json`, and the processes that it names."""

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
"""Seconds by which a process's start time may seem to move when the machine's clock is set."""


class ProcessId(BaseModel):
    """A process that can't be taken for another one that has the same number later."""

    pid: int
    started: float
    """When it started, seconds since 1970."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """Name a process that runs; raises `psutil.NoSuchProcess`."""
        return cls(pid=pid, started=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs."""
        try:
            process = psutil.Process(self.pid)
            return None if self._is_older_than(process) or not _runs(process) else process
        except psutil.Error:
            return None

    def is_somebody_else(self) -> bool:
        """Tell whether the number now belongs to a process that started later."""
        try:
            return self._is_older_than(psutil.Process(self.pid))
        except psutil.Error:
            return False

    def _is_older_than(self, process: psutil.Process) -> bool:
        return process.create_time() - self.started > CLOCK_TOLERANCE


class ServiceState(BaseModel):
    """One service as the supervisor sees it."""

    phase: str
    """waiting, starting, healthy, died or stopped; silent when it did not answer who asked."""
    port: int
    url: str
    log: str
    version: str
    process: ProcessId | None = None
    seconds: float | None = None
    """How long its start took, from its first process to its first healthy answer."""
    exit_status: int | None = None
    environment: list[str] = []
    """The names of the environment variables that a restart gave it beyond its own."""
    fault: str = ""
    """The deliberate defect that is switched on in it (`sandbox.faults`)."""

    def described(self) -> str:
        """Say in a word or three how it is."""
        said = self.phase if self.exit_status is None else f"{self.phase} (exit status {self.exit_status})"
        return f"{said}, with the fault {self.fault} switched on" if self.fault else said


class State(BaseModel):
    """The sandbox as its supervisor wrote it down."""

    supervisor: ProcessId
    owner: ProcessId | None = None
    """The process that started it."""
    phase: str
    """starting, ready or stopping."""
    keep: bool
    """Whether it stays when nobody uses it."""
    services: dict[str, ServiceState] = {}
    seconds: float | None = None
    """How long the start took."""

    @classmethod
    def read(cls, settings: SandboxSettings) -> Self | None:
        """Return what is written, None where nothing is; raises `SandboxError` for what makes no sense."""
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
        """Write it down, in one step."""
        write_private(settings.state, self.model_dump_json(indent=2))

    def is_up(self) -> bool:
        """Tell whether the supervisor still runs."""
        return self.supervisor.process() is not None

    def faults(self) -> list[str]:
        """Return what is noted that keeps it from being used, a clause each; none when all is healthy."""
        if self.phase != "ready":
            return [f"it is {self.phase}"]
        return [
            f"{name} {service.described()}" for name, service in self.services.items() if service.phase != "healthy"
        ]


def sweep(state: State) -> list[str]:
    """End what a supervisor that was killed left running; returns the names of those services."""
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
    """Wait until the processes have ended; returns those that still run.

    One that has ended counts as such even before its parent has noticed.
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
    """Return the service's processes: it and its children, or its group when it ended before them."""
    if service.process is None:
        return []
    leader = service.process.process()
    if leader is not None:
        return [leader, *leader.children(recursive=True)]
    if service.process.is_somebody_else():
        return []  # a number is given again only when no process of its group is left
    return [process for process in psutil.process_iter() if _group(process) == service.process.pid]


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except OSError:
        return None


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.Error):  # one that ended by itself is as good
        process.send_signal(number)
