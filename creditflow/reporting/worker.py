"""A worker: a copy of the process of the run that runs one scenario after the other, and reports what happened.

The hooks of a feature and a rule run around each of their scenarios, because a worker has only some of them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from behave.model import Feature, Rule, Scenario, Step
from behave.model_type import Status
from behave.runner import Runner as StockRunner

from creditflow.core.ending import contained, without_exit
from creditflow.core.interruption import interruption
from creditflow.core.workers import workers
from creditflow.reporting.carried import ScenarioEnded, StepEnded, StepsPassed, fields_of, parts_of
from creditflow.reporting.outcome import Kind, Problem, note, noted, of_step
from creditflow.reporting.recorder import Findings, recorder

if TYPE_CHECKING:
    from creditflow.reporting.runner import Runner

_PR_SET_PDEATHSIG = 1
"""The option of `prctl` (Linux) that names the signal which a process receives when its parent dies."""


class Worker:
    """Runs the scenarios that the process of the run sends.

    Args:
        runner: the copy of the runner.
        pipe: receives the position of a scenario among the selected ones, and sends what happened; None ends the work.
        passed: the steps of the scenario that have passed.
    """

    def __init__(self, runner: Runner, pipe: Connection, passed: StepsPassed) -> None:
        self._runner, self._pipe = runner, pipe
        self._wanted: Scenario | None = None
        self._started = False
        self._told = len(runner.report.problems)
        allure = next((one for one in runner.formatters if hasattr(one, "adopt")), None)
        self._live = _Live(allure, pipe.send, passed)
        runner.formatters = [self._live]
        for feature in runner.features:
            for part in parts_of(feature):
                vars(part).pop("problems", None)
                self._run_only_with_what_is_wanted(part)
            for scenario in feature.walk_scenarios():
                self._run_only_if_wanted(scenario)

    def work(self) -> None:
        """Run scenarios until there are no more."""
        with without_exit():
            while (position := self._next()) is not None:
                self._pipe.send(self._ran(self._runner.report.selected[position]))

    def _next(self) -> int | None:
        try:
            position: int | None = self._pipe.recv()
        except EOFError:
            return None
        return position

    def _ran(self, scenario: Scenario) -> ScenarioEnded:
        self._wanted, self._started = scenario, False
        runner, context = self._runner, self._runner.context
        self._live.begin(scenario)
        try:
            with contained("Running the scenario"):
                context._set_root_attribute("active_outline", scenario._row)
                scenario.feature.run(runner)
        except KeyboardInterrupt:
            runner.abort(reason="KeyboardInterrupt")
        except Exception as error:
            note(scenario, Problem.of(error, "the runner", Kind.ERROR))
        return self._ended(scenario)

    def _ended(self, scenario: Scenario) -> ScenarioEnded:
        report, outside = self._runner.report, []
        for number, part in enumerate(parts_of(scenario.feature)):
            outside += [(number, problem.carried()) for problem in vars(part).pop("problems", ())]
        of_run, self._told = report.problems[self._told :], len(report.problems)
        return ScenarioEnded(
            started=self._started,
            seconds=report.seconds.get(id(scenario), 0.0),
            fields=fields_of(scenario),
            problems=[problem.carried() for problem in noted(scenario)],
            steps=[StepEnded.of(step, n, n in self._live.ran) for n, step in enumerate(scenario.all_steps)],
            outside=outside,
            of_run=[problem.carried() for problem in of_run],
            findings=recorder.current if self._started else Findings(),
            result=self._live.collected(),
            news=workers.news(),
            signal=interruption.signal,
            given_up=interruption.given_up,
            aborted=self._runner.aborted,
        )

    def _run_only_if_wanted(self, scenario: Scenario) -> None:
        vars(scenario).pop("run", None)
        if any(scenario is selected for selected in self._runner.report.selected):
            scenario.run = self._runner.timed(scenario)
            scenario.run = self._live.reported(scenario)
        run: Callable[[StockRunner], bool] = scenario.run

        def only_if_wanted(runner: StockRunner) -> bool:
            if scenario is not self._wanted:
                return False
            self._started = True
            return run(runner)

        scenario.run = only_if_wanted

    def _run_only_with_what_is_wanted(self, part: Feature | Rule) -> None:
        vars(part).pop("run", None)
        run: Callable[[StockRunner], bool] = part.run

        def only_with_what_is_wanted(runner: StockRunner) -> bool:
            return any(one is self._wanted for one in part.walk_scenarios()) and run(runner)

        part.run = only_with_what_is_wanted


class _Live:
    """The formatter of a worker: passes a scenario on to Allure, and tells the process of the run about its steps."""

    def __init__(self, allure: Any, tell: Callable[[Any], None], passed: StepsPassed) -> None:
        self._allure, self._tell, self._passed = allure, tell, passed
        self._steps: list[Step] = []
        self.ran: set[int] = set()

    def begin(self, scenario: Scenario) -> None:
        """Begin a scenario."""
        self._steps, self.ran = list(scenario.all_steps), set()

    def reported(self, scenario: Scenario) -> Any:
        """Return the `run` of a scenario that Allure reports, if Allure is used."""
        return self._allure.reported(scenario) if self._allure else scenario.run

    def collected(self) -> Any:
        """Return what Allure has collected."""
        return self._allure.collected() if self._allure else None

    def scenario(self, scenario: Scenario) -> None:
        """Begin the scenario."""
        if self._allure:
            self._allure.scenario(scenario)

    def step(self, step: Step) -> None:
        """Announce a step."""
        if self._allure:
            self._allure.step(step)

    def match(self, match: Any) -> None:
        """Begin the next step."""
        if not self.ran:
            self._passed.begin()
        if self._allure:
            self._allure.match(match)

    def result(self, step: Step) -> None:
        """End a step."""
        number = next((n for n, one in enumerate(self._steps) if one is step), None)
        if number is not None:
            self.ran.add(number)
            if step.status is Status.passed and not of_step(step):
                self._passed.add(number, step.duration)
            else:
                self._tell(StepEnded.of(step, number, ran=True))
        if self._allure:
            self._allure.result(step)

    def uri(self, uri: str) -> None:
        """Ignore the file."""

    def feature(self, feature: Feature) -> None:
        """Ignore the feature."""

    def background(self, background: Any) -> None:
        """Ignore the background, whose steps belong to the scenarios."""

    def eof(self) -> None:
        """Ignore the end of the feature."""


def work(runner: Runner, pipe: Connection, passed: StepsPassed, number: int, parent: int) -> None:
    """Work in a process that was just copied, until there is no more to do; the caller ends the process.

    Args:
        runner: the runner of the run.
        pipe: leads to the process of the run.
        passed: the steps of its scenario that have passed, shared with the process of the run.
        number: the number of this worker.
        parent: the process of the run.
    """
    os.setpgid(0, 0)  # Ctrl-C in a terminal then reaches only the process of the run, which passes it on
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    threading.current_thread().name = f"worker {number}"
    workers.begin(number)
    Worker(runner, pipe, passed).work()
    sys.stdout.flush()
    sys.stderr.flush()
