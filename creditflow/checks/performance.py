"""The plan's benchmarks, measured from outside and judged by the plan's upper limits (plan items B1 to B6, A9).

A figure is an upper bound where a whole request is measured, and an estimate where two requests are measured in pairs
and subtracted. Beside each sample a probe is measured that needs no product: an echo on this machine, asked by the same
driver. Its time is what the machine and the suite themselves cost.
"""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from creditflow.core import expect, machine
from creditflow.core.errors import TooBusyError
from creditflow.reporting import evidence, record
from creditflow.reporting.recorder import recorder
from creditflow.target.drivers.http import Http

SAMPLES = 40
"""How often each operation is measured."""

NOISE = 0.2
"""The share of a limit that the probe alone may use up."""

DOUBT = 0.1
"""The share of a limit that the probe may use up where the limit is not kept; more may be why it is not kept."""

REPETITIONS = 2
"""How often a measurement is repeated while the machine is too busy."""

_CONFIDENCE = statistics.NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Benchmark:
    """One limit of the plan, in milliseconds.

    Attributes:
        percent: how many of 100 samples have to keep the limit (plan item A9).
        limit: the upper limit.
        expected: what the plan expects; None where it gives a limit only.
        fastest: the lower end of the plan's range.
    """

    percent: int
    limit: int
    expected: int | None = None
    fastest: int = 0

    def is_kept_by(self, samples: Samples) -> bool:
        """Return whether enough samples are within the limit."""
        return 100 * samples.count_within(self.limit) >= self.percent * len(samples.milliseconds)


@dataclass(frozen=True)
class Samples:
    """Measured times in milliseconds, at least two."""

    name: str
    milliseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.milliseconds)

    @property
    def p95(self) -> float:
        """The time that 95 of 100 keep."""
        return statistics.quantiles(self.milliseconds, n=20, method="inclusive")[-1]

    def count_within(self, limit: float) -> int:
        """Return how many are within a limit."""
        return sum(each <= limit for each in self.milliseconds)

    def share(self, limit: float) -> float:
        """Return the share that is within a limit, from 0 to 1."""
        return self.count_within(limit) / len(self.milliseconds)

    def interval(self, limit: float) -> tuple[float, float]:
        """Return the 95% confidence interval of that share (Wilson's score interval)."""
        count, share, z2 = len(self.milliseconds), self.share(limit), _CONFIDENCE**2
        middle = (share + z2 / (2 * count)) / (1 + z2 / count)
        half = _CONFIDENCE / (1 + z2 / count) * (share * (1 - share) / count + z2 / (4 * count**2)) ** 0.5
        return max(0.0, middle - half), min(1.0, middle + half)

    def row(self, limit: float) -> tuple[str, str, str, str, str]:
        """Return the figures as the reader's table shows them."""
        low, high = self.interval(limit)
        return (
            self.name,
            f"{self.median:,.1f} ms",
            f"{self.p95:,.1f} ms",
            f"{self.share(limit):.0%}",
            f"{low:.0%} to {high:.0%}",
        )


@dataclass(frozen=True)
class Measurement:
    """What one operation took.

    Attributes:
        operation: its name, for the reader.
        whole: of each whole request, an upper bound of the operation.
        probe: of the echo on this machine, beside each request.
        difference: of each request less a cheaper one that was sent beside it; the estimate of the operation. Empty
            where there is no cheaper request.
        beside: further figures for the reader, which decide nothing.
    """

    operation: str
    whole: Samples
    probe: Samples
    difference: Samples | None = None
    beside: tuple[Samples, ...] = field(default=())

    def deciding(self, benchmark: Benchmark) -> Samples:
        """Return the figure that decides: the whole request where it keeps the limit, else the paired difference."""
        if self.difference is None or benchmark.is_kept_by(self.whole):
            return self.whole
        return self.difference

    def noisy(self, limit: int) -> bool:
        """Whether the probe alone uses up too much of a limit, so that nothing can be judged by it."""
        return self.probe.p95 > limit * NOISE


def too_busy(benchmark: Benchmark, measurement: Measurement) -> str:
    """Return why the machine is too busy to judge a limit, or an empty text.

    It is too busy if the probe alone uses up too much of the limit; or if the limit is not kept, and the probe uses up
    enough to be the reason or other programs leave the machine no room.
    """
    limit, probe = benchmark.limit, f"a request that needs no product takes {measurement.probe.p95:,.1f} ms"
    if measurement.noisy(limit):
        return f"{probe} on this machine (95 of 100), more than a fifth of the {limit:,} ms for {measurement.operation}"
    decides = measurement.deciding(benchmark)
    if benchmark.is_kept_by(decides):
        return ""
    missed = (
        f"only {decides.share(limit):.0%} of {len(decides.milliseconds)} samples of {decides.name} take {limit:,} ms "
        f"or less, while"
    )
    if measurement.probe.p95 > limit * DOUBT:
        return f"{missed} {probe} on this machine (95 of 100), more than a tenth of the limit"
    if (idle := machine.idle_cores()) < machine.ROOM:
        return f"{missed} other programs leave {idle:.1f} cores of this machine, fewer than {machine.ROOM}"
    return ""


def measured(first: Measurement, again: Callable[[], Measurement], benchmark: Benchmark) -> Measurement:
    """Return a measurement, repeated while the machine is too busy for a limit, `REPETITIONS` times at most."""
    measurement = first
    for _ in range(REPETITIONS):
        if not too_busy(benchmark, measurement):
            break
        measurement = again()
    return measurement


