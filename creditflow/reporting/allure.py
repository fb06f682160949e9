"""Allure results: allure-behave's formatter and listener, completed.

allure-behave 2.16 supports neither rules nor errors in hooks and clean-ups, and takes the status from the steps only.
Here the status comes from :mod:`creditflow.reporting.outcome`, as in every other output. Everything passes the
redactor. The option for behave is `-f creditflow.reporting.allure:Formatter -o allure-results`.
"""

# mypy: disable-error-code="no-untyped-call"
# (allure-commons is marked as typed, but most of its functions are not)

from __future__ import annotations

import json
import os
import threading
import uuid
from collections import Counter
from collections.abc import Collection
from enum import Enum
from hashlib import md5
from pathlib import Path
from typing import Any

import allure_commons
import attr
from allure_behave.formatter import AllureFormatter
from allure_behave.listener import AllureListener
from allure_behave.utils import get_title_path, is_planned_scenario, scenario_parameters, step_table
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
from creditflow.core.workers import workers
from creditflow.reporting import scenario_page
from creditflow.reporting.characters import writable
from creditflow.reporting.environment import environment
from creditflow.reporting.metrics import metrics
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
from creditflow.reporting.results import Unfinished, forget, mark, page_of, unmark, writing
from creditflow.reporting.size_limits import Attachments, shortened

_STATUS = {
    Kind.PASSED: AllureStatus.PASSED,
    Kind.FAILED: AllureStatus.FAILED,
    Kind.WAIVED: AllureStatus.SKIPPED,
    Kind.SKIPPED: AllureStatus.SKIPPED,
    Kind.UNTESTED: AllureStatus.UNKNOWN,
}
_READABLE = (LabelType.EPIC, LabelType.FEATURE, LabelType.STORY, "owner")
_OF_TESTOPS = frozenset({"ALLURE_ID", "AS_ID"})
"""Labels that identify a test case in Allure's server; two scenarios with the same label would be merged."""


class Formatter(AllureFormatter):  # type: ignore[misc]  # the library is not typed
    """Writes one result for each selected scenario, and one for each error outside of scenarios."""

    name = "credit-flow-allure"
    description = "Allure results with rules and with errors of hooks and clean-ups"

    def __init__(self, stream_opener: StreamOpener, config: Configuration) -> None:
        BehaveFormatter.__init__(self, stream_opener, config)
        self.testplan = get_testplan()
        self._run = Run()
        self._feature: Feature | None = None
        self._silent = config.dry_run
        self._folder = Path(stream_opener.name or "allure-results")
        forget(self._folder, config)
        self.listener = Listener(config, self._run, page_of(self._folder).parent)
        with writing(self._folder):
            self.file_logger = RedactingLogger(self._folder)
            if not self._silent:
                mark(self._folder, Unfinished())
        if not self._silent:
            allure_commons.plugin_manager.register(self.listener)
            allure_commons.plugin_manager.register(self.file_logger)

    def begin(self, run: Run) -> None:
        """Take the selected scenarios and the errors outside of scenarios from the suite's runner."""
        self._run = self.listener.run = run

    def uri(self, uri: str) -> None:
        """Begin a file."""
        if not self._silent:
            super().uri(uri)

    def feature(self, feature: Feature) -> None:
        """Prepare every scenario of the feature, also those under a rule."""
        if self._silent:
            return
        self._feature = feature
        if not any(feature is expected for expected in self._run.features):
            self._run.expect(feature, self.config)
        for scenario in feature.walk_scenarios():
            scenario.run = self.reported(scenario)
            is_planned_scenario(scenario, self.testplan)

    def reported(self, scenario: Scenario) -> Any:
        """Return the `run` of a scenario that also begins and ends its result."""
        return allure_commons.test(scenario.run, context={"scenario": scenario})

    def collected(self) -> TestResult | None:
        """Return what the last scenario of this worker adds to its result; the process of the run writes it."""
        found, self.listener.collected = self.listener.collected, None
        return found

    def adopt(self, result: TestResult) -> None:
        """Use what a worker has collected for the current scenario."""
        self.listener.adopt(result)

    def scenario(self, scenario: Scenario) -> None:
        """Record beside the results which scenario runs, in case the process dies in it."""
        if not self._silent:
            mark(self._folder, Unfinished(scenario=f"“{full_title(scenario)}” ({place(scenario)})"))

    def step(self, step: Step) -> None:
        """Add the step."""
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
        """Write the feature's scenarios that did not run, and its errors outside of scenarios."""
        if self._silent or self._feature is None:
            return
        feature, self._feature = self._feature, None
        self.listener.write_unstarted(feature)
        for part, problem in of_feature(feature):
            self.listener.write_outside(problem, part)
        super().eof()

    def close(self) -> None:
        """Write features that did not run, and errors of the run itself."""
        if not self._silent:
            self.eof()
            for feature in self._run.features:
                self.listener.write_unstarted(feature)
            for problem in self._run.problems:
                self.listener.write_outside(problem)
            environment.write(self._folder)
            metrics.write(self._folder)
            unmark(self._folder)
        super().close()


