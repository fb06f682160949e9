"""Turns: a scenario that changes what others see runs alone, also if several runs of this machine use one target.

Runs take turns by two file locks in a folder that they share. A scenario holds the second one, shared or
exclusively, as long as it runs. The first one is a queue: who waits for the second one holds it, so that the scenarios
of another run cannot overtake an exclusive one for ever. The locks end with their process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from creditflow.core.errors import ExpectedError
from creditflow.core.interruption import interruption
from creditflow.core.wait_statistics import waits

LONGEST_S = 900.0
"""The most seconds that a scenario waits for its turn."""

PAUSE_S = 0.05
"""Seconds between two attempts to get a lock."""


class NoTurnError(ExpectedError):
    """Another run did not give the target free in time."""


class Turns:
    """The turns of the scenarios of this run; before `begin` nobody waits.

    Attributes:
        folder: the folder of the locks; None before `begin`.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None

    def begin(self, folder: Path) -> None:
        """Take turns with all runs that use this folder."""
        self.folder = folder

    @contextmanager
    def taken(self, exclusive: bool) -> Iterator[None]:
        """Run this block beside no exclusive scenario of another run, or, if `exclusive`, beside no scenario at all.

        Raises:
            NoTurnError: the target was not free within `LONGEST_S`.
        """
        if self.folder is None:
            yield
            return
        with _opened(self.folder / "turn.lock") as turn:
            with _opened(self.folder / "queue.lock") as queue:
                until = time.monotonic() + LONGEST_S
                _lock(queue, fcntl.LOCK_EX, until)
                _lock(turn, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, until)
            yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int, how: int, until: float) -> None:
    """Take a lock; a signal that ends the run also ends the wait."""
    if _locked(file, how):
        return
    with waits.on("Other runs"):
        while not (_locked(file, how) or interruption.signal):
            if time.monotonic() > until:
                raise NoTurnError(
                    f"Another run has used the target alone for {LONGEST_S:g} s: wait for its end, or end it."
                )
            time.sleep(PAUSE_S)


def _locked(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


turns = Turns()
"""The turns of this run."""
