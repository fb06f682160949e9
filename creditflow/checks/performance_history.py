"""The figures of earlier runs on a target, and the judgement that no operation has become slower (plan item N2).

Each target host has one CSV file in `performance/` of the folder `JOURNAL_DIR`, with one row for each run and
operation. Only rows of the same machine are compared. A figure of a run in which the machine was busy is corrected by
the probe, the echo that was measured beside it.
"""

from __future__ import annotations

import csv
import fcntl
import io
import math
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from creditflow.checks import change_points
from creditflow.checks.change_points import NoChangePointsError
from creditflow.checks.performance import Measurement, Samples
from creditflow.core import expect
from creditflow.core.errors import ExpectedError, TooBusyError
from creditflow.core.naming import RUN
from creditflow.core.redaction import redactor
from creditflow.reporting import evidence
from creditflow.reporting.metrics import metrics
from creditflow.target.target import Target

FORMAT = "1"
"""The version of a row. A row of another version is reported, left out, and not changed."""

COLUMNS = (
    "format time run operation median_ms p95_ms probe_median_ms probe_p95_ms samples suite ops_center machine"
).split()

WINDOW = 50
"""How many earlier runs are compared at most."""

FEWEST_RUNS = 3
"""The fewest earlier runs that a run is compared with."""

FEWEST_FOR_OTAVA = 10
"""The fewest runs, this one included, among which Otava is asked for a change point.

In made histories with a deviation of 13%, it finds +60 ms on 30 ms two runs after the change from 8 earlier runs on.
With fewer, the ratio finds it earlier.
"""

RATIO = 2.0
"""How many times as long as the median of the earlier runs one run may take."""

SPREADS = 5.0
"""How many standard deviations of the earlier runs, estimated by their median deviation, one run may differ."""

OTAVA_RATIO = 1.3
"""How many times as long a change point has to make an operation."""

OTAVA_RUNS = 2
"""How many runs have to be slower before a change point counts."""

BUSY = 2.0
"""How many times as long as usual the probe may take before a loss is not judged."""

SMALLEST_MS = 5.0
"""The smallest loss that is reported, in milliseconds."""

NO_EARLIER_RUNS = "no earlier runs to compare with"

LastChanges = Callable[[Mapping[str, Sequence[float]]], Mapping[str, int] | None]
"""Returns the index of the first value after the last change of each series, by name; None if it can't look."""


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
            self.write(target, last)

    def write(self, target: Target, measurement: Measurement) -> None:
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


@dataclass(frozen=True)
class Comparison:
    """An operation of this run beside earlier runs.

    Attributes:
        now: the figures of this run.
        earlier: those of the earlier runs that it was compared with, in their order.
        corrected: the median of each earlier run and, last, of this one, corrected by the probe.
        how: what it was compared by.
        slower_since: the index in `corrected` of the first run that is slower; None if there is no loss.
    """

    now: Figures
    earlier: tuple[Figures, ...]
    corrected: tuple[float, ...]
    how: str
    slower_since: int | None = None

    @property
    def before(self) -> float:
        """The corrected median of the runs before the loss, or of all earlier runs; NaN if there are none."""
        values = self.corrected[: self.slower_since] if self.slower_since else self.corrected[:-1]
        return statistics.median(values) if values else math.nan

    @property
    def ratio(self) -> float:
        """How many times as long as before it takes."""
        return self.corrected[-1] / self.before

    @property
    def busy(self) -> bool:
        """Whether the machine is so much busier than usual that a loss proves nothing."""
        usual = statistics.median(each.probe_median for each in [*self.earlier, self.now])
        return self.now.probe_median > BUSY * usual

    def sentence(self) -> str:
        """Return the sentence about a loss."""
        since = self.slower_since or 0
        values = self.corrected[:since]
        run = [*self.earlier, self.now][since]
        busy = "" if self.corrected[-1] == self.now.median else ", corrected because the machine is busy"
        return (
            f"{self.now.operation} takes {self.corrected[-1]:,.1f} ms (median of {self.now.samples} samples{busy}), "
            f"{self.ratio:.1f} times as long as before: it took {self.before:,.1f} ms in {len(values)} earlier runs "
            f"({min(values):,.1f} to {max(values):,.1f} ms); it is slower since run {run.run} of {run.time}, found by "
            f"{self.how}"
        )

    def row(self) -> tuple[str, str, str, str, int, str]:
        """Return the cells for the reader's table."""
        none = not self.earlier
        return (
            self.now.operation,
            "" if none else f"{self.before:,.1f} ms",
            f"{self.corrected[-1]:,.1f} ms",
            "" if none else f"{self.ratio:.2f}",
            len(self.earlier),
            self.how,
        )


