"""A loss of speed is noticed, and noise is not, by made figures alone; nothing here looks at a clock."""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from creditflow.checks import change_points, performance_history, speed_over_time
from creditflow.checks.change_points import NoChangePointsError
from creditflow.checks.performance import Measurement, Samples
from creditflow.checks.performance_history import (
    COLUMNS,
    Figures,
    PerformanceHistoryError,
    RunFigures,
    add,
    figures_of,
    path_of,
    read,
)
from creditflow.checks.speed_over_time import FEWEST_FOR_OTAVA, NO_EARLIER_RUNS, Comparison, compare
from creditflow.core.errors import TooBusyError
from creditflow.core.naming import RUN
from creditflow.reporting import evidence

FIGURES = Figures("2026-11-26T05:00:00.000Z", "cf-aaaaaa", "Signing in", 30, 40, 1, 2, 40, "0.1.0", "", "2 cores, X")
QUIET = Samples("the probe", (1.0,) * 40)

needs_otava = pytest.mark.skipif(
    not change_points.is_installed(), reason="needs Apache Otava: python -m creditflow.checks.change_points"
)


def history(medians: Sequence[float], probe: float = 1.0) -> list[Figures]:
    """One run for each median."""
    return [
        replace(FIGURES, run=f"cf-{number:06}", median=median, probe_median=probe)
        for number, median in enumerate(medians)
    ]


def judged(
    medians: Sequence[float], look: Callable[[Mapping[str, Sequence[float]]], Any] = lambda _: None
) -> Comparison:
    """Judge the last of some runs by those before it."""
    runs = history(medians)
    (found,) = compare(runs[-1:], runs, look)
    return found


def noise(kind: str, count: int, seed: int, usual: float = 30.0) -> list[float]:
    """Made medians: normal with a deviation of 4 ms, or skewed with a longer tail."""
    made = random.Random(seed)
    if kind == "normal":
        return [made.gauss(usual, 4) for _ in range(count)]
    return [
        usual * made.lognormvariate(0, 0.13) + (made.uniform(0, 15) if made.random() < 0.05 else 0)
        for _ in range(count)
    ]


def test_rows_are_read_back_as_they_were_written_and_only_their_owner_can(tmp_path: Path) -> None:
    path = path_of(tmp_path, "https://ops.staging.example:8084/base")
    assert path == tmp_path / "performance" / "ops.staging.example.csv"
    other = replace(FIGURES, operation='A "refusal",\nwith 429', run="cf-bbbbbb", ops_center="1.2, a")
    add(path, [FIGURES])
    add(path, [other])
    assert read(path).figures == (FIGURES, replace(other, operation='A "refusal", with 429'))
    assert read(path).warning() == ""
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "line",
    [
        b"1,2026-11-26T05:00:00.000Z,cf-a",
        b"2,2026-11-26T05:00:00.000Z,cf-a,Signing in,1,1,1,1,40,,,",
        b"1,2026-11-26T05:00:00.000Z,cf-a,Signing in,nan,1,1,1,40,,,",
        b"1,2026-11-26T05:00:00.000Z,cf-a,Signing in,-1,1,1,1,40,,,",
        b"1,yesterday,cf-a,Signing in,1,1,1,1,40,,,",
        b"1,2026-11-26T05:00:00.000Z,cf-a,Signing in,1,1,1,1,many,,,",
        b'1,"2026',
        b"\xff\xfe\x00",
        b"<html>",
    ],
)
def test_a_damaged_line_is_left_out_and_nothing_is_lost(tmp_path: Path, line: bytes) -> None:
    path = path_of(tmp_path, "http://127.0.0.1:8084")
    add(path, [FIGURES])
    with path.open("ab") as file:
        file.write(line)
    add(path, [replace(FIGURES, run="cf-bbbbbb")])
    content = read(path)
    assert [each.run for each in content.figures] == ["cf-aaaaaa", "cf-bbbbbb"]
    assert content.warning() == (
        f"{path}, line 3, is damaged or of another version of the suite, so left out of the comparison and kept in the "
        f"file: correct or remove it."
    )
    assert line in path.read_bytes().split(b"\n")


