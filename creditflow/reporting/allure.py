"""Allure results that tell what happened: allure-behave's formatter and listener, made to leave nothing out.

Used as ``-f creditflow.reporting.allure:Formatter -o allure-results``. allure-behave 2.16 knows neither
rules nor errors in hooks and clean-ups, and looks only at steps; here the status comes from
:mod:`creditflow.reporting.outcome`, as in every other output. Everything written passes the redactor.
"""

# mypy: disable-error-code="no-untyped-call"
# (allure-commons says that it is typed, and most of its functions are not)

from __future__ import annotations

import os
import threading
from collections import Counter
from hashlib import md5
from pathlib import Path
from typing import Any

import allure_commons
import attr
from allure_behave.formatter import AllureFormatter
from allure_behave.listener import AllureListener
from allure_behave.utils import get_title_path, is_planned_scenario, step_table
from allure_commons.logger import AllureFileLogger
from allure_commons.mapping import labels_set, parse_tag
from allure_commons.model2 import Label, Link, Parameter, StatusDetails, TestResult, TestStepResult
from allure_commons.model2 import Status as AllureStatus
from allure_commons.types import ALLURE_UNIQUE_LABELS, AttachmentType, LabelType, Severity
from allure_commons.utils import get_testplan, host_tag, now, platform_label, thread_tag, uuid4
from behave.configuration import Configuration
from behave.formatter.base import Formatter as BehaveFormatter
from behave.formatter.base import StreamOpener
from behave.model import Feature, Rule, Scenario, Step
from behave.model_type import Status

from creditflow.core.redaction import redactor
from creditflow.reporting.characters import writable
from creditflow.reporting.environment import environment
from creditflow.reporting.outcome import (
    OUTCOME_LABEL,
    PLACE_LABEL,
    Kind,
    Problem,
    Run,
    full_name,
    full_title,
    lineage,
    names_of,
    of_feature,
    of_step,
    place,
    rule_of,
    tags_of,
)
from creditflow.reporting.results import Unfinished, forget, mark, unmark

_STATUS = {
    Kind.PASSED: AllureStatus.PASSED,
    Kind.FAILED: AllureStatus.FAILED,
    Kind.WAIVED: AllureStatus.SKIPPED,
    Kind.SKIPPED: AllureStatus.SKIPPED,
    Kind.UNTESTED: AllureStatus.UNKNOWN,
}
_READABLE = (LabelType.EPIC, LabelType.FEATURE, LabelType.STORY)
_OF_TESTOPS = frozenset({"ALLURE_ID", "AS_ID"})
"""Labels that stand for a test case in Allure's server: two scenarios that have the same would be taken for one."""

LARGEST_TEXT = 20_000_000
"""Bytes. A larger attached file is not read to be cleaned, and so is not attached."""


class Formatter(AllureFormatter):  # type: ignore[misc]  # the library is not typed
    """Writes one result a selected scenario, and one for each error outside of scenarios."""

    name = "credit-flow-allure"
    description = "Allure results that tell hook, clean-up and rule outcomes as they were"

    def __init__(self, stream_opener: StreamOpener, config: Configuration) -> None:
        BehaveFormatter.__init__(self, stream_opener, config)
        self.testplan = get_testplan()
        self._run = Run()
        self._feature: Feature | None = None
        self._silent = config.dry_run
        self._folder = Path(stream_opener.name or "allure-results")
        forget(self._folder, config)
        self.listener = Listener(config, self._run)
        self.file_logger = RedactingLogger(self._folder)
        if not self._silent:
            mark(self._folder, Unfinished())
            allure_commons.plugin_manager.register(self.listener)
            allure_commons.plugin_manager.register(self.file_logger)

    def begin(self, run: Run) -> None:
        """Learn from the suite's runner what was selected and where errors outside of scenarios are kept."""
        self._run = self.listener.run = run

    def uri(self, uri: str) -> None:
        """Begin a file."""
        if not self._silent:
            super().uri(uri)

    def feature(self, feature: Feature) -> None:
        """Take in every scenario of the feature, those under a rule too."""
        if self._silent:
            return
        self._feature = feature
        if not any(feature is expected for expected in self._run.features):
            self._run.expect(feature, self.config)
        for scenario in feature.walk_scenarios():
            scenario.run = allure_commons.test(scenario.run, context={"scenario": scenario})
            is_planned_scenario(scenario, self.testplan)

    def scenario(self, scenario: Scenario) -> None:
        """Say beside the results which scenario runs, for the case that the process dies in it."""
        if not self._silent:
            mark(self._folder, Unfinished(scenario=f"“{full_title(scenario)}” ({place(scenario)})"))

    def step(self, step: Step) -> None:
        """Expect the step."""
        if not self._silent:
            super().step(step)

    def match(self, match: Any) -> None:
        """Begin the step."""
        if not self._silent:
            super().match(match)

    def result(self, step: Step) -> None:
        """End the step."""
        if not self._silent:
            super().result(step)

    def eof(self) -> None:
        """Write what the feature's scenarios did not: those that never ran, and errors outside of them."""
        if self._silent or self._feature is None:
            return
        feature, self._feature = self._feature, None
        self.listener.write_untold(feature)
        for part, problem in of_feature(feature):
            self.listener.write_outside(problem, part)
        super().eof()

    def close(self) -> None:
        """Write what is only known at the end: features that never ran, and errors of the run itself."""
        if not self._silent:
            self.eof()
            for feature in self._run.features:
                self.listener.write_untold(feature)
            for problem in self._run.problems:
                self.listener.write_outside(problem)
            environment.write(self._folder)
            unmark(self._folder)
        super().close()


