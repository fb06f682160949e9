"""The outcome of a scenario. Console, Allure, JUnit and exit status all read it here.

behave's own status is not enough: a failed clean-up overwrites a failed check, an undefined step has the status
"error", a scenario without steps has "passed", and errors of hooks and clean-ups are lost. The suite's runner
(:mod:`creditflow.reporting.runner`) records those errors with :func:`note`, and :func:`of_scenario` sorts all problems
in the order in which they happened.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import behave
from behave.configuration import Configuration
from behave.exception import StepNotImplementedError
from behave.model import Feature, Rule, Scenario, Step
from behave.model_type import Status

from creditflow.core.errors import (
    EndpointMissingError,
    ExpectedError,
    NothingCheckedError,
    NotTestableError,
    TooBusyError,
)
from creditflow.reporting.characters import writable
from creditflow.reporting.waivers import Waiver, today

_BEHAVE = Path(behave.__file__).parent
_RUNNERS_OWN = (
    *map(str, _BEHAVE.rglob("*.py")),
    "/six.py",
    "/contextlib.py",
    "/creditflow/reporting/runner.py",
    "/creditflow/reporting/steps.py",
    "/creditflow/core/run_limits.py",
    "/creditflow/core/ending.py",
    "/creditflow/core/interruption.py",
)
"""Files that only call steps and hooks; tracebacks leave their frames out."""

OUTCOME_LABEL = "outcome"
"""The Allure label that sorts results into the categories of the report."""

PLACE_LABEL = "place"
"""The Allure label with the file and line of a scenario, as behave takes them."""


class Kind(StrEnum):
    """The outcomes of a scenario. Console, Allure label and JUnit status all use these words."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    HOOK_ERROR = "hook error"
    CLEANUP_ERROR = "clean-up error"
    UNDEFINED = "undefined"
    PENDING = "pending"
    UNCHECKED = "nothing checked"
    MISSING = "endpoint missing"
    NOT_TESTABLE = "not testable here"
    TOO_BUSY = "too busy to measure"
    OUT_OF_DATE = "waiver out of date"
    WAIVED = "waived"
    SKIPPED = "skipped"
    UNTESTED = "untested"

    @property
    def is_red(self) -> bool:
        """Whether it counts as failed. Waived, skipped and untested count neither as passed nor as failed."""
        return self not in (Kind.PASSED, Kind.WAIVED, Kind.SKIPPED, Kind.UNTESTED)