def test_a_history_that_can_not_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "performance").write_text("a file where the folder belongs")
    path = path_of(tmp_path, "http://127.0.0.1:8084")
    with pytest.raises(PerformanceHistoryError, match=r"can't be written in .*set JOURNAL_DIR to another folder\.$"):
        add(path, [FIGURES])
    with pytest.raises(PerformanceHistoryError, match=r"can't be read in .*127\.0\.0\.1\.csv \(Not a directory\)"):
        read(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of(tmp_path, "http://127.0.0.1:8084")
    add(path, [FIGURES])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PerformanceHistoryError, match=r"No space left on device"):
        add(path, [replace(FIGURES, run="cf-bbbbbb")])
    assert read(path).figures == (FIGURES,)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_measurement_has_a_row_of_its_own_and_one_of_each_figure_beside_it() -> None:
    own = Samples("the platform's own share of it", (5.0, 7.0))
    found = figures_of(Measurement("A request", Samples("it", (10.0, 30.0)), QUIET, beside=(own,)), "1.2")
    assert [(each.operation, each.median, each.samples) for each in found] == [
        ("A request", 20.0, 2),
        ("A request: the platform's own share of it", 6.0, 2),
    ]
    assert {(each.run, each.ops_center, each.probe_median) for each in found} == {(RUN, "1.2", 1.0)}
    assert re.fullmatch(r"\d+ cores, .+", found[0].machine)


@pytest.mark.parametrize("earlier", [0, 1, 2])
def test_fewer_than_three_earlier_runs_are_not_compared(earlier: int) -> None:
    found = judged([30.0] * earlier + [900.0])
    assert found.how == NO_EARLIER_RUNS
    assert found.slower_since is None
    assert len(found.row()) == 7


def test_runs_of_another_machine_or_operation_and_this_run_itself_are_no_earlier_runs() -> None:
    runs = history([30.0] * 9 + [900.0])
    kept = [replace(each, machine="64 cores, Y") for each in runs[:3]]
    kept += [replace(each, operation="Another") for each in runs[3:6]]
    kept += [replace(each, run=runs[-1].run) for each in runs[6:]]
    (found,) = compare(runs[-1:], kept, lambda _: None)
    assert found.earlier == ()


def test_a_loss_is_named_with_its_figures_and_since_when() -> None:
    assert judged([30.0, 31.0, 29.0, 92.0]).sentence() == (
        "Signing in takes 92.0 ms (median of 40 samples), 3.1 times as long as before: it took 30.0 ms in 3 earlier "
        "runs (29.0 to 31.0 ms); it is slower since run cf-000003 of 2026-11-26T05:00:00.000Z, found by the ratio to "
        "the earlier runs"
    )


def test_a_loss_stays_red_in_the_runs_after_it() -> None:
    found = judged([30.0, 31.0, 29.0, 92.0, 91.0])
    assert found.slower_since == 3
    assert "since run cf-000003" in found.sentence()


def test_what_is_faster_or_within_the_spread_or_less_than_5_ms_is_no_loss() -> None:
    assert judged([30.0, 31.0, 29.0, 3.0]).slower_since is None
    assert judged([30.0, 60.0, 15.0, 45.0, 80.0]).slower_since is None
    assert judged([1.0, 1.0, 1.0, 5.9]).slower_since is None
    assert judged([1.0, 1.0, 1.0, 6.0]).slower_since == 3


def test_a_busy_machine_is_corrected_by_the_probe() -> None:
    runs = history([30.0, 31.0, 29.0, 30.0, 92.0])
    (quiet,) = compare(runs[-1:], runs, lambda _: None)
    (busy,) = compare([replace(runs[-1], probe_median=3.0)], runs, lambda _: None)
    assert quiet.slower_since == 4
    assert busy.slower_since is None
    assert busy.corrected[-1] == pytest.approx(92 / 3)
    slow = compare([replace(runs[-1], probe_median=1.2)], runs, lambda _: None)[0]
    assert "samples, corrected because the machine is busy)" in slow.sentence()
    fast = compare([replace(runs[-1], probe_median=0.1)], runs, lambda _: None)[0]
    assert fast.corrected[-1] == 92.0, "a faster probe makes nothing slower"


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_the_ratio_reports_nothing_in_fifty_runs_without_a_fault(kind: str) -> None:
    reported = [
        (seed, number)
        for seed in range(20)
        for number in range(1, 51)
        if judged(noise(kind, 50, seed)[:number]).slower_since is not None
    ]
    assert reported == []


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("earlier", [3, 5, 10, 30])
def test_60_ms_on_30_ms_are_found_in_the_next_run(kind: str, earlier: int) -> None:
    for seed in range(20):
        usual = noise(kind, earlier + 1, seed)
        assert judged([*usual[:-1], usual[-1] + 60]).slower_since == earlier