class RedactingLogger(AllureFileLogger):
    """The writer of results: every text passes the redactor before it is on the disk."""

    def _report_item(self, item: Any) -> None:
        super()._report_item(_cleaned(item))

    @allure_commons.hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        """Write an attachment, cleaned where it is text."""
        super().report_attached_data(_clean_body(body), file_name)

    @allure_commons.hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        """Write a copy of a file, cleaned where it is text."""
        path = Path(source)
        body: str | bytes = f"{path.name} is too large to be attached." if path.stat().st_size > LARGEST_TEXT else b""
        super().report_attached_data(_clean_body(body or path.read_bytes()), file_name)


def _clean_body(body: str | bytes) -> str | bytes:
    """Clean text, and what of anything else, such as a picture, is text."""
    if isinstance(body, str):
        return redactor.clean(body).encode("utf-8", "backslashreplace")
    return redactor.clean_bytes(bytes(body))


def _cleaned(item: Any) -> Any:
    """A copy of a result, or of a part of one, with every text cleaned."""
    if isinstance(item, str):
        return writable(redactor.clean(str(item.value) if hasattr(item, "value") else item))
    if isinstance(item, list):
        return [_cleaned(part) for part in item]
    if attr.has(type(item)):
        return attr.evolve(item, **{a.name: _cleaned(getattr(item, a.name)) for a in attr.fields(type(item))})
    return item


