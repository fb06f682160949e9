"""What became of a scenario, told once: console, Allure, JUnit and exit status all read it here.

behave's own status of a scenario is not enough: a failed clean-up overwrites a failed check, an undefined
step reads "error", a scenario without steps reads "passed", and what a hook or clean-up raised is kept
nowhere. The suite's runner (:mod:`creditflow.reporting.runner`) notes those errors with :func:`note`, and
:func:`of_scenario` puts all of it in the order in which it happened.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import behave
from behave.configuration import Configuration
from behave.exception import StepNotImplementedError
from behave.model import Feature, Rule, Scenario, Step
from behave.model_type import Status

from creditflow.core.errors import EndpointMissingError, ExpectedError, NothingCheckedError, NotTestableError
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
"""Files whose frames tell how a step was called, which a reader of a failure need not know."""


OUTCOME_LABEL = "outcome"
"""The label by which the report sorts results into its categories."""

PLACE_LABEL = "place"
"""The label that says where a scenario stands, as file and line, ready to be given to behave."""


class Kind(StrEnum):
    """Every outcome that a reader tells apart."""

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
    OUT_OF_DATE = "exception out of date"
    WAIVED = "excused"
    SKIPPED = "skipped"
    UNTESTED = "untested"

    @property
    def is_red(self) -> bool:
        """Whether it counts as failed; what was excused, skipped or untested is neither green nor red."""
        return self not in (Kind.PASSED, Kind.WAIVED, Kind.SKIPPED, Kind.UNTESTED)


@dataclass(frozen=True)
class Problem:
    """One thing that went wrong: where (a step's sentence, a hook's name, a clean-up), and what."""

    kind: Kind
    where: str
    message: str
    error: BaseException | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", writable(self.where))
        object.__setattr__(self, "message", writable(self.message))

    @classmethod
    def of(cls, error: BaseException, where: str, kind: Kind | None = None) -> Problem:
        """The problem that an exception stands for; without ``kind``, of the kind that its type says."""
        if kind is None:
            kind = Kind.FAILED if isinstance(error, AssertionError) else Kind.ERROR
            kind = Kind.PENDING if isinstance(error, StepNotImplementedError) else kind
            kind = Kind.UNCHECKED if isinstance(error, NothingCheckedError) else kind
            kind = Kind.NOT_TESTABLE if isinstance(error, NotTestableError) else kind
            kind = Kind.MISSING if isinstance(error, EndpointMissingError) else kind
        return cls(kind, where, sentence(error, kind), error)

    @property
    def ends_the_run(self) -> bool:
        """Whether the run could not begin, so that its sentence is all that there is to say."""
        return self.where == "before_all" and isinstance(getattr(self.error, "exit_status", None), int)

    @classmethod
    def of_hook(cls, error: BaseException, hook: str) -> Problem:
        """The problem that an exception in a hook stands for.

        A check that fails in ``after_scenario`` is a verdict on the target and no accident of the suite; where the
        error has a ``title``, it stands under it.
        """
        if hook.endswith("_scenario") and isinstance(error, NotTestableError | ExpectedError):
            return cls.of(error, hook)
        if hook == "after_scenario" and isinstance(error, AssertionError):
            title = getattr(error, "title", None)
            return cls.of(error, title if isinstance(title, str) and title else hook)
        return cls.of(error, hook, Kind.HOOK_ERROR)

    def trace(self) -> str:
        """The traceback, innermost last, without behave's own frames."""
        return trace(self.error) if self.error is not None else ""

    def route(self, steps: int = 3) -> str:
        """The last places on the way to the error, one a line, innermost last; shorter than a trace.

        Empty where the sentence says it all.
        """
        return route(self.error, steps) if self.error is not None and not isinstance(self.error, ExpectedError) else ""


@dataclass(frozen=True)
class Outcome:
    """What became of one scenario: its kind, its problems in order, or why it did not run."""

    kind: Kind
    problems: tuple[Problem, ...] = ()
    reason: str = ""

    @property
    def message(self) -> str:
        """The first sentence that a reader needs, then what else went wrong; empty for a passed scenario."""
        said = [self.problems[0].message] if self.problems else [self.reason] if self.reason else []
        said += [f"Then also, in {problem.where}: {problem.message}" for problem in self.problems[1:]]
        return "\n".join(said)

    def trace(self) -> str:
        """The traces of all problems, first first."""
        return "\n".join(text for problem in self.problems if (text := problem.trace()))


@dataclass
class Run:
    """What formatters and summary know of a run.

    Attributes:
        features: what the run reads.
        selected: the scenarios that the command line selected.
        problems: what failed outside of features.
        seconds: how long a scenario took, by its identity.
        excuses: the deliberate exceptions that are written.
        host: the host of the target, which an exception has to name.
    """

    features: list[Feature] = field(default_factory=list)
    selected: list[Scenario] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    host: str = ""

    def expect(self, feature: Feature, config: Configuration) -> None:
        """Note what the command line selected of a feature, before it runs; the rest is in no report."""
        self.features.append(feature)
        self.selected += [s for s in feature.walk_scenarios() if s.should_run(config)]

    def took(self, scenario: Scenario) -> float:
        """Seconds of a scenario with its hooks and clean-up; without the suite's runner, of its steps."""
        return self.seconds.get(id(scenario), scenario.duration)

    def outcome(self, scenario: Scenario) -> Outcome:
        """What became of the scenario in this run; what is not testable here may be excused, a failed check never."""
        outcome = of_scenario(scenario, self.problems)
        if {problem.kind for problem in outcome.problems} != {Kind.NOT_TESTABLE}:
            return outcome
        name, day = full_name(scenario), today()
        waiver = next((e for e in self.waivers if e.covers(name, self.host, day)), None)
        return Outcome(Kind.WAIVED, reason=f"{waiver.sentence()} {outcome.message}") if waiver else outcome

    def outside(self) -> list[tuple[Feature | Rule | None, Problem]]:
        """What went wrong outside of scenarios, with the feature or rule that it belongs to."""
        inside = [pair for feature in self.features for pair in of_feature(feature)]
        return [*((None, problem) for problem in self.problems), *inside]


