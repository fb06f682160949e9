"""The state that survives the process: a file of JSON lines with one event in each, read only at the start.

Each call appends a line, which is one small write. Replaying the lines restores the state.
The file is rewritten at the start, so that it does not keep removed calls. It contains fingerprints
of keys, but no keys.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

FILE = "provider.jsonl"

Event = dict[str, Any]
"""``{"event": name, ...}``."""


class StateError(RuntimeError):
    """The state folder can't be used; the message names it and says what to do."""


class EventFile:
    """The events of a stand-in, in a folder; without a folder they are not kept."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FILE if folder else None
        self._file: TextIO | None = None

    def replay(self) -> Iterator[Event]:
        """Return the events of earlier processes, oldest first, without an unfinished last line.

        Raises:
            StateError: the file can't be read.
        """
        if self._path is None or not self._path.exists():
            return
        *lines, _unfinished = self._path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines, start=1):
            try:
                yield json.loads(line)
            except ValueError:
                raise StateError(
                    f"Line {number} of the provider's state {self._path} can't be read; "
                    "remove the file to begin without it."
                ) from None

    def begin(self, events: Iterable[Event]) -> None:
        """Replace the file by these events and open it for more; only its owner can read it.

        Raises:
            StateError: the folder can't be written.
        """
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._file = os.fdopen(descriptor, "a", encoding="utf-8")
            self._file.writelines(json.dumps(event) + "\n" for event in events)
            self._file.flush()
            fresh.replace(self._path)
        except OSError as error:
            raise StateError(
                f"The provider's state {self._path} can't be written ({error.strerror}); "
                "make the folder of PROVIDER_STATE writable or name another."
            ) from None

    def append(self, event: Event) -> None:
        """Append an event, and hand it to the operating system."""
        if self._file:
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()
