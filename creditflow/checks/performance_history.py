"""The figures of earlier runs on a target (plan item N2).

Each target host has one CSV file in `performance/` of the folder `JOURNAL_DIR`, with one row for each run and
operation. A row also has the figures of the probe, an echo on the suite's machine that was measured at the same time.
"""

from __future__ import annotations

import csv
import fcntl
import io
import math
import os
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from creditflow.checks.performance import Measurement, Samples
from creditflow.core import expect
from creditflow.core.errors import ExpectedError
from creditflow.core.naming import RUN
from creditflow.core.redaction import redactor
from creditflow.reporting.metrics import metrics
from creditflow.target.target import Target

FORMAT = "1"
"""The version of a row. A row of another version is reported, left out, and not changed."""

COLUMNS = (
    "format time run operation median_ms p95_ms probe_median_ms probe_p95_ms samples suite ops_center machine"
).split()


class PerformanceHistoryError(ExpectedError):
    """The figures can't be read or written; the message says where, and what to do."""


@dataclass(frozen=True)
class Figures:
    """The figures of one operation in one run; times are milliseconds.

    Attributes:
        time: when it was measured, in UTC and ISO 8601.
        run: the name of the run.
        operation: its name, for the reader.
        median: the middle sample.
        p95: what 95 of 100 samples keep.
        probe_median: the middle sample of the probe beside it.
        probe_p95: what 95 of 100 samples of the probe keep.
        samples: how many samples there are.
        suite: the version of this suite.
        ops_center: the version that Ops-Center reports; empty if it reports none.
        machine: the cores and the processor of the machine that measured.
    """

    time: str
    run: str
    operation: str
    median: float
    p95: float
    probe_median: float
    probe_p95: float
    samples: int
    suite: str
    ops_center: str
    machine: str

    def row(self) -> list[str]:
        """Return the cells of its row."""
        times = (f"{each:.3f}" for each in (self.median, self.p95, self.probe_median, self.probe_p95))
        texts = (_one_line(text) for text in (self.suite, self.ops_center, self.machine))
        return [FORMAT, self.time, self.run, _one_line(self.operation), *times, str(self.samples), *texts]

    @classmethod
    def of(cls, cells: Sequence[str]) -> Figures:
        """Read a row.

        Raises:
            ValueError: it is damaged, or of another version.
        """
        version, time, run, operation, *numbers, suite, ops_center, machine = cells
        if version != FORMAT or len(cells) != len(COLUMNS) or not operation:
            raise ValueError("another version")
        datetime.fromisoformat(time)
        median, p95, probe_median, probe_p95 = map(float, numbers[:4])
        if not all(math.isfinite(each) and each > 0 for each in (median, p95, probe_median, probe_p95)):
            raise ValueError("not a time")
        return cls(
            time, run, operation, median, p95, probe_median, probe_p95, int(numbers[4]), suite, ops_center, machine
        )


@dataclass(frozen=True)
class Content:
    """The content of a history file: its figures in their order, and the numbers of the lines that can't be read."""

    path: Path
    figures: tuple[Figures, ...] = ()
    unread: tuple[int, ...] = ()

    def warning(self) -> str:
        """Return a sentence about the lines that can't be read, else an empty text."""
        if not self.unread:
            return ""
        numbers = expect.written(list(map(str, self.unread)))
        lines, are = ("line", "is") if len(self.unread) == 1 else ("lines", "are")
        return (
            f"{self.path}, {lines} {numbers}, {are} damaged or of another version of the suite, so left out of the "
            f"comparison and kept in the file: correct or remove {'it' if are == 'is' else 'them'}."
        )


def path_of(folder: Path, url: str) -> Path:
    """Return the history file of a target.

    Args:
        folder: `JOURNAL_DIR`.
        url: `OPS_CENTER_URL`.
    """
    host = "".join(each if each.isalnum() or each == "." else "-" for each in urlsplit(url).hostname or "target")
    return folder / "performance" / f"{host}.csv"


def parse(path: Path, text: bytes) -> Content:
    """Read a history file; a damaged line does not affect the others."""
    figures, unread = list[Figures](), list[int]()
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            cells = next(csv.reader([line.decode("utf-8")], strict=True))
            if cells != COLUMNS:
                figures.append(Figures.of(cells))
        except (ValueError, csv.Error):
            unread.append(number)
    return Content(path, tuple(figures), tuple(unread))