def test_a_change_point_counts_from_its_second_run_and_30_percent_on() -> None:
    asked: list[Mapping[str, Sequence[float]]] = []

    def at(change: int) -> Callable[[Mapping[str, Sequence[float]]], Mapping[str, int]]:
        def look(series: Mapping[str, Sequence[float]]) -> Mapping[str, int]:
            asked.append(series)
            return {"Signing in": change}

        return look

    assert judged([30.0] * 8 + [45.0] * 2, at(8)).slower_since == 8
    assert judged([30.0] * 8 + [45.0] * 2, at(9)).slower_since is None
    assert judged([30.0] * 8 + [38.0] * 2, at(8)).slower_since is None
    assert judged([45.0] * 8 + [30.0] * 2, at(8)).slower_since is None
    assert judged([30.0] * 3 + [45.0] * 7, at(3)).slower_since == 3
    assert judged([30.0] * 2 + [45.0] * 8, at(2)).slower_since is None, "two fast runs are no habit"
    assert judged([30.0] * 8 + [45.0] * 3 + [30.0], at(8)).slower_since is None, "the loss is over"
    assert judged([30.0] * 8 + [45.0] * 2, lambda _: {}).how == "Apache Otava and the ratio to the earlier runs"
    assert asked[0] == {"Signing in": (*(30.0,) * 8, *(45.0,) * 2)}
    asked.clear()
    runs = [*history([30.0] * 8), *history([45.0] * 2, probe=2.1)]
    assert compare(runs[-1:], [replace(each, run=f"cf-{at}") for at, each in enumerate(runs)], at(8))[0].how == (
        "the ratio to the earlier runs"
    ), "on a busy machine"
    assert asked == []
    assert judged([30.0] * (FEWEST_FOR_OTAVA - 1), at(5)).how == "the ratio to the earlier runs"
    assert asked == []


@needs_otava
@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_otava_reports_nothing_in_fifty_runs_without_a_fault(kind: str) -> None:
    made = noise(kind, 50, seed=7)
    prefixes = [history(made[:number]) for number in range(FEWEST_FOR_OTAVA, 51)]
    named = [[replace(each, operation=str(len(runs))) for each in runs] for runs in prefixes]
    kept = [each for runs in named for each in runs]
    assert [each for runs in compare_all(named, kept) for each in runs if each.slower_since is not None] == []


@needs_otava
def test_otava_finds_15_ms_on_30_ms_within_six_runs_after_ten() -> None:
    made = noise("normal", 10, seed=7) + noise("normal", 6, seed=8, usual=45.0)
    found = judged(made, change_points.last_changes)
    assert found.slower_since == 10
    assert found.how == "Apache Otava"


def compare_all(histories: list[list[Figures]], kept: list[Figures]) -> list[list[Comparison]]:
    """Judge the last run of each history, with one call of Otava."""
    last = [runs[-1] for runs in histories]
    series = {
        runs[-1].operation: speed_over_time.corrected(runs) for runs in histories if len(runs) >= FEWEST_FOR_OTAVA
    }
    changes = change_points.last_changes(series)
    return [
        compare([each], [row for row in kept if row.operation == each.operation], lambda _: changes) for each in last
    ]


@needs_otava
def test_otava_finds_the_change_of_each_series_and_none_in_a_steady_one() -> None:
    assert change_points.last_changes({"a": [30.0] * 8 + [60.0, 61.0, 62.0, 60.0], "b": [30.0, 31.0] * 6}) == {"a": 8}


def test_without_otava_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoChangePointsError, match=r"^Apache Otava is not installed: run `python -m creditflow.checks"):
        change_points.last_changes({"a": [1.0]}, tmp_path)


def test_an_otava_that_is_broken_or_can_not_be_installed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed").write_text(change_points._pinned())
    with pytest.raises(NoChangePointsError, match=r"^Apache Otava failed: remove "):
        change_points.last_changes({"a": [1.0]}, tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "nowhere"))
    with pytest.raises(NoChangePointsError, match=r"^Apache Otava needs uv, which is not at .*: run make setup\.$"):
        change_points.install(tmp_path / "new")


