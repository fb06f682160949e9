"""Runs small features, one for each outcome, with behave, and reads all five outputs."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from creditflow.reporting import record
from creditflow.reporting.record import RunRecord
from sandbox import program

PROJECT = Path(__file__).resolve().parents[2]
OUTCOMES = Path(__file__).resolve().parent / "outcomes"
EVERYTHING = ("--tags=not @not-chosen and not @ends and not @endings and not @twins", "--junit")
ENDINGS = ("--tags=@endings", "--junit")


@dataclass
class RunOutput:
    """The outputs of one run."""

    folder: Path
    status: int
    console: str

    @property
    def last_line(self) -> str:
        return self.console.rstrip().splitlines()[-1]

    @functools.cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """Allure's results by name."""
        files = (self.folder / "allure-results").glob("*-result.json")
        return {result["name"]: result for result in (json.loads(f.read_text("utf-8")) for f in files)}

    @functools.cached_property
    def record(self) -> RunRecord:
        """The record of the run, which agrees with Allure's results."""
        return record.read(self.folder / "allure-results", self.folder / "plan")

    @functools.cached_property
    def recorded(self) -> dict[str, str]:
        """The outcomes of the record, by title, or by the place of an error outside of scenarios."""
        outside = {problem.where: str(problem.outcome) for problem in self.record.outside}
        return {scenario.title: str(scenario.outcome) for scenario in self.record.scenarios} | outside

    @functools.cached_property
    def all_cases(self) -> list[ElementTree.Element]:
        """JUnit's test cases."""
        return [
            case
            for file in (self.folder / "junit").glob("*.xml")
            for case in ElementTree.parse(file).getroot().iter("testcase")
        ]

    @functools.cached_property
    def cases(self) -> dict[str, ElementTree.Element]:
        """JUnit's test cases by name, with the row of Examples, or with the part of an error outside of scenarios."""
        return {_name(case): case for case in self.all_cases}

    @property
    def globals(self) -> list[Any]:
        """The attachments of the run as a whole."""
        files = (self.folder / "allure-results").glob("*-globals.json")
        return [item for f in files for item in json.loads(f.read_text("utf-8"))["attachments"]]

    def line(self, title: str) -> str:
        """Return the console's line of a scenario or of an error outside of scenarios."""
        found = re.search(rf"^ *[✓✗-] {re.escape(title)}  .*$", self.console, re.MULTILINE)
        return found.group().strip() if found else ""

    def label(self, title: str, name: str) -> list[str]:
        """Return the values of a label of a result."""
        return [label["value"] for label in self.results[title]["labels"] if label["name"] == name]


def _name(case: ElementTree.Element) -> str:
    name, of = case.attrib["name"], case.attrib["classname"].rpartition(".")[2]
    if re.match(r"(before|after)_\w+( @\S+)?$|formatter \w+$|clean-up( \w+_\w+)?$|\S+\.tsv:", name):
        return f"{name} of the run" if of == "run" else f"{name} of “{of}”"
    return name


Behave = Callable[..., RunOutput]


def run_behave(folder: Path, *arguments: str) -> RunOutput:
    """Run behave in a copy of the small features."""
    if not folder.exists():
        shutil.copytree(OUTCOMES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    _forget(folder / "junit")
    done = program.run(
        ["behave", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=300,
    )
    assert not done.stderr.replace("ABORTED: KeyboardInterrupt", "").strip(), done.stderr
    return RunOutput(folder, done.returncode, done.stdout)


def _forget(junit: Path) -> None:
    """Remove JUnit files, because behave keeps those of features that are not selected."""
    for file in junit.glob("*.xml"):
        file.unlink()


RunBehave = Callable[..., RunOutput]


@pytest.fixture(scope="session", name="run_behave")
def _run_behave() -> RunBehave:
    """Run behave with arguments, in a given folder."""
    return run_behave


@pytest.fixture
def behave(tmp_path: Path) -> Behave:
    """Run behave with arguments, in the folder of the test."""
    return functools.partial(run_behave, tmp_path / "project")


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> RunOutput:
    """Run all outcomes that do not end the run."""
    return run_behave(tmp_path_factory.mktemp("outcomes") / "project", *EVERYTHING)


@pytest.fixture(scope="session")
def endings(tmp_path_factory: pytest.TempPathFactory) -> RunOutput:
    """Run everything that would end the process without the suite's runner."""
    return run_behave(tmp_path_factory.mktemp("endings") / "project", *ENDINGS)
