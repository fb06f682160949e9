"""Files that are written in one step, and locks that end with their process."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import SandboxError


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; only its owner can read it (mode 0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


@contextmanager
def locked(path: Path, seconds: float, waiting: Callable[[], None]) -> Iterator[None]:
    """Lock the file while the block runs; call `waiting` once when another process has the lock.

    The lock ends with its process, kill -9 included. Raises `SandboxError` after `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        deadline = time.monotonic() + seconds
        reported = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SandboxError(
                        f"Another process has kept {path} locked for {seconds:.0f} s: end it, then try again."
                    ) from None
                if not reported:
                    reported = True
                    waiting()
                time.sleep(0.05)
        yield
