"""The judgement that no operation is slower than in earlier runs (plan item N2).

Only runs on the same machine are compared. A figure of a run in which the machine was busy is corrected by the probe.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from creditflow.checks import change_points
from creditflow.checks.change_points import NoChangePointsError
from creditflow.checks.performance import Measurement
from creditflow.checks.performance_history import Figures, figures_of, path_of, read, run_figures
from creditflow.core import expect
from creditflow.core.errors import TooBusyError
from creditflow.core.naming import RUN
from creditflow.reporting import evidence
from creditflow.target.target import Target

WINDOW = 50
"""How many earlier runs are compared at most."""

FEWEST_RUNS = 3
"""The fewest earlier runs that a run is compared with, also before a change point."""

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
"""How many runs have to be slower before a change point counts; the last ones, so that no past loss is red."""

BUSY = 2.0
"""How many times as long as usual the probe may take before a loss is not judged."""

SMALLEST_MS = 5.0
"""The smallest loss that is reported, in milliseconds."""

NO_EARLIER_RUNS = "no earlier runs to compare with"

LastChanges = Callable[[Mapping[str, Sequence[float]]], Mapping[str, int] | None]
"""Returns the index of the first value after the last change of each series, by name; None if it can't look."""


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

    def row(self) -> tuple[str, str, str, str, str, int, str]:
        """Return the cells for the reader's table."""
        none = not self.earlier
        return (
            self.now.operation,
            f"{self.now.median:,.1f} ms",
            f"{self.corrected[-1]:,.1f} ms",
            "" if none else f"{self.before:,.1f} ms",
            "" if none else f"{self.ratio:.2f}",
            len(self.earlier),
            self.how,
        )


def compare(now: Iterable[Figures], kept: Sequence[Figures], last_changes: LastChanges) -> list[Comparison]:
    """Compare the figures of this run with those of earlier runs on the same machine.

    Args:
        now: the figures of this run.
        kept: all figures of the target, in their order; those of this run are not earlier ones.
        last_changes: finds change points; it is not asked about a run on a busy machine, because small changes prove
            nothing there.

    Returns:
        One comparison for each operation of this run.
    """
    found = [_by_ratio(each, _earlier(each, kept)) for each in now]
    judged = [each for each in found if len(each.corrected) >= FEWEST_FOR_OTAVA and not each.busy]
    enough = {each.now.operation: each for each in judged}
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
    while since > FEWEST_RUNS and values[since - 1] >= limit:
        since -= 1
    return Comparison(now, earlier, values, how, since)


def _with_change(found: Comparison, change: int | None) -> Comparison:
    """Add the change point of an operation, unless the ratio has found a loss already."""
    if found.slower_since is not None:
        return found
    how, since = "Apache Otava and the ratio to the earlier runs", None
    if change and change >= FEWEST_RUNS and len(found.corrected) - change >= OTAVA_RUNS:
        before, after = statistics.median(found.corrected[:change]), found.corrected[change:]
        if min(statistics.median(after), *after[-OTAVA_RUNS:]) >= max(OTAVA_RATIO * before, before + SMALLEST_MS):
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
        run_figures.record(target, measurement)
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
        ("operation", "measured", "corrected", "before, corrected", "ratio", "earlier runs", "compared by"),
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
