"""The base of every service: its process, its health check, its stop and its log."""

import atexit
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar
from urllib.request import ProxyHandler, build_opener

from mirakuru.base import SimpleExecutor, cleanup_subprocesses
from mirakuru.exceptions import ProcessFinishedWithError, TimeoutExpired

from sandbox.credentials import Credentials
from sandbox.errors import SandboxError
from sandbox.ports import HOST
from sandbox.settings import PROJECT, SandboxSettings
from sandbox.state import group, wait_for_end

# At its end, a process that has loaded mirakuru kills all processes whose starter has a number that begins with its own
# one: the process 106 kills what 10630 has started. The supervisor stops its services itself.
atexit.unregister(cleanup_subprocesses)

WITHOUT_PROXY = build_opener(ProxyHandler({}))
"""Sends requests to the sandbox's own addresses, whatever proxy the environment names."""
LOG_LINES = 15
LONGEST_STOP = 8
"""Seconds that a service may take to stop."""


def is_healthy(address: str) -> bool:
    """Return whether an address of the sandbox answers 200, with no more than 3 s without a sign of it."""
    try:
        with WITHOUT_PROXY.open(address, timeout=3) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


@dataclass(frozen=True)
class Layout:
    """The settings, secrets and ports that the services of one sandbox share."""

    settings: SandboxSettings
    credentials: Credentials
    ports: Mapping[str, int]
    """A port for every service, also for those that this sandbox does not start."""

    def url(self, service: str) -> str:
        """Return the service's address, without a trailing slash."""
        return f"http://{HOST}:{self.ports[service]}"


class Service(ABC):
    """One service of the sandbox."""

    name: ClassVar[str]
    version: ClassVar[str]
    """The version in `status`; `stand-in` for a stand-in."""
    needs: ClassVar[tuple[str, ...]] = ()
    """The services that must be healthy before this one starts."""
    deadline: ClassVar[float] = 60
    """Seconds that it may take to become healthy."""
    stop_signal: ClassVar[int] = signal.SIGTERM
    """The signal that stops it and keeps its state for the next start."""
    crash_signal: ClassVar[int] = signal.SIGKILL
    """Ends it as a crash does."""
    end_signal: ClassVar[int] = signal.SIGTERM
    """The signal that stops it when its state is not needed any more."""
    log_shows_errors: ClassVar[bool] = True
    """Whether an error in its log means a defect, and not only a refused request."""
    cure: ClassVar[str]
    """What the user can do when it does not come up."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.port = layout.ports[self.name]
        self.folder = layout.settings.run / self.name
        """The folder of its state; each start of the sandbox empties it."""
        self.log = layout.settings.logs / f"{self.name}.log"

    @property
    def url(self) -> str:
        """The service's address."""
        return self.layout.url(self.name)

    def make_state(self) -> None:  # noqa: B027 - most services have none
        """Create the state for its start, in its empty folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line, without secrets: every user of the machine can read it."""

    def environment(self) -> dict[str, str]:
        """Return its environment variables, secrets included."""
        return {}

    @abstractmethod
    def is_healthy(self) -> bool:
        """Return whether it works, within 3 s and without an exception."""

    def complete(self) -> None:  # noqa: B027 - most services are complete when they are healthy
        """Do the rest of its start after its first healthy answer; raise `SandboxError`."""

    def target(self) -> dict[str, str]:
        """Return its part of the target description, by environment variable."""
        return {}


class HttpService(Service):
    """A service that is healthy when a path answers 200."""

    health_path: ClassVar[str]

    def is_healthy(self) -> bool:
        """Request the health path."""
        return is_healthy(self.url + self.health_path)


@dataclass
class Running:
    """The process of a service, in a process group of its own."""

    service: Service
    extra: Mapping[str, str] = field(default_factory=dict)
    """Extra environment variables."""
    process: SimpleExecutor = field(init=False)

    def __post_init__(self) -> None:
        with self.service.log.open("a") as log:
            self.process = SimpleExecutor(
                self.service.command(),
                cwd=str(PROJECT),
                timeout=self.service.deadline,
                sleep=0.05,
                envvars={**self.service.environment(), **self.extra},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                self.process.start()
            except OSError as error:
                raise self._failure(f"its program can't be run: {error}") from error

    @property
    def pid(self) -> int:
        """The process id, also the id of its group."""
        assert self.process.process is not None
        return int(self.process.process.pid)

    def exit_status(self) -> int | None:
        """Return the exit status; None while it runs, or after it was killed."""
        if self.process.process is None:
            return None
        status: int | None = self.process.process.poll()
        return status

    def wait_until_healthy(self, go_on: Callable[[], bool]) -> None:
        """Wait for the first healthy answer, while `go_on` returns true.

        Raises `SandboxError` with the last lines of the log when it ends, or is not healthy in time.
        """

        def healthy() -> bool:
            if not go_on():
                raise SandboxError(f"The start of {self.service.name} was called off.")
            status = self.exit_status()
            if status is not None:
                raise self._failure(f"it ended with exit status {status}")
            return self.service.is_healthy()

        try:
            self.process.wait_for(healthy)
        except TimeoutExpired:
            raise self._failure(f"it was not healthy within {self.service.deadline:.0f} s") from None

    def stop(self, for_good: bool) -> None:
        """Stop the process group, and kill it if it is too slow; with `for_good` its state is not needed any more."""
        self.process._timeout = LONGEST_STOP
        # Its exit status after a signal does not matter.
        with suppress(ProcessFinishedWithError, TimeoutExpired):
            self.process.stop(self.service.end_signal if for_good else self.service.stop_signal)

    def crash(self) -> None:
        """End the process group as a crash does, and wait for its end."""
        if self.process.process is None:
            return
        processes = group(self.pid)
        with suppress(ProcessFinishedWithError, TimeoutExpired):
            self.process.kill(sig=self.service.crash_signal)
        wait_for_end(processes, LONGEST_STOP)

    def _failure(self, why: str) -> SandboxError:
        lines = last_lines(self.service.log)
        shown = self.service.layout.credentials.mask("".join(f"\n    {line}" for line in lines))
        return SandboxError(
            f"{self.service.name} did not come up: {why}.\n"
            f"  The last lines of {self.service.log}:{shown or ' (none)'}\n"
            f"  What to do: {self.service.cure}"
        )


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SandboxError(f"The package {name} is not installed: run `python bootstrap.py`, which completes them.")
    return Path(spec.origin).parent


def last_lines(log: Path, count: int = LOG_LINES) -> list[str]:
    """Return the last lines of a log, with long lines cut."""
    if not log.exists():
        return []
    text = log.read_bytes()[-20_000:].decode(errors="replace")
    return [line[:400] for line in text.splitlines() if line.strip()][-count:]
