"""Switches faults on, one after the other, and tells which scenario turned red for each, and with which message."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
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
from sandbox.files import locked
from sandbox.handle import Sandbox, start
from sandbox.settings import PROJECT, sandbox_settings

LONGEST_RUN = 900
"""Seconds that the features may take with one fault switched on."""
PATIENCE = 1.5
"""Seconds that a run with a fault waits for what comes a moment later: mostly it will not come."""
_ALLURE = "creditflow.reporting.allure:Formatter"
_RED = ("failed", "broken")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ran:
    """A scenario that ran: its feature, rule and title, where it stands, and what its reader sees if it is red."""

    name: str
    place: str
    red: bool
    message: str


@dataclass(frozen=True)
class Trial:
    """What the features said with one fault switched on, or with none.

    Attributes:
        fault: the one that was switched on; None for the clean reference.
        status: the exit status of behave.
        ran: the scenarios that ran, first first.
        seconds: how long it took, the restart of the service included.
        output: what behave printed.
    """

    fault: Fault | None
    status: int
    ran: tuple[Ran, ...]
    seconds: float
    output: str = field(repr=False, default="")

    @property
    def reds(self) -> list[Ran]:
        """The red scenarios, first first."""
        return [scenario for scenario in self.ran if scenario.red]

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
            return f"survived: no scenario was judged (status {self.status}): {' '.join(self.output.split())[-300:]}"
        return f"survived: {len(self.ran)} scenarios stayed green"


class Range:
    """A sandbox of which one service after the other runs with a fault.

    Args:
        box: the running sandbox; nobody else uses it, and it ends with the range.
        folder: where each trial leaves its Allure results.
    """

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self._box, self.folder = box, folder
        self._faulty = ""

    def clean(self, faults: Iterable[Fault] = ()) -> Trial:
        """Run the scenarios of some faults, or all features, on the reference as it is."""
        wanted = sorted({plan_id for fault in faults for plan_id in fault.breaks})
        return self._behave(None, _selecting(wanted), time.monotonic())

    def trial(self, fault: Fault, places: Sequence[str] = (), *, whole: bool = False, report: bool = False) -> Trial:
        """Switch a fault on in the place of the last one, and run the scenarios of its plan items up to the first red.

        Args:
            fault: the one to switch on.
            places: run the scenarios that stand there instead, to their end.
            whole: go on after the first red.
            report: draw the page.
        """
        began = time.monotonic()
        if self._faulty not in ("", fault.service):
            self._box.restart(self._faulty)
        self._faulty = fault.service if fault.service != SUITE else ""
        try:
            if self._faulty:
                self._box.restart(fault.service, {VARIABLE: fault.name})
        except SandboxError as error:
            return Trial(fault, 2, (), round(time.monotonic() - began, 1), str(error))
        self._forget()
        chosen = [*places] or [*_selecting(fault.breaks), *([] if whole else ["--stop"])]
        return self._behave(fault, [*chosen, *(["-D", "report=yes"] if report else [])], began)

    def close(self) -> None:
        """End the sandbox."""
        self._box.stop()

    def _forget(self) -> None:
        """Empty what the last fault may have left in unicorn_db and Redis."""
        with psycopg.connect(self._box.settings["UNICORN_DB_URL"], connect_timeout=10) as database:
            found = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = sql.SQL(", ").join(sql.Identifier(str(row[0])) for row in found)
            database.execute(sql.SQL("TRUNCATE {}").format(tables))
        with redis.Redis.from_url(self._box.settings["REDIS_URL"], socket_timeout=10) as cache:
            cache.flushdb()

    def _behave(self, fault: Fault | None, chosen: Sequence[str], began: float) -> Trial:
        results = self.folder / (fault.name if fault else "clean")
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        arguments = ["-f", _ALLURE, "-o", str(results), *chosen]
        hurried = {"POLL_TIMEOUT_S": str(PATIENCE)} if fault else {}
        if fault and fault.service == SUITE:
            hurried[VARIABLE] = fault.name
        try:
            ran = program.run(
                ["sandbox.faults.behave", *arguments],
                cwd=PROJECT,
                env={**os.environ, **self._box.settings, **hurried},
                timeout=LONGEST_RUN,
                stderr=subprocess.STDOUT,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.output or b"").decode("utf-8", "replace")
            raise SandboxError(
                f"The features did not end within {LONGEST_RUN} s. The last they said:\n{said[-2000:]}"
            ) from None
        seconds = round(time.monotonic() - began, 1)
        return Trial(fault, ran.returncode, _read(results), seconds, ran.stdout)


class Lanes:
    """Several sandboxes beside each other, which share the faults out among them.

    Args:
        count: how many.
        folder: where trials and sandboxes have their place.
        say: shows the reader a line.
    """

    def __init__(self, count: int, folder: Path, say: Say) -> None:
        self._count, self._folder, self._say = count, folder, say
        self._stopped = threading.Event()

    def run(self, jobs: Sequence[Job]) -> list[Trial]:
        """Do every job, each once, in whichever lane is free; the trials in the order of the jobs.

        A job that returns no trial ends all of it, and the trials that there are by then are returned.
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
        place = Range(self._start(lane), self._folder)
        try:
            while not self._stopped.is_set():
                try:
                    number, job = waiting.get_nowait()
                except queue.Empty:
                    return
                trial = job(place)
                if trial is None:
                    self._stopped.set()
                else:
                    done[number] = trial
        except BaseException:
            self._stopped.set()
            raise
        finally:
            place.close()

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


