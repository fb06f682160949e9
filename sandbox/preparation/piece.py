"""The base of every prepared piece: a folder that is made completely or not at all, and again for new inputs."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from typing import ClassVar

from sandbox.credentials import Credentials
from sandbox.errors import SandboxError
from sandbox.services.base import last_lines
from sandbox.settings import SandboxSettings

MARKER = ".prepared"
"""The file that marks a complete folder, with the fingerprint of its inputs."""
NETWORK_CURE = "check the network (it comes from Maven Central), then run `python -m sandbox prepare` again."


class Piece(ABC):
    """One prepared folder."""

    title: ClassVar[str]
    """Its name in messages."""
    folder_name: ClassVar[str]
    service: ClassVar[str]
    """The service that uses it."""
    needs: ClassVar[tuple[str, ...]] = ()
    """The folder names of the pieces that it needs."""
    megabytes: ClassVar[int]
    """The disk space that it needs while it is made."""

    def __init__(self, settings: SandboxSettings, credentials: Credentials) -> None:
        self.settings = settings
        self.credentials = credentials
        self.folder = settings.prepared / self.folder_name
        self.log = settings.prepared / "log" / f"prepare-{self.folder_name}.log"
        self.step = "waiting"
        """The present step, for the progress line."""
        self.called_off = threading.Event()

    @abstractmethod
    def inputs(self) -> Sequence[str]:
        """Return the inputs; if one changes, the piece is made again."""

    @abstractmethod
    def make(self, folder: Path) -> None:
        """Make the piece in this empty folder, which is renamed afterwards."""

    def fingerprint(self) -> str:
        """Return a hash of the inputs and of the folder's path, which the piece contains."""
        return sha256("\0".join([str(self.folder), *self.inputs()]).encode()).hexdigest()

    def is_made(self) -> bool:
        """Return whether the folder is complete and up to date."""
        marker = self.folder / MARKER
        return marker.exists() and marker.read_text() == self.fingerprint()

    def make_completely(self) -> float:
        """Make the piece or leave nothing, and return the seconds it took."""
        began = time.monotonic()
        partial = self.folder.with_name(f"{self.folder.name}.partial")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True, mode=0o700)
            self.make(partial)
            (partial / MARKER).write_text(self.fingerprint())
            shutil.rmtree(self.folder, ignore_errors=True)
            partial.rename(self.folder)
        except OSError as error:
            raise SandboxError(
                f"{self.title} could not be made in {self.folder}: {error.strerror or error}. "
                "Make room or set the folder's rights, then run `python -m sandbox prepare` again."
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return time.monotonic() - began

    @contextmanager
    def background(self, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in its own process group during the block, with its output in the log."""
        with self.log.open("a") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def run(
        self,
        step: str,
        command: Sequence[str],
        seconds: float,
        cure: str,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Run a command to its end; raise `SandboxError` when it fails or is too slow."""
        self.step = step
        with self.background(command, environment) as process:
            self.wait_for(lambda: process.poll() is not None, seconds, cure)
        if process.returncode != 0:
            raise self.failure(f"{step} failed", cure)

    def fetch(self, coordinates: str, digest: str, file: Path) -> None:
        """Fetch a file from Maven Central; raise `SandboxError` when that fails or its SHA-256 differs."""
        command = [sys.executable, "-m", "maven_artifact.main", coordinates, str(file)]
        self.run("fetching", command, 900, NETWORK_CURE)
        with file.open("rb") as fetched:
            if file_digest(fetched, "sha256").hexdigest() != digest:
                raise self.failure("what was fetched is another file (its SHA-256 differs)", NETWORK_CURE)

    def wait_for(self, condition: Callable[[], bool], seconds: float, cure: str) -> None:
        """Wait for a condition; raise `SandboxError` after `seconds`, or when called off."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.called_off.wait(0.05):
                raise SandboxError(f"{self.title} was called off.")
            if time.monotonic() > deadline:
                raise self.failure(f"{self.step} took longer than {seconds:.0f} s", cure)

    def failure(self, what: str, cure: str) -> SandboxError:
        """Return an error with the last lines of the log."""
        lines = "".join(f"\n    {line}" for line in last_lines(self.log, 8))
        return SandboxError(
            f"{self.title} could not be made: {what}.\n"
            f"  The last lines of {self.log}:{self.credentials.mask(lines) or ' (none)'}\n"
            f"  What to do: {cure}"
        )