class CarriedError(Exception):
    """Stands for an error of another process: its message, its traceback, and the last frames before it.

    An error itself can't be sent to another process, because anything may be part of it.
    """

    def __init__(self, message: str, trace: str, route: str) -> None:
        self.trace, self.route = trace, route
        super().__init__(message, trace, route)

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Problem:
    """One error or failed check.

    Attributes:
        kind: the outcome that it causes.
        where: a step's text, a hook's name or a clean-up.
        message: what is wrong, for the reader.
        error: the exception, if there was one.
    """

    kind: Kind
    where: str
    message: str
    error: BaseException | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", writable(self.where))
        object.__setattr__(self, "message", writable(self.message))

    @classmethod
    def of(cls, error: BaseException, where: str, kind: Kind | None = None) -> Problem:
        """Return the problem of an exception; without `kind`, the type of the exception decides the kind."""
        if kind is None:
            kind = Kind.FAILED if isinstance(error, AssertionError) else Kind.ERROR
            kind = Kind.PENDING if isinstance(error, StepNotImplementedError) else kind
            kind = Kind.UNCHECKED if isinstance(error, NothingCheckedError) else kind
            kind = Kind.NOT_TESTABLE if isinstance(error, NotTestableError) else kind
            kind = Kind.MISSING if isinstance(error, EndpointMissingError) else kind
            kind = Kind.TOO_BUSY if isinstance(error, TooBusyError) else kind
        return cls(kind, where, sentence(error), error)

    @property
    def ends_the_run(self) -> bool:
        """Whether the run could not begin, so that only this message is printed."""
        return self.where == "before_all" and isinstance(getattr(self.error, "exit_status", None), int)

    @classmethod
    def of_hook(cls, error: BaseException, hook: str) -> Problem:
        """Return the problem of an exception in a hook.

        A check that fails in `after_scenario` is a failed check of the target, not an error of the suite. The report
        shows it under the `title` of the exception, if it has one.
        """
        if hook.endswith("_scenario") and isinstance(error, NotTestableError | ExpectedError):
            return cls.of(error, hook)
        if hook == "after_scenario" and isinstance(error, AssertionError):
            title = getattr(error, "title", None)
            return cls.of(error, title if isinstance(title, str) and title else hook)
        return cls.of(error, hook, Kind.HOOK_ERROR)

    def carried(self) -> Problem:
        """Return the problem in a form that can be sent to another process."""
        if self.error is None:
            return self
        route = "" if isinstance(self.error, AssertionError) else self.route()
        return replace(self, error=CarriedError(self.message, self.trace(), route))

    def trace(self) -> str:
        """Return the traceback without behave's frames, innermost last."""
        return trace(self.error) if self.error is not None else ""

    def route(self, steps: int = 3) -> str:
        """Return the last frames before the error, one a line, innermost last; empty for an expected error."""
        return route(self.error, steps) if self.error is not None and not isinstance(self.error, ExpectedError) else ""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one scenario.

    Attributes:
        kind: the kind of its first problem, or "passed", "waived", "skipped" or "untested".
        problems: its problems, in the order in which they happened.
        reason: why it was waived or did not run.
    """

    kind: Kind
    problems: tuple[Problem, ...] = ()
    reason: str = ""

    @property
    def message(self) -> str:
        """The message of the first problem, then the others; empty for a passed scenario."""
        parts = [self.problems[0].message] if self.problems else [self.reason] if self.reason else []
        parts += [f"Then also, in {problem.where}: {problem.message}" for problem in self.problems[1:]]
        return "\n".join(parts)

    def trace(self) -> str:
        """Return the tracebacks of all problems, in their order."""
        return "\n".join(text for problem in self.problems if (text := problem.trace()))


@dataclass
class Run:
    """The data of a run for formatters and summary.

    Attributes:
        features: the features of the run.
        selected: the scenarios that the command line selected.
        problems: the problems outside of features.
        seconds: the duration of each scenario, by `id`.
        results: the Allure result of each scenario, by `id`.
        outside_results: the problems outside of scenarios that have an Allure result: the part, the problem, its uuid.
        waivers: the waivers of the suite.
        host: the host of the target, which a waiver has to name.
    """

    features: list[Feature] = field(default_factory=list)
    selected: list[Scenario] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)
    results: dict[int, Any] = field(default_factory=dict)
    outside_results: list[tuple[Feature | Rule | None, Problem, str]] = field(default_factory=list)
    waivers: tuple[Waiver, ...] = ()
    host: str = ""

    def expect(self, feature: Feature, config: Configuration) -> None:
        """Add a feature and its selected scenarios, before it runs; other scenarios are in no report."""
        self.features.append(feature)
        self.selected += [s for s in feature.walk_scenarios() if s.should_run(config)]

    def took(self, scenario: Scenario) -> float:
        """Return the seconds of a scenario with its hooks and clean-up, or of its steps under another runner."""
        return self.seconds.get(id(scenario), scenario.duration)

    def outcome(self, scenario: Scenario) -> Outcome:
        """Return the outcome of a scenario. A waiver applies only to what is not testable, never to a failed check."""
        outcome = of_scenario(scenario, self.problems)
        if {problem.kind for problem in outcome.problems} != {Kind.NOT_TESTABLE}:
            return outcome
        name, day = full_name(scenario), today()
        waiver = next((one for one in self.waivers if one.covers(name, self.host, day)), None)
        return Outcome(Kind.WAIVED, reason=f"{waiver.sentence()} {outcome.message}") if waiver else outcome

    def outside(self) -> list[tuple[Feature | Rule | None, Problem]]:
        """Return the problems outside of scenarios, each with its feature or rule; None for the run itself."""
        inside = [pair for feature in self.features for pair in of_feature(feature)]
        return [*((None, problem) for problem in self.problems), *inside]


def note(statement: object, problem: Problem) -> None:
    """Record a problem of a hook or clean-up in its feature, rule, scenario or step."""
    vars(statement).setdefault("problems", []).append(problem)


def noted(statement: object) -> list[Problem]:
    """Return the recorded problems of a feature, rule, scenario or step."""
    return list(vars(statement).get("problems", ()))


def of_scenario(scenario: Scenario, run_problems: Iterable[Problem] = ()) -> Outcome:
    """Return the outcome of a scenario; a status that is not known is an error."""
    own = noted(scenario)
    problems = [p for p in own if p.where.startswith("before_")]
    problems += [p for step in scenario.all_steps for p in of_step(step)]
    problems += [p for p in own if not p.where.startswith("before_")]
    if not problems:
        problems = _unrecorded(scenario)
    if problems:
        return Outcome(problems[0].kind, tuple(problems))
    status = scenario.status
    if status is Status.passed:
        if not scenario.steps:
            return Outcome(Kind.UNDEFINED, reason="The scenario has no steps, so nothing was checked.")
        return Outcome(Kind.PASSED)
    if status is Status.skipped:
        return Outcome(Kind.SKIPPED, reason=scenario.skip_reason or "It was skipped, and no reason was given.")
    if status.is_untested():
        return Outcome(Kind.UNTESTED, reason=_why_untested(scenario, run_problems))
    return Outcome(Kind.ERROR, reason=f"It ended as {status.name}, and no error was recorded.")


def of_step(step: Step) -> list[Problem]:
    """Return the problems of a step and its hooks, in their order."""
    if "carried" in vars(step):
        return list(vars(step)["carried"])
    hooks = noted(step)
    if step.status is Status.passed and step.exception is None and not hooks:
        return []
    sentence_of_step = f"{step.keyword} {step.name}"
    before = [p for p in hooks if p.where.startswith("before_")]
    after = [p for p in hooks if p not in before]
    own: list[Problem] = []
    if step.status in (Status.undefined, Status.untested_undefined):
        own = [Problem(Kind.UNDEFINED, sentence_of_step, f"No step is written for “{sentence_of_step}”.")]
    elif step.status is Status.pending_warn:
        own = [Problem(Kind.PENDING, sentence_of_step, "The step is not written yet.")]
    elif step.exception is not None and all(step.exception is not p.error for p in hooks):
        of_a_hook = step.status is Status.hook_error and not hooks and not isinstance(step.exception, AssertionError)
        own = [Problem.of(step.exception, sentence_of_step, Kind.HOOK_ERROR if of_a_hook else None)]
    elif step.status.has_failed() and not hooks:
        own = [
            Problem(
                Kind.ERROR,
                sentence_of_step,
                f"The step ended as {step.status.name}, and no error was recorded.",
            )
        ]
    return [*before, *own, *after]


def of_feature(feature: Feature) -> list[tuple[Feature | Rule, Problem]]:
    """Return the problems of a feature and its rules outside of scenarios."""
    parts: list[Feature | Rule] = [*feature.iter_rules(), feature]
    return [(part, problem) for part in parts for problem in noted(part) or _unrecorded(part)]


def _unrecorded(statement: Any) -> list[Problem]:
    """Return the hook or clean-up error that behave shows only as a status; another runner records nothing."""
    if statement.hook_failed:
        if statement.exception is not None:
            return [Problem.of(statement.exception, "a hook", Kind.HOOK_ERROR)]
        return [Problem(Kind.HOOK_ERROR, "a hook", "A hook failed, and no error was recorded.")]
    if statement.status is Status.cleanup_error:
        return [Problem(Kind.CLEANUP_ERROR, "clean-up", "A clean-up failed, and no error was recorded.")]
    return []


def _why_untested(scenario: Scenario, run_problems: Iterable[Problem]) -> str:
    above = [problem for part in lineage(scenario)[:-1] for problem in noted(part)]
    for problem in [*run_problems, *above]:
        if problem.where.startswith("before_"):
            return f"It did not run, because {problem.where} failed: {problem.message}"
    return "It did not run: the run ended before it."


def sentence(error: BaseException) -> str:
    """Return the message of an exception, with its type in front unless the message is a sentence of the suite."""
    text = _words(error)
    if isinstance(error, KeyboardInterrupt):
        return "The run was interrupted."
    if isinstance(error, StepNotImplementedError):
        return f"The step is not written yet{f': {text}' if text else '.'}"
    if isinstance(error, AssertionError):
        return text or _bare_assertion(error)
    if text and (type(error).__module__.partition(".")[0] == "creditflow" or hasattr(error, "exit_status")):
        return text
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}, without a message."


def _words(error: BaseException) -> str:
    """Return the text of an exception, also if `str` fails."""
    try:
        return str(error).strip()
    except Exception as unreadable:
        return f"(its message can't be read: {type(unreadable).__name__})"


def _bare_assertion(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "A check failed without a message."
    last = frames[-1]
    return f"A check failed without a message: {last.line} ({relative(last.filename)}:{last.lineno})"


def trace(error: BaseException) -> str:
    """Return the traceback of an error and its causes, without behave's frames and with relative paths."""
    if isinstance(error, CarriedError):
        return error.trace
    formatted = traceback.TracebackException.from_exception(error)
    _trim(formatted)
    return relative("".join(formatted.format())).strip()


