"""JUnit results: behave's reporter with the suite's outcomes, through the redactor.

behave's own reporter leaves out errors outside of scenarios, writes "None" for an undefined step, and writes
docstrings, tables and captured output without redaction.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from behave.configuration import Configuration
from behave.model import Feature, Scenario
from behave.reporter.junit import CDATA, FeatureReportData, JUnitReporter

from creditflow.core.redaction import redactor
from creditflow.reporting.characters import writable
from creditflow.reporting.outcome import Kind, Outcome, Problem, Run, of_feature


def replace_stock_junit(config: Configuration, report: Run) -> None:
    """Replace the reporter that `--junit` adds by the suite's."""
    config.reporters = [Reporter(config, report) if type(r) is JUnitReporter else r for r in config.reporters]


class Reporter(JUnitReporter):
    """Writes one file for each feature, and one for errors outside of features."""

    def __init__(self, config: Configuration, report: Run) -> None:
        super().__init__(config)
        self._report = report

    def feature(self, feature: Feature) -> None:
        """Write a feature with selected scenarios."""
        if any(scenario in self._report.selected for scenario in feature.walk_scenarios()):
            file = self.make_feature_filename(feature)
            report = FeatureReportData(feature, file)
            self._process_run_items_for(feature, report)
            suite = Element("testsuite", name=f"{report.classname}.{feature.name or file}")
            suite.attrib |= {
                "tests": str(report.counts_tests),
                "errors": str(report.counts_errors),
                "failures": str(report.counts_failed),
                "skipped": str(report.counts_skipped),
                "time": f"{feature.duration:.3f}",
                "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
                "hostname": gethostname(),
            }
            suite.extend(report.testcases)
            self._write(file, suite)

    def end(self) -> None:
        """Write the errors before the first and after the last feature."""
        if not self._report.problems:
            return
        suite = Element("testsuite", name="run", tests=str(len(self._report.problems)), failures="0", skipped="0")
        suite.set("errors", str(len(self._report.problems)))
        suite.extend(_case("run", problem) for problem in self._report.problems)
        self._write("run", suite)

    def _write(self, name: str, suite: Element) -> None:
        folder = Path(str(self.config.junit_directory))
        folder.mkdir(parents=True, exist_ok=True)
        written = tostring(_clean(suite), encoding="UTF-8", xml_declaration=True)
        (folder / f"TESTS-{name}.xml").write_bytes(redactor.clean_bytes(written))

    def _process_run_items_for(self, parent: Any, report: FeatureReportData) -> None:
        super()._process_run_items_for(parent, report)
        if isinstance(parent, Feature):
            for part, problem in of_feature(parent):
                report.counts_tests += 1
                report.counts_errors += 1
                report.testcases.append(_case(f"{report.classname}.{part.name}", problem))

    def _process_scenario(self, scenario: Scenario, report: FeatureReportData) -> None:
        if not any(scenario is selected for selected in self._report.selected):
            return
        outcome = self._report.outcome(scenario)
        case = Element("testcase", classname=f"{report.classname}.{report.feature.name}", name=scenario.name)
        case.set("status", outcome.kind.value)
        case.set("time", f"{self._report.took(scenario):.3f}")
        report.counts_tests += 1
        if outcome.kind is Kind.FAILED:
            report.counts_failed += 1
            case.append(_problem("failure", outcome))
        elif outcome.kind.is_red:
            report.counts_errors += 1
            case.append(_problem("error", outcome))
        elif outcome.kind is not Kind.PASSED:
            report.counts_skipped += 1
            SubElement(case, "skipped", message=outcome.message)
        for name, text in (
            ("system-out", self.describe_scenario(scenario) + scenario.captured.stdout),
            ("system-err", scenario.captured.stderr),
        ):
            if text:
                SubElement(case, name).append(CDATA(text))
        report.testcases.append(case)


def _case(classname: str, problem: Problem) -> Element:
    case = Element("testcase", classname=classname, name=problem.where, status=problem.kind.value, time="0")
    case.append(_problem("error", Outcome(problem.kind, (problem,))))
    return case


def _problem(name: str, outcome: Outcome) -> Element:
    """Return a failure or error element, with the traceback as its text."""
    element = Element(name, type=outcome.kind.value, message=outcome.message)
    element.append(CDATA(outcome.trace() or outcome.message))
    return element


def _clean(suite: Element) -> Element:
    """Clean every text and attribute, and escape characters that XML can't contain."""
    for element in suite.iter():
        element.attrib = {name: writable(redactor.clean(value)) for name, value in element.attrib.items()}
        element.text = writable(redactor.clean(element.text)) if element.text else element.text
    return suite
