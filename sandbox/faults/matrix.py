"""Switch on one fault after the other, and report the red scenario and its message for each."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from sandbox import program
from sandbox.errors import SandboxError
from sandbox.faults import SUITE, VARIABLE, Fault, catalogue
from sandbox.files import locked, write_private
from sandbox.handle import Sandbox, start
from sandbox.settings import PROJECT, sandbox_settings

LONGEST_RUN = 900
"""The most seconds of the features with one fault switched on."""
POLL_TIMEOUT = 1.5
"""Seconds that a run with a fault waits for late results, most of which never come."""
STEP_TIMEOUT = 60
"""The most seconds of a step with a fault: what a target may do within minutes, a sandbox does within seconds."""
LONGEST_POLL = 10
"""The most seconds that a sentence waits with a fault: where it says 60, a sandbox needs one or two."""
OUTAGES = "N4"
"""The plan item that makes services fail."""
OUTAGE_POLL_TIMEOUT = 10
"""Seconds that a run with a fault of that item waits, because a service that was away is asked only now and then."""
SPEED = "N2"
"""The plan item that compares the figures of a run with those of earlier ones."""
EARLIER_RUNS = 3
"""How many runs without a fault a fault of that item is compared with."""
MEASURED = ("sandbox.faults.speed", "sandbox.faults.load")
"""The modules of faults that a measured time shows; they run after the others, with one sandbox at a time."""
KILLERS = "killed-by.json"
"""The file with the title of the scenario that each fault turned red last; it is tried first the next time."""
_ALLURE = "creditflow.reporting.allure:Formatter"
_RED = ("failed", "broken")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ran:
    """A scenario that ran: its name (feature, rule and title), its place, and its message if it is red."""

    name: str
    place: str
    red: bool
    message: str


@dataclass(frozen=True)
class Trial:
    """The result of the features with one fault switched on, or with none.

    Attributes:
        fault: the fault; None for the clean reference.
        status: the exit status of behave.
        ran: the scenarios that ran, in order.
        seconds: the duration, with the restart of the service.
        output: the output of behave.
    """

    fault: Fault | None
    status: int
    ran: tuple[Ran, ...]
    seconds: float
    output: str = field(repr=False, default="")

    @property
    def reds(self) -> list[Ran]:
        """The red scenarios, in order."""
        return [scenario for scenario in self.ran if scenario.red]

    @property
    def killed(self) -> bool:
        """Whether a scenario turned red with a message that leads to the defect."""
        return bool(self.reds) and not self.missing_words

    @property
    def missing_words(self) -> list[str]:
        """The words that are missing in the first red scenario's message."""
        if not self.reds or self.fault is None:
            return []
        return [words for words in self.fault.says if not contains(self.reds[0].message, words)]

    @property
    def verdict(self) -> str:
        """`killed`, or `survived` with the reason."""
        if self.killed:
            return "killed"
        if self.reds:
            return f"survived: the message does not say {' nor '.join(repr(words) for words in self.missing_words)}"
        if self.status != 0:
            return f"survived: no scenario was judged (status {self.status}): {' '.join(self.output.split())[-300:]}"
        return f"survived: {len(self.ran)} scenarios stayed green"