def note(statement: object, problem: Problem) -> None:
    """Keep a hook's or clean-up's error with the feature, rule, scenario or step in which it happened."""
    vars(statement).setdefault("problems", []).append(problem)


def noted(statement: object) -> list[Problem]:
    """The hook and clean-up errors of one feature, rule, scenario or step."""
    return list(vars(statement).get("problems", ()))


def of_scenario(scenario: Scenario, run_problems: Iterable[Problem] = ()) -> Outcome:
    """Put together what became of a scenario; anything that is not known to be good is an error."""
    own = noted(scenario)
    problems = [p for p in own if p.where.startswith("before_")]
    problems += [p for step in scenario.all_steps for p in of_step(step)]
    problems += [p for p in own if not p.where.startswith("before_")]
    if not problems:
        problems = _untold(scenario)
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
    """What went wrong in a step: its own error, then its hooks'."""
    sentence_of_step = f"{step.keyword} {step.name}"
    hooks = noted(step)
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
    """What went wrong in a feature outside of its scenarios, its rules included."""
    parts: list[Feature | Rule] = [*feature.iter_rules(), feature]
    return [(part, problem) for part in parts for problem in noted(part) or _untold(part)]


def _untold(statement: Any) -> list[Problem]:
    """A hook or clean-up error that behave only shows by a status: under another runner nothing was noted."""
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


def sentence(error: BaseException, kind: Kind | None = None) -> str:
    """What an exception says to a reader: its own words, led by its type where they alone say too little."""
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
    """What an exception says, also where it can't be asked."""
    try:
        return str(error).strip()
    except Exception as unreadable:
        return f"(its message can't be read: {type(unreadable).__name__})"


def _bare_assertion(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "A check failed without saying why."
    last = frames[-1]
    return f"A check failed without saying why: {last.line} ({relative(last.filename)}:{last.lineno})"


def trace(error: BaseException) -> str:
    """The traceback of an error and its cause, without behave's frames, paths relative to where we are."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told)
    return relative("".join(told.format())).strip()


def route(error: BaseException, steps: int) -> str:
    """The last places on the way to an error: file, line, function and the line's text."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told)
    return relative("\n".join(f"at {f.filename}:{f.lineno} in {f.name}: {f.line}" for f in told.stack[-steps:]))


def _trim(told: traceback.TracebackException) -> None:
    told.stack = traceback.StackSummary.from_list([f for f in told.stack if not f.filename.endswith(_RUNNERS_OWN)])
    for chained in (told.__cause__, told.__context__):
        if chained is not None:
            _trim(chained)


def relative(text: str) -> str:
    """A text for the reader: paths as they are seen from here, and every character so that it can be written."""
    return writable(text.replace(os.getcwd() + os.sep, ""))


def lineage(scenario: Scenario) -> list[Any]:
    """From the feature down to the scenario itself, with the rule and the outline where there are any."""
    chain: list[Any] = [scenario]
    while (parent := getattr(chain[0], "parent", None)) is not None:
        chain.insert(0, parent)
    return chain


def rule_of(scenario: Scenario) -> Rule | None:
    """The rule that the scenario is an example of."""
    return next((part for part in lineage(scenario) if isinstance(part, Rule)), None)


def tags_of(scenario: Scenario) -> list[str]:
    """All tags that hold for the scenario, outermost first, each once."""
    return list(dict.fromkeys(str(tag) for part in lineage(scenario) for tag in part.tags))


def title(scenario: Scenario) -> str:
    """The scenario's title without the number that behave gives a row of Examples."""
    return writable(scenario.name.rsplit(" -- @", 1)[0].strip() if scenario._row else scenario.name)


def full_title(scenario: Scenario) -> str:
    """The title; of a row of Examples with its values, where the title itself does not show them."""
    plain = title(scenario)
    outline = scenario.parent
    if scenario._row is None or "<" in getattr(outline, "name", ""):
        return plain
    return writable(f"{plain} ({', '.join(scenario._row.cells)})")


def names_of(scenario: Scenario) -> list[str]:
    """Feature, rule and title: what a scenario is known by, whichever row of its Examples it is."""
    rule = rule_of(scenario)
    return [scenario.feature.name, rule.name if rule else "", title(scenario)]


def full_name(scenario: Scenario) -> str:
    """The name that the report and the exceptions know a scenario by."""
    return ": ".join(part for part in names_of(scenario) if part)


def place(statement: Scenario | Feature | Rule | Step) -> str:
    """File and line, ready to be given to behave."""
    return f"{statement.filename}:{statement.line}"
