"""The journal of a run: what it makes, written to disk before it is made, so that it can be removed whatever happens.

One file a run, JSON lines: a head, then one line when a thing is owed (`owe`) and one when it is gone (`gone`), by
number. A line is handed to the operating system whole before the thing is made: a killed process loses none. The
file is locked as long as its run lives, and removed at its end when nothing is owed any more. No secret is in it.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from creditflow.cleanup.resources import NotAResourceError, Resource, read
from creditflow.core.errors import CannotRunError
from creditflow.core.expect import counted
from creditflow.core.naming import RUN
from creditflow.core.redaction import redactor

VERSION = 1
"""Of the file's form. A file of another version is told and left alone."""

_DAY_S = 86_400

CURE = "`make sweep` removes what is left"


class Journal:
    """The journal of this process, safe to use from several threads.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._lock = threading.Lock()
        self._owed: dict[int, Resource] = {}
        self._number = 0

    @classmethod
    def begin(cls, folder: Path, target: str, sandbox: bool) -> Journal:
        """Open the journal of this run.

        Args:
            folder: where journals are, those of each target in one below; made if it is not there, for its owner alone.
            target: `OPS_CENTER_URL`.
            sandbox: whether the target is a sandbox, with which all that it holds ends.

        Raises:
            CannotRunError: nothing can be written there.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _of(folder, target).mkdir(mode=0o700, exist_ok=True)
            journal = cls(_of(folder, target) / f"{RUN}.{os.getpid()}.jsonl")
            journal._write(
                {
                    "version": VERSION,
                    "run": RUN,
                    "target": target,
                    "sandbox": sandbox,
                    "machine": platform.node(),
                    "process": os.getpid(),
                }
            )
        except OSError as error:
            raise CannotRunError(
                f"The journal of what this run makes can't be written in {folder} ({error.strerror}): make that "
                f"folder writable, or set JOURNAL_DIR to another."
            ) from None
        return journal

    @property
    def left(self) -> list[Resource]:
        """What is owed and not gone, in the order in which it was made."""
        return list(self._owed.values())

    def owe(self, resource: Resource) -> int:
        """Write that a thing is about to be made; the number by which it is told that it is gone."""
        with self._lock:
            self._number += 1
            self._write({"owe": self._number, **resource.written()})
            self._owed[self._number] = resource
            return self._number

    def gone(self, number: int) -> None:
        """Write that a thing was removed."""
        with self._lock:
            if self._owed.pop(number, None):
                self._write({"gone": number})

    def end(self, tell: Callable[[str], None] = print) -> None:
        """Close the file; it stays where something is left, which is told."""
        with self._lock:
            if self._owed:
                tell(f"{counted(len(self._owed), 'thing')} left, as {shown(self.path)} says: {CURE}.")
            else:
                self.path.unlink(missing_ok=True)
            os.close(self._file)

    def _write(self, line: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        os.write(self._file, (redactor.clean(json.dumps({"at": at, **line})) + "\n").encode())


@dataclass(frozen=True)
class Journalled:
    """What the journal of a run that is over says.

    Attributes:
        path: the file.
        run: the run that wrote it; empty where its first line can't be read.
        target: the `OPS_CENTER_URL` of that run.
        sandbox: whether that was a sandbox.
        began: the time of its beginning, ISO 8601 in UTC.
        left: what was owed and is not said to be gone, in the order in which it was made.
        unread: how many whole lines can't be read; the last one may be cut short and is not counted.
    """

    path: Path
    run: str = ""
    target: str = ""
    sandbox: bool = False
    began: str = ""
    left: tuple[Resource, ...] = ()
    unread: int = 0

    @property
    def of_another_version(self) -> bool:
        """Whether what the file says can't be known."""
        return not self.run and self.unread > 0


@dataclass
class _Reading:
    head: dict[str, Any] = field(default_factory=dict)
    owed: dict[int, Resource] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    unread: int = 0

    def take(self, line: Any) -> None:
        """Take one line of the file in.

        Raises:
            ValueError: it is none that is known.
        """
        if not isinstance(line, dict):
            raise TypeError("no object")
        if "version" in line:
            if line["version"] != VERSION or not all(isinstance(line.get(name), str) for name in ("run", "target")):
                raise ValueError("another version")
            self.head = self.head or line
        elif type(line.get("gone")) is int:
            self.gone.add(line["gone"])
        elif type(line.get("owe")) is int:
            self.owed[line["owe"]] = read({name: value for name, value in line.items() if name not in ("owe", "at")})
        else:
            raise ValueError("neither head nor thing")


def parse(path: Path, text: bytes) -> Journalled:
    """What a journal says: lines may be cut short, doubled or unknown, and the rest is still read."""
    reading = _Reading()
    *whole, cut = text.split(b"\n")
    for line in whole:
        if line.strip():
            try:
                reading.take(json.loads(line))
            except (ValueError, TypeError, RecursionError, NotAResourceError):
                reading.unread += 1
    with suppress(ValueError, TypeError, RecursionError):
        reading.take(json.loads(cut))
    head = reading.head
    return Journalled(
        path,
        run=head.get("run", ""),
        target=head.get("target", ""),
        sandbox=head.get("sandbox") is True,
        began=str(head.get("at", "")),
        left=tuple(resource for number, resource in reading.owed.items() if number not in reading.gone) if head else (),
        unread=reading.unread,
    )


def over(folder: Path) -> Iterator[Journalled]:
    """The journals of runs that are over; those whose run lives are locked and passed over."""
    for path in _files(folder):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                text = file.read()
        except OSError:
            continue
        yield parse(path, text)


def alive(folder: Path) -> set[str]:
    """The runs on this machine that are not over."""
    names = set()
    for path in _files(folder):
        with suppress(OSError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                names.add(path.name.partition(".")[0])
    return names


def earlier(folder: Path, target: str) -> str:
    """What to say of earlier runs that left something on a target, or whose journal can't be read; else empty.

    What was left in a sandbox that has ended is gone with it, and its journal is removed.
    """
    number, runs, unread = 0, list[str](), list[str]()
    for journal in over(folder):
        if journal.unread and journal.path.parent == _of(folder, target):
            unread.append(shown(journal.path))
        if journal.target == target and journal.left:
            number += len(journal.left)
            runs.append(journal.run)
        elif journal.sandbox and not _answers(journal.target):
            journal.path.unlink(missing_ok=True)
    _remove_empty(folder)
    said = []
    if runs:
        who = f"{len(runs)} earlier runs ({', '.join(sorted(runs))})" if runs[1:] else f"An earlier run ({runs[0]})"
        said.append(f"{who} left {counted(number, 'thing')} on this target: `make sweep` removes them.")
    if unread:
        said.append(
            f"{' and '.join(unread)} can't be read whole: `make sweep` finds what else was left by its name, then "
            f"remove the file."
        )
    return " ".join(said)


def visits(folder: Path, target: str) -> int:
    """A number that changes when a run on a target begins or ends on this machine, or a sweep; 0 where none did."""
    try:
        return _of(folder, target).stat().st_mtime_ns
    except OSError:
        return 0


def visit(folder: Path, target: str) -> None:
    """Tell by the same number that others are here."""
    with suppress(OSError):
        os.utime(_of(folder, target))


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _of(folder: Path, target: str) -> Path:
    """Where the journals of a target are, below the folder of all journals."""
    return folder / re.sub(r"[^A-Za-z0-9.]+", "-", target)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def _remove_empty(folder: Path) -> None:
    """Remove the folders of targets on which no run has been for a day: every sandbox has a target of its own."""
    for place in folder.glob("*/"):
        with suppress(OSError):
            if time.time() - place.stat().st_mtime > _DAY_S:
                place.rmdir()


def _answers(url: str) -> bool:
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1):
            return True
    except (OSError, ValueError):
        return False
