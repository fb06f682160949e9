"""A step, a scenario and the run end at their time limits, name what they waited for, and clean up."""

from __future__ import annotations

import re
import shutil
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from creditflow.core.run_limits import TimeLimitError, TimeLimits
from creditflow.target.settings import PROJECT, load
from sandbox import program

SHORT_S = 2
"""A time limit that quick steps keep even on a slow and busy machine."""

LONGEST_S = 120
"""Seconds that the waits of the scenarios exceed."""


@dataclass
class Ran:
    """One run; `removed` is the number of resources that it removed."""

    status: int
    output: str
    removed: int

    def line(self, scenario: str) -> str:
        """Return the sign and the outcome in a scenario's line."""
        found = re.search(rf"^ *(\S) {scenario}  [\d.]+ s(.*)$", self.output, re.MULTILINE)
        return f"{found[1]}{found[2]}" if found else ""


def behave(folder: Path, feature: str, jobs: int = 1, **limits: float) -> Ran:
    shutil.copytree(Path(__file__).parent / "time_limits", folder / "features")
    shutil.copy(PROJECT / "behave.ini", folder)
    given = [f"-D{name}={value}" for name, value in limits.items()]
    done = program.run(
        ["behave", *given, f"--jobs={jobs}", f"features/{feature}.feature"],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=LONGEST_S,
    )
    gone = folder / "removed.txt"
    removed = len(gone.read_text().splitlines()) if gone.exists() else 0
    return Ran(done.returncode, done.stdout + done.stderr, removed)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return behave(tmp_path_factory.mktemp("steps"), "steps", STEP_TIMEOUT_S=SHORT_S)


@pytest.mark.parametrize(
    ("scenario", "waited"),
    [
        ("A wait that does not end", r"“When Keycloak .*” .*, waiting for Keycloak \(\d\.\d s\): check "),
        ("Whatever is raised is caught", r"“When everything that .*” .*, waiting for no system: check "),
        ("Threads that do not end", r"“When ten threads .*” .*, waiting for Redis \(\d\.\d s\): check "),
    ],
)  # fmt: skip
def test_a_step_ends_at_its_time_limit_and_names_what_it_waited_for(steps: Ran, scenario: str, waited: str) -> None:
    assert steps.line(scenario) == "✗  error", steps.output
    part = steps.output.partition(f" {scenario}  ")[2].partition("\n    ✗")[0]
    message = re.search(r"“.*took longer than 2 s and was ended, .*, or raise STEP_TIMEOUT_S\.", part)
    assert message, part
    assert re.search(waited, message[0]), message[0]


def test_what_an_interrupted_scenario_made_is_removed_and_the_rest_is_run(steps: Ran) -> None:
    assert steps.line("What is quick") == "✓", steps.output
    assert steps.removed == 2
    assert steps.status == 1
    assert "Traceback" not in steps.output
    assert ".py:" not in steps.output


def test_a_removal_that_does_not_end_is_interrupted_and_names_what_is_left(steps: Ran) -> None:
    assert steps.line("A removal that does not end") == "✗  clean-up error", steps.output
    left = re.search(r"still on the target: (.*) \(The removal took longer than 2 s", steps.output)
    assert left
    assert left[1] == "the last resource, the first resource"


def test_a_run_in_which_threads_still_hang_ends(steps: Ran) -> None:
    assert steps.output.rstrip().splitlines()[-2] == "1 passed, 4 failed"


def test_a_scenario_ends_at_its_time_limit_and_the_next_one_has_its_own(tmp_path: Path) -> None:
    ran = behave(tmp_path, "scenarios", SCENARIO_TIMEOUT_S=SHORT_S)
    assert ran.line("One that takes long") == "✗  error", ran.output
    assert re.search(r"The scenario took longer than 2 s and was ended, waiting for Keycloak \(\d\.", ran.output)
    assert "or raise SCENARIO_TIMEOUT_S." in ran.output
    assert (ran.line("The next one"), ran.line("The last one"), ran.status) == ("✓", "✓", 1)
    assert ran.removed == 1


def test_a_run_ends_at_its_time_limit_with_what_it_has(tmp_path: Path) -> None:
    ran = behave(tmp_path, "scenarios", RUN_TIMEOUT_S=SHORT_S)
    assert ran.line("One that takes long") == "✗  error", ran.output
    assert re.search(r"The run took longer than 2 s and was ended, waiting for Keycloak \(\d\.", ran.output)
    assert ran.line("The next one") == ran.line("The last one") == "-  untested"
    assert ran.output.rstrip().splitlines()[-1] == (
        "time limit of the run: The run took longer than 2 s, so the rest was not run: raise RUN_TIMEOUT_S."
    )
    assert ran.status == 1
    assert ran.removed == 1


def test_the_time_limit_of_a_run_holds_in_its_workers(tmp_path: Path) -> None:
    ran = behave(tmp_path, "scenarios", jobs=2, RUN_TIMEOUT_S=SHORT_S)
    assert ran.line("One that takes long") == "✗  error", ran.output
    assert re.search(r"The run took longer than 2 s and was ended, waiting for Keycloak \(\d\.", ran.output)
    assert ran.line("The next one") == ran.line("The last one") == "✓"
    assert "\n2 passed, 1 failed\n" in ran.output
    assert ran.removed == 1


def test_an_alarm_of_other_code_is_restored() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    timer = signal.setitimer(signal.ITIMER_REAL, 600)
    try:
        limits = TimeLimits()
        limits.begin(load({"STEP_TIMEOUT_S": "0.1"}))
        with pytest.raises(TimeLimitError, match=r"took longer than 0\.1 s"), limits.step():
            threading.Event().wait(60)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 600
        signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def test_without_settings_and_beside_the_main_thread_nothing_is_interrupted() -> None:
    with TimeLimits().step():
        assert signal.getitimer(signal.ITIMER_REAL)[1] == 0
    ended = []

    def elsewhere() -> None:
        limits = TimeLimits()
        limits.begin(load({"STEP_TIMEOUT_S": "0.05"}))
        with limits.step():
            threading.Event().wait(0.1)
        ended.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert ended == [True]