Job = Callable[[Range], Trial | None]
"""Something to be tried in a lane; None when nothing more needs to be tried."""


def run(faults: Sequence[Fault], say: Say, *, everything: bool = False, shown: bool = False, lanes: int = 1) -> int:
    """Try every fault and tell the matrix; returns 0 only when all were killed and the clean reference is green.

    Args:
        faults: those to try.
        say: shows the reader a line.
        everything: run with each of them all scenarios of its plan items; what none has turned red is then run with
            every one of them, and what is left is named.
        shown: show what behave printed for each, and draw its report.
        lanes: how many sandboxes share the faults out among them.
    """
    folder = sandbox_settings().home / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    of_these = [] if everything or len(faults) == len(catalogue()) else faults
    idle: dict[str, str] = {}
    known = threading.Event()

    def clean(place: Range) -> Trial | None:
        trial = place.clean(of_these)
        say(f"clean     {trial.seconds:6.1f} s  {len(trial.ran)} scenarios, {len(trial.reds)} of them red")
        if trial.status == 0:
            idle.update({scenario.place: scenario.name for scenario in trial.ran} if everything else {})
            known.set()
            return trial
        known.set()
        say(f"{trial.output}\nThe clean reference is not green, so that nothing can be said of its faults.")
        return None

    def trying(fault: Fault) -> Job:
        def job(place: Range) -> Trial:
            trial = place.trial(fault, whole=everything, report=shown)
            earned(trial)
            say("\n".join([*_told(trial), *([trial.output] if shown else [])]))
            return trial

        return job

    def trying_what_is_left(fault: Fault) -> Job:
        def job(place: Range) -> Trial | None:
            if not idle:
                return None
            trial = place.trial(fault, list(idle))
            earned(trial)
            say(f"{len(idle):9} scenarios left after {fault.name}")
            return trial

        return job

    def earned(trial: Trial) -> None:
        if everything and known.wait(LONGEST_RUN):
            for scenario in trial.reds:
                idle.pop(scenario.place, None)

    with locked(folder / "lock", 1, lambda: say("Another run of the faults is under way")):
        more = map(trying_what_is_left, faults if everything else ())
        trials = Lanes(lanes, folder, say).run([clean, *map(trying, faults), *more])
    if not trials or trials[0].fault is not None:
        return 1
    reference, *trials = trials[: 1 + len(faults)]
    written = folder / ("matrix-full.json" if everything else "matrix.json")
    written.write_text(json.dumps([_row(trial) for trial in trials], indent=1, ensure_ascii=False))
    say(f"The matrix is in {written.relative_to(PROJECT) if written.is_relative_to(PROJECT) else written}")
    for scenario in idle.values():
        say(f"no fault turns it red: {scenario}")
    survived = [trial for trial in trials if not trial.killed]
    if everything:
        say(f"{len(reference.ran)} scenarios, {len(idle)} of them turned red by no fault")
    say(f"It took {time.monotonic() - began:.0f} s")
    say(f"{len(trials)} faults: {len(trials) - len(survived)} killed, {len(survived)} survived")
    return 1 if survived or idle else 0


def _selecting(plan_ids: Sequence[str]) -> list[str]:
    tags = " or ".join(f"@{plan_id}" for plan_id in plan_ids)
    return [f"--tags={tags}"] if tags else []


def _read(results: Path) -> tuple[Ran, ...]:
    """The scenarios that ran, in their order."""
    found: list[dict[str, Any]] = [json.loads(path.read_text()) for path in results.glob("*-result.json")]
    ran = sorted((r for r in found if r["status"] not in ("skipped", "unknown")), key=lambda r: (r["start"], r["stop"]))
    return tuple(
        Ran(r["fullName"], _place(r), r["status"] in _RED, r.get("statusDetails", {}).get("message", "")) for r in ran
    )


def _place(result: dict[str, Any]) -> str:
    return next((label["value"] for label in result["labels"] if label["name"] == "place"), "")


def _told(trial: Trial) -> list[str]:
    assert trial.fault is not None
    lines = [f"{trial.verdict.partition(':')[0]:9} {trial.seconds:5.1f} s  {trial.fault.name}: {trial.fault.harm}"]
    if not trial.killed:
        lines.append(f"          {trial.verdict}")
    if trial.reds:
        message = trial.reds[0].message.splitlines()
        lines.append(f"          {trial.reds[0].name.rpartition(': ')[2]}")
        lines.append(f"          {message[0] if message else 'without a message'}")
    return lines


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