def require(benchmark: Benchmark, measurement: Measurement) -> None:
    """Require that enough samples keep the limit; attach the figures, and record them if the limit can be judged.

    Raises:
        AssertionError: too few keep it; the sentence has the figures.
        TooBusyError: the machine is too busy to judge this limit.
    """
    decides, limit = measurement.deciding(benchmark), benchmark.limit
    _attach(benchmark, measurement, decides)
    if why := too_busy(benchmark, measurement):
        raise TooBusyError(f"Too busy to measure: {why}: run it again when the machine has less to do.")
    recorder.current.benchmarks.append(_record(benchmark, measurement.operation, decides))
    low, high = decides.interval(limit)
    expect.holds(
        benchmark.is_kept_by(decides),
        f"{decides.share(limit):.0%} of {len(decides.milliseconds)} samples of {decides.name} take {limit:,} ms or "
        f"less, expected {benchmark.percent}%; the median is {decides.median:,.1f} ms, 95 of 100 take "
        f"{decides.p95:,.1f} ms or less, and the share is {low:.0%} to {high:.0%} with 95% confidence",
    )


def summary(benchmark: Benchmark, measurement: Measurement) -> str:
    """Return a sentence with the figure that decides, what it is, and how it lies in the plan's range."""
    decides = measurement.deciding(benchmark)
    kind = "an upper bound" if decides is measurement.whole else "the difference of two requests in pairs"
    faster = f", faster than the plan's {benchmark.fastest:,} ms" if decides.median < benchmark.fastest else ""
    plan = f"; the plan expects {benchmark.expected:,} ms" if benchmark.expected else ""
    return (
        f"{measurement.operation}: {decides.median:,.1f} ms (median of {decides.name}, {kind}){faster}{plan}; "
        f"the limit is {benchmark.limit:,} ms."
    )


def _record(benchmark: Benchmark, operation: str, decides: Samples) -> record.Benchmark:
    return record.Benchmark(
        operation=operation,
        percent=benchmark.percent,
        limit=benchmark.limit,
        expected=benchmark.expected,
        median=decides.median,
        p95=decides.p95,
        within=decides.share(benchmark.limit),
        kept=benchmark.is_kept_by(decides),
    )


def _attach(benchmark: Benchmark, measurement: Measurement, decides: Samples) -> None:
    parts = [measurement.whole, measurement.difference, *measurement.beside, measurement.probe]
    shown = [part for part in parts if part is not None]
    evidence.attach_table(
        summary(benchmark, measurement),
        ("measured", "median", "95 of 100", f"within {benchmark.limit:,} ms", "with 95% confidence"),
        [part.row(benchmark.limit) for part in shown],
        [index for index, part in enumerate(shown) if part is decides],
    )
    evidence.attach_picture(f"{measurement.operation}: how often how long", histogram(decides, benchmark.limit))


def histogram(samples: Samples, limit: int, bars: int = 20) -> bytes:
    """Draw how often each time was measured, as SVG."""
    import pygal  # noqa: PLC0415 - only a run that measures pays for loading it

    low, high = min(samples.milliseconds), max(samples.milliseconds)
    width = (high - low) / bars or 1.0
    counts = [0] * bars
    for each in samples.milliseconds:
        counts[min(bars - 1, int((each - low) / width))] += 1
    chart = pygal.Histogram(js=(), show_legend=False, x_title="milliseconds", y_title="samples")
    chart.title = f"{samples.name} ({len(samples.milliseconds)} samples; limit {limit:,} ms)"
    chart.add("", [(count, low + width * at, low + width * (at + 1)) for at, count in enumerate(counts)])
    # The script is for pages that let their reader point at a bar; a report needs none.
    return re.sub(rb"<script.*?</script>", b"", chart.render(), flags=re.DOTALL)


class Stopwatch:
    """Measures operations one after the other, each beside the probe.

    Attributes:
        probe: asks the echo on this machine; milliseconds.
    """

    def __init__(self, probe: Callable[[], float]) -> None:
        self.probe = probe

    def alone(self, name: str, what: str, operation: Callable[[], float], lanes: int = 1) -> Measurement:
        """Measure one operation `SAMPLES` times, after one warm-up.

        Args:
            name: the operation's name, for the reader.
            what: what is measured of it.
            operation: does it, and returns its milliseconds.
            lanes: how many are under way at the same time; for operations that mostly wait.
        """
        operation()
        self.probe()
        with ThreadPoolExecutor(lanes) as pool:
            samples = list(pool.map(lambda _: (self.probe(), operation()), range(SAMPLES)))
        probes, whole = zip(*samples, strict=True)
        return Measurement(name, Samples(what, whole), _of_the_probe(probes))

    def pairs(self, name: str, what: str, operation: Callable[[], float], cheaper: Callable[[], float]) -> Measurement:
        """Measure an operation and a cheaper one in pairs, `SAMPLES` times, after one warm-up of each."""
        operation()
        cheaper()
        self.probe()
        probes, whole, difference = [], [], []
        for _ in range(SAMPLES):
            probes.append(self.probe())
            first = cheaper()
            whole.append(operation())
            difference.append(whole[-1] - first)
        return Measurement(
            name,
            Samples(what, tuple(whole)),
            _of_the_probe(probes),
            Samples(f"{what}, less the cheaper one", tuple(difference)),
        )


def _of_the_probe(milliseconds: Sequence[float]) -> Samples:
    return Samples("an echo on this machine (the probe)", tuple(milliseconds))


def timed(operation: Callable[[], object]) -> float:
    """Return the milliseconds that an operation takes."""
    began = time.perf_counter()
    operation()
    return (time.perf_counter() - began) * 1000


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Open a stopwatch with its echo on this machine, and close both."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        http = Http("The echo", f"http://127.0.0.1:{server.server_port}", 15)
        try:
            yield Stopwatch(lambda: http.send("GET", "/").milliseconds)
        finally:
            http.close()
            server.shutdown()


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with nothing."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing down."""
