"""No character of a name or a message breaks an output: each is written, or escaped as Python does."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree

import pytest
from allure_commons.model2 import Label, StatusDetails
from allure_commons.model2 import TestResult as AllureResult
from behave.capture import Captured
from behave.formatter.base import StreamOpener
from behave.parser import parse_feature
from behave.reporter.junit import JUnitReporter
from hypothesis import given
from hypothesis import strategies as st

from creditflow.core.redacted_output import RedactingStream
from creditflow.core.redaction import Redactor
from creditflow.reporting import console, junit, results
from creditflow.reporting.allure import RedactingLogger
from creditflow.reporting.characters import writable
from creditflow.reporting.environment import Environment
from creditflow.reporting.outcome import Kind, Problem, Run, note

if TYPE_CHECKING:
    from tests.reporting.conftest import RunOutput

ANYTHING = st.text(st.characters() | st.sampled_from("\x00\x1b\ud800\udfff\ufffe]>&<\"'"))
ODD = "a\x1b[31mb\x00c]]>d\ud800e\ufffef\uffff\x9b"
ODD_TITLE = r'''odd \x1b[31m \x00 \ufffe ]]> & < "'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("characters")


def in_memory(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@given(text=ANYTHING)
def test_what_xml_forbids_is_escaped_as_python_does_and_all_else_stays(text: str) -> None:
    written = writable(text)
    if text.isprintable():
        assert written == text
    document = ElementTree.Element("a", b=written)
    document.text = written
    read = ElementTree.fromstring(ElementTree.tostring(document, encoding="utf-8"))
    assert read.attrib["b"] == written
    assert (read.text or "") == written.replace("\r\n", "\n").replace("\r", "\n")


@given(text=ANYTHING)
def test_junit_is_well_formed_whatever_failed_where(text: str, folder: Path) -> None:
    feature = parse_feature("Feature: a\n  Scenario: b\n    Given c\n", filename="features/odd.feature")
    (scenario,) = feature.walk_scenarios()
    feature.name = scenario.name = scenario.steps[0].name = text
    captured: Any = scenario.captured
    captured.add_captured(Captured(stdout=text, stderr=text, name="scenario"))
    run = Run(features=[feature], selected=[scenario])
    for statement in (scenario, feature):
        note(statement, Problem(Kind.ERROR, text, text, ValueError(text)))
    run.problems.append(Problem.of(ValueError(text), text))
    config = SimpleNamespace(junit_directory=str(folder), userdata={}, base_dir="features", paths=["features"])
    reporter = junit.Reporter(cast(Any, config), run)
    assert isinstance(reporter, JUnitReporter)
    reporter.feature(feature)
    reporter.end()
    suite = ElementTree.parse(folder / "TESTS-odd.xml").getroot()
    case = next(case for case in suite if case.find("error") is not None and case.find("system-out") is not None)
    assert case.attrib["name"] == writable(text)
    (of_run,) = ElementTree.parse(folder / "TESTS-run.xml").getroot()
    assert of_run.attrib["name"] == writable(text)


@given(text=ANYTHING)
def test_allure_reads_every_result_and_attachment(text: str, folder: Path) -> None:
    logger: Any = RedactingLogger(folder / "allure")
    result = AllureResult(uuid="1", name=text, labels=[Label("tag", text)], statusDetails=StatusDetails(text, text))
    logger.report_result(result)
    logger.report_attached_data(text, "1-attachment.txt")
    (folder / "allure" / "1-attachment.txt").read_text("utf-8")
    (file,) = (folder / "allure").glob("*-result.json")
    assert json.loads(file.read_text("utf-8")).get("name", "") == writable(text)
    file.unlink()


@given(text=ANYTHING, encoding=st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_the_console_shows_every_message_in_every_encoding(text: str, encoding: str) -> None:
    inner = in_memory(encoding)
    stream = RedactingStream(inner, Redactor())
    config = cast(Any, SimpleNamespace(has_colored_mode=lambda _: False, dry_run=False))
    formatter = console.Formatter(StreamOpener(stream=cast(Any, stream)), config)
    formatter._problem(Problem(Kind.FAILED, text, text, AssertionError(text)))
    print(text, file=cast(Any, stream))
    stream.finish()
    assert inner.buffer.getvalue().endswith(b"\n")  # type: ignore[attr-defined]


@given(text=ANYTHING)
def test_the_target_and_the_mark_of_a_run_are_written_whatever_is_in_them(text: str, folder: Path) -> None:
    described = Environment()
    described.add({"Keycloak": text})
    described.write(folder)
    (folder / "environment.properties").read_text("utf-8")
    results.mark(folder, results.Unfinished(scenario=text))
    assert results.unfinished(folder) == results.Unfinished(scenario=writable(text))


def test_a_run_with_odd_names_and_messages_is_in_all_outputs(everything: RunOutput) -> None:
    result = everything.results[ODD_TITLE]
    assert result["statusDetails"]["message"] == f"ValueError: {writable(ODD)}"
    assert {"name": "odd", "value": writable(ODD)} in result["parameters"]
    error = everything.cases[ODD_TITLE].find("error")
    assert error is not None
    assert error.attrib["message"] == f"ValueError: {writable(ODD)}"
    assert f"ValueError: {writable(ODD)}" in everything.console
    assert "\x00" not in everything.console
    assert "\x1b" not in everything.console
