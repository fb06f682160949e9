"""The benchmarks are judged by their samples alone; nothing here looks at a clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from creditflow.checks import performance
from creditflow.checks.performance import SAMPLES, Benchmark, Measurement, Samples, Stopwatch
from creditflow.core import machine
from creditflow.core.errors import TooBusyError
from creditflow.reporting import record
from creditflow.reporting.recorder import Findings, recorder

SIGN_IN = Benchmark(95, 500, 300, 100)


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "idle_cores", lambda: 2.0)


QUIET = Samples("the probe", (1.0,) * 40)


def samples(*parts: tuple[int, float], name: str = "the request") -> Samples:
    """So many of each time."""
    return Samples(name, tuple(each for count, each in parts for _ in range(count)))


def test_figures_of_known_samples() -> None:
    known = Samples("known", tuple(map(float, range(1, 101))))
    assert known.median == 50.5
    assert known.p95 == pytest.approx(95.05)
    assert known.share(80) == 0.8
    low, high = samples((38, 1.0), (2, 9.0)).interval(5)
    assert (round(low, 3), round(high, 3)) == (0.835, 0.986)


@pytest.mark.parametrize(("slow", "kept"), [(0, True), (2, True), (3, False), (40, False)])
def test_95_of_100_samples_keep_the_limit_or_the_check_is_red(slow: int, kept: bool) -> None:
    measurement = Measurement("Signing in", samples((40 - slow, 500.0), (slow, 500.1)), QUIET)
    if kept:
        performance.require(SIGN_IN, measurement)
        return
    with pytest.raises(AssertionError, match=r"of the request take 500 ms or less, expected 95%; the median is") as red:
        performance.require(SIGN_IN, measurement)
    assert f"{(40 - slow) / 40:.0%} of 40 samples" in str(red.value)


def test_the_whole_request_decides_where_it_keeps_the_limit_else_the_difference() -> None:
    fast, slow = samples((40, 20.0)), samples((40, 80.0))
    difference = samples((40, 12.0), name="the difference")
    limit = Benchmark(95, 50)
    assert Measurement("Signing in", fast, QUIET, difference).deciding(limit) is fast
    assert Measurement("Signing in", slow, QUIET, difference).deciding(limit) is difference
    assert Measurement("Signing in", slow, QUIET).deciding(limit) is slow
    performance.require(limit, Measurement("Signing in", slow, QUIET, difference))
    with pytest.raises(AssertionError, match=r"0% of 40 samples of the difference take 10 ms or less"):
        performance.require(Benchmark(95, 10), Measurement("Signing in", slow, QUIET, difference))


def test_a_judged_benchmark_is_recorded_and_one_that_can_not_be_judged_is_not() -> None:
    recorder.current = Findings()
    with pytest.raises(AssertionError):
        performance.require(Benchmark(95, 500, 300), Measurement("Signing in", samples((30, 1.0), (10, 600.0)), QUIET))
    with pytest.raises(TooBusyError):
        performance.require(SIGN_IN, Measurement("Signing in", QUIET, samples((40, 400.0))))
    assert recorder.current.benchmarks == [
        record.Benchmark(
            operation="Signing in", percent=95, limit=500, expected=300, median=1.0, p95=600.0, within=0.75, kept=False
        )
    ]


def test_where_the_probe_alone_uses_up_a_fifth_of_the_limit_nothing_is_judged() -> None:
    for whole in (samples((40, 1.0)), samples((40, 9_999.0))):
        performance_of = Measurement("Signing in", whole, samples((30, 1.0), (10, 100.1)))
        with pytest.raises(TooBusyError, match=r"Too busy to measure: a request that needs no product takes 100\.1 ms"):
            performance.require(SIGN_IN, performance_of)
    assert not Measurement("Signing in", QUIET, samples((40, 100.0))).noisy(500)


@pytest.mark.parametrize(("busy", "measured"), [(0, 0), (1, 1), (2, 2), (9, 2)])
def test_a_busy_machine_is_measured_again_twice_at_most(busy: int, measured: int) -> None:
    loud, quiet = Measurement("Signing in", QUIET, samples((40, 200.0))), Measurement("Signing in", QUIET, QUIET)
    coming = iter([*[loud] * busy, *[quiet] * 9])
    again: list[Measurement] = []

    def measure() -> Measurement:
        again.append(next(coming))
        return again[-1]

    last = performance.measured(next(coming), measure, SIGN_IN)
    assert len(again) == measured
    assert last is (loud if busy > 2 else quiet)


def test_a_limit_that_is_not_kept_while_others_leave_no_room_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "idle_cores", lambda: 0.3)
    slow = Measurement("Signing in", samples((40, 600.0)), QUIET)
    with pytest.raises(TooBusyError, match=r"only 0% of 40 samples .* while other programs leave 0\.3 cores"):
        performance.require(SIGN_IN, slow)
    busy = Measurement("Signing in", samples((40, 600.0)), samples((40, 50.1)))
    with pytest.raises(TooBusyError, match=r"only 0% .* needs no product takes 50\.1 ms .*, more than a tenth of the"):
        performance.require(SIGN_IN, busy)
    performance.require(SIGN_IN, performance.measured(busy, lambda: Measurement("Signing in", QUIET, QUIET), SIGN_IN))


def test_a_delay_that_can_not_be_the_reason_leaves_a_limit_judged() -> None:
    slow = Measurement("Signing in", samples((40, 600.0)), samples((40, 50.0)))
    with pytest.raises(AssertionError, match=r"^0% of 40 samples"):
        performance.require(SIGN_IN, slow)


def test_the_sentence_says_which_figure_decides_and_that_faster_is_no_fault() -> None:
    fast = performance.summary(SIGN_IN, Measurement("Signing in", samples((40, 20.0), name="the token request"), QUIET))
    assert fast == (
        "Signing in: 20.0 ms (median of the token request, an upper bound), faster than the plan's 100 ms; the plan "
        "expects 300 ms; the limit is 500 ms."
    )
    pair = Measurement("Signing in", samples((40, 900.0)), QUIET, samples((40, 200.0), name="the pair"))
    assert (
        "200.0 ms (median of the pair, the difference of two requests in pairs); the plan expects 300 ms"
        in performance.summary(SIGN_IN, pair)
    )


def counted(times: list[str], name: str, milliseconds: float) -> Callable[[], float]:
    """Return an operation that is counted."""

    def operation() -> float:
        times.append(name)
        return milliseconds

    return operation


def test_pairs_are_measured_in_turn_each_beside_the_probe() -> None:
    done: list[str] = []
    watch = Stopwatch(counted(done, "probe", 1.0))
    measurement = watch.pairs("It", "it", counted(done, "it", 30.0), counted(done, "cheaper", 10.0))
    assert done[:3] == ["it", "cheaper", "probe"], "a warm-up of each"
    assert done[3:] == ["probe", "cheaper", "it"] * SAMPLES
    assert measurement.difference is not None
    assert set(measurement.difference.milliseconds) == {20.0}
    assert set(measurement.whole.milliseconds) == {30.0}


def test_one_operation_is_measured_as_often_and_really_beside_each_other() -> None:
    done: list[str] = []
    measurement = Stopwatch(counted(done, "probe", 1.0)).alone("It", "it", counted(done, "it", 30.0), lanes=4)
    assert done.count("it") == done.count("probe") == SAMPLES + 1
    assert len(measurement.whole.milliseconds) == len(measurement.probe.milliseconds) == SAMPLES


def test_the_probe_asks_an_echo_on_this_machine() -> None:
    with performance.stopwatch() as watch:
        measurement = watch.alone("Nothing", "nothing", lambda: 1.0)
    assert len(measurement.probe.milliseconds) == SAMPLES
    assert min(measurement.probe.milliseconds) > 0


def test_the_histogram_has_every_sample_and_needs_no_script() -> None:
    drawn = performance.histogram(samples((39, 10.0), (1, 20.0), name="<it>"), 500).decode()
    assert drawn.startswith("<?xml")
    assert "<script" not in drawn
    assert "&lt;it&gt; (40 samples; limit 500 ms)" in drawn
    assert performance.histogram(samples((40, 10.0)), 500)
