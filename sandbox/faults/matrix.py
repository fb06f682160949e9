"""Switches faults on, one after the other, and tells which scenario turned red for each, and with which message."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sandbox
from sandbox.errors import SandboxError
from sandbox.faults import VARIABLE, Fault
from sandbox.files import locked
from sandbox.handle import Sandbox
from sandbox.settings import PROJECT, sandbox_settings

LONGEST_RUN = 900
"""Seconds that the features may take with one fault switched on."""
_ALLURE = "creditflow.reporting.allure:Formatter"
_RED = ("failed", "broken")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Red:
    """A scenario that turned red: its feature, rule and title, and the message that its reader sees."""

    scenario: str
    message: str


@dataclass(frozen=True)
class Trial:
    """What the features said with one fault switched on, or with none.

    Attributes:
        fault: the one that was switched on; None for the clean reference.
        status: the exit status of behave.
        reds: the red scenarios, first first.
        scenarios: every scenario that ran.
        seconds: how long it took, the restart of the service included.
        output: what behave printed.
    """

    fault: Fault | None
    status: int
    reds: tuple[Red, ...]
    scenarios: tuple[str, ...]
    seconds: float
    output: str = field(repr=False, default="")

    @property
    def killed(self) -> bool:
        """Whether a scenario turned red, and its message leads to the defect."""
        return bool(self.reds) and not self.unsaid

    @property
    def unsaid(self) -> list[str]:
        """The words that the first red scenario's message lacks."""
        if not self.reds or self.fault is None:
            return []
        return [words for words in self.fault.says if words not in self.reds[0].message]

    @property
    def verdict(self) -> str:
        """Killed, survived, or why it can't be told."""
        if self.killed:
            return "killed"
        if self.reds:
            return f"survived: the message does not say {' nor '.join(repr(words) for words in self.unsaid)}"
        if self.status != 0:
            return f"survived: the run ended with status {self.status} and no scenario was judged"
        return f"survived: {len(self.scenarios)} scenarios stayed green"


