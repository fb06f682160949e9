"""The runner of the suite: behave's own, with every hook and clean-up error kept and an honest exit status.

Set in ``behave.ini``: ``runner = creditflow.reporting.runner:Runner``. What it adds to the stock runner:

- a hook's or clean-up's error is noted with the feature, rule, scenario or step in which it happened;
- the exit status is not 0 when nothing was selected, when all of it was skipped, and when a scenario that
  behave passes was not really checked (no step, a pending step);
- an error of ``before_all`` that carries an ``exit_status`` (bad settings: 2) ends the run with it and
  its sentence;
- a run that is terminated (SIGTERM) cleans up and reports as one that is interrupted from the keyboard;
- whatever is printed passes the redactor.
"""

from __future__ import annotations

import functools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from behave.configuration import Configuration
from behave.model import Feature, Scenario
from behave.runner import Context
from behave.runner import Runner as StockRunner

from creditflow.redaction import RedactingStream, redactor
from creditflow.reporting.junit import replace_stock_junit
from creditflow.reporting.outcome import Kind, Problem, Run, note
from creditflow.reporting.results import folder_of, forget
from creditflow.reporting.summary import Summary

ALLURE = "creditflow.reporting.allure:Formatter"

_UNSAID = frozenset({"ABORTED: By user."})
"""behave prints it also when ``before_all`` failed; the summary says what really ended the run."""


class Runner(StockRunner):
    """behave's runner, made honest."""

    def __init__(self, config: Configuration, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        _leave_one_allure(config)
        self.report = Run()
        self.summary = Summary(self.report, config)
        if not config.dry_run:
            replace_stock_junit(config, self.report)

    def run(self) -> bool:
        """Run the selected features and tell what became of them.

        Returns:
            whether the run failed; behave makes exit status 1 of it.

        Raises:
            SystemExit: with the status that an error of ``before_all`` asks for.
        """
        if results := folder_of(self.config):
            forget(results, self.config)
        with _redacted_output(), _termination_as_interrupt():
            failed = super().run()
            if self.config.dry_run:
                return failed
            verdict = self.summary.tell(failed)
        if verdict > 1:
            raise SystemExit(verdict)
        return verdict != 0

    def load_hooks(self, filename: str | None = None) -> None:
        """Load ``environment.py`` and watch each of its hooks."""
        super().load_hooks(filename)
        self.hooks = {name: self._watched(name, hook) for name, hook in self.hooks.items()}

    def run_model(self, features: list[Feature] | None = None) -> bool:
        """Run the features, telling the suite's formatters what is selected and when a scenario ended."""
        if self.config.dry_run:
            return super().run_model(features)
        self.context.on_cleanup_error = self._cleanup_failed
        for feature in self.features if features is None else features:
            self.report.expect(feature, self.config)
        for formatter in self.formatters:
            if hasattr(formatter, "begin"):
                formatter.begin(self.report)
        for scenario in self.report.selected:
            scenario.run = self._timed(scenario)
        return super().run_model(features)

    def _timed(self, scenario: Scenario) -> Callable[[StockRunner], bool]:
        run = scenario.run

        def timed(runner: StockRunner) -> bool:
            began = time.monotonic()
            try:
                return bool(run(runner))
            finally:
                self.report.seconds[id(scenario)] = time.monotonic() - began
                for formatter in self.formatters:
                    if hasattr(formatter, "scenario_finished"):
                        formatter.scenario_finished(scenario)

        return timed

    def _watched(self, name: str, hook: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(hook)
        def watched(context: Context, *args: Any) -> None:
            began = time.monotonic()
            try:
                hook(context, *args)
            except KeyboardInterrupt as error:
                self._note(name, args, error)
                raise
            except Exception as error:
                self._hook_failed(name, args, error)
            finally:
                if name == "before_all":
                    self.summary.set_up_took(time.monotonic() - began)

        return watched

    def _hook_failed(self, name: str, args: tuple[Any, ...], error: Exception) -> None:
        """Do for behave what it does when a hook fails, without its line on the console."""
        self.hook_failures += 1
        if name == "before_all":
            self.aborted = True
        statement = self._note(name, args, error)
        if statement is not None:
            statement.hook_failed = True
            if statement.exception is None:
                statement.store_exception_context(error)

    def _note(self, name: str, args: tuple[Any, ...], error: BaseException) -> Any:
        """Keep the error where it belongs; returns the statement, none for the run itself."""
        where = f"{name} @{args[0]}" if name.endswith("_tag") else name
        problem = Problem.of_hook(error, where)
        if name.endswith("_all"):
            self.report.problems.append(problem)
            return None
        statement = self._innermost() if name.endswith("_tag") else args[0]
        note(statement, problem)
        return statement

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


def _leave_one_allure(config: Configuration) -> None:
    """Let `-f creditflow.reporting.allure:Formatter -o FOLDER` take the place of the one in `behave.ini`.

    behave adds what is typed to what is configured; two of them would remove each other's results.
    """
    places = [index for index, name in enumerate(config.format) if name == ALLURE]
    for index in reversed(places[:-1]):
        del config.format[index], config.outputs[index]


@contextmanager
def _redacted_output() -> Iterator[None]:
    """Let whatever is printed during the run pass the redactor."""
    stdout, stderr = sys.stdout, sys.stderr
    clean_out = RedactingStream(stdout, redactor.clean, _UNSAID)
    clean_err = RedactingStream(stderr, redactor.clean)
    sys.stdout, sys.stderr = clean_out, clean_err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        clean_out.flush()
        clean_err.flush()


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that clean-up runs and the results are written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