class Listener(AllureListener):  # type: ignore[misc]  # the library is not typed
    """Turns scenarios, steps and attachments into results."""

    def __init__(self, config: Configuration, run: Run) -> None:
        super().__init__(config)
        self.run = run
        self.current_scenario_uuid: str | None = None
        self.current_step_uuid: str | None = None
        self._told: set[int] = set()
        self._same: Counter[tuple[str, str]] = Counter()

    def start_scenario(self, scenario: Scenario) -> None:
        """Begin a result with everything that is known of the scenario beforehand."""
        self.steps.clear()
        self._forget_other_threads()
        super().start_scenario(scenario)
        result = self.logger.get_test(self.current_scenario_uuid)
        rule = rule_of(scenario)
        result.name = full_title(scenario)
        result.fullName = full_name(scenario)
        result.testCaseId = result.historyId = self._identity(scenario)
        result.titlePath = [*get_title_path(scenario), *([rule.name] if rule else [])]
        result.labels = _labels(scenario)
        parsed = [parse_tag(tag, self.issue_pattern, self.link_pattern) for tag in tags_of(scenario)]
        result.links = [link for link in parsed if isinstance(link, Link)]

    def stop_scenario(self, scenario: Scenario) -> None:
        """End a result with what became of the scenario; what was not selected is not written."""
        self._told.add(id(scenario))
        if not any(scenario is selected for selected in self.run.selected):
            self.steps.clear()
            self.logger.drop_test(self.current_scenario_uuid)
            self.group_context.exit()
        else:
            self.flush_steps()
            self._finish(scenario)
            self.logger.close_test(self.current_scenario_uuid)
            self.group_context.append_test(self.current_scenario_uuid)
            self.group_context.exit()
        self.current_step_uuid = self.current_scenario_uuid = None

    def write_untold(self, feature: Feature) -> None:
        """Write the selected scenarios of a feature that never began."""
        for scenario in feature.walk_scenarios():
            if id(scenario) not in self._told and any(scenario is selected for selected in self.run.selected):
                self.start_scenario(scenario)
                self.steps.extend(scenario.all_steps)
                self.stop_scenario(scenario)

    def write_outside(self, problem: Problem, part: Feature | Rule | None = None) -> None:
        """Write an error that happened outside of scenarios as a result of its own."""
        name = f"{problem.where} of “{part.name}”" if part else f"{problem.where} of the run"
        feature = part.feature if isinstance(part, Rule) else part
        file = self._file(feature) if feature else ""
        self._same[file, name] += 1
        identity = _digest(file, name, str(self._same[file, name]))
        labels = [
            Label(LabelType.SEVERITY, Severity.BLOCKER.value),
            Label(OUTCOME_LABEL, problem.kind.value),
            *_of_this_process(),
        ]
        labels += [Label(LabelType.FEATURE, feature.name if feature else "Outside of features")]
        labels += [label for tag in (feature.tags if feature else ()) if isinstance(label := _label(tag), Label)]
        result = TestResult(
            uuid=uuid4(),
            name=name,
            fullName=name,
            historyId=identity,
            testCaseId=identity,
            titlePath=[feature.filename, feature.name] if feature else ["Outside of features"],
            labels=labels,
            status=AllureStatus.BROKEN,
            statusDetails=_details(problem.message, problem.trace()),
            start=now(),
            stop=now(),
        )
        allure_commons.plugin_manager.hook.report_result(result=result)

    def _finish(self, scenario: Scenario) -> None:
        outcome = self.run.outcome(scenario)
        result = self.logger.get_test(self.current_scenario_uuid)
        result.stop = now()
        result.status = _STATUS.get(outcome.kind, AllureStatus.BROKEN)
        result.labels = [label for label in result.labels if label.name not in _OF_TESTOPS]
        result.labels += [Label(OUTCOME_LABEL, outcome.kind.value), Label(PLACE_LABEL, place(scenario))]
        result.statusDetails = _details(outcome.message, outcome.trace())
        of_steps = [problem for step in scenario.all_steps for problem in of_step(step)]
        sentences = [_sentence(step) for step in scenario.all_steps]
        of_sections = {s.statusDetails.message for s in result.steps if s.name not in sentences and s.statusDetails}
        for problem in outcome.problems:
            if problem not in of_steps and problem.message not in of_sections:
                status = _STATUS.get(problem.kind, AllureStatus.BROKEN)
                step = TestStepResult(name=problem.where, status=status, start=result.stop, stop=result.stop)
                step.statusDetails = _details(problem.message, problem.trace())
                at = 0 if problem.where.startswith("before_") else len(result.steps)
                result.steps.insert(at, step)
        printed = "\n".join(text for text in (scenario.captured.stdout, scenario.captured.log) if text)
        if outcome.kind.is_red and printed:
            self.logger.attach_data(uuid4(), printed, name="Printed and logged", attachment_type=AttachmentType.TEXT)

    def start_behave_step(self, step: Step) -> None:
        """Begin a step, with its docstring or table where a reader sees it."""
        self.current_step_uuid = uuid4()
        self.logger.start_step(None, self.current_step_uuid, TestStepResult(name=_sentence(step), start=now()))
        if step.text:
            self.logger.attach_data(uuid4(), str(step.text), name="Text", attachment_type=AttachmentType.TEXT)
        if step.table:
            self.logger.attach_data(uuid4(), step_table(step), name="Table", attachment_type=AttachmentType.CSV)

    def stop_behave_step(self, result: Step) -> None:
        """End a step with what became of it."""
        problems = of_step(result)
        if problems:
            status = _STATUS.get(problems[0].kind, AllureStatus.BROKEN)
            details = _details(
                "\n".join(p.message for p in problems), "\n".join(t for p in problems if (t := p.trace()))
            )
        else:
            status = AllureStatus.PASSED if result.status is Status.passed else AllureStatus.SKIPPED
            details = None
        self.logger.stop_step(self.current_step_uuid, stop=now(), status=status, statusDetails=details)

    @allure_commons.hookimpl
    def stop_step(self, uuid: str, exc_type: Any, exc_val: BaseException | None, exc_tb: Any) -> None:
        """End a part of a step or hook; what it raised is told in the words of the other outputs."""
        problem = Problem.of(exc_val, "") if exc_val is not None else None
        kind = problem.kind if problem else Kind.PASSED
        self.logger.stop_step(
            uuid,
            stop=now(),
            status=_STATUS.get(kind, AllureStatus.BROKEN),
            statusDetails=_details(problem.message, problem.trace()) if problem else None,
        )

    @allure_commons.hookimpl
    def add_title(self, test_title: str) -> None:
        """Give the running scenario's result another title (``allure.dynamic.title``)."""
        if result := self.logger.get_test(None):
            result.name = test_title

    @allure_commons.hookimpl
    def add_label(self, label_type: str, labels: tuple[Any, ...]) -> None:
        """Add labels to the running scenario's result (``allure.dynamic.label`` and its kin)."""
        if result := self.logger.get_test(None):
            if label_type in ALLURE_UNIQUE_LABELS:
                result.labels = [label for label in result.labels if label.name != label_type]
            result.labels.extend(Label(label_type, str(getattr(value, "value", value))) for value in labels)

    @allure_commons.hookimpl
    def add_parameter(self, name: str, value: object, excluded: bool | None, mode: Any) -> None:
        """Add a parameter to the running scenario's result (``allure.dynamic.parameter``)."""
        if result := self.logger.get_test(None):
            result.parameters = [
                *(result.parameters or []),
                Parameter(name, str(value), excluded, mode and mode.value),
            ]

    @allure_commons.hookimpl
    def attach_data(self, body: str | bytes, name: str, attachment_type: Any, extension: str | None) -> None:
        """Attach to what is running; outside of scenarios, to the run."""
        if self.logger._last_executable() is None:
            self.global_attach_data(body, name, attachment_type, extension)
        else:
            super().attach_data(body, name, attachment_type, extension)

    @allure_commons.hookimpl
    def attach_file(self, source: str, name: str, attachment_type: Any, extension: str | None) -> None:
        """Attach to what is running; outside of scenarios, to the run."""
        if self.logger._last_executable() is None:
            self.global_attach_file(source, name, attachment_type, extension)
        else:
            super().attach_file(source, name, attachment_type, extension)

    def _forget_other_threads(self) -> None:
        """Let a thread that outlives its scenario attach to the next one, not to one already written."""
        contexts = self.logger._items._thread_context
        for thread in [thread for thread in contexts if thread is not threading.current_thread()]:
            contexts.pop(thread, None)

    def _identity(self, scenario: Scenario) -> str:
        """The same from run to run, wherever in its file and in its Examples the scenario stands.

        Those of a file that are alike in every word are told apart by their order in it, selected or not; Allure would
        take one for a repetition of the other and show only the last.
        """
        words = _words(scenario)
        alike = [other for other in scenario.feature.walk_scenarios() if _words(other) == words]
        number = next(number for number, other in enumerate(alike) if other is scenario)
        return _digest(self._file(scenario.feature), *words, str(number))

    def _file(self, feature: Feature) -> str:
        """The feature's file, however the command line gave it."""
        base = getattr(self.behave_config, "base_dir", None) or "."
        return os.path.relpath(feature.filename, base)


