"""The runner of the suite: behave's own, with every hook and clean-up error kept and an honest exit status.

Set in ``behave.ini``: ``runner = creditflow.reporting.runner:Runner``. What it adds to the stock runner:

- a hook's or clean-up's error is noted with the feature, rule, scenario or step in which it happened;
- the exit status is not 0 when nothing was selected, when all of it was skipped, and when a scenario that
  behave passes was not really checked (no step, a pending step, a `Then` that compares nothing);
- a tag of the command line that no scenario has ends the run before it begins, with exit status 2;
- a scenario that is not testable here is excused where `plan/waivers.tsv` says so, and an exception that is
  over or not needed any more is red;
- what would end the process (`sys.exit`, `os._exit`, whatever is no `Exception`) in a step, a hook, a clean-up or a
  formatter is an error of the scenario or the run, and so is what ends a thread that nobody waits for;
- a run that can't begin leaves no results of the last run, says why in its last line, and ends with exit status 2;
- an error of ``before_all`` that carries an ``exit_status`` (bad settings: 2) ends the run with it and
  its sentence;
- a run that is interrupted (SIGINT) or terminated (SIGTERM) ends the scenario where it is, removes what was made,
  reports what there is, and ends with 130 or 143; a second signal ends the removal too;
- whatever is printed, logged, or written by a formatter of behave's passes the redactor.
"""

from __future__ import annotations

import atexit
import functools
import os
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

from creditflow.core.ending import contained, told, without_exit
from creditflow.core.errors import CannotRunError
from creditflow.core.interruption import interruption
from creditflow.core.redaction import RedactingStream, redact_output, redactor
from creditflow.core.run_limits import deadlines
from creditflow.reporting import beginning, selection, waivers
from creditflow.reporting.guarded_outputs import Guarded
from creditflow.reporting.junit import replace_stock_junit
from creditflow.reporting.outcome import Kind, Problem, Run, full_name, note, noted, trace
from creditflow.reporting.results import FORMATTER, folder_of, forget, unfinished
from creditflow.reporting.steps import Steps
from creditflow.reporting.summary import Summary

_UNSAID = frozenset({"ABORTED: By user."})
"""behave prints it also when ``before_all`` failed; the summary says what really ended the run."""