def read(path: Path) -> Content:
    """Read a history file; one that does not exist is empty.

    Raises:
        PerformanceHistoryError: it can't be read.
    """
    try:
        return parse(path, path.read_bytes())
    except FileNotFoundError:
        return Content(path)
    except OSError as error:
        raise _unusable(path, "read", error) from None


def add(path: Path, figures: Iterable[Figures]) -> None:
    """Add rows to a history file, all of them or none; only its owner can read it.

    The file is replaced as a whole, so that a killed run leaves the old or the new one. Two runs write one after the
    other.

    Raises:
        PerformanceHistoryError: it can't be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            _replace(path, figures)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unusable(path, "written", error) from None


def _replace(path: Path, figures: Iterable[Figures]) -> None:
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerows([*([] if before else [COLUMNS]), *(each.row() for each in figures)])
    scratch = path.with_suffix(f".{os.getpid()}.new")
    try:
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(before + redactor.clean(text.getvalue()).encode())
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _unusable(path: Path, what: str, error: OSError) -> PerformanceHistoryError:
    return PerformanceHistoryError(
        f"The figures of earlier runs can't be {what} in {path} ({error.strerror}): give yourself access to that file "
        f"and its folder, or set JOURNAL_DIR to another folder."
    )


def figures_of(measurement: Measurement, ops_center: str) -> list[Figures]:
    """Return the figures of a measurement: of its whole requests, and of each figure beside them.

    Args:
        measurement: what was measured just now.
        ops_center: Ops-Center's version, or an empty text.
    """
    now, probe = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), measurement.probe
    parts: list[tuple[str, Samples]] = [(measurement.operation, measurement.whole)]
    parts += [(f"{measurement.operation}: {part.name}", part) for part in measurement.beside]
    return [
        Figures(
            now,
            RUN,
            operation,
            median=_positive(samples.median),
            p95=_positive(samples.p95),
            probe_median=_positive(probe.median),
            probe_p95=_positive(probe.p95),
            samples=len(samples.milliseconds),
            suite=_suite(),
            ops_center=ops_center,
            machine=machine(),
        )
        for operation, samples in parts
        if len(samples.milliseconds) > 1
    ]


def machine() -> str:
    """Return the cores and the processor of this machine, without its name."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{os.cpu_count()} cores, {model}"


def _suite() -> str:
    try:
        return metadata.version("credit-flow-acceptance")
    except metadata.PackageNotFoundError:
        return ""


def _positive(milliseconds: float) -> float:
    """Return a time that can be compared by its logarithm; the difference of two times may be below zero."""
    return max(milliseconds, 0.001)


def _one_line(text: str) -> str:
    return " ".join(text.split())


class RunFigures:
    """The measurements of this run, so that none is made or written twice."""

    def __init__(self) -> None:
        self._measured: dict[str, Measurement] = {}
        self._written: list[Measurement] = []

    def measured(self, key: str) -> Measurement | None:
        """Return what this run has measured under a key, or None."""
        return self._measured.get(key)

    def keep(self, key: str, measurement: Measurement) -> None:
        """Remember a measurement under a key; a later one replaces it."""
        self._measured[key] = measurement

    def settle(self, target: Target, first: Measurement, last: Measurement, limit: int) -> None:
        """Write the last repetition of a measurement; forget it if the machine is too busy, so that it is made again.

        Args:
            target: the measured target.
            first: the first measurement.
            last: its last repetition, or the first itself.
            limit: by which it is judged, in milliseconds.

        Raises:
            PerformanceHistoryError: the history can't be written.
        """
        noisy = last.noisy(limit)
        changed = {key: last if each is first else each for key, each in self._measured.items()}
        self._measured = {key: each for key, each in changed.items() if each is not last or not noisy}
        if not noisy:
            self.record(target, last)

    def record(self, target: Target, measurement: Measurement) -> None:
        """Write the figures of a measurement to the history of its target and to the report, once.

        Raises:
            PerformanceHistoryError: the history can't be written.
        """
        if any(measurement is written for written in self._written):
            return
        settings = target.settings
        version = target.ops_center.status().body.get("version", "")
        figures = figures_of(measurement, str(version))
        add(path_of(settings.journal_dir, settings.ops_center_url), figures)
        self._written.append(measurement)
        for each in figures:
            metrics.add(each.operation, each.median, datetime.fromisoformat(each.time))


run_figures = RunFigures()
"""The measurements of this process."""
