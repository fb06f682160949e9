"""What outlives the process: one file of JSON lines, a line an event, appended and never read while running.

A line is the cheapest thing a call can cost (one small write), and replaying the lines gives the state back.
The file is rewritten at start, so that it does not grow with what was forgotten. It holds fingerprints
of keys, never keys.
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
    """The state folder can't be used; the sentence says which and what to do."""


class EventFile:
    """The events of a stand-in, in a folder or, without one, nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FILE if folder else None
        self._file: TextIO | None = None

    def replay(self) -> Iterator[Event]:
        """The events of earlier processes, oldest first; a last line that a kill has cut short is left out.

        Raises:
            StateError: the file is not one of the stand-in's.
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
        """Replace the file by these events and open it for more; readable by its owner only.

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
        """Add an event; it is with the operating system when this returns."""
        if self._file:
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()