class ShamTarget:
    """A target with a folder for its figures, and an Ops-Center that reports its version."""

    def __init__(self, folder: Path) -> None:
        self.settings = SimpleNamespace(journal_dir=folder, ops_center_url="http://127.0.0.1:8084")
        self.ops_center = SimpleNamespace(status=lambda: SimpleNamespace(body={"version": "1.2"}))


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(speed_over_time, "run_figures", RunFigures())
    monkeypatch.setattr(change_points, "is_installed", lambda *_: False)
    return ShamTarget(tmp_path)


def measured(milliseconds: float) -> Measurement:
    return Measurement("Signing in", Samples("it", (milliseconds,) * 40), QUIET)


def test_the_first_run_is_kept_and_read_back(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[Any] = []
    monkeypatch.setattr(evidence, "attach_table", lambda *table: tables.append(table))
    first = measured(30.0)
    for _ in range(2):
        speed_over_time.require_no_loss(target, [first])
    (kept,) = read(path_of(target.settings.journal_dir, target.settings.ops_center_url)).figures
    assert (kept.run, kept.median, kept.ops_center) == (RUN, 30.0, "1.2")
    assert tables[0][2] == [("Signing in", "30.0 ms", "30.0 ms", "", "", 0, NO_EARLIER_RUNS)]


def test_a_run_that_measured_nothing_or_kept_nothing_is_red(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match=r"has no figures of this run for any operation"):
        speed_over_time.require_no_loss(target, [])
    monkeypatch.setattr(performance_history, "add", lambda *_: None)
    with pytest.raises(AssertionError, match=r"127\.0\.0\.1\.csv has no figures of this run for Signing in"):
        speed_over_time.require_no_loss(target, [measured(30.0)])


def test_a_loss_on_a_machine_that_is_much_busier_than_usual_is_not_judged(target: Any) -> None:
    path = path_of(target.settings.journal_dir, target.settings.ops_center_url)
    add(path, [replace(each, machine=performance_history.machine()) for each in history([30.0] * 5)])
    busy = Measurement("Signing in", Samples("it", (900.0,) * 40), Samples("the probe", (2.1,) * 40))
    with pytest.raises(TooBusyError, match=r"^Too busy to measure: Signing in takes 428\.6 ms .* more than 2 times as"):
        speed_over_time.require_no_loss(target, [busy])


def test_a_measurement_on_a_busy_machine_is_not_written_and_is_made_again(target: Any) -> None:
    figures, first = RunFigures(), measured(30.0)
    busy = Measurement("Signing in", Samples("it", (30.0,) * 40), Samples("the probe", (50.0,) * 40))
    path = path_of(target.settings.journal_dir, target.settings.ops_center_url)
    figures.keep("signing in", first)
    figures.settle(target, first, busy, 100)
    assert figures.measured("signing in") is None
    assert read(path).figures == ()

    figures.keep("signing in", busy)
    figures.settle(target, busy, first, 100)
    figures.settle(target, first, first, 100)
    assert figures.measured("signing in") is first
    assert [each.median for each in read(path).figures] == [30.0]


def test_a_loss_is_red_and_without_otava_the_table_says_what_to_do(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[Any] = []
    monkeypatch.setattr(evidence, "attach_table", lambda *table: tables.append(table))
    path = path_of(target.settings.journal_dir, target.settings.ops_center_url)
    earlier = [replace(each, machine=performance_history.machine()) for each in history([30.0] * 12)]
    add(path, earlier)
    with pytest.raises(AssertionError, match=r"^Signing in takes 92\.0 ms .*, 3\.1 times as long as before"):
        speed_over_time.require_no_loss(target, [measured(92.0)])
    name, _, rows, marked = tables[0]
    assert name == (
        "The speed of this run beside earlier runs. Apache Otava is not installed: run "
        "`python -m creditflow.checks.change_points`. Until then only the ratio to the earlier runs is judged."
    )
    assert rows == [("Signing in", "92.0 ms", "92.0 ms", "30.0 ms", "3.07", 12, "the ratio to the earlier runs")]
    assert marked == [0]
