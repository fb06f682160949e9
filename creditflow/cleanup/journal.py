"""The clean-up journal of a run: a file that lists what the run creates, so that it can be removed after a crash too.

A run has one file of JSON lines: a head, then a line before each resource is created (`owe`, with a number) and a line
after it is removed (`gone`, with the same number). Each line is written at once, so a killed process loses none. The
file is locked while its run lives, and removed at the end if nothing is left. It contains no secret.
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

from creditflow.cleanup.resources import NotAResourceError, Resource, from_dict
from creditflow.core.errors import CannotRunError
from creditflow.core.expect import counted
from creditflow.core.naming import RUN
from creditflow.core.redaction import redactor
from creditflow.core.workers import Shared, worker_of, workers

VERSION = 1
"""The version of the file format. A file of another version is reported, and not changed."""

_DAY_S = 86_400

CURE = "`make sweep` removes what is left"


class Journal(Shared):
    """The clean-up journal of a run; all its threads and workers use it.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._lock = threading.Lock()
        self._left: dict[int, Resource] = {}
        self._number = 0
        self._read_to = 0
        self._made: dict[int, set[str]] = {}
        self._dead: set[int] = set()
        self._interrupted = False

    @classmethod
    def begin(cls, folder: Path, target: str, sandbox: bool) -> Journal:
        """Open the clean-up journal of this run.

        Args:
            folder: contains one folder for each target with its journals; created with access for its owner only.
            target: `OPS_CENTER_URL`.
            sandbox: whether the target is a sandbox, which ends with all its contents.

        Raises:
            CannotRunError: the folder can't be written.
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
                f"The clean-up journal of this run can't be written in {folder} ({error.strerror}): make that "
                f"folder writable, or set JOURNAL_DIR to another."
            ) from None
        return journal

    @property
    def left(self) -> list[Resource]:
        """The registered resources that are not removed, in the order of their creation."""
        return list(self._left.values())

    def begin_in_worker(self) -> None:
        """Use numbers that no other process of the run uses."""
        self._number, self._left = workers.first_number, {}

    def news(self) -> Any:
        """Return what this worker has registered and not removed."""
        return dict(self._left)

    def take(self, worker: int, news: Any) -> None:
        """Add what a worker has left."""
        with self._lock:
            self._left = {n: one for n, one in self._left.items() if worker_of(n) != worker} | news

    def take_over(self, worker: int) -> dict[int, Resource]:
        """Return by number what a worker that died has registered and not removed; it is this process's from now on."""
        self._dead.add(worker)
        left = _read(self.path.read_bytes()).left()
        self.take(worker, {number: resource for number, resource in left.items() if worker_of(number) == worker})
        return {number: resource for number, resource in self._left.items() if worker_of(number) == worker}

    def made_by_others(self) -> frozenset[str]:
        """Return the names and ids of what other workers have registered; for the run itself, of those that died."""
        with self._lock, self.path.open("rb") as file:
            file.seek(self._read_to)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for number, resource in _read(whole).resources.items():
            words = {text for name, text in resource.as_dict().items() if name != "kind"}
            self._made.setdefault(worker_of(number), set()).update(words)
        others = self._made.keys() - {0, workers.number} if workers.number else self._dead
        return frozenset().union(*(self._made.get(worker, ()) for worker in others))

    def register(self, resource: Resource) -> int:
        """Write a resource before it is created, and return its number for `gone`."""
        with self._lock:
            self._number += 1
            self._write({"owe": self._number, **resource.as_dict()})
            self._left[self._number] = resource
            return self._number

    def gone(self, number: int) -> None:
        """Write that a resource was removed, unless the removal was interrupted before."""
        with self._lock:
            if number in self._left and not self._interrupted:
                del self._left[number]
                self._write({"gone": number})

    def interrupt(self) -> None:
        """List as left what is left now, so that every output names the same; the sweep finds it gone if it is."""
        with self._lock:
            self._interrupted = True

    def end(self, report: Callable[[str], None] = print) -> None:
        """Close the file, and remove it if nothing is left; report what is left."""
        with self._lock:
            if self._left:
                report(f"{counted(len(self._left), 'resource')} left, listed in {display_path(self.path)}: {CURE}.")
            else:
                self.path.unlink(missing_ok=True)
            os.close(self._file)

    def _write(self, line: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        written = json.dumps({"at": at, **line})
        os.write(self._file, (written if "gone" in line else redactor.clean(written)).encode() + b"\n")


@dataclass(frozen=True)
class JournalContent:
    """The content of the clean-up journal of a finished run.

    Attributes:
        path: the file.
        run: the run that wrote it; empty if the head can't be read.
        target: the `OPS_CENTER_URL` of that run.
        sandbox: whether the target was a sandbox.
        left: the resources that were not removed, in the order of their creation.
        unread: the number of complete lines that can't be read; an incomplete last line does not count.
    """

    path: Path
    run: str = ""
    target: str = ""
    sandbox: bool = False
    left: tuple[Resource, ...] = ()
    unread: int = 0

    @property
    def of_another_version(self) -> bool:
        """Whether the file has an unknown format."""
        return not self.run and self.unread > 0


@dataclass
class _Reading:
    head: dict[str, Any] = field(default_factory=dict)
    resources: dict[int, Resource] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    unread: int = 0

    def take(self, line: Any) -> None:
        """Add one line of the file.

        Raises:
            ValueError, TypeError: the line is unknown.
        """
        if not isinstance(line, dict):
            raise TypeError("not an object")
        if "version" in line:
            if line["version"] != VERSION or not all(isinstance(line.get(name), str) for name in ("run", "target")):
                raise ValueError("another version")
            self.head = self.head or line
        elif type(line.get("gone")) is int:
            self.gone.add(line["gone"])
        elif type(line.get("owe")) is int:
            data = {name: value for name, value in line.items() if name not in ("owe", "at")}
            self.resources[line["owe"]] = from_dict(data)
        else:
            raise ValueError("neither a head nor a resource")

    def left(self) -> dict[int, Resource]:
        """Return the resources that were not removed, in the order of their creation."""
        return {number: resource for number, resource in self.resources.items() if number not in self.gone}


def parse(path: Path, text: bytes) -> JournalContent:
    """Read a clean-up journal; incomplete, repeated or unknown lines do not affect the others."""
    reading = _read(text)
    head, left = reading.head, tuple(reading.left().values())
    return JournalContent(
        path,
        run=head.get("run", ""),
        target=head.get("target", ""),
        sandbox=head.get("sandbox") is True,
        left=left if head else (),
        unread=reading.unread,
    )


def _read(text: bytes) -> _Reading:
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
    return reading


def finished(folder: Path) -> Iterator[JournalContent]:
    """Yield the clean-up journals of finished runs; those of live runs are locked."""
    for path in _files(folder):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                text = file.read()
        except OSError:
            continue
        yield parse(path, text)


def live_runs(folder: Path) -> set[str]:
    """Return the live runs on this machine."""
    names = set()
    for path in _files(folder):
        with suppress(OSError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                names.add(path.name.partition(".")[0])
    return names


def leftovers(folder: Path, target: str) -> str:
    """Return a message about what earlier runs left on a target, and about unreadable journals; else an empty text.

    The journals of sandboxes that have ended are removed, because their resources ended with them.
    """
    number, runs, unread = 0, list[str](), list[str]()
    for journal in finished(folder):
        if journal.unread and journal.path.parent == _of(folder, target):
            unread.append(display_path(journal.path))
        if journal.target == target and journal.left:
            number += len(journal.left)
            runs.append(journal.run)
        elif journal.sandbox and not _answers(journal.target):
            journal.path.unlink(missing_ok=True)
    _remove_empty(folder)
    sentences = []
    if runs:
        who = f"{len(runs)} earlier runs ({', '.join(sorted(runs))})" if runs[1:] else f"An earlier run ({runs[0]})"
        sentences.append(f"{who} left {counted(number, 'resource')} on this target: `make sweep` removes them.")
    if unread:
        sentences.append(
            f"{' and '.join(unread)} can't be read completely: run `make sweep`, which also finds resources by their "
            f"names, then remove the file."
        )
    return " ".join(sentences)


def last_visit(folder: Path, target: str) -> int:
    """Return a number that changes when a run or a sweep on a target begins or ends on this machine; 0 if none did."""
    try:
        return _of(folder, target).stat().st_mtime_ns
    except OSError:
        return 0


def record_visit(folder: Path, target: str) -> None:
    """Change the number that `last_visit` returns."""
    with suppress(OSError):
        os.utime(_of(folder, target))


def display_path(path: Path) -> str:
    """Return a path relative to the working directory, if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _of(folder: Path, target: str) -> Path:
    """Return the folder of a target's journals."""
    return folder / re.sub(r"[^A-Za-z0-9.]+", "-", target)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def _remove_empty(folder: Path) -> None:
    """Remove the empty folders of targets without a run for a day; each sandbox is a new target."""
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
