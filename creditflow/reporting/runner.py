"""The runner of the suite: behave's runner, with all errors of hooks and clean-ups and a correct exit status.

`behave.ini` sets `runner = creditflow.reporting.runner:Runner`. It adds to behave's runner:

- Errors of hooks and clean-ups are recorded in their feature, rule, scenario or step.
- The exit status is not 0 if nothing was selected, everything was skipped, or a scenario checked nothing (no step, a
  pending step, a `Then` without a comparison).
- An unknown tag on the command line ends the run before it begins, with exit status 2.
- `plan/waivers.tsv` can waive a scenario that is not testable here. A waiver that has expired or is no longer needed
  makes the run fail.
- Code that would end the process (`sys.exit`, `os._exit`, any error that is not an `Exception`) is an error of the
  scenario or the run. So is an error that ends a thread.
- The record of the run (:mod:`creditflow.reporting.record`) is written at the end, before reports are made of it.
- A run that can't begin removes the results of the last run, prints why in its last line, and ends with status 2.
- An error of `before_all` with an `exit_status` (wrong settings: 2) ends the run with this status and its message.
- SIGINT and SIGTERM stop the current scenario. The clean-up and the reports follow, and the status is 130 or 143. A
  second signal stops the clean-up too.
- Everything that is printed, logged or written by a formatter passes the redactor.
"""

from __future__ import annotations

import atexit
import functools
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast
from urllib.parse import urlsplit

from behave.configuration import Configuration
from behave.formatter.base import StreamOpener
from behave.model import Feature, Scenario
from behave.runner import Context, the_step_registry
from behave.runner import Runner as StockRunner

from creditflow.core.ending import contained, message_of, without_exit
from creditflow.core.errors import CannotRunError
from creditflow.core.interruption import interruption
from creditflow.core.redacted_output import RedactingStream, redact_output
from creditflow.core.redaction import redactor
from creditflow.core.run_limits import time_limits
from creditflow.core.turns import NoTurnError, turns
from creditflow.core.workers import workers
from creditflow.reporting import beginning, record, schedule, selection, waivers
from creditflow.reporting.guarded_outputs import Guarded
from creditflow.reporting.junit import replace_stock_junit
from creditflow.reporting.outcome import Kind, Problem, Run, full_name, note, noted, sentence, tags_of, trace
from creditflow.reporting.record import RunRecord
from creditflow.reporting.recorder import Selection, recorder
from creditflow.reporting.results import FORMATTER, folder_of, forget, unfinished
from creditflow.reporting.side_by_side import SideBySide
from creditflow.reporting.steps import Steps
from creditflow.reporting.summary import Summary, Verdict

_HIDDEN = frozenset({"ABORTED: By user."})
"""behave prints this also if `before_all` failed; the summary prints the real reason."""


EXCLUSIVE = "exclusive"
"""The tag of scenarios that change what others see; each runs alone, see :mod:`creditflow.core.turns`."""


