"""The report shows the figures of a run in the shape that Allure 3 reads, and none of them has a secret."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

from creditflow.core.naming import PASSWORD, RUN
from creditflow.core.redaction import redactor
from creditflow.reporting.metrics import PATTERN, Metrics
from creditflow.reporting.results import _WRITTEN

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_each_figure_has_the_shape_that_allure_reads(tmp_path: Path) -> None:
    figures = Metrics()
    figures.add("Signing in", 99.0, NOON)
    figures.add("Signing in", 30.12345, NOON)
    figures.add("Nothing", math.nan, NOON)
    figures.write(tmp_path)
    (path,) = tmp_path.glob(PATTERN)
    (sample,) = json.loads(path.read_text("utf-8"))
    assert path.name == f"{RUN}-perf.json"
    assert len(sample.pop("id")) == 32
    assert sample == {
        "key": "Signing in",
        "value": 30.123,
        "start": NOON.timestamp() * 1000,
        "stop": NOON.timestamp() * 1000,
        "title": "Signing in",
        "unit": "ms",
        "better": "lower",
        "group": "speed",
        "groupTitle": "Median times",
    }


def test_a_run_that_measured_nothing_writes_nothing(tmp_path: Path) -> None:
    Metrics().write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_secret_is_in_a_figures_name(tmp_path: Path) -> None:
    redactor.learn(PASSWORD)
    figures = Metrics()
    figures.add(f"Signing in with {PASSWORD}", 1.0, NOON)
    figures.write(tmp_path)
    assert PASSWORD not in next(tmp_path.glob(PATTERN)).read_text("utf-8")


def test_the_next_run_removes_them() -> None:
    assert PATTERN in _WRITTEN