class FaultRunner:
    """A sandbox in which one service after the other runs with a fault.

    Args:
        box: the running sandbox; nothing else uses it, and `close` ends it.
        folder: the folder for the Allure results of each trial.
    """

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self._box, self.folder = box, folder
        self._faulty = ""
        self._journals = Path(tempfile.mkdtemp(dir=folder, prefix="journals-"))

    def clean(self, faults: Iterable[Fault] = ()) -> Trial:
        """Run the scenarios of some faults, or all features, without a fault."""
        wanted = sorted({plan_id for fault in faults for plan_id in fault.breaks})
        return self._behave(None, _selecting(wanted), time.monotonic())

    def trial(
        self, fault: Fault, places: Sequence[str] = (), *, first: str = "", whole: bool = False, report: bool = False
    ) -> Trial:
        """Replace the last fault by this one, and run the scenarios of its plan items up to the first red one.

        Args:
            fault: the fault to switch on.
            places: run the scenarios at these places instead, all of them.
            first: the title of a scenario that this fault turned red before; the others run only if it does not again.
            whole: continue after the first red scenario.
            report: make the report page.
        """
        began = time.monotonic()
        measures = SPEED in fault.breaks and not self._earlier.exists()
        if self._faulty and (measures or self._faulty != fault.service):
            self._box.restart(self._faulty)
        if measures:
            for _ in range(EARLIER_RUNS):
                self._behave(None, _selecting([SPEED]), began, self._earlier)
        self._faulty = fault.service if fault.service != SUITE else ""
        try:
            if self._faulty:
                self._box.restart(fault.service, {VARIABLE: fault.name})
        except SandboxError as error:
            return Trial(fault, 2, (), round(time.monotonic() - began, 1), str(error))
        self._empty()
        chosen = [*places] or [*_selecting(fault.breaks), *([] if whole else ["--stop"])]
        if first:
            again = self._behave(fault, [*chosen, f"--name=^{re.escape(first)}"], began)
            if again.killed:
                return again
            self._empty()
        return self._behave(fault, [*chosen, *(["-D", "report=yes"] if report else [])], began)

    def close(self) -> None:
        """End the sandbox."""
        shutil.rmtree(self._journals, ignore_errors=True)
        self._box.stop()

    @property
    def _earlier(self) -> Path:
        """The journals of the runs without a fault that a fault of the speed is compared with."""
        return self._journals / "earlier"

    def _journal(self, fault: Fault | None) -> Path:
        """Return the folder of a run's journals, in which a fault of the speed finds the figures of earlier runs."""
        folder = self._journals / (fault.name if fault else "clean")
        if fault and SPEED in fault.breaks:
            shutil.copytree(self._earlier, folder, dirs_exist_ok=True)
        return folder

    def _empty(self) -> None:
        """Empty unicorn_db and Redis, in which the last fault may have left wrong data."""
        with psycopg.connect(self._box.settings["UNICORN_DB_URL"], connect_timeout=10) as database:
            found = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = sql.SQL(", ").join(sql.Identifier(str(row[0])) for row in found)
            database.execute(sql.SQL("TRUNCATE {}").format(tables))
        with redis.Redis.from_url(self._box.settings["REDIS_URL"], socket_timeout=10) as cache:
            cache.flushdb()

    def _behave(self, fault: Fault | None, chosen: Sequence[str], began: float, journals: Path | None = None) -> Trial:
        results = self.folder / (fault.name if fault else "clean")
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        alone = ["--jobs=1"] if fault else []
        arguments = [*alone, "-f", _ALLURE, "-o", str(results), *(chosen or ["--tags=not @qualities"])]
        more = {"JOURNAL_DIR": str(journals or self._journal(fault)), "REPORT_DIR": str(self.folder / "reports")}
        if fault:
            more["POLL_TIMEOUT_S"] = str(OUTAGE_POLL_TIMEOUT if OUTAGES in fault.breaks else POLL_TIMEOUT)
            if fault.switch_on.__module__ not in MEASURED:
                more |= {"STEP_TIMEOUT_S": str(STEP_TIMEOUT), "LONGEST_POLL_S": str(LONGEST_POLL)}
        if fault and fault.service == SUITE:
            more[VARIABLE] = fault.name
        try:
            ran = program.run(
                ["sandbox.faults.behave", *arguments],
                cwd=PROJECT,
                env={**os.environ, **self._box.where.environment(), **self._box.settings, **more},
                timeout=LONGEST_RUN,
                stderr=subprocess.STDOUT,
            )
        except subprocess.TimeoutExpired as late:
            output = (late.output or b"").decode("utf-8", "replace")
            raise SandboxError(
                f"The features did not end within {LONGEST_RUN} s. The end of their output:\n{output[-2000:]}"
            ) from None
        seconds = round(time.monotonic() - began, 1)
        return Trial(fault, ran.returncode, _read(results), seconds, ran.stdout)


