"""Scenarios that run side by side: in which order, alone or not, and what happens to those of a worker that dies."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from behave.model import Scenario

from creditflow.core.shared_counts import SharedCounts
from creditflow.reporting import progress
from creditflow.reporting.schedule import DURATIONS, Durations
from creditflow.reporting.selection import parsed

if TYPE_CHECKING:
    from tests.reporting.conftest import Behave, RunOutput

SEVERAL = ("features/a_checks.feature", "features/b_rules.feature", "--jobs", "3")
PROJECT = Path(__file__).resolve().parent / "outcomes"


def titles(output: RunOutput) -> list[str]:
    return re.findall(r"^ {4}[✓✗-] (.+?)  \d", output.console, re.MULTILINE)


def began(output: RunOutput) -> list[str]:
    """Return the titles in the order in which the scenarios began."""
    return sorted(output.results, key=lambda title: int(output.results[title]["start"]))


def test_the_console_has_the_order_of_the_features(behave: Behave) -> None:
    assert titles(behave(*SEVERAL)) == titles(behave(*SEVERAL[:2], "--jobs", "1"))


def test_each_result_names_its_worker_so_that_the_timeline_has_a_line_for_each(behave: Behave) -> None:
    output = behave(*SEVERAL)
    threads = {value for title in output.results for value in output.label(title, "thread")}
    assert threads <= {"worker 1", "worker 2", "worker 3"}
    assert len(threads) > 1
    assert all(output.label(title, "host") for title in output.results)


def test_an_exclusive_scenario_runs_alone_after_the_others(behave: Behave) -> None:
    output = behave(*SEVERAL)
    assert began(output)[-1] == "error"
    others = [result["stop"] for title, result in output.results.items() if title != "error"]
    assert output.results["error"]["start"] >= max(others)


def test_a_random_order_is_the_same_with_the_same_seed(behave: Behave) -> None:
    order = ("features/b_rules.feature", "features/a_checks.feature", "--jobs", "1", "-D")
    first = behave(*order, "order=random")
    seed = re.search(r"^Random order: `-D order=(random:\d+)` gives the same one again\.$", first.console, re.MULTILINE)
    assert seed
    assert began(behave(*order, f"order={seed[1]}")) == began(first)
    assert began(behave(*order, "order=random:1")) != began(behave(*order, "order=random:2"))
    assert titles(first) == titles(behave(*order, "order=random:3"))


def test_a_scenario_whose_worker_is_killed_is_red_with_its_step_and_the_others_run(behave: Behave) -> None:
    output = behave("-D", "order=random:1", "--jobs", "2", "--tags=@killed or @critical or @K1", "--junit")
    killed = output.results["killed"]
    assert output.status == 1
    assert output.recorded["killed"] == output.cases["killed"].attrib["status"] == "error"
    assert killed["statusDetails"]["message"] == (
        "The process that ran this scenario was killed by SIGKILL, such as by the system when memory is short."
    )
    assert [(s["name"], s["status"]) for s in killed["steps"]] == [("When the process is killed", "broken")]
    assert sum(kind == "passed" for kind in output.recorded.values()) == len(output.recorded) - 1 == 2


def test_with_stop_no_scenario_begins_after_a_red_one(behave: Behave) -> None:
    output = behave("features/a_checks.feature", "--jobs", "2", "--stop", "-D", "order=random:4")
    outcomes = list(output.recorded.values())
    assert "untested" in outcomes
    assert sum(kind not in ("passed", "untested", "skipped") for kind in outcomes) <= 2


def scenarios() -> list[Scenario]:
    return [one for feature in parsed(PROJECT / "features" / "b_rules.feature") for one in feature.walk_scenarios()]


def test_the_longest_scenario_of_earlier_runs_comes_first(tmp_path: Path) -> None:
    first, second, third, *rest = scenarios()
    base = str(PROJECT / "features")
    names = [Durations(None, base)._name(one) for one in (first, second, third)]
    (tmp_path / DURATIONS).write_text(json.dumps(dict(zip(names, (1, 3, 2), strict=True))), "utf-8")
    order = Durations(tmp_path, base).longest_first([first, second, third, *rest])
    assert order == [*rest, second, third, first]


@pytest.mark.parametrize("content", [None, "", "[]", '{"a": "b"}', "\0"])
def test_without_durations_the_order_is_that_of_the_features(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / DURATIONS).write_text(content, "utf-8")
    assert Durations(tmp_path, "features").longest_first(found := scenarios()) == found


def test_a_text_of_shared_counts_is_cut_where_it_is_too_long() -> None:
    counts = SharedCounts()
    assert counts.text == ""
    counts.text = "é" * 5_000
    assert counts.text.rstrip("\N{REPLACEMENT CHARACTER}") == "é" * (len(counts.text) - 1)
    counts.text = "short"
    assert counts.text == "short"


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "shown"),
    [
        (True, "\r3 done, 1 red, 4 left, about 12 s to go\033[K\r\033[K"),
        (False, "3 done, 1 red, 4 left, about 12 s to go\n"),
    ],
)
def test_the_line_of_progress_leaves_a_terminal_again(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: str
) -> None:
    monkeypatch.setattr(sys, "stdout", stream := Stream(terminal))
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    line = progress.Progress()
    line.show(1, 0, 6, 30)
    assert stream.getvalue() == ""
    now[0] += progress.LINE_S
    line.show(3, 1, 4, 12.3)
    line.clear()
    line.clear()
    assert stream.getvalue() == shown
