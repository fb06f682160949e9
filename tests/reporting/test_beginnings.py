"""A run that can't begin prints why in one sentence, ends with status 2, and leaves no results of an earlier run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from behave.configuration import Configuration
from behave.runner_plugin import RunnerPlugin

from creditflow.reporting import html, results, start

if TYPE_CHECKING:
    from tests.reporting.conftest import RunBehave

OUTCOMES = Path(__file__).resolve().parent / "outcomes"
OLD = "{}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder with the small features and results of an earlier run."""
    folder = tmp_path / "project"
    shutil.copytree(OUTCOMES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("allure-results/old-result.json", "junit/TESTS-old.xml"):
        (folder / name).parent.mkdir()
        (folder / name).write_text(OLD, "utf-8")
    return folder


def old_results(project: Path) -> list[str]:
    return sorted(file.name for file in project.rglob("*old*"))


def begin(config: Any, arguments: Sequence[str]) -> None:
    """Read a command line and make the runner, as behave does."""
    start._watched_configuration(Configuration.__init__)(config, list(arguments))
    start._watched_runner(RunnerPlugin.make_runner)(RunnerPlugin(), config)


Refused = Callable[..., str]


@pytest.fixture
def refused(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Let behave read a wrong command line, and return the last line of its output."""

    def read(*arguments: str) -> str:
        monkeypatch.chdir(project)
        monkeypatch.setattr(sys, "argv", ["behave", *arguments])
        config: Any = Configuration.__new__(Configuration)
        with pytest.raises(SystemExit) as end:
            begin(config, arguments)
        assert end.value.code == 2
        printed = capsys.readouterr()
        assert not printed.err
        return printed.out.splitlines()[-1]

    monkeypatch.setattr(Configuration, "defaults", dict(Configuration.defaults))
    return read


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--tags=@flow-1 and",), "the tag expression can't be read (Syntax error. Expected operand after and)"),
        (("--tags=(@flow-1",), "the tag expression can't be read (Unclosed '(': Too many open-parens in: ((flow-1)"),
        (("--tags=~@flow-1 and @K1",), "the tag expression can't be read (Contains TagExpression v2 and v1"),
        (("--name=[",), "“[” is not a regular expression (unterminated character set): correct --name"),
        (("--include=(",), "“(” is not a regular expression (missing ), unterminated subpattern): correct --"),
        (("--no-such-option",), "unrecognized arguments: --no-such-option: see `behave --help`."),
        (("--format=no-such",), "BAD_FORMAT=no-such (problem: LookupError): see `behave --help`."),
        (("-D",), "argument -D/--define: expected one argument: see `behave --help`."),
        (("--logging-level=loud",), "argument --logging-level: loud is unknown, use: "),
        (("-o", "a", "-o", "b"), "3 files were given by `-o`, but 2 formatters by `-f`."),
        (("--runner=no-such",), "runner=no-such (RUNNER-ALIAS NOT FOUND)."),
        (("--runner=no.such:Runner",), "ModuleNotFoundError: No module named 'no'."),
        (("--runner=creditflow.run.session:NoSuch",), "ClassNotFoundError: creditflow.run.session:NoSuch."),
    ],
)
def test_a_command_line_that_behave_can_not_use_is_refused(
    refused: Refused, project: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    assert refused("--junit", *arguments).startswith(f"The run can't begin: {sentence}")
    assert old_results(project) == []
    with pytest.raises(html.NotDrawnError) as not_drawn:
        html.draw(project / "allure-results")
    assert f"The last run could not begin: {sentence}" in str(not_drawn.value)


@pytest.mark.parametrize("arguments", [("--dry-run",), ("-D", "keep_results=yes")], ids=["dry run", "kept results"])
def test_results_that_a_run_would_have_kept_stay(refused: Refused, project: Path, arguments: tuple[str, ...]) -> None:
    assert refused(*arguments, "--tags=@flow-1 and").startswith("The run can't begin: the tag expression")
    assert old_results(project) == ["TESTS-old.xml", "old-result.json"]
    assert (results.unfinished(project / "allure-results") is None) == (arguments == ("--dry-run",))


def test_another_project_of_behave_is_left_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    (project / "behave.ini").unlink()
    monkeypatch.chdir(project)
    config: Any = Configuration.__new__(Configuration)
    with pytest.raises(Exception, match="Expected operand after and"):
        begin(config, ["--tags=@flow-1 and"])
    assert old_results(project) == ["TESTS-old.xml", "old-result.json"]


@pytest.mark.parametrize(
    ("command", "starts"),
    [
        ("python /x/.venv/bin/behave --tags=a", True),
        ("python -m behave features", True),
        ("python -X dev -W error -m behave", True),
        ("python -m pytest behave", False),
        ("python -c behave", False),
        ("python manage.py behave", False),
        ("python", False),
    ],
)
def test_only_a_process_of_behave_is_watched(command: str, starts: bool) -> None:
    assert start.is_behave(command.split()) == starts


BROKEN_TABLE = "Feature: a\n  Scenario: b\n    Given c\n      | d |\n      | e | f |\n"
AMBIGUOUS = 'from behave import given\n@given("a {thing}")\n@given("a {other}")\ndef f(context): pass\n'
FEATURE, HOOKS, STEPS = "features/z.feature", "features/environment.py", "features/steps/z.py"
LATE = "--tags=@critical"


@pytest.mark.parametrize(
    ("file", "text", "arguments", "sentence"),
    [
        (FEATURE, BROKEN_TABLE, (LATE,), 'behave can not parse "features/z.feature": Malformed table at line 5'),
        (FEATURE, "# language: xx\nFeature: a\n", (LATE,), "behave knows no language 'xx': correct --lang"),
        (FEATURE, b"Feature: \xff\n", (LATE,), "features/z.feature is not UTF-8 (invalid start byte at byte 9)"),
        (HOOKS, "import no_such\n", (LATE,), "ModuleNotFoundError: No module named 'no_such' (features/envi"),
        (HOOKS, "import sys; sys.exit(0)\n", (LATE,), "Loading the hooks or the steps ended the process: System"),
        (STEPS, "def (\n", (LATE,), "features/steps/z.py:1: SyntaxError: invalid syntax: correct the file"),
        (STEPS, AMBIGUOUS, (LATE,), "AmbiguousStep: "),
        ("", "", ("features/no_such.feature",), "features/no_such.feature does not exist"),
        ("", "", ("features/no_such",), "features/no_such is neither a folder nor a feature file"),
        ("", "", ("no_such",), "No steps directory in 'no_such'."),
        ("", "", ("features/a_checks.feature:999",), "there is no scenario at features/a_checks.feature:999; the"),
        ("", "", ("features/a_checks.feature:3",), "there is no scenario at features/a_checks.feature:3; the"),
        ("", "", ("--tags=@flow-1,@flow-2 and @K1",), "--tags='@flow-1,@flow-2 and @K1' mixes the old syntax"),
        ("", "", ("--tags=@flow-1 @K1",), "--tags='@flow-1 @K1' has two tags without `and` or `or` between them."),
        ("", "", ("-D", "=yes"), "a `-D` has no name: write `-D NAME=VALUE`."),
        ("", "", ("--tags=@flow-1 and",), "the tag expression can't be read"),
    ],
    ids=[
        "unreadable feature", "unknown language", "not UTF-8", "hooks that can't be loaded", "hooks that exit",
        "steps that can't be read", "ambiguous steps", "no such file", "no such folder", "no such folder elsewhere",
        "a line after the end", "a line of a description", "two spellings of tags", "tags without an operator",
        "a value without a name", "a tag expression that is cut off",
    ],
)  # fmt: skip
def test_a_run_that_can_not_begin_leaves_no_results_of_another(
    run_behave: RunBehave, project: Path, file: str, text: str | bytes, arguments: tuple[str, ...], sentence: str
) -> None:
    if file:
        (project / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    output = run_behave(project, *arguments)
    assert output.last_line.startswith(f"The run can't begin: {sentence}"), output.console
    assert output.status == 2
    assert output.results == {}
    with pytest.raises(html.NotDrawnError, match="The last run could not begin: "):
        html.draw(project / "allure-results")


def test_the_script_of_behave_refuses_as_the_module_does(project: Path) -> None:
    script = Path(sys.executable).parent / "behave"
    command = [str(script), "--tags=@flow-1 and"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("The run can't begin: the tag expression can't be read")
    assert "old-result.json" not in old_results(project)