class Lanes:
    """Several sandboxes in parallel, which share the faults.

    Args:
        count: the number of sandboxes.
        folder: the folder of trials and sandboxes.
        say: shows the user a line.
    """

    def __init__(self, count: int, folder: Path, say: Say) -> None:
        self._count, self._folder, self._say = count, folder, say
        self._stopped = threading.Event()

    def run(self, jobs: Sequence[Job]) -> list[Trial]:
        """Do each job once, in the first free lane; return the trials in the order of the jobs.

        A job that returns no trial ends the run; the trials so far are returned.
        """
        waiting: queue.SimpleQueue[tuple[int, Job]] = queue.SimpleQueue()
        for job in enumerate(jobs):
            waiting.put(job)
        done: dict[int, Trial] = {}
        with ThreadPoolExecutor(self._count) as pool:
            for lane in [pool.submit(self._work, number, waiting, done) for number in range(self._count)]:
                lane.result()
        return [done[number] for number in sorted(done)]

    def _work(self, lane: int, waiting: queue.SimpleQueue[tuple[int, Job]], done: dict[int, Trial]) -> None:
        runner = FaultRunner(self._start(lane), self._folder)
        try:
            while not self._stopped.is_set():
                try:
                    number, job = waiting.get_nowait()
                except queue.Empty:
                    return
                trial = job(runner)
                if trial is None:
                    self._stopped.set()
                else:
                    done[number] = trial
        except BaseException:
            self._stopped.set()
            raise
        finally:
            runner.close()

    def _start(self, lane: int) -> Sandbox:
        settings = sandbox_settings(
            {
                "SANDBOX_HOME": str(self._folder / f"sandbox-{lane + 1}"),
                "SANDBOX_PREPARED": str(sandbox_settings().prepared),
            }
        )
        box = start(keep=False, report=lambda _: None, settings=settings)
        self._say(f"sandbox {lane + 1} {box.start_seconds:5.1f} s")
        return box


Job = Callable[[FaultRunner], Trial | None]
"""A job for a lane; it returns None when no more trials are needed."""


def run(faults: Sequence[Fault], say: Say, *, everything: bool = False, shown: bool = False, lanes: int = 1) -> int:
    """Try every fault and write the matrix; return 0 only when all are killed and the clean reference is green.

    Args:
        faults: the faults to try.
        say: shows the user a line.
        everything: run all scenarios of the plan items of each fault. Then run the scenarios that stayed green with
            every fault, and list those that no fault turns red.
        shown: show the output of behave for each fault, and make its report.
        lanes: the number of sandboxes.
    """
    folder = sandbox_settings().home / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    killers = folder / KILLERS
    killed_by: dict[str, str] = json.loads(killers.read_text()) if killers.exists() else {}
    selected = [] if everything or len(faults) == len(catalogue()) else faults
    alone = [fault for fault in faults if fault.switch_on.__module__ in MEASURED]
    beside = [fault for fault in faults if fault not in alone]
    never_red: dict[str, str] = {}
    known = threading.Event()

    def clean(runner: FaultRunner) -> Trial | None:
        trial = runner.clean(selected)
        say(f"clean     {trial.seconds:6.1f} s  {len(trial.ran)} scenarios, {len(trial.reds)} of them red")
        if trial.status == 0:
            never_red.update({scenario.place: scenario.name for scenario in trial.ran} if everything else {})
            known.set()
            return trial
        known.set()
        say(f"{trial.output}\nThe clean reference is not green, so the faults can't be judged.")
        return None

    def try_fault(fault: Fault) -> Job:
        def job(runner: FaultRunner) -> Trial:
            first = "" if everything or shown else killed_by.get(fault.name, "")
            trial = runner.trial(fault, first=first, whole=everything, report=shown)
            remove_reds(trial)
            say("\n".join([*_summary(trial), *([trial.output] if shown else [])]))
            return trial

        return job

    def try_remaining(fault: Fault) -> Job:
        def job(runner: FaultRunner) -> Trial | None:
            if not never_red:
                return None
            trial = runner.trial(fault, list(never_red))
            remove_reds(trial)
            say(f"{len(never_red):9} scenarios left after {fault.name}")
            return trial

        return job

    def remove_reds(trial: Trial) -> None:
        if everything and known.wait(LONGEST_RUN):
            for scenario in trial.reds:
                never_red.pop(scenario.place, None)

    with locked(folder / "lock", 1, lambda: say("Another run of the faults is under way")):
        more = map(try_remaining, beside if everything else ())
        trials = Lanes(lanes, folder, say).run([clean, *map(try_fault, beside), *more])[: 1 + len(beside)]
        if not trials or trials[0].fault is not None:
            return 1
        reference, *trials = trials + (Lanes(1, folder, say).run([*map(try_fault, alone)]) if alone else [])
    written = folder / ("matrix-full.json" if everything else "matrix.json")
    write_private(written, json.dumps([_row(trial) for trial in trials], indent=1, ensure_ascii=False))
    killed_by |= {trial.fault.name: _title(trial.reds[0]) for trial in trials if trial.fault and trial.killed}
    write_private(killers, json.dumps(killed_by, indent=1, ensure_ascii=False))
    say(f"The matrix is in {written.relative_to(PROJECT) if written.is_relative_to(PROJECT) else written}")
    for scenario in never_red.values():
        say(f"no fault turns it red: {scenario}")
    survived = [trial for trial in trials if not trial.killed]
    if everything:
        say(f"{len(reference.ran)} scenarios, {len(never_red)} of them turned red by no fault")
    say(f"It took {time.monotonic() - began:.0f} s")
    say(f"{len(trials)} faults: {len(trials) - len(survived)} killed, {len(survived)} survived")
    return 1 if survived or never_red else 0