def route(error: BaseException, steps: int) -> str:
    """Return the last frames before an error: file, line, function and the text of the line."""
    if isinstance(error, CarriedError):
        return error.route
    formatted = traceback.TracebackException.from_exception(error)
    _trim(formatted)
    return relative("\n".join(f"at {f.filename}:{f.lineno} in {f.name}: {f.line}" for f in formatted.stack[-steps:]))


def _trim(formatted: traceback.TracebackException) -> None:
    kept = [frame for frame in formatted.stack if not frame.filename.endswith(_RUNNERS_OWN)]
    formatted.stack = traceback.StackSummary.from_list(kept)
    for chained in (formatted.__cause__, formatted.__context__):
        if chained is not None:
            _trim(chained)


def relative(text: str) -> str:
    """Return a text with paths relative to the working directory and without unprintable characters."""
    return writable(text.replace(os.getcwd() + os.sep, ""))


def lineage(scenario: Scenario) -> list[Any]:
    """Return the feature, rule, outline and scenario, outermost first, as far as they exist."""
    chain: list[Any] = [scenario]
    while (parent := getattr(chain[0], "parent", None)) is not None:
        chain.insert(0, parent)
    return chain


def rule_of(scenario: Scenario) -> Rule | None:
    """Return the rule of a scenario, if it has one."""
    return next((part for part in lineage(scenario) if isinstance(part, Rule)), None)


