"""Counts and a text that all processes of a run share, in memory."""

from __future__ import annotations

import fcntl
import mmap
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TEXT_AT = 64
_SIZE = 4096


class SharedCounts:
    """Whole numbers, and a text of up to 4,000 bytes. Workers that begin later share them.

    Attributes:
        numbers: eight numbers, all 0 at first; change them only within `locked`.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self.numbers = memoryview(self._memory)[:_TEXT_AT].cast("q")
        self._threads = threading.Lock()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this object is
        # The lock of a file, because it ends with a process that dies.

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other threads and processes from changing anything in this block."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    @property
    def text(self) -> str:
        """The text; empty at first."""
        return self._memory[_TEXT_AT:].partition(b"\0")[0].decode("utf-8", "replace")

    @text.setter
    def text(self, text: str) -> None:
        written = text.encode()[: _SIZE - _TEXT_AT - 1]
        self._memory[_TEXT_AT : _TEXT_AT + len(written) + 1] = written + b"\0"
