"""A step, a scenario and the run end at their deadlines, say for what was waited, and what was made is removed."""

from __future__ import annotations

import re
import shutil
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from creditflow.core.run_limits import Deadlines, TimeLimitError
from creditflow.target.settings import PROJECT, load
from sandbox import program

SHORT_S = 2
"""A deadline that nothing quick passes on a machine that is slow and busy."""

LONGEST_S = 120
"""What is waited for takes longer."""


@dataclass
class Ran:
    """One run; `removed` is how many things it removed."""

    status: int
    said: str
    removed: int

    def line(self, scenario: str) -> str:
        """The sign and the kind of a scenario's line."""
        found = re.search(rf"^ *(\S) {scenario}  [\d.]+ s(.*)$", self.said, re.MULTILINE)
        return f"{found[1]}{found[2]}" if found else ""


def behave(folder: Path, feature: str, **deadlines: float) -> Ran:
    shutil.copytree(Path(__file__).parent / "deadlines", folder / "features")
    shutil.copy(PROJECT / "behave.ini", folder)
    given = [f"-D{name}={value}" for name, value in deadlines.items()]
    done = program.run(
        ["behave", *given, f"features/{feature}.feature"],
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
        ("A wait that does not end", r"“When Keycloak .*” .*, waiting for Keycloak since \d\.\d s: see how"),
        ("Whatever is raised is caught", r"“When everything that .*” .*, waiting for none of the systems: see how"),
        ("Threads that do not end", r"“When ten threads .*” .*, waiting for Redis since \d\.\d s: see how"),
    ],
)  # fmt: skip
def test_a_step_ends_at_its_deadline_and_says_for_what_it_waited(steps: Ran, scenario: str, waited: str) -> None:
    assert steps.line(scenario) == "✗  error", steps.said
    part = steps.said.partition(f" {scenario}  ")[2].partition("\n    ✗")[0]
    told = re.search(r"“.*took longer than 2 s and was ended, .*, or raise STEP_TIMEOUT_S\.", part)
    assert told, part
    assert re.search(waited, told[0]), told[0]


def test_what_a_broken_off_scenario_made_is_removed_and_the_rest_is_run(steps: Ran) -> None:
    assert steps.line("What is quick") == "✓", steps.said
    assert steps.removed == 2
    assert steps.status == 1
    assert "Traceback" not in steps.said
    assert ".py:" not in steps.said


def test_a_removal_that_does_not_end_is_broken_off_and_names_what_is_left(steps: Ran) -> None:
    assert steps.line("A removal that does not end") == "✗  clean-up error", steps.said
    left = re.search(r"still on the target: (.*) \(The removal took longer than 2 s", steps.said)
    assert left
    assert left[1] == "the last thing, the first thing"


def test_a_run_in_which_threads_still_hang_ends(steps: Ran) -> None:
    assert steps.said.rstrip().splitlines()[-2] == "1 passed, 4 failed"


def test_a_scenario_ends_at_its_deadline_and_the_next_one_has_its_own(tmp_path: Path) -> None:
    ran = behave(tmp_path, "scenarios", SCENARIO_TIMEOUT_S=SHORT_S)
    assert ran.line("One that takes long") == "✗  error", ran.said
    assert re.search(r"The scenario took longer than 2 s and was ended, waiting for Keycloak since \d\.", ran.said)
    assert "or raise SCENARIO_TIMEOUT_S." in ran.said
    assert (ran.line("The next one"), ran.line("The last one"), ran.status) == ("✓", "✓", 1)
    assert ran.removed == 1


def test_a_run_ends_at_its_deadline_with_what_it_has(tmp_path: Path) -> None:
    ran = behave(tmp_path, "scenarios", RUN_TIMEOUT_S=SHORT_S)
    assert ran.line("One that takes long") == "✗  error", ran.said
    assert re.search(r"The run took longer than 2 s and was ended, waiting for Keycloak since \d\.", ran.said)
    assert ran.line("The next one") == ran.line("The last one") == "-  untested"
    assert ran.said.rstrip().splitlines()[-1] == (
        "deadline of the run: The run took longer than 2 s, so that the rest was not run: raise RUN_TIMEOUT_S."
    )
    assert ran.status == 1
    assert ran.removed == 1


def test_an_alarm_of_somebody_else_is_given_back() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    timer = signal.setitimer(signal.ITIMER_REAL, 600)
    try:
        deadlines = Deadlines()
        deadlines.begin(load({"STEP_TIMEOUT_S": "0.1"}))
        with pytest.raises(TimeLimitError, match=r"took longer than 0\.1 s"), deadlines.step():
            threading.Event().wait(60)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 600
        signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def test_without_settings_and_beside_the_main_thread_nothing_is_broken_off() -> None:
    with Deadlines().step():
        assert signal.getitimer(signal.ITIMER_REAL)[1] == 0
    ended = []

    def elsewhere() -> None:
        deadlines = Deadlines()
        deadlines.begin(load({"STEP_TIMEOUT_S": "0.05"}))
        with deadlines.step():
            threading.Event().wait(0.1)
        ended.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert ended == [True]