class Runner(StockRunner):
    """behave's runner, made honest."""

    def __init__(self, config: Configuration, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        redact_output(_UNSAID)
        _leave_one_allure(config)
        config.outputs = [_RedactingOpener(o.name, o.stream, o.encoding) for o in config.outputs]
        self.report = Run()
        self._running = self._told = False
        self._scenario: Scenario | None = None
        self._older_threads: set[threading.Thread] = set()
        self.summary = Summary(self.report, config)
        if not config.dry_run:
            replace_stock_junit(config, self.report)

    def run(self) -> bool:
        """Run the selected features and tell what became of them.

        Returns:
            whether the run failed; behave makes exit status 1 of it.

        Raises:
            SystemExit: with the status that an error of ``before_all`` asks for; 2 when the run can't begin; 128 and
                the signal's number after a signal.
        """
        results = folder_of(self.config)
        if results and not self.config.dry_run:
            if (last := unfinished(results)) and not last.reason:
                print(last.sentence())
            forget(results, self.config)
        with interruption.taken(), without_exit(), self._watching_threads():
            failed = self._begun()
            if self.config.dry_run:
                return failed
            verdict = self.summary.tell(failed)
        if interruption.signal:
            _end_at_once(128 + interruption.signal)
        if verdict > 1 or deadlines.left_something:
            _end_at_once(verdict)
        return verdict != 0

    def _begun(self) -> bool:
        """Run as behave does; returns whether that failed.

        Raises:
            SystemExit: the run can't begin.
        """
        try:
            beginning.require_usable(self.config)
            with contained("Loading the hooks or the steps"):
                return bool(super().run())
        except Exception as error:
            if isinstance(error, CannotRunError) or not self._running:
                if not beginning.says_all(error):
                    print(redactor.clean(trace(error)))
                beginning.give_up(self.config, beginning.sentence_of(error))
                raise SystemExit(getattr(error, "exit_status", CannotRunError.exit_status)) from None
            self.report.problems.append(Problem.of(error, "the runner", Kind.ERROR))
            self._wind_up()
            return True

    def _wind_up(self) -> None:
        """Remove and tell what behave left undone when an error of its own ended the run."""
        try:
            self.context._do_remaining_cleanups()
        except Exception as error:
            self.report.problems.append(Problem.of(error, "clean-up", Kind.CLEANUP_ERROR))
        for formatter in self.formatters:
            formatter.close()
        for reporter in self.config.reporters:
            reporter.end()

    def load_hooks(self, filename: str | None = None) -> None:
        """Load ``environment.py`` and watch each of its hooks."""
        super().load_hooks(filename)
        self.hooks = {name: self._watched(name, hook) for name, hook in self.hooks.items()}

    def run_model(self, features: list[Feature] | None = None) -> bool:
        """Run the features, telling the suite's formatters what is selected and when a scenario ended."""
        self._require_known_tags()
        beginning.require_scenarios_at(self.feature_locations(), self.features)
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
            scenario.run = self._timed(scenario)
        self._running = True
        return super().run_model(features)

    def _guard_outputs(self) -> None:
        """Keep formatters and reporters from ending the run; the suite's own come last, to tell what others did."""
        self.formatters.sort(key=lambda formatter: hasattr(formatter, "begin"))
        self.formatters = [Guarded(one, f"formatter {_name_of(one)}", self._output_failed) for one in self.formatters]
        self.config.reporters = [
            Guarded(one, f"reporter {_name_of(one)}", self._output_failed) for one in self.config.reporters
        ]

    def _output_failed(self, problem: Problem) -> None:
        """Note what a formatter raised with the scenario that runs, else with the run; the same once."""
        known = noted(self._scenario) if self._scenario else self.report.problems
        if (problem.where, problem.message) not in [(other.where, other.message) for other in known]:
            self._note_here(problem)

    def _note_here(self, problem: Problem) -> None:
        if self._scenario is None:
            self.report.problems.append(problem)
        else:
            note(self._scenario, problem)

    def _contained_cleanups(self, clean_up: Callable[[], None]) -> Callable[[], None]:
        """behave's clean-up of a layer, in which none of what was registered can end the run."""

        def contained_cleanups() -> None:
            layer = self.context._stack[0]
            layer["@cleanups"] = [_contained(one) for one in layer.get("@cleanups", [])]
            clean_up()

        return contained_cleanups

    @contextmanager
    def _watching_threads(self) -> Iterator[None]:
        """Tell of threads that end by an error for which nobody waits, also of those that outlive the verdict."""
        threading.excepthook = self._thread_died
        try:
            yield
        finally:
            self._told = True

    def _thread_died(self, died: threading.ExceptHookArgs) -> None:
        name = died.thread.name if died.thread else "of unknown name"
        error = died.exc_value or died.exc_type()
        where = f"thread {name}"
        problem = Problem.of(error, where, Kind.ERROR)
        if not isinstance(error, Exception):
            problem = Problem(Kind.ERROR, where, told(error, "The thread"), error)
        if self._told:
            print(redactor.clean(f"After the verdict, in {where}: {problem.message}"))
            atexit.register(_end_as_failed)
        elif self._scenario and died.thread in self._older_threads:
            self.report.problems.append(problem)
        else:
            self._note_here(problem)

    def run_hook_with_capture(self, hook_name: str, *args: Any, **kwargs: Any) -> bool:
        """Run a hook; before the last one, see which exceptions are out of date, so that every output tells it."""
        if hook_name == "after_all":
            self._judge_exceptions()
        return bool(super().run_hook_with_capture(hook_name, *args, **kwargs))

    @property
    def _folder(self) -> Path:
        """The folder of the features."""
        return Path(self.config.base_dir)

    @cached_property
    def _whole_suite(self) -> list[Feature]:
        """Every feature there is, selected or not."""
        return selection.parsed(self._folder, self.config.lang)

    def _require_known_tags(self) -> None:
        """Stop before anything runs when a tag of the command line is on no scenario.

        Raises:
            CannotRunError: with the nearest tags that there are.
        """
        expression = self.config.tag_expression
        if selection.unknown_tags(expression, selection.tags_in(self.features)):
            known = selection.tags_in(self._whole_suite)
            if unknown := selection.unknown_tags(expression, known):
                raise CannotRunError(selection.sentence_of_unknown(unknown, known))

    def _judge_exceptions(self) -> None:
        report = self.report
        if not report.waivers:
            return
        ran = [(full_name(s), report.outcome(s).kind in (Kind.PASSED, Kind.FAILED)) for s in report.selected]
        tested = {name for name, _ in ran} - {name for name, was_tested in ran if not was_tested}
        names = {full_name(s) for feature in self._whole_suite for s in feature.walk_scenarios()}
        stale = waivers.out_of_date(report.waivers, names, report.host, tested, waivers.today())
        report.problems += [Problem(Kind.OUT_OF_DATE, waiver.where, told) for waiver, told in stale]

    def _timed(self, scenario: Scenario) -> Callable[[StockRunner], bool]:
        run = scenario.run

        def timed(runner: StockRunner) -> bool:
            began = time.monotonic()
            deadlines.scenario_begins()
            if interruption.signal or self._is_late():
                self.aborted = True
            self._scenario, self._older_threads = scenario, set(threading.enumerate())
            try:
                failed = self._unless_broken(scenario, lambda: bool(run(runner)))
                kind = self.report.outcome(scenario).kind
                return kind.is_red or (failed and kind is not Kind.WAIVED)
            finally:
                self._scenario = None
                self.report.seconds[id(scenario)] = time.monotonic() - began
                for formatter in self.formatters:
                    if hasattr(formatter, "scenario_finished"):
                        formatter.scenario_finished(scenario)

        return timed

    def _unless_broken(self, scenario: Scenario, run: Callable[[], bool]) -> bool:
        """Run a scenario; where behave itself breaks in it, note that, and remove what the scenario made."""
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
        """Whether the run's deadline has passed; it is told once."""
        if (why := deadlines.run_is_over) and not self.aborted:
            self.report.problems.append(Problem(Kind.ERROR, "deadline", why))
        return bool(why)

    def _hook_failed(self, name: str, args: tuple[Any, ...], error: Exception) -> None:
        """Do for behave what it does when a hook fails, without its line on the console."""
        statement, problem = self._note(name, args, error)
        self.hook_failures += problem.kind is Kind.HOOK_ERROR
        if name == "before_all":
            self.aborted = True
        if statement is not None:
            statement.hook_failed = True
            if statement.exception is None:
                statement.store_exception_context(error)

    def _note(self, name: str, args: tuple[Any, ...], error: BaseException) -> tuple[Any, Problem]:
        """Keep the error where it belongs; returns the statement, none for the run itself, and the problem."""
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
        """Keep the error of a clean-up with the layer that it belongs to. behave calls it once an error."""
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
    """The host of the target, from the settings of the session that ``before_all`` left in the context."""
    settings = getattr(getattr(context, "session", None), "settings", None)
    return urlsplit(getattr(settings, "ops_center_url", "") or "").hostname or ""


def _leave_one_allure(config: Configuration) -> None:
    """Let `-f creditflow.reporting.allure:Formatter -o FOLDER` take the place of the one in `behave.ini`.

    behave adds what is typed to what is configured; two of them would remove each other's results.
    """
    places = [index for index, name in enumerate(config.format) if name == FORMATTER]
    for index in reversed(places[:-1]):
        del config.format[index], config.outputs[index]


class _RedactingOpener(StreamOpener):
    """Opens the file of a formatter, which may be any of behave's, so that what is written passes the redactor."""

    def open(self) -> TextIO:
        """The file, the same at every call."""
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
    """A formatter or reporter as the command line calls it, else its class."""
    return str(getattr(output, "name", None) or f"{type(output).__module__}:{type(output).__qualname__}")


def _end_as_failed() -> None:
    """Make the exit status that of a failed run, where Python would end with that of the verdict."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _interruptible(hook: str) -> AbstractContextManager[None]:
    """A signal breaks into every hook but the last one, which comes when the run is over."""
    return nullcontext() if hook == "after_all" else interruption.breaks_in()


def _timed(hook: str) -> AbstractContextManager[None]:
    """Every hook has the deadline of a step; what comes after a scenario has it also where the scenario's is over."""
    return deadlines.step(hook) if hook.startswith("before_") else deadlines.afterwards(hook)


def _end_at_once(status: int) -> NoReturn:
    """End with an exit status; where something was broken off, without waiting for what still hangs in it."""
    if interruption.given_up or deadlines.left_something:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    raise SystemExit(status)
