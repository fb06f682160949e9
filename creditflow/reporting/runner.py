"""The runner of the suite: behave's own, with every hook and clean-up error kept and an honest exit status.

Set in ``behave.ini``: ``runner = creditflow.reporting.runner:Runner``. What it adds to the stock runner:

- a hook's or clean-up's error is noted with the feature, rule, scenario or step in which it happened;
- the exit status is not 0 when nothing was selected, when all of it was skipped, and when a scenario that
  behave passes was not really checked (no step, a pending step, a `Then` that compares nothing);
- a tag of the command line that no scenario has ends the run before it begins, with exit status 2;
- a scenario that is not testable here is excused where `plan/exceptions.tsv` says so, and an exception that is
  over or not needed any more is red;
- an error of ``before_all`` that carries an ``exit_status`` (bad settings: 2) ends the run with it and
  its sentence;
- a run that is interrupted (SIGINT) or terminated (SIGTERM) ends the scenario where it is, removes what was made,
  reports what there is, and ends with 130 or 143; a second signal ends the removal too;
- whatever is printed, logged, or written by a formatter of behave's passes the redactor.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast
from urllib.parse import urlsplit

from behave.configuration import Configuration
from behave.formatter.base import StreamOpener
from behave.model import Feature, Scenario
from behave.runner import Context, the_step_registry
from behave.runner import Runner as StockRunner

from creditflow import exceptions
from creditflow.deadline import TimedSteps, deadlines
from creditflow.errors import CannotRun
from creditflow.interruption import InterruptibleSteps, interruption
from creditflow.redaction import RedactingStream, redact_output, redactor
from creditflow.reporting import tags
from creditflow.reporting.checked import CheckedSteps
from creditflow.reporting.junit import replace_stock_junit
from creditflow.reporting.outcome import Kind, Problem, Run, full_name, note
from creditflow.reporting.results import folder_of, forget
from creditflow.reporting.summary import Summary

ALLURE = "creditflow.reporting.allure:Formatter"

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
        if results := folder_of(self.config):
            forget(results, self.config)
        with interruption.taken():
            try:
                failed = super().run()
            except CannotRun as reason:
                print(redactor.clean(str(reason)))
                raise SystemExit(reason.exit_status) from None
            if self.config.dry_run:
                return failed
            verdict = self.summary.tell(failed)
        if interruption.signal:
            _end_at_once(128 + interruption.signal)
        if verdict > 1 or deadlines.left_something:
            _end_at_once(verdict)
        return verdict != 0

    def load_hooks(self, filename: str | None = None) -> None:
        """Load ``environment.py`` and watch each of its hooks."""
        super().load_hooks(filename)
        self.hooks = {name: self._watched(name, hook) for name, hook in self.hooks.items()}

    def run_model(self, features: list[Feature] | None = None) -> bool:
        """Run the features, telling the suite's formatters what is selected and when a scenario ended."""
        self._require_known_tags()
        if self.config.dry_run:
            return super().run_model(features)
        self.report.excuses = exceptions.read(self._folder.parent / exceptions.FILE)
        self.step_registry = InterruptibleSteps(TimedSteps(CheckedSteps(self.step_registry or the_step_registry)))
        self.context.on_cleanup_error = self._cleanup_failed
        for feature in self.features if features is None else features:
            self.report.expect(feature, self.config)
        for formatter in self.formatters:
            if hasattr(formatter, "begin"):
                formatter.begin(self.report)
        for scenario in self.report.selected:
            scenario.run = self._timed(scenario)
        return super().run_model(features)

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
        return tags.parsed(self._folder, self.config.lang)

    def _require_known_tags(self) -> None:
        """Stop before anything runs when a tag of the command line is on no scenario.

        Raises:
            CannotRun: with the nearest tags that there are.
        """
        expression = self.config.tag_expression
        if tags.unknown_tags(expression, tags.tags_in(self.features)):
            known = tags.tags_in(self._whole_suite)
            if unknown := tags.unknown_tags(expression, known):
                raise CannotRun(tags.sentence_of_unknown(unknown, known))

    def _judge_exceptions(self) -> None:
        report = self.report
        if not report.excuses:
            return
        ran = [(full_name(s), report.outcome(s).kind in (Kind.PASSED, Kind.FAILED)) for s in report.selected]
        tested = {name for name, _ in ran} - {name for name, was_tested in ran if not was_tested}
        names = {full_name(s) for feature in self._whole_suite for s in feature.walk_scenarios()}
        stale = exceptions.out_of_date(report.excuses, names, report.host, tested, exceptions.today())
        report.problems += [Problem(Kind.OUT_OF_DATE, excuse.where, told) for excuse, told in stale]

    def _timed(self, scenario: Scenario) -> Callable[[StockRunner], bool]:
        run = scenario.run

        def timed(runner: StockRunner) -> bool:
            began = time.monotonic()
            deadlines.scenario_begins()
            if interruption.signal or self._is_late():
                self.aborted = True
            try:
                failed = bool(run(runner))
                return failed and self.report.outcome(scenario).kind is not Kind.EXCUSED
            finally:
                self.report.seconds[id(scenario)] = time.monotonic() - began
                for formatter in self.formatters:
                    if hasattr(formatter, "scenario_finished"):
                        formatter.scenario_finished(scenario)

        return timed

    def _watched(self, name: str, hook: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(hook)
        def watched(context: Context, *args: Any) -> None:
            if interruption.signal and not name.endswith("_all"):
                return
            began = time.monotonic()
            try:
                with _interruptible(name), _timed(name):
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
    places = [index for index, name in enumerate(config.format) if name == ALLURE]
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
