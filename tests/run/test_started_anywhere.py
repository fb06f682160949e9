"""behave uses the project's settings in every folder."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from behave.configuration import Configuration

from creditflow.core.errors import CannotRunError
from creditflow.reporting import from_anywhere

PROJECT = from_anywhere.PROJECT
FEATURE = "1_individual_user.feature"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Configuration]:
    """Record the configuration instead of a run; this process looks like a new behave process."""
    runs: list[Configuration] = []

    def run(config: Configuration) -> int:
        runs.append(config)
        return 7

    monkeypatch.setattr(from_anywhere, "run_behave", run)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, from_anywhere.RUNNER, raising=False)
    return runs


def _start(monkeypatch: pytest.MonkeyPatch, folder: str, *typed: str) -> None:
    monkeypatch.chdir(PROJECT / folder)
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/behave", *typed])
    with pytest.raises(SystemExit) as ended:
        from_anywhere.require_settings()
    assert ended.value.code == 7
    assert Path.cwd() == PROJECT


@pytest.mark.parametrize(
    ("folder", "typed", "meant"),
    [
        ("features", "", "features"),
        ("features/flows", "", "features"),
        ("features/flows", FEATURE, f"features/flows/{FEATURE}"),
        ("features/flows", f"{FEATURE}:20", f"features/flows/{FEATURE}:20"),
        ("features/flows", f"{PROJECT}/features/flows/{FEATURE}", f"features/flows/{FEATURE}"),
        ("tests", "../features/edge_cases", "features/edge_cases"),
        ("..", f"{PROJECT.name}/features", "features"),
        ("/", f"{PROJECT}/features/flows", "features/flows"),
    ],
)
def test_from_any_folder_the_features_run_with_the_projects_settings(
    folder: str, typed: str, meant: str, started: list[Configuration], monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(monkeypatch, folder, *filter(None, [typed]))
    (config,) = started
    assert config.paths == [meant]
    assert config.runner == f"{from_anywhere.RUNNER}:Runner"
    assert (config.format, config.outputs[0].name) == (["creditflow.reporting.allure:Formatter"], "allure-results")


def test_files_that_are_named_are_written_where_behave_was_started(
    tmp_path: Path, started: list[Configuration], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ["-f", "plain", "-o", "plain.txt", "-f", "progress", "-o", "-", "--junit", "--junit-directory", "junit"]
    _start(monkeypatch, str(tmp_path), *named, str(PROJECT / "features"))
    (config,) = started
    assert [output.name for output in config.outputs][:2] == ["allure-results", str(tmp_path / "plain.txt")]
    assert config.outputs[2].stream is sys.stdout
    assert config.junit_directory == str(tmp_path / "junit")


def test_a_tool_that_only_reads_the_features_starts_no_run(
    tmp_path: Path, started: list[Configuration], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/pytest"])
    from_anywhere.require_settings()
    assert started == []


def test_a_folder_whose_modules_have_a_librarys_name_hides_none_from_the_run() -> None:
    assert (PROJECT / "features" / "steps" / "platform.py").exists()
    behave = Path(sys.executable).with_name("behave")
    ran = subprocess.run(
        [behave, "--dry-run", f"../flows/{FEATURE}"],
        cwd=PROJECT / "features" / "steps",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"USING RUNNER: {from_anywhere.RUNNER}:Runner" in ran.stdout


def test_the_whole_project_is_not_taken_for_a_folder_of_features() -> None:
    with pytest.raises(CannotRunError, match="run `behave`, or name features"):
        runpy.run_path(str(PROJECT / "environment.py"))