def contains(message: str, words: str) -> bool:
    """Return whether a message contains these words; a number counts as a whole: "of 9" is not in "of 9,991"."""
    begin = r"(?<![\d.,])" if words[0].isdigit() else ""
    end = r"(?![.,]?\d)" if words[-1].isdigit() else ""
    return re.search(begin + re.escape(words) + end, message) is not None


def _selecting(plan_ids: Sequence[str]) -> list[str]:
    tags = " or ".join(f"@{plan_id}" for plan_id in plan_ids)
    return [f"--tags={tags}"] if tags else []


def _read(results: Path) -> tuple[Ran, ...]:
    """Return the scenarios that ran, in order."""
    found: list[dict[str, Any]] = [json.loads(path.read_text()) for path in results.glob("*-result.json")]
    ran = sorted((r for r in found if r["status"] not in ("skipped", "unknown")), key=lambda r: (r["start"], r["stop"]))
    return tuple(
        Ran(r["fullName"], _place(r), r["status"] in _RED, r.get("statusDetails", {}).get("message", "")) for r in ran
    )


def _place(result: dict[str, Any]) -> str:
    return next((label["value"] for label in result["labels"] if label["name"] == "place"), "")


def _summary(trial: Trial) -> list[str]:
    assert trial.fault is not None
    lines = [f"{trial.verdict.partition(':')[0]:9} {trial.seconds:5.1f} s  {trial.fault.name}: {trial.fault.harm}"]
    if not trial.killed:
        lines.append(f"          {trial.verdict}")
    if trial.reds:
        message = trial.reds[0].message.splitlines()
        lines.append(f"          {_title(trial.reds[0])}")
        lines.append(f"          {message[0] if message else 'without a message'}")
    return lines


def _title(scenario: Ran) -> str:
    return scenario.name.rpartition(": ")[2].partition(" -- @")[0]


def _row(trial: Trial) -> dict[str, Any]:
    assert trial.fault is not None
    return {
        "fault": trial.fault.name,
        "harm": trial.fault.harm,
        "breaks": trial.fault.breaks,
        "verdict": trial.verdict,
        "killed by": [red.name for red in trial.reds],
        "message": trial.reds[0].message if trial.reds else "",
        "seconds": trial.seconds,
    }
