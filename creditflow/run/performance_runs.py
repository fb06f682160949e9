"""Runs the performance features several times, and prints each operation's median with its spread.

Run it as `python -m creditflow.run.performance_runs 5`.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from creditflow.checks import change_points
from creditflow.checks.change_points import NoChangePointsError
from creditflow.checks.performance_history import Figures, PerformanceHistoryError, path_of, read
from creditflow.core.errors import CannotRunError
from creditflow.core.redacted_output import redact_output
from creditflow.target.settings import PROJECT, load

FEATURES = ("features/qualities/1_performance.feature", "features/qualities/4_speed_over_time.feature")
SANDBOX = "http://127.0.0.1"
"""The host of every sandbox."""

COLUMNS = ("operation", "runs", "median", "lowest", "highest", "spread")


def main(runs: Annotated[int, typer.Argument(min=1, max=100, help="How many runs.")] = 1) -> None:
    """Run the performance features, and print the medians of their runs with the spread.

    Exit status: that of the worst run; 2 if the settings or the figures can't be used.
    """
    redact_output()
    console = Console(highlight=False)
    try:
        settings = load()
        path = path_of(settings.journal_dir, settings.ops_center_url or SANDBOX)
        earlier = len(read(path).figures)
        with contextlib.suppress(KeyboardInterrupt):
            status = max(_run(console, number, runs) for number in range(1, runs + 1))
            console.print(table(read(path).figures[earlier:]))
            console.print(f"All figures are in {path}", soft_wrap=True)
            raise typer.Exit(status)
    except (CannotRunError, PerformanceHistoryError) as error:
        console.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    raise typer.Exit(130)


def _run(console: Console, number: int, runs: int) -> int:
    if number == 1:
        try:
            change_points.install()
        except NoChangePointsError as error:
            console.print(f"{error} Without it only the ratio to the earlier runs is judged.", markup=False)
    console.print(f"Run {number} of {runs}")
    return subprocess.run([str(Path(sys.prefix) / "bin" / "behave"), *FEATURES], cwd=PROJECT, check=False).returncode


def table(figures: Sequence[Figures]) -> Table:
    """Return the reader's table: the median of the medians of each operation, and how far they are apart."""
    shown = Table(*COLUMNS)
    for row in rows(figures):
        shown.add_row(*row)
    return shown


def rows(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """Return the cells of each operation, in the order in which they were first measured."""
    names = dict.fromkeys(each.operation for each in figures)
    return [_row(name, [each.median for each in figures if each.operation == name]) for name in names]


def _row(name: str, medians: list[float]) -> tuple[str, ...]:
    median, low, high = statistics.median(medians), min(medians), max(medians)
    times = (f"{each:,.1f} ms" for each in (median, low, high))
    return (name, str(len(medians)), *times, f"{(high - low) / median:.0%}")


if __name__ == "__main__":
    typer.run(main)
