"""`make performance` runs the features as often as it is asked, and prints the spread of what those runs measured."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from creditflow.checks import change_points
from creditflow.checks.change_points import NoChangePointsError
from creditflow.checks.performance_history import Figures, add, path_of
from creditflow.run import performance_runs
from creditflow.target.settings import PROJECT

FIGURES = Figures("2026-11-26T05:00:00.000Z", "cf-aaaaaa", "Signing in", 30, 40, 1, 2, 40, "0.1.0", "", "2 cores, X")


def test_the_features_that_it_runs_exist() -> None:
    assert [name for name in performance_runs.FEATURES if not (PROJECT / name).is_file()] == []


def test_each_operation_has_its_median_and_spread_over_the_runs() -> None:
    figures = [replace(FIGURES, median=each) for each in (30.0, 36.0, 27.0)]
    assert performance_runs.rows([*figures, replace(FIGURES, operation="A request", median=1_300.0)]) == [
        ("Signing in", "3", "30.0 ms", "27.0 ms", "36.0 ms", "30%"),
        ("A request", "1", "1,300.0 ms", "1,300.0 ms", "1,300.0 ms", "0%"),
    ]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands that were started; each adds a row, and the second one is red."""
    commands: list[list[str]] = []
    path = path_of(tmp_path, performance_runs.SANDBOX)
    add(path, [replace(FIGURES, operation="An earlier run's")])

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        commands.append(command)
        add(path, [replace(FIGURES, median=10.0 * len(commands))])
        return SimpleNamespace(returncode=int(len(commands) == 2))

    def not_installed() -> None:
        raise NoChangePointsError("Apache Otava could not be installed: no network.")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(change_points, "install", not_installed)
    monkeypatch.setattr(performance_runs, "redact_output", lambda: None)
    settings = SimpleNamespace(journal_dir=tmp_path, ops_center_url="")
    monkeypatch.setattr(performance_runs, "load", lambda: settings)
    return commands


def test_it_runs_as_often_as_asked_and_ends_with_the_worst_status(
    started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        performance_runs.main(3)
    assert ended.value.exit_code == 1
    assert [command[1:] for command in started] == [[*performance_runs.FEATURES]] * 3
    printed = capsys.readouterr().out
    assert "Apache Otava could not be installed: no network. Without it only the ratio" in printed
    assert "Signing in" in printed
    assert "20.0 ms" in printed
    assert "An earlier run's" not in printed