class RedactingLogger(AllureFileLogger):
    """Writes results and attachments; every text passes the redactor first, and large ones are cut."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._attachments = Attachments()

    def _report_item(self, item: Any) -> None:
        """Write a result whole, so that a reader finds all of it or nothing."""
        path = self._report_dir / item.file_pattern.format(prefix=uuid.uuid4())
        content = attr.asdict(item, filter=lambda _, value: value or value is False, value_serializer=_cleaned)
        part = path.with_name(f"{path.name}.tmp")
        part.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        part.replace(path)

    @allure_commons.hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        """Write an attachment."""
        super().report_attached_data(self._attachments.fitting(body, file_name), file_name)

    @allure_commons.hookimpl
    def report_attached_file(self, source: str, file_name: str) -> None:
        """Write a copy of a file."""
        super().report_attached_data(self._attachments.of_file(Path(source), file_name), file_name)


def _cleaned(_item: Any, field: attr.Attribute[Any] | None, value: Any) -> Any:
    """Return a value of a result, cleaned if it is a text; only a page is not cut."""
    if not isinstance(value, str):
        return value
    text = str(value.value) if isinstance(value, Enum) else value
    return writable(redactor.clean(text) if field and field.name == "descriptionHtml" else shortened(text))


class Listener(AllureListener):  # type: ignore[misc]  # the library is not typed
    """Turns scenarios, steps and attachments into results."""

    def __init__(self, config: Configuration, run: Run, pages: Path) -> None:
        super().__init__(config)
        self.run = run
        self._pages, self._items = pages, scenario_page.plan_items(config)
        self.current_scenario_uuid: str | None = None
        self.current_step_uuid: str | None = None
        self._result: TestResult | None = None
        self.collected: TestResult | None = None
        self._written: set[int] = set()
        self._same: Counter[tuple[str, str]] = Counter()
        self._identities: dict[int, dict[int, str]] = {}

    def start_scenario(self, scenario: Scenario) -> None:
        """Begin a result with names, labels and links of the scenario."""
        self.steps.clear()
        self._forget_other_threads()
        self.current_scenario_uuid = uuid4()
        self.group_context.enter()
        result = self._result = TestResult(uuid=self.current_scenario_uuid, start=now())
        self.logger.schedule_test(self.current_scenario_uuid, result)
        rule = rule_of(scenario)
        result.name = full_title(scenario)
        result.fullName = full_name(scenario)
        result.testCaseId = result.historyId = self._identity(scenario)
        result.titlePath = [*get_title_path(scenario), *([rule.name] if rule else [])]
        result.parameters = scenario_parameters(scenario)
        result.descriptionHtml = scenario_page.description(scenario)
        result.labels = _labels(scenario, self._items)
        parsed = [parse_tag(tag, self.issue_pattern, self.link_pattern) for tag in tags_of(scenario)]
        result.links = [link for link in parsed if isinstance(link, Link)]
        result.links += scenario_page.links(scenario, self._items, self._pages)

    def stop_scenario(self, scenario: Scenario) -> None:
        """End a result with the outcome of the scenario; scenarios that were not selected are not written."""
        self._written.add(id(scenario))
        if workers.number:
            self._collect()
        elif not any(scenario is selected for selected in self.run.selected):
            self.steps.clear()
            self.logger.drop_test(self.current_scenario_uuid)
            self.group_context.exit()
        else:
            self.flush_steps()
            self._finish(scenario)
            self.logger.close_test(self.current_scenario_uuid)
            self.group_context.append_test(self.current_scenario_uuid)
            self.group_context.exit()
        self.current_step_uuid = self.current_scenario_uuid = self._result = None

    def _collect(self) -> None:
        """Keep the result, in a worker, in place of writing it."""
        self.flush_steps()
        self.collected = self._result
        if self.collected:
            self.collected.stop = now()
        self.logger.drop_test(self.current_scenario_uuid)
        self.group_context.exit()

    def adopt(self, result: TestResult) -> None:
        """Take times, steps, labels and attachments of the current result from one of a worker."""
        if self._result is not None:
            for field in attr.fields(TestResult):
                setattr(self._result, field.name, getattr(result, field.name))

    def write_unstarted(self, feature: Feature) -> None:
        """Write the selected scenarios of a feature that did not start."""
        for scenario in feature.walk_scenarios():
            if id(scenario) not in self._written and any(scenario is selected for selected in self.run.selected):
                self.start_scenario(scenario)
                self.steps.extend(scenario.all_steps)
                self.stop_scenario(scenario)

    def write_outside(self, problem: Problem, part: Feature | Rule | None = None) -> None:
        """Write an error outside of scenarios as a separate result."""
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
        self.run.outside_results.append((part, problem, result.uuid))
        allure_commons.plugin_manager.hook.report_result(result=result)

    def _finish(self, scenario: Scenario) -> None:
        outcome = self.run.outcome(scenario)
        result = self.logger.get_test(self.current_scenario_uuid)
        self.run.results[id(scenario)] = result
        result.stop = result.stop or now()
        result.status = _STATUS.get(outcome.kind, AllureStatus.BROKEN)
        result.labels = [label for label in result.labels if label.name not in _OF_TESTOPS]
        result.labels += [Label(OUTCOME_LABEL, outcome.kind.value), Label(PLACE_LABEL, place(scenario))]
        result.statusDetails = _details(outcome.message, outcome.trace())
        if outcome.kind.is_red:
            result.descriptionHtml = scenario_page.problems(shortened(outcome.message)) + result.descriptionHtml
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
        """Begin a step, with its docstring or table as an attachment."""
        self.current_step_uuid = uuid4()
        self.logger.start_step(None, self.current_step_uuid, TestStepResult(name=_sentence(step), start=now()))
        if step.text:
            self.logger.attach_data(uuid4(), str(step.text), name="Text", attachment_type=AttachmentType.TEXT)
        if step.table:
            self.logger.attach_data(uuid4(), step_table(step), name="Table", attachment_type=AttachmentType.CSV)

    def stop_behave_step(self, result: Step) -> None:
        """End a step with its status."""
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
        """End a part of a step or hook, with the message that the other outputs show."""
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
        """Change the title of the current scenario (`allure.dynamic.title`)."""
        if result := self.logger.get_test(None):
            result.name = test_title

    @allure_commons.hookimpl
    def add_label(self, label_type: str, labels: tuple[Any, ...]) -> None:
        """Add labels to the current scenario (such as `allure.dynamic.label`)."""
        if result := self.logger.get_test(None):
            if label_type in ALLURE_UNIQUE_LABELS:
                result.labels = [label for label in result.labels if label.name != label_type]
            result.labels.extend(Label(label_type, str(getattr(value, "value", value))) for value in labels)

    @allure_commons.hookimpl
    def add_description_html(self, test_description_html: str) -> None:
        """Add to the page of the current scenario, from any thread; outside of scenarios, attach to the run."""
        if self._result is not None:
            self._result.descriptionHtml += test_description_html
        else:
            page = scenario_page.alone(test_description_html)
            self.global_attach_data(page, "Table", AttachmentType.HTML, None)

    @allure_commons.hookimpl
    def add_parameter(self, name: str, value: object, excluded: bool | None, mode: Any) -> None:
        """Add a parameter to the current scenario (`allure.dynamic.parameter`)."""
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
        """Let a thread that outlives its scenario attach to the next scenario, not to a written one."""
        contexts = self.logger._items._thread_context
        for thread in [thread for thread in contexts if thread is not threading.current_thread()]:
            contexts.pop(thread, None)

    def _identity(self, scenario: Scenario) -> str:
        """Return an id of a scenario that is the same in every run, also if lines are added before it.

        Scenarios of a file with identical texts are numbered in their order, selected or not. Otherwise Allure would
        treat them as retries of one scenario and show only the last.
        """
        feature = scenario.feature
        if id(feature) not in self._identities:
            same, known = Counter[str](), {}
            for other in feature.walk_scenarios():
                words = "\0".join(_words(other))
                known[id(other)] = _digest(self._file(feature), words, str(same[words]))
                same[words] += 1
            self._identities[id(feature)] = known
        return self._identities[id(feature)][id(scenario)]

    def _file(self, feature: Feature) -> str:
        """Return the feature's file, relative to the features' folder."""
        base = getattr(self.behave_config, "base_dir", None) or "."
        return os.path.relpath(feature.filename, base)


def _words(scenario: Scenario) -> list[str]:
    """Return the texts that identify a scenario, without its line."""
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
    """Return the label or link of a tag; underscores in readable labels become spaces."""
    label: Label | Link = parse_tag(tag)
    if isinstance(label, Label) and label.name in _READABLE:
        label.value = label.value.replace("_", " ")
    return label


def _labels(scenario: Scenario, items: Collection[str]) -> list[Label]:
    """Return the labels of the tags, and feature and rule unless a tag sets them; ids of the plan are links instead."""
    rule = rule_of(scenario)
    tags = [tag for tag in tags_of(scenario) if tag not in items]
    of_tags = [label for tag in tags if isinstance(label := _label(tag), Label)]
    labels = labels_set([Label(LabelType.SEVERITY, Severity.NORMAL.value), *of_tags])
    named = {label.name for label in labels}
    if LabelType.FEATURE not in named:
        labels.append(Label(LabelType.FEATURE, lineage(scenario)[0].name))
    if rule and LabelType.STORY not in named:
        labels.append(Label(LabelType.STORY, rule.name))
    return [*labels, *_of_this_process()]


def _of_this_process() -> list[Label]:
    """Return host, thread, framework and language; without host and thread the report's timeline is empty."""
    return [
        Label(LabelType.HOST, host_tag()),
        Label(LabelType.THREAD, f"worker {workers.number}" if workers.number else thread_tag()),
        Label(LabelType.FRAMEWORK, "behave"),
        Label(LabelType.LANGUAGE, platform_label()),
    ]
