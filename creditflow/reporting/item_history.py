"""The verdicts on the plan's items in the last runs: one JSON line for each run, at most ten for each target."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from creditflow.core.redaction import redactor
from creditflow.reporting.plan_items import ItemVerdict
from creditflow.reporting.record import RunRecord

FILE = "item-history.jsonl"
"""The file of the history, in `.sandbox`."""

RUNS = 10
"""The most runs that are kept for each target."""


class PastRun(BaseModel):
    """A run in the history.

    Attributes:
        version: the version of the line.
        target: the target, see :func:`target_of`.
        run: the name of the run.
        ended: when it ended.
        last_line: the last line that it printed.
        items: its verdict on each item, by id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    version: Literal[1] = 1
    target: str
    run: str
    ended: datetime
    last_line: str
    items: dict[str, ItemVerdict]


@dataclass(frozen=True)
class ItemHistory:
    """The last runs on one target, the oldest first, and the numbers of the lines that can't be read."""

    path: Path
    runs: tuple[PastRun, ...] = ()
    unread: tuple[int, ...] = ()

    def warning(self) -> str:
        """Return a sentence about the lines that can't be read, else an empty text."""
        if not self.unread:
            return ""
        one, numbers = len(self.unread) == 1, ", ".join(map(str, self.unread))
        return (
            f"{self.path}, {'line' if one else 'lines'} {numbers}, can't be read, so earlier runs are missing on this "
            f"page: remove {'that line' if one else 'those lines'}."
        )


def target_of(record: RunRecord) -> str:
    """Return the name of a run's target in the history: host and port, or "sandbox", whose port changes."""
    address = urlsplit(record.target)
    host = address.hostname or record.target
    return "sandbox" if record.on_sandbox else f"{host}:{address.port}" if address.port else host


def of(record: RunRecord, items: Mapping[str, ItemVerdict]) -> PastRun:
    """Return a run as the history keeps it."""
    return PastRun(
        target=target_of(record), run=record.run, ended=record.ended, last_line=record.verdict, items=dict(items)
    )


def remember(path: Path, run: PastRun) -> ItemHistory:
    """Add a run to a history file, or replace it if it is there, and return the runs on its target until its end.

    Raises:
        OSError: the file can't be read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        before = path.read_bytes().splitlines() if path.exists() else []
        known, unread = _parsed(before)
        others = [one for one in known if one.target != run.target]
        same = [one for one in known if one.target == run.target and one.run != run.run]
        kept = sorted([*same, run], key=lambda one: one.ended)[-RUNS:]
        damaged = [before[number - 1] for number in unread]
        _replace(path, [*damaged, *(_line(one) for one in (*others, *kept))])
    finally:
        os.close(folder)
    shown = [one for one in sorted([*same, run], key=lambda one: one.ended) if one.ended <= run.ended]
    return ItemHistory(path, tuple(shown[-RUNS:]), tuple(range(1, len(damaged) + 1)))


def _parsed(lines: Iterable[bytes]) -> tuple[list[PastRun], list[int]]:
    runs, unread = list[PastRun](), list[int]()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                runs.append(PastRun.model_validate_json(line))
            except ValidationError:
                unread.append(number)
    return runs, unread


def _line(run: PastRun) -> bytes:
    return redactor.clean(run.model_dump_json()).encode()


def _replace(path: Path, lines: Iterable[bytes]) -> None:
    scratch = path.with_suffix(f".{os.getpid()}.new")
    try:
        scratch.write_bytes(b"".join(line + b"\n" for line in lines))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