def _words(scenario: Scenario) -> list[str]:
    """All that tells a scenario from others but its place."""
    row = scenario._row
    cells = [f"{heading}={cell}" for heading, cell in zip(row.headings, row.cells, strict=True)] if row else []
    return [*names_of(scenario), *cells]


def _digest(*parts: str) -> str:
    return md5("\0".join(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _sentence(step: Step) -> str:
    return f"{step.keyword} {step.name}"


def _details(message: str, trace: str) -> StatusDetails | None:
    return StatusDetails(message=message, trace=trace or None) if message else None


def _label(tag: str) -> Label | Link:
    """What a tag stands for; a word of several parts is written with spaces, which a tag can't have."""
    label: Label | Link = parse_tag(tag)
    if isinstance(label, Label) and label.name in _READABLE:
        label.value = label.value.replace("_", " ")
    return label


def _labels(scenario: Scenario) -> list[Label]:
    """Labels of the tags, with the feature's and rule's names unless a tag names another."""
    rule = rule_of(scenario)
    of_tags = [label for tag in tags_of(scenario) if isinstance(label := _label(tag), Label)]
    labels = labels_set([Label(LabelType.SEVERITY, Severity.NORMAL.value), *of_tags])
    named = {label.name for label in labels}
    if LabelType.FEATURE not in named:
        labels.append(Label(LabelType.FEATURE, lineage(scenario)[0].name))
    if rule and LabelType.STORY not in named:
        labels.append(Label(LabelType.STORY, rule.name))
    return [*labels, *_of_this_process()]


def _of_this_process() -> list[Label]:
    """Without host and thread the report's timeline stays empty."""
    return [
        Label(LabelType.HOST, host_tag()),
        Label(LabelType.THREAD, thread_tag()),
        Label(LabelType.FRAMEWORK, "behave"),
        Label(LabelType.LANGUAGE, platform_label()),
    ]
