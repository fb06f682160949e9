"""After SIGINT or SIGTERM a run reports its results, cleans up, and ends with the status of the signal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from creditflow.cleanup.sweep import sweep
from creditflow.core import polling
from creditflow.core.expect import holds
from creditflow.target.target import Target

WAITING = Path(__file__).parent / "waiting" / "features"
LONG, SHORT = "120", "2"


def begin(start: Callable[..., Any], tag: str, seconds: str, jobs: int = 1) -> Any:
    """Start a run that waits at the place that its tag names."""
    paths = (WAITING, f"--tags=@{tag}", "--junit", "--junit-directory=junit", f"--jobs={jobs}")
    run = start(*paths, settings={"WAITS_S": seconds})
    run.until_it_waits()
    return run


def results(run: Any) -> dict[str, tuple[str, str]]:
    """Return status and message of every scenario in Allure's results."""
    files = [json.loads(file.read_text("utf-8")) for file in (run.folder / "allure-results").glob("*-result.json")]
    return {one["name"]: (one["status"], one.get("statusDetails", {}).get("message", "")) for one in files}


def cases(run: Any) -> dict[str, str]:
    """Return the status of every scenario in JUnit's results."""
    files = list((run.folder / "junit").glob("*.xml"))
    found = [case for file in files for case in ElementTree.parse(file).getroot().iter("testcase")]
    return {case.attrib["name"]: case.attrib["status"] for case in found}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_step_is_interrupted_and_everything_is_removed(
    start: Callable[..., Any], count: Callable[[], dict[str, int]], number: signal.Signals, status: int
) -> None:
    before = count()
    run = begin(start, "in-a-step", LONG)
    assert count() != before
    run.process.send_signal(number)
    assert run.end() == status, run.output
    assert results(run)["waits in a step"] == ("broken", "The run was interrupted.")
    assert results(run)["comes after"][0] == "unknown"
    assert cases(run) == {"waits in a step": "error", "comes after": "untested"}
    assert "0 passed, 1 failed" in run.output
    assert not (run.folder / "waited").exists()
    assert not list(run.journals.glob("*/*.jsonl"))
    polling.soon(lambda: holds(count() == before, f"there was {before} and is {count()}"), 60)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_every_worker_is_interrupted_and_everything_is_removed(
    start: Callable[..., Any], count: Callable[[], dict[str, int]], number: signal.Signals, status: int
) -> None:
    before = count()
    run = begin(start, "side-by-side", LONG, jobs=3)
    polling.soon(lambda: holds(len(list(run.folder.glob("process-*"))) == 2, "a worker does not wait"), 60)
    run.process.send_signal(number)
    assert run.end() == status, run.output
    found = results(run)
    assert found["waits in a step"] == found["waits in another step"] == ("broken", "The run was interrupted.")
    assert cases(run)["waits in a step"] == cases(run)["waits in another step"] == "error"
    assert not list(run.journals.glob("*/*.jsonl"))
    polling.soon(lambda: holds(count() == before, f"there was {before} and is {count()}"), 60)


def test_what_a_killed_worker_has_made_is_removed_and_the_run_goes_on(
    start: Callable[..., Any], count: Callable[[], dict[str, int]]
) -> None:
    before = count()
    run = begin(start, "in-a-step", LONG, jobs=2)
    (worker,) = run.folder.glob("process-*")
    os.kill(int(worker.name.partition("-")[2]), signal.SIGKILL)
    assert run.end() == 1, run.output
    status, message = results(run)["waits in a step"]
    assert status == "broken"
    assert message.startswith("The process that ran this scenario was killed by SIGKILL")
    assert "could not be removed" not in message
    assert results(run)["comes after"][0] == "passed"
    assert cases(run) == {"waits in a step": "error", "comes after": "passed"}
    assert "1 passed, 1 failed" in run.output
    assert not list(run.journals.glob("*/*.jsonl"))
    polling.soon(lambda: holds(count() == before, f"there was {before} and is {count()}"), 60)


def test_a_removal_is_not_disturbed_by_a_signal(start: Callable[..., Any], count: Callable[[], dict[str, int]]) -> None:
    before = count()
    run = begin(start, "in-the-removal", SHORT)
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130, run.output
    assert (run.folder / "waited").exists()
    assert results(run)["waits in the removal"][0] == "passed"
    assert results(run)["comes after"][0] == "unknown"
    assert not list(run.journals.glob("*/*.jsonl"))
    polling.soon(lambda: holds(count() == before, f"there was {before} and is {count()}"), 60)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_second_signal_ends_the_removal_and_reports_what_is_left_and_how_to_remove_it(
    start: Callable[..., Any], target: Target, count: Callable[[], dict[str, int]], jobs: int
) -> None:
    before = count()
    run = begin(start, "in-the-removal", LONG, jobs)
    while run.process.returncode is None:
        run.process.send_signal(signal.SIGTERM)
        run.for_seconds(0.1)
    assert run.end() == 143, run.output
    assert not (run.folder / "waited").exists(), "the run waited for a removal that hangs"
    status, message = results(run)["waits in the removal"]
    assert status == "broken"
    assert message.startswith("This could not be removed and is still on the target: what takes long to remove, ")
    assert "(the removal was interrupted). It is listed in " in message
    for thing in ("the Keycloak user ", "the organisation ", "the rows of ", "the Lago customer ", "provider account"):
        assert thing in message
    left = run.journal.left
    assert f"{len(left)} resources left, listed in {run.journal.path}: `make sweep` removes what is left." in run.output
    assert len(left) > 10

    swept = sweep(target)

    assert not swept.left
    assert not list(run.journals.glob("*/*.jsonl"))
    polling.soon(lambda: holds(count() == before, f"there was {before} and is {count()}"), 60)


def test_the_next_runs_report_what_an_earlier_one_left_until_it_is_swept(
    start: Callable[..., Any], target: Target
) -> None:
    run = begin(start, "in-a-step", LONG)
    meanwhile = start(WAITING, "-n", "comes after", settings={"WAITS_S": "0"})
    assert meanwhile.end() == 0, meanwhile.output
    assert "left" not in meanwhile.output, "what a run that lives has made was reported as left"
    run.kill()
    left = len(run.journal.left)
    run_name = run.journal.run
    message = f"An earlier run ({run_name}) left {left} resources on this target: `make sweep` removes them."

    after = start(WAITING, "-n", "comes after", settings={"WAITS_S": "0"})
    assert after.end() == 0, after.output
    assert message in after.output
    assert not sweep(target).left
    last = start(WAITING, "-n", "comes after", settings={"WAITS_S": "0"})
    assert last.end() == 0, last.output
    assert "left" not in last.output