def tags_of(scenario: Scenario) -> list[str]:
    """Return all tags of a scenario, own and inherited, outermost first, each once."""
    return list(dict.fromkeys(str(tag) for part in lineage(scenario) for tag in part.tags))


def title(scenario: Scenario) -> str:
    """Return the title of a scenario without the number that behave adds to a row of Examples."""
    return writable(scenario.name.rsplit(" -- @", 1)[0].strip() if scenario._row else scenario.name)


def full_title(scenario: Scenario) -> str:
    """Return the title, with the values of an Examples row unless the title contains them."""
    plain = title(scenario)
    outline = scenario.parent
    if scenario._row is None or "<" in getattr(outline, "name", ""):
        return plain
    return writable(f"{plain} ({', '.join(scenario._row.cells)})")


def names_of(scenario: Scenario) -> list[str]:
    """Return feature, rule and title, which are the same for all rows of an outline."""
    rule = rule_of(scenario)
    return [scenario.feature.name, rule.name if rule else "", title(scenario)]


def full_name(scenario: Scenario) -> str:
    """Return the name of a scenario in the report and in waivers."""
    return ": ".join(part for part in names_of(scenario) if part)


def place(statement: Scenario | Feature | Rule | Step) -> str:
    """Return file and line, as behave takes them."""
    return f"{statement.filename}:{statement.line}"
