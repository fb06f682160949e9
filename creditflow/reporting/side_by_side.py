"""Runs scenarios side by side in workers, and plays what they report to the outputs, in the order of the features.

behave itself walks through the features, as without workers. Only the `run` of each scenario is replaced: it waits for
a worker's report, applies it to behave's model, and calls the formatters as behave does. So every output is made in one
place, whatever the number of workers.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from statistics import fmean
from typing import TYPE_CHECKING, Any

from behave.matchers import NoMatch
from behave.model import Feature, Scenario, Step
from behave.runner import Runner as StockRunner

from creditflow.core.interruption import interruption
from creditflow.core.workers import workers
from creditflow.reporting import worker
from creditflow.reporting.carried import ScenarioEnded, StepEnded, StepsPassed, apply_death, has, parts_of
from creditflow.reporting.outcome import noted
from creditflow.reporting.progress import Progress
from creditflow.reporting.recorder import recorder
from creditflow.reporting.schedule import Durations

if TYPE_CHECKING:
    from creditflow.reporting.runner import Runner

_LOOK_S = 0.2
"""Seconds between two looks for signals and at the line of progress."""

_ENDS_S = 30.0
"""The most seconds that a worker without a scenario takes to end."""

_OTHERS_S = 5.0
"""The most seconds that a new worker waits for the end of the threads that the set-up has started."""


@dataclass
class _Hand:
    """A worker at work: its process and number, its scenario and what is known about that, and since when."""

    process: int
    number: int
    passed: StepsPassed
    scenario: Scenario | None = None
    others: dict[int, StepEnded] = field(default_factory=dict)
    since: float = 0.0


@dataclass(frozen=True)
class _Report:
    """What is played: for each step whether it ran, and what Allure has collected."""

    ran: list[bool]
    result: Any = None


class SideBySide:
    """The workers of a run.

    Args:
        runner: the runner of the run.
        jobs: how many workers there are at most.
        first: the scenarios that run side by side.
        alone: the scenarios that run alone after them.
        durations: returns the durations of earlier runs, once the set-up is done.
        sort: whether the longest scenario comes first; if not, the order is that of `first`.
    """

    def __init__(
        self,
        runner: Runner,
        jobs: int,
        first: Iterable[Scenario],
        alone: Iterable[Scenario],
        durations: Callable[[], Durations],
        sort: bool,
    ) -> None:
        self._runner, self._jobs = runner, jobs
        self._first, self._alone = deque(first), deque(alone)
        self._durations, self._sort = durations, sort
        self._positions = {id(scenario): n for n, scenario in enumerate(runner.report.selected)}
        self._open = {id(scenario) for scenario in (*self._first, *self._alone)}
        self._hands: dict[Connection, _Hand] = {}
        self._reports: dict[int, _Report] = {}
        self._hired = self._forwarded = self._red = 0
        self._stopped = self._begun = False
        self._stop_at_red, runner.config.stop = runner.config.stop, False
        self._progress = Progress()
        for feature in runner.features:
            feature.run = self._whole(feature)
        for scenario in runner.report.selected:
            scenario.run = self._played(scenario)

    def _whole(self, feature: Feature) -> Callable[[StockRunner], bool]:
        run = feature.run

        def whole(runner: StockRunner) -> bool:
            self._await(feature)
            self._progress.clear()
            failed = bool(run(runner))
            if not self._open:
                self.end()
            if feature is self._runner.features[-1] and self._stopped and (interruption.signal or not self._red):
                self._runner.aborted = True
            return failed or any(noted(part) for part in parts_of(feature))

        return whole

    def _played(self, scenario: Scenario) -> Callable[[StockRunner], bool]:
        def played(runner: StockRunner) -> bool:
            report = self._reports.get(id(scenario), _Report([]))
            formatters = [one for one in self._runner.formatters if not (report.result and hasattr(one, "adopt"))]
            with self._runner.reporting(scenario):
                for formatter in self._runner.formatters:
                    if report.result and hasattr(formatter, "adopt"):
                        formatter.adopt(report.result)
                _play(scenario, report.ran, formatters, self._runner.step_registry)
            return self._runner.report.outcome(scenario).kind.is_red

        return played

    def _await(self, feature: Feature) -> None:
        """Wait until every scenario of a feature has ended, or will not run."""
        if not self._begun:
            self._begun = True
            durations = self._durations()
            if self._sort:
                self._first = deque(durations.longest_first(self._first))
            self._known = {id(s): durations.of(s) for s in (*self._first, *self._alone)}
            for scenario in self._runner.report.selected:
                for step in scenario.all_steps:  # once, and not in each worker
                    self._runner.step_registry.find_definition(step)
        own = {id(scenario) for scenario in feature.walk_scenarios()}
        while own & self._open:
            self._pass_signals_on()
            self._hand_out()
            ready = wait(list(self._hands), _LOOK_S)
            for pipe in [pipe for pipe in self._hands if pipe in ready]:
                self._receive(pipe)
            if self._progress.due:
                self._progress.show(len(self._reports), self._red, len(self._open), self._seconds_to_go())

    def _hand_out(self) -> None:
        """Give each free worker a scenario, and hire workers that are lacking."""
        for pipe, hand in list(self._hands.items()):
            if hand.scenario is None:
                self._give(pipe, hand)
        while len(self._hands) < self._jobs and self._has_next():
            self._hire()

    def _has_next(self) -> bool:
        return bool(self._first or (self._alone and not any(hand.scenario for hand in self._hands.values())))

    def _give(self, pipe: Connection, hand: _Hand) -> None:
        if not self._has_next():
            return
        scenario = self._first.popleft() if self._first else self._alone.popleft()
        hand.scenario, hand.others, hand.since = scenario, {}, time.monotonic()
        hand.passed.reset()
        try:
            pipe.send(self._positions[id(scenario)])
        except OSError:
            self._mourn(pipe)

    def _hire(self) -> None:
        """Make a new worker, and give it a scenario.

        What exists already is shared with it, and Python's garbage collector leaves that alone.
        """
        for thread in threading.enumerate():
            if thread.daemon:
                thread.join(_OTHERS_S)
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()
        self._hired += 1
        ours, theirs = Pipe()
        passed = StepsPassed(max(len(list(scenario.all_steps)) for scenario in self._runner.report.selected))
        parent, process = os.getpid(), os.fork()
        if process == 0:
            self._work(ours, theirs, passed, parent)
        theirs.close()
        self._hands[ours] = hand = _Hand(process, self._hired, passed)
        self._give(ours, hand)

    def _work(self, ours: Connection, theirs: Connection, passed: StepsPassed, parent: int) -> None:
        """Be a worker; this never returns."""
        status = 1
        try:
            for pipe in (ours, *self._hands):
                pipe.close()
            worker.work(self._runner, theirs, passed, self._hired, parent)
            status = 0
        except BaseException as error:
            print(f"A worker failed: {type(error).__name__}: {error}")
            sys.stdout.flush()
        finally:
            os._exit(status)

    def _receive(self, pipe: Connection) -> None:
        hand = self._hands[pipe]
        try:
            news = pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            self._mourn(pipe)
            return
        if isinstance(news, StepEnded):
            hand.others[news.number] = news
        elif isinstance(news, ScenarioEnded) and hand.scenario:
            self._take(hand, hand.scenario, news)

    def _take(self, hand: _Hand, scenario: Scenario, ended: ScenarioEnded) -> None:
        hand.scenario = None
        workers.take(hand.number, ended.news)
        ended.apply(scenario)
        if ended.started:
            self._reports[id(scenario)] = _Report([step.ran for step in ended.steps], ended.result)
            self._runner.report.seconds[id(scenario)] = ended.seconds
        recorder.keep(scenario, ended.findings)
        problems = self._runner.report.problems
        problems += [problem for problem in ended.of_run if not has(problems, problem)]
        if ended.signal and not interruption.signal:
            interruption.signal, self._forwarded = ended.signal, 1
            self._signal(ended.signal)
        interruption.given_up = interruption.given_up or ended.given_up
        self._ended(scenario, ended.aborted)

    def _ended(self, scenario: Scenario, aborted: bool) -> None:
        self._open.discard(id(scenario))
        red = self._runner.report.outcome(scenario).kind.is_red or any(map(noted, parts_of(scenario.feature)))
        self._red += red
        if aborted or interruption.signal or (red and self._stop_at_red):
            self._stop()

    def _mourn(self, pipe: Connection) -> None:
        """Make the scenario of a worker that died red, and remove what the worker has made."""
        hand = self._hands.pop(pipe)
        pipe.close()
        how = _how_it_ended(os.waitpid(hand.process, 0)[1])
        left = workers.died(hand.number)
        if hand.scenario is None:
            return
        message = f"The process that ran this scenario {how}. {left}".strip()
        number, ended = hand.passed.number, {**hand.passed.ended(), **hand.others}
        at = None if number is None else max([number, *hand.others])
        ran = apply_death(hand.scenario, ended, at, message)
        self._reports[id(hand.scenario)] = _Report(ran)
        self._runner.report.seconds[id(hand.scenario)] = time.monotonic() - hand.since
        self._ended(hand.scenario, aborted=False)

    def _pass_signals_on(self) -> None:
        while self._forwarded < interruption.came:
            self._forwarded += 1
            self._signal(interruption.signal)
            self._stop()

    def _signal(self, number: int) -> None:
        for hand in self._hands.values():
            os.kill(hand.process, number)

    def _stop(self) -> None:
        """Let no further scenario begin."""
        self._stopped = True
        self._first.clear()
        self._alone.clear()
        self._open = {id(hand.scenario) for hand in self._hands.values() if hand.scenario}

    def _seconds_to_go(self) -> float:
        known = [seconds for seconds in self._known.values() if seconds is not None]
        took = [*self._runner.report.seconds.values(), *known]
        usual = fmean(took) if took else 0.0

        def expected(scenario: Scenario) -> float:
            return usual if (seconds := self._known[id(scenario)]) is None else seconds

        now = time.monotonic()
        running = [max(0.0, expected(h.scenario) - (now - h.since)) for h in self._hands.values() if h.scenario]
        return (sum(running) + sum(map(expected, self._first))) / self._jobs + sum(map(expected, self._alone))

    def end(self) -> None:
        """End all workers."""
        self._progress.clear()
        for pipe in self._hands:
            try:
                pipe.send(None)
            except OSError:
                continue
        until = time.monotonic() + _ENDS_S
        for pipe, hand in self._hands.items():
            if not wait([pipe], max(0.0, until - time.monotonic())):
                os.kill(hand.process, signal.SIGKILL)
            os.waitpid(hand.process, 0)
            pipe.close()
        self._hands.clear()


class _Match:
    """The definition that matches a step, looked up for a formatter that reads something of it."""

    def __init__(self, registry: Any, step: Step) -> None:
        self._registry, self._step = registry, step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry.find_match(self._step) or NoMatch(), name)


def _play(scenario: Scenario, ran: list[bool], formatters: list[Any], registry: Any) -> None:
    """Call formatters as behave does while it runs a scenario."""
    steps = list(scenario.all_steps)
    for formatter in formatters:
        formatter.scenario(scenario)
    for step in steps:
        for formatter in formatters:
            formatter.step(step)
    for step, it_ran in zip(steps, ran, strict=False):
        if it_ran:
            for formatter in formatters:
                formatter.match(_Match(registry, step))
            for formatter in formatters:
                formatter.result(step)


def _how_it_ended(status: int) -> str:
    """Return how a process ended, as words that follow "the process"."""
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        hint = ", such as by the system when memory is short" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"ended by itself with status {os.WEXITSTATUS(status)}"