class _Context(Context):
    """behave's context. It looks for the calling line at each assignment, so the same value is not assigned twice."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or self._stack[0].get(name, self) is not value:
            super().__setattr__(name, value)


class Runner(StockRunner):
    """behave's runner with the additions of this module."""

    def __init__(self, config: Configuration, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        redact_output(_HIDDEN)
        _leave_one_allure(config)
        config.outputs = [_RedactingOpener(o.name, o.stream, o.encoding) for o in config.outputs]
        self.report = Run()
        self._running = self._finished = False
        self._recorded: RunRecord | None = None
        self._scenario: Scenario | None = None
        self._older_threads: set[threading.Thread] = set()
        self._workers: SideBySide | None = None
        self.summary = Summary(self.report, config)
        if not config.dry_run:
            replace_stock_junit(config, self.report)

    def run(self) -> bool:
        """Run the selected features and print the summary.

        Returns:
            Whether the run failed; behave then ends with exit status 1.

        Raises:
            SystemExit: with the `exit_status` of an error in `before_all`; 2 if the run can't begin; 128 plus the
                number of the signal after a signal.
        """
        with interruption.handled(), without_exit(), self._watching_threads():
            failed = self._begun()
            if self.config.dry_run:
                return failed
            self._durations().keep(self.report)
            status = self._concluded(failed)
        if status > 1 or time_limits.left_something:
            _end_at_once(status)
        return status != 0

    def _concluded(self, failed: bool) -> int:
        """Write the record, show the summary, and return the exit status.

        Reports are made of the record, so it is written before them, and again if they change the verdict.
        """
        verdict = self.summary.judge(failed)
        unwritten = self._write_record(verdict.line, _status(verdict))
        verdict = self.summary.show(verdict.but(unwritten))
        if not unwritten:
            self._write_record(verdict.line, _status(verdict))
        return _status(verdict)

    def _write_record(self, verdict: str, status: int) -> str:
        """Write the record, unless it is written with this verdict; return why that failed, if it did."""
        folder, line = folder_of(self.config), " ".join(verdict.split())
        made = self._recorded
        if folder is None or (made and (made.verdict, made.exit_status) == (line, status)):
            return ""
        try:
            if made is None:
                whole = Selection(self.config, self.report)
                made = recorder.record(self.report, whole, line, status)
            self._recorded = made.model_copy(update={"verdict": line, "exit_status": status})
            record.save(self._recorded, folder)
        except Exception as error:
            why = f"{error.strerror}." if isinstance(error, OSError) else sentence(error)
            return f"The record of the run could not be written to {folder}: {why}"
        return ""

    def _begun(self) -> bool:
        """Run as behave does, and return whether that failed.

        Raises:
            SystemExit: the run can't begin.
        """
        results = folder_of(self.config)
        try:
            if results and not self.config.dry_run:
                if (last := unfinished(results)) and not last.reason:
                    print(last.sentence())
                forget(results, self.config)
            beginning.require_usable(self.config)
            with contained("Loading the hooks or the steps"):
                return bool(super().run())
        except Exception as error:
            if isinstance(error, CannotRunError) or not self._running:
                if not beginning.is_complete(error):
                    print(redactor.clean(trace(error)))
                beginning.give_up(self.config, beginning.sentence_of(error))
                raise SystemExit(getattr(error, "exit_status", CannotRunError.exit_status)) from None
            self.report.problems.append(Problem.of(error, "the runner", Kind.ERROR))
            self._wind_up()
            return True

    def _wind_up(self) -> None:
        """Do the clean-up and close the outputs after an internal error of behave."""
        try:
            self.context._do_remaining_cleanups()
        except Exception as error:
            self.report.problems.append(Problem.of(error, "clean-up", Kind.CLEANUP_ERROR))
        for formatter in self.formatters:
            formatter.close()
        for reporter in self.config.reporters:
            reporter.end()

    def load_hooks(self, filename: str | None = None) -> None:
        """Load `environment.py` and wrap each of its hooks."""
        self.context = _Context(self)
        super().load_hooks(filename)
        self.hooks = {name: self._watched(name, hook) for name, hook in self.hooks.items()}

    def run_model(self, features: list[Feature] | None = None) -> bool:
        """Run the features, and notify the suite's formatters of the selection and of each finished scenario."""
        self._require_known_tags()
        beginning.require_scenarios_at(self.feature_locations(), self.features)
        jobs, seed = schedule.jobs(self.config), schedule.seed(self.config)
        schedule.leave_out_other_shards(self.features, self.config)
        if self.config.dry_run:
            return super().run_model(features)
        self.report.waivers = waivers.read(self._folder.parent / waivers.FILE)
        self.step_registry = Steps(self.step_registry or the_step_registry)
        self.context.on_cleanup_error = self._cleanup_failed
        self.context._do_cleanups = self._contained_cleanups(self.context._do_cleanups)
        self._guard_outputs()
        for feature in self.features if features is None else features:
            self.report.expect(feature, self.config)
        for formatter in self.formatters:
            if hasattr(formatter, "begin"):
                formatter.begin(self.report)
        for scenario in self.report.selected:
            scenario.run = self.timed(scenario)
        self._begin_workers(jobs, seed)
        self._running = True
        try:
            return super().run_model(features)
        finally:
            if self._workers:
                self._workers.end()

    def _begin_workers(self, jobs: int, seed: int | None) -> None:
        """Let workers run the scenarios, unless they run one after the other in the order of the features."""
        alone = [one for one in self.report.selected if EXCLUSIVE in tags_of(one)]
        first = [one for one in self.report.selected if EXCLUSIVE not in tags_of(one)]
        if seed is not None:
            print(f"Random order: `-D order=random:{seed}` gives the same one again.")
            random.Random(seed).shuffle(first)
            random.Random(seed).shuffle(alone)
        elif min(jobs, len(first)) < 2:
            return
        self._workers = SideBySide(self, jobs, first, alone, self._durations, sort=seed is None)

    def _durations(self) -> schedule.Durations:
        return schedule.Durations(recorder.journal_dir, self.config.base_dir)

    def should_run_hook(self, hook_name: str) -> bool:
        """Return whether a hook runs in this process; workers run those of features, rules and scenarios."""
        elsewhere = self._workers is not None and not workers.number and not hook_name.endswith("_all")
        return not elsewhere and bool(super().should_run_hook(hook_name))

    def _guard_outputs(self) -> None:
        """Guard formatters and reporters; the suite's own come last, so that they report errors of the others."""
        self.formatters.sort(key=lambda formatter: hasattr(formatter, "begin"))
        self.formatters = [Guarded(one, f"formatter {_name_of(one)}", self._output_failed) for one in self.formatters]
        self.config.reporters = [
            Guarded(one, f"reporter {_name_of(one)}", self._output_failed) for one in self.config.reporters
        ]

    def _output_failed(self, problem: Problem) -> None:
        """Record an error of a formatter in the current scenario or the run, each error once."""
        known = noted(self._scenario) if self._scenario else self.report.problems
        if (problem.where, problem.message) not in [(other.where, other.message) for other in known]:
            self._note_current(problem)

    def _note_current(self, problem: Problem) -> None:
        if self._scenario is None:
            self.report.problems.append(problem)
        else:
            note(self._scenario, problem)

    def _contained_cleanups(self, clean_up: Callable[[], None]) -> Callable[[], None]:
        """Wrap behave's clean-up of a layer, so that no registered function can end the run."""

        def contained_cleanups() -> None:
            layer = self.context._stack[0]
            layer["@cleanups"] = [_contained(one) for one in layer.get("@cleanups", [])]
            clean_up()

        return contained_cleanups

    @contextmanager
    def _watching_threads(self) -> Iterator[None]:
        """Report errors that end a thread, also after the end of the run."""
        threading.excepthook = self._thread_died
        try:
            yield
        finally:
            self._finished = True

    def _thread_died(self, died: threading.ExceptHookArgs) -> None:
        name = died.thread.name if died.thread else "of unknown name"
        error = died.exc_value or died.exc_type()
        where = f"thread {name}"
        problem = Problem.of(error, where, Kind.ERROR)
        if not isinstance(error, Exception):
            problem = Problem(Kind.ERROR, where, message_of(error, "The thread"), error)
        if self._finished:
            late = f"After the end of the run, in {where}: {problem.message}"
            print(redactor.clean(late))
            if self._recorded:
                self._write_record(late, 1)
            atexit.register(_end_as_failed)
        elif self._scenario and died.thread in self._older_threads:
            self.report.problems.append(problem)
        else:
            self._note_current(problem)

    def run_hook_with_capture(self, hook_name: str, *args: Any, **kwargs: Any) -> bool:
        """Run a hook; before `after_all`, check the waivers, so that every output reports them."""
        if hook_name == "after_all":
            self._check_waivers()
        return bool(super().run_hook_with_capture(hook_name, *args, **kwargs))

    @property
    def _folder(self) -> Path:
        """The folder of the features."""
        return Path(self.config.base_dir)

    @cached_property
    def _whole_suite(self) -> list[Feature]:
        """All features of the suite, selected or not."""
        return selection.parsed(self._folder, self.config.lang)

    def _require_known_tags(self) -> None:
        """Refuse a tag of the command line that no scenario has.

        Raises:
            CannotRunError: with the most similar tags.
        """
        expression = self.config.tag_expression
        if selection.unknown_tags(expression, selection.tags_in(self.features)):
            known = selection.tags_in(self._whole_suite)
            if unknown := selection.unknown_tags(expression, known):
                raise CannotRunError(selection.sentence_of_unknown(unknown, known))

    def _check_waivers(self) -> None:
        report = self.report
        if not report.waivers:
            return
        ran = [(full_name(s), report.outcome(s).kind in (Kind.PASSED, Kind.FAILED)) for s in report.selected]
        tested = {name for name, _ in ran} - {name for name, was_tested in ran if not was_tested}
        names = {full_name(s) for feature in self._whole_suite for s in feature.walk_scenarios()}
        stale = waivers.out_of_date(report.waivers, names, report.host, tested, waivers.today())
        report.problems += [Problem(Kind.OUT_OF_DATE, waiver.where, why) for waiver, why in stale]

    def timed(self, scenario: Scenario) -> Callable[[StockRunner], bool]:
        """Return the `run` of a scenario that waits for its turn, limits its time, and ends with its outcome."""
        run = scenario.run

        def timed(runner: StockRunner) -> bool:
            try:
                with turns.taken(EXCLUSIVE in tags_of(scenario)):
                    return in_turn(runner)
            except NoTurnError as error:
                note(scenario, Problem.of(error, "before the scenario"))
                return True

        def in_turn(runner: StockRunner) -> bool:
            began = time.monotonic()
            time_limits.scenario_begins()
            recorder.begin_scenario(scenario)
            if interruption.signal or self._is_late():
                self.aborted = True
            with self.reporting(scenario, began):
                failed = self._unless_broken(scenario, lambda: bool(run(runner)))
                kind = self.report.outcome(scenario).kind
                return kind.is_red or (failed and kind is not Kind.WAIVED)

        return timed

    @contextmanager
    def reporting(self, scenario: Scenario, began: float | None = None) -> Iterator[None]:
        """Assign errors of threads and outputs in this block to a scenario, then tell the formatters of its end.

        Args:
            scenario: the scenario.
            began: when it began, as `time.monotonic` counts; None if its duration is known.
        """
        self._scenario, self._older_threads = scenario, set(threading.enumerate())
        try:
            yield
        finally:
            self._scenario = None
            if began is not None:
                self.report.seconds[id(scenario)] = time.monotonic() - began
            for formatter in self.formatters:
                if hasattr(formatter, "scenario_finished"):
                    formatter.scenario_finished(scenario)

    def _unless_broken(self, scenario: Scenario, run: Callable[[], bool]) -> bool:
        """Run a scenario; after an internal error of behave, record it and do the clean-up."""
        depth = len(self.context._stack)
        try:
            with contained("Running the scenario"):
                return run()
        except Exception as error:
            note(scenario, Problem.of(error, "the runner", Kind.ERROR))
        self.stop_capture()
        self.teardown_capture()
        while len(self.context._stack) > depth:
            try:
                self.context._pop()
            except Exception:  # noqa: S112 - noted where it was raised
                continue
        return True

    def _watched(self, name: str, hook: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(hook)
        def watched(context: Context, *args: Any) -> None:
            if interruption.signal and not name.endswith("_all"):
                return
            began = time.monotonic()
            try:
                with contained(f"The hook {name}"), _interruptible(name), _timed(name):
                    hook(context, *args)
            except KeyboardInterrupt as error:
                self._note(name, args, error)
                raise
            except Exception as error:
                self._hook_failed(name, args, error)
            finally:
                if name == "before_all":
                    self.summary.set_up_took(time.monotonic() - began)
                    self.report.host = _host(context)

        return watched

    def _is_late(self) -> bool:
        """Return whether the run's time limit has passed, and record it once."""
        if (why := time_limits.run_is_over) and not self.aborted:
            self.report.problems.append(Problem(Kind.ERROR, "time limit", why))
        return bool(why)

    def _hook_failed(self, name: str, args: tuple[Any, ...], error: Exception) -> None:
        """Handle a failed hook as behave does, but print nothing."""
        statement, problem = self._note(name, args, error)
        self.hook_failures += problem.kind is Kind.HOOK_ERROR
        if name == "before_all":
            self.aborted = True
        if statement is not None:
            statement.hook_failed = True
            if statement.exception is None:
                statement.store_exception_context(error)

    def _note(self, name: str, args: tuple[Any, ...], error: BaseException) -> tuple[Any, Problem]:
        """Record an error; return its statement, or None for the run itself, and the problem."""
        where = f"{name} @{args[0]}" if name.endswith("_tag") else name
        problem = Problem.of_hook(error, where)
        if name.endswith("_all"):
            self.report.problems.append(problem)
            return None, problem
        statement = self._innermost() if name.endswith("_tag") else args[0]
        note(statement, problem)
        return statement, problem

    def _innermost(self) -> Any:
        parts = (getattr(self.context, name, None) for name in ("scenario", "rule", "feature"))
        return next((part for part in parts if part is not None), None)

    def _cleanup_failed(self, context: Context, cleanup: Callable[..., object], error: Exception) -> None:
        """Record an error of a clean-up in its layer; behave calls this once for each error."""
        name = getattr(cleanup, "__name__", "")
        named = "" if name in ("", "<lambda>", "internal_cleanup_func", "_cleanup") else f" {name}"
        problem = Problem.of(error, f"clean-up{named}", Kind.CLEANUP_ERROR)
        layer = context._stack[0].get("@layer")
        statement = getattr(context, str(layer), None) if layer in ("scenario", "rule", "feature") else None
        if statement is None:
            self.report.problems.append(problem)
        else:
            note(statement, problem)


def _host(context: Context) -> str:
    """Return the host of the target, from the session that `before_all` stored in the context."""
    settings = getattr(getattr(context, "session", None), "settings", None)
    return urlsplit(getattr(settings, "ops_center_url", "") or "").hostname or ""


def _leave_one_allure(config: Configuration) -> None:
    """Let `-f creditflow.reporting.allure:Formatter -o FOLDER` replace the formatter in `behave.ini`.

    behave would use both, and each would remove the results of the other.
    """
    places = [index for index, name in enumerate(config.format) if name == FORMATTER]
    for index in reversed(places[:-1]):
        del config.format[index], config.outputs[index]


class _RedactingOpener(StreamOpener):
    """Opens the file of any formatter through the redactor."""

    def open(self) -> TextIO:
        """Return the file; every call returns the same one."""
        stream = super().open()
        if not isinstance(stream, RedactingStream):
            stream = self.stream = cast(TextIO, RedactingStream(stream, redactor))
        return stream


def _contained(cleanup: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(cleanup)
    def within() -> None:
        with contained("The clean-up"):
            cleanup()

    return within


def _name_of(output: Any) -> str:
    """Return the name of a formatter or reporter on the command line, or its class."""
    return str(getattr(output, "name", None) or f"{type(output).__module__}:{type(output).__qualname__}")


def _end_as_failed() -> None:
    """End with exit status 1, although the run had another one."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _interruptible(hook: str) -> AbstractContextManager[None]:
    """Let signals interrupt a hook, except `after_all`."""
    return nullcontext() if hook == "after_all" else interruption.interruptible()


def _timed(hook: str) -> AbstractContextManager[None]:
    """Give a hook the time limit of a step; an after hook has it also if the scenario's limit has passed."""
    return time_limits.step(hook) if hook.startswith("before_") else time_limits.afterwards(hook)


def _status(verdict: Verdict) -> int:
    """Return the exit status of the process: that of a signal, if one came."""
    return 128 + interruption.signal if interruption.signal else verdict.status


def _end_at_once(status: int) -> NoReturn:
    """End with an exit status, without a wait for threads that were interrupted."""
    if interruption.given_up or time_limits.left_something:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    raise SystemExit(status)