def compare(now: Iterable[Figures], kept: Sequence[Figures], last_changes: LastChanges) -> list[Comparison]:
    """Compare the figures of this run with those of earlier runs on the same machine.

    Args:
        now: the figures of this run.
        kept: all figures of the target, in their order; those of this run are not earlier ones.
        last_changes: finds change points.

    Returns:
        One comparison for each operation of this run.
    """
    found = [_by_ratio(each, _earlier(each, kept)) for each in now]
    enough = {each.now.operation: each for each in found if len(each.corrected) >= FEWEST_FOR_OTAVA}
    changes = last_changes({name: each.corrected for name, each in enough.items()}) if enough else None
    if changes is None:
        return found
    return [_with_change(each, changes.get(name)) if (name := each.now.operation) in enough else each for each in found]


def _earlier(now: Figures, kept: Sequence[Figures]) -> tuple[Figures, ...]:
    same = [
        each for each in kept if (each.operation, each.machine) == (now.operation, now.machine) and each.run != now.run
    ]
    return tuple(same[-WINDOW:])


def corrected(figures: Sequence[Figures]) -> tuple[float, ...]:
    """Return the medians, each divided by how much slower its probe was than the middle one of all."""
    usual = statistics.median(each.probe_median for each in figures)
    return tuple(each.median / max(1.0, each.probe_median / usual) for each in figures)


def _by_ratio(now: Figures, earlier: tuple[Figures, ...]) -> Comparison:
    values = corrected([*earlier, now])
    if len(earlier) < FEWEST_RUNS:
        return Comparison(now, earlier, values, NO_EARLIER_RUNS)
    before = values[:-1]
    median = statistics.median(before)
    deviation = 1.4826 * statistics.median(abs(each - median) for each in before)
    limit = max(RATIO * median, median + SPREADS * deviation, median + SMALLEST_MS)
    how = "the ratio to the earlier runs"
    if values[-1] < limit:
        return Comparison(now, earlier, values, how)
    since = len(before)
    while since > 1 and values[since - 1] >= limit:
        since -= 1
    return Comparison(now, earlier, values, how, since)


def _with_change(found: Comparison, change: int | None) -> Comparison:
    """Add the change point of an operation, unless the ratio has found a loss already."""
    if found.slower_since is not None:
        return found
    how, since = "Apache Otava and the ratio to the earlier runs", None
    if change and len(found.corrected) - change >= OTAVA_RUNS:
        before, after = statistics.median(found.corrected[:change]), statistics.median(found.corrected[change:])
        if after >= max(OTAVA_RATIO * before, before + SMALLEST_MS):
            how, since = "Apache Otava", change
    return Comparison(found.now, found.earlier, found.corrected, how, since)


def require_no_loss(target: Target, measurements: Sequence[Measurement]) -> None:
    """Require that the figures of this run are kept, and that no operation is slower than in earlier runs.

    With too few earlier runs there is nothing to compare, and the attached table says so.

    Raises:
        AssertionError: an operation is slower, or the figures can't be read back.
        PerformanceHistoryError: the history can't be read or written.
        TooBusyError: operations are slower, and the machine is so busy that this proves nothing.
    """
    for measurement in measurements:
        run_figures.write(target, measurement)
    content = read(path_of(target.settings.journal_dir, target.settings.ops_center_url))
    kept = {each.operation: each for each in content.figures if each.run == RUN}
    names = [each.operation for measurement in measurements for each in figures_of(measurement, "")]
    lacking = [name for name in names if name not in kept]
    expect.holds(
        bool(names) and not lacking,
        f"{content.path} has no figures of this run for {expect.written(lacking) if lacking else 'any operation'}",
    )
    notes = [content.warning()]

    def last_changes(series: Mapping[str, Sequence[float]]) -> Mapping[str, int] | None:
        try:
            return change_points.last_changes(series)
        except NoChangePointsError as error:
            notes.append(f"{error} Until then only the ratio to the earlier runs is judged.")
            return None

    found = compare([kept[name] for name in names], content.figures, last_changes)
    lost = [each for each in found if each.slower_since is not None]
    evidence.attach_table(
        " ".join(["The speed of this run beside earlier runs.", *filter(None, notes)]),
        ("operation", "before", "now", "ratio", "earlier runs", "compared by"),
        [each.row() for each in found],
        [index for index, each in enumerate(found) if each in lost],
    )
    slow = [each for each in lost if not each.busy]
    expect.holds(not slow, "; ".join(each.sentence() for each in slow))
    if lost:
        raise TooBusyError(
            f"Too busy to measure: {lost[0].sentence()}; but a request that needs no product also takes more than "
            f"{BUSY:.0f} times as long as usual on this machine: run it again when the machine has less to do."
        )