class Range:
    """A sandbox of which one service after the other runs with a fault.

    Args:
        box: the running sandbox.
        folder: where each trial leaves its Allure results.
    """

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self._box, self.folder = box, folder

    def clean(self, faults: Iterable[Fault] = ()) -> Trial:
        """Run the scenarios of some faults, or all features, on the reference as it is."""
        wanted = sorted({plan_id for fault in faults for plan_id in fault.breaks})
        return self._behave(None, _selecting(wanted), time.monotonic())

    def trial(self, fault: Fault, everything: bool = False) -> Trial:
        """Switch a fault on, run the scenarios of its plan items up to the first red one, and switch it off.

        Args:
            fault: the one to switch on.
            everything: run all features, to their end.
        """
        began = time.monotonic()
        self._box.restart(fault.service, {VARIABLE: fault.name})
        try:
            chosen = _selecting([]) if everything else [*_selecting(fault.breaks), "--stop"]
            return self._behave(fault, chosen, began)
        finally:
            self._box.restart(fault.service)

    def _behave(self, fault: Fault | None, chosen: Sequence[str], began: float) -> Trial:
        results = self.folder / (fault.name if fault else "clean")
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        command = [sys.executable, "-m", "behave", "-f", _ALLURE, "-o", str(results), *chosen]
        try:
            run = subprocess.run(
                command,
                cwd=PROJECT,
                env={**os.environ, **self._box.settings, "POLL_TIMEOUT_S": "3"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LONGEST_RUN,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SandboxError(
                f"The features did not end within {LONGEST_RUN} s with {fault.name if fault else 'no fault'} "
                f"switched on: see {results} for how far they came."
            ) from None
        reds, ran = _read(results)
        seconds = round(time.monotonic() - began, 1)
        return Trial(fault, run.returncode, tuple(reds), tuple(ran), seconds, run.stdout + run.stderr)


def run(faults: Sequence[Fault], say: Say, *, everything: bool = False, shown: bool = False) -> int:
    """Try every fault and tell the matrix; returns 0 only when all were killed and the clean reference is green.

    Args:
        faults: those to try.
        say: shows the reader a line.
        everything: run all features with each of them, and name the scenarios that no fault turns red.
        shown: show what behave printed for each.
    """
    settings = sandbox_settings()
    folder = settings.home / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with locked(folder / "lock", 1, lambda: say("Another run of the faults is under way")):
        box = sandbox.start(report=say)
        try:
            place = Range(box, folder)
            clean = place.clean() if everything or len(faults) > 1 else place.clean(faults)
            say(f"clean     {clean.seconds:6.1f} s  {len(clean.scenarios)} scenarios, {len(clean.reds)} of them red")
            if clean.status != 0:
                say(clean.output)
                say("The clean reference is not green, so that nothing can be said of its faults.")
                return 1
            trials = []
            for fault in faults:
                trials.append(place.trial(fault, everything))
                _tell(trials[-1], say)
                if shown:
                    say(trials[-1].output)
        finally:
            box.stop()
    written = folder / ("matrix-full.json" if everything else "matrix.json")
    written.write_text(json.dumps([_row(trial) for trial in trials], indent=1, ensure_ascii=False))
    say(f"The matrix is in {written.relative_to(PROJECT) if written.is_relative_to(PROJECT) else written}")
    idle = _idle(clean, trials) if everything else []
    for scenario in idle:
        say(f"no fault turns it red: {scenario}")
    survived = [trial for trial in trials if not trial.killed]
    if everything:
        say(f"{len(clean.scenarios)} scenarios, {len(idle)} of them turned red by no fault")
    say(f"It took {time.monotonic() - began:.0f} s")
    say(f"{len(trials)} faults: {len(trials) - len(survived)} killed, {len(survived)} survived")
    return 1 if survived or idle else 0


def _selecting(plan_ids: Sequence[str]) -> list[str]:
    tags = " or ".join(f"@{plan_id}" for plan_id in plan_ids)
    return [f"--tags={tags}"] if tags else []


def _read(results: Path) -> tuple[list[Red], list[str]]:
    """The red scenarios in the order in which they ran, and the names of all that ran."""
    found: list[dict[str, Any]] = [json.loads(path.read_text()) for path in results.glob("*-result.json")]
    ran = sorted((r for r in found if r["status"] not in ("skipped", "unknown")), key=lambda r: (r["start"], r["stop"]))
    reds = [Red(r["fullName"], r.get("statusDetails", {}).get("message", "")) for r in ran if r["status"] in _RED]
    return reds, [r["fullName"] for r in ran]


def _tell(trial: Trial, say: Say) -> None:
    assert trial.fault is not None
    say(f"{trial.verdict.partition(':')[0]:9} {trial.seconds:5.1f} s  {trial.fault.name}: {trial.fault.harm}")
    if not trial.killed:
        say(f"          {trial.verdict}")
    if trial.reds:
        say(f"          {trial.reds[0].scenario.rpartition(': ')[2]}")
        say(f"          {trial.reds[0].message.splitlines()[0] if trial.reds[0].message else 'without a message'}")


def _row(trial: Trial) -> dict[str, Any]:
    assert trial.fault is not None
    return {
        "fault": trial.fault.name,
        "harm": trial.fault.harm,
        "breaks": trial.fault.breaks,
        "verdict": trial.verdict,
        "killed by": [red.scenario for red in trial.reds],
        "message": trial.reds[0].message if trial.reds else "",
        "seconds": trial.seconds,
    }


def _idle(clean: Trial, trials: Sequence[Trial]) -> list[str]:
    """The scenarios that no fault turned red."""
    turned = {red.scenario for trial in trials for red in trial.reds}
    return [scenario for scenario in dict.fromkeys(clean.scenarios) if scenario not in turned]
