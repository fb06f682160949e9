"""The record of a run is complete, or a sentence says why not; JSON, summary and annotations say what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.core.redaction import redactor
from creditflow.reporting import record, recorder, report, results, shards
from creditflow.reporting.outcome import Kind
from creditflow.reporting.record import Outside, RecordError, RunRecord, Scenario
from creditflow.reporting.results import Unfinished

if TYPE_CHECKING:
    from tests.reporting.conftest import Behave, RunOutput

PROJECT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
CANARY = "canary-7Hx2/qP+9"
BROKEN = "Feature: a\n  Scenario: b\n    Given c\n      | d |\n      | e | f |\n"


def scenario(uuid: str, **changes: Any) -> Scenario:
    """Make a scenario of the record."""
    made = {
        "uuid": uuid,
        "name": f"Checks: {uuid}",
        "title": uuid,
        "feature": "Checks",
        "rule": "",
        "place": "features/a.feature:7",
        "items": ("F1.S5",),
        "tags": ("flow-1", "F1.S5"),
        "severity": "critical",
        "outcome": Kind.PASSED,
    }
    return Scenario.model_validate(made | changes)


def made(*scenarios: Scenario, **changes: Any) -> RunRecord:
    """Make a record."""
    of_run = {
        "run": "cf-abc123",
        "began": NOON,
        "ended": NOON + timedelta(seconds=62),
        "suite": "0.1.0",
        "commit": "1acb7eebc530c1d46e4bc03e444419b669714cef",
        "target": "http://sut.example:8084",
        "on_sandbox": False,
        "scenarios_in_suite": len(scenarios),
        "scenarios": scenarios,
        "verdict": "2 passed, 0 failed",
        "exit_status": 0,
    }
    return RunRecord.model_validate(of_run | changes)


def write_result(folder: Path, uuid: str, outcome: str = "passed") -> Path:
    """Write an Allure result, as far as the record is compared with it."""
    path = folder / f"{uuid}-result.json"
    path.write_text(json.dumps({"uuid": uuid, "labels": [{"name": "outcome", "value": outcome}]}), "utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with the complete results of one run."""
    folder = tmp_path / "allure-results"
    folder.mkdir()
    record.save(made(scenario("one"), scenario("two")), folder)
    write_result(folder, "one")
    write_result(folder, "two")
    return folder


def without_results(folder: Path) -> None:
    shutil.rmtree(folder)


def without_a_record(folder: Path) -> None:
    (folder / record.FILE).unlink()


def of_another_version(folder: Path) -> None:
    change_record(folder, version=2)


def without_a_part(folder: Path) -> None:
    change_record(folder, scenarios=None)


def change_record(folder: Path, **changes: Any) -> None:
    path = folder / record.FILE
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def cut_record(folder: Path) -> None:
    path = folder / record.FILE
    path.write_text(path.read_text("utf-8")[:200], "utf-8")


def kill(folder: Path) -> None:
    results.mark(folder, Unfinished(scenario="“a scenario” (features/a.feature:7)"))


def refuse_to_begin(folder: Path) -> None:
    results.mark(folder, Unfinished(reason="The run can't begin: a `-D` has no name: write `-D NAME=VALUE`."))


def cut_a_result(folder: Path) -> None:
    (folder / "two-result.json").write_text('{"uuid": "tw', "utf-8")


def add_another_run(folder: Path) -> None:
    write_result(folder, "three")


def remove_a_result(folder: Path) -> None:
    (folder / "two-result.json").unlink()


def change_an_outcome(folder: Path) -> None:
    write_result(folder, "two", "failed")


def rename_an_item(folder: Path) -> None:
    record.save(made(scenario("one", items=("F1.S99",)), scenario("two")), folder)


DOUBTS = [
    (without_results, "There are no results in {folder}: run behave first."),
    (
        without_a_record,
        "The results in {folder} have no record of their run (credit-flow-run.json), so they may be incomplete: an "
        "older version of the suite or another runner wrote them; run behave again.",
    ),
    (
        of_another_version,
        "{folder}/credit-flow-run.json has version 2, and this suite reads version 1: use the suite that wrote it, or "
        "run behave again.",
    ),
    (
        without_a_part,
        "{folder}/credit-flow-run.json is damaged (scenarios: Input should be a valid array): run behave again.",
    ),
    (cut_record, "{folder}/credit-flow-run.json is damaged: run behave again."),
    (
        kill,
        "The last run ended without a verdict, in the scenario “a scenario” (features/a.feature:7): its results are "
        "incomplete. Run behave again.",
    ),
    (refuse_to_begin, "The last run could not begin: a `-D` has no name: write `-D NAME=VALUE`. Run behave again."),
    (
        cut_a_result,
        "{folder}/two-result.json is cut off or damaged, so the results are incomplete: run behave again.",
    ),
    (
        add_another_run,
        "{folder} has the results of more than one run: 1 result of 3 is not in the record of run cf-abc123; run "
        "behave again, without keep_results.",
    ),
    (remove_a_result, "1 result of run cf-abc123 is missing in {folder}: run behave again."),
    (
        change_an_outcome,
        "1 result in {folder} has another outcome than in the record of run cf-abc123: run behave again.",
    ),
    (
        rename_an_item,
        "The record of run cf-abc123 names F1.S99, which plan/items.tsv does not have: the plan has changed since "
        "then; run behave again.",
    ),
]


def test_the_results_of_one_whole_run_leave_no_doubt(folder: Path) -> None:
    reading = record.examine(folder)
    assert reading.doubt == ""
    assert record.read(folder) == reading.record == made(scenario("one"), scenario("two"))


@pytest.mark.parametrize(("change", "sentence"), DOUBTS, ids=[change.__name__ for change, _ in DOUBTS])
def test_what_is_not_the_whole_of_one_run_is_refused_in_a_sentence(
    folder: Path,
    change: Callable[[Path], None],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    change(folder)
    doubt = sentence.format(folder=folder)
    assert record.examine(folder).doubt == doubt
    with pytest.raises(RecordError) as refused:
        record.read(folder)
    assert str(refused.value) == doubt
    for text_format in ("json", "markdown"):
        assert report.main([text_format], folder) == 2
        assert capsys.readouterr() == ("", f"{doubt}\n")
    assert report.main(["github"], folder) == 2
    output = capsys.readouterr()
    assert output.out.startswith("::error title=Credit flow acceptance::")
    assert output.out.count("\n") == 1
    assert output.err == f"{doubt}\n"


def test_the_schema_in_the_docs_is_that_of_the_record() -> None:
    written = (PROJECT / "docs" / "record.schema.json").read_text("utf-8")
    assert written == record.schema(), "run `python -m creditflow.reporting.record > docs/record.schema.json`"


@pytest.mark.parametrize("file", [record.FILE, shards.file_of("2/5")])
def test_the_next_run_removes_the_record(file: str) -> None:
    assert any(fnmatchcase(file, pattern) for pattern in results._WRITTEN)


def test_every_text_of_the_record_passes_the_redactor(tmp_path: Path) -> None:
    redactor.learn(CANARY)
    with_secrets = made(
        scenario("one", message=f"found {CANARY}", prices={CANARY: 9}),
        outside=(Outside(where=CANARY, outcome=Kind.ERROR, message="Bearer abcdefgh12345678"),),
        verdict=f"with {CANARY}",
    )
    record.save(with_secrets, tmp_path)
    written = (tmp_path / record.FILE).read_text("utf-8")
    assert CANARY not in written
    assert "abcdefgh12345678" not in written
    assert json.loads(written)["scenarios"][0]["message"].startswith("found ‹secret ")  # noqa: RUF001
    assert [path.name for path in tmp_path.iterdir()] == [record.FILE]


def test_the_commit_is_empty_where_there_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recorder.commit(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert recorder.commit(PROJECT) == ""


def test_a_scenario_is_recorded_with_its_steps_and_what_it_carries(everything: RunOutput) -> None:
    of = {one.title: one for one in everything.record.scenarios}
    failed = of["failed"]
    assert [(step.text, step.state, step.message) for step in failed.steps] == [
        ("Given all is well", "passed", ""),
        ("Then the balance is 8, expected 9", "failed", "The individual user has 8 credits, expected 9."),
        ("And all is well", "not run", ""),
    ]
    assert failed.message == "The individual user has 8 credits, expected 9."
    assert (failed.feature, failed.rule, failed.place) == ("Checks", "", "features/a_checks.feature:11")
    assert (of["outline (GPT-4, 48, 48)"].items, of["failed"].items) == (("F1.S5",), ())
    under_a_rule = of["passed under a rule"]
    assert (under_a_rule.rule, under_a_rule.items) == ("Scenarios under a rule are reported too", ("K1",))
    assert under_a_rule.name.split(": ")[1] == under_a_rule.rule
    assert of["never reached in the feature"].began is None
    assert of["never reached in the feature"].message.startswith("It did not run, because before_feature failed")
    assert of["skipped"].message == "the deployment has no journal"


def test_what_the_run_found_out_is_recorded(everything: RunOutput) -> None:
    recorded = everything.record
    assert recorded.target.startswith("http://ops:‹secret ")  # noqa: RUF001
    assert [(service.name, service.version) for service in recorded.services] == [("Keycloak", "26.7.4")]
    (differs,) = (one for one in recorded.scenarios if one.title == "audit differs")
    (account,) = differs.accounts
    assert (account.who, account.before, account.after, account.expected) == ("Acme", 10000, 10000, 9991)
    assert differs.steps[-1].text == "The books agree"
    assert [one.title for one in recorded.scenarios if one.accounts] == [
        "audit agrees", "audit differs", "check and audit differ", "audit not possible here", "audit broke",
    ]  # fmt: skip
    began = [one.began for one in recorded.scenarios if one.began]
    assert began == sorted(began)
    assert recorded.began <= began[0] <= began[-1] <= recorded.ended


def test_what_was_selected_is_recorded_and_what_was_not(everything: RunOutput) -> None:
    recorded = everything.record
    assert recorded.selection == ("--tags=not @not-chosen and not @ends and not @endings and not @twins",)
    names = [one.name for one in recorded.not_selected]
    assert "Checks: left out by the command line" in names
    assert "Checks: passed" not in names
    assert recorded.scenarios_in_suite == len(recorded.scenarios) + len(recorded.not_selected)


def test_a_usual_run_selects_nothing_and_a_file_is_a_selection(behave: Behave) -> None:
    written = "features/f_no_steps.feature"
    output = behave(written)
    assert output.record.selection == (written,)
    features = output.folder / "features"
    for other in features.glob("*.feature"):
        if other.name != "f_no_steps.feature":
            other.unlink()
    whole = behave().record
    assert (whole.selection, whole.not_selected, whole.scenarios_in_suite) == ((), (), 1)
    (features / "z.feature").write_text(
        "Feature: a\n  Scenario: b\n    Given c\n      | d |\n      | e | f |\n", "utf-8"
    )
    beside = behave(written).record
    assert [one.name for one in beside.not_selected] == ["features/z.feature"]
    assert beside.scenarios_in_suite == 2


def test_two_runs_in_one_folder_are_noticed(behave: Behave) -> None:
    behave("--tags=@critical")
    output = behave("--tags=@K1", "-D", "keep_results=yes")
    assert len(output.results) == 2
    reading = record.examine(output.folder / "allure-results")
    assert "has the results of more than one run: 1 result of 2 is not in the record" in reading.doubt


@pytest.mark.parametrize("keep", ["yes", "no"])
def test_a_killed_run_has_no_record_and_that_of_an_earlier_run_is_not_taken_for_it(behave: Behave, keep: str) -> None:
    behave("--tags=@critical")
    killed = behave("--tags=@killed or @critical", "-D", f"keep_results={keep}")
    assert killed.status == -9
    reading = record.examine(killed.folder / "allure-results")
    assert reading.record is None
    assert reading.doubt.startswith("The last run ended without a verdict, in the scenario “killed” (features/h_ends")


def test_a_record_that_can_not_be_written_makes_the_run_red(behave: Behave) -> None:
    folder = behave("--tags=@critical").folder
    (folder / "allure-results" / f".{record.FILE}.part").mkdir()
    output = behave("--tags=@critical")
    assert output.status == 1
    assert output.last_line == "The record of the run could not be written to allure-results: Is a directory."
    assert record.examine(output.folder / "allure-results").doubt.startswith("The results in ")


def test_a_folder_that_can_not_be_written_is_named_before_the_run(behave: Behave) -> None:
    folder = behave("--tags=@critical").folder
    shutil.rmtree(folder / "allure-results")
    (folder / "allure-results").write_text("a file", "utf-8")
    output = behave("--tags=@critical")
    assert output.status == 2
    assert output.last_line == (
        "The run can't begin: the results can't be written to allure-results (File exists): check who owns it, or name "
        "another folder with -o."
    )


def test_a_thread_that_fails_after_the_run_changes_the_record(behave: Behave) -> None:
    folder = behave("--tags=@critical").folder
    command = [sys.executable, "-m", "behave", "--tags=@late"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False
    )
    late = record.read(folder / "allure-results")
    assert done.returncode == late.exit_status == 1
    assert late.verdict == done.stdout.splitlines()[-1]
    assert late.verdict.startswith("After the end of the run, in thread late: ValueError: no such column: purse ")


def test_a_dry_run_leaves_the_record_alone(behave: Behave) -> None:
    before = behave("--tags=@critical").record
    assert behave("--dry-run").record == before


GREEN = made(
    scenario("a", items=("F1.S5",), tags=("flow-1",), place="features/a.feature:1"),
    scenario("b", items=("C2.S1",), tags=("edge-cases",), place="features/b.feature:1"),
    scenario("c", items=("R1",), tags=(), place="features/c.feature:1"),
    scenario("d", place="features/d.feature:1", items=("B1",), tags=("qualities",), outcome=Kind.SKIPPED),
    scenarios_in_suite=5,
    not_selected=({"name": "F: e", "title": "e", "place": "features/e.feature:3", "tags": ("flow-1",)},),
    verdict="3 passed, 0 failed",
    on_sandbox=True,
)
RED = made(
    scenario(
        "the\n<b>*small*</b> request, 100%: nine",
        outcome=Kind.FAILED,
        message="the individual has 9,982 credits, expected 9,991; unicorn_db has 2 charges.\r\n::error::not a command",
    ),
    *(scenario(f"red {number}", outcome=Kind.ERROR, message="word " * 100) for number in range(20)),
    outside=(Outside(where="plan/waivers.tsv:3 of the run", outcome=Kind.OUT_OF_DATE, message="it ended"),),
    verdict="0 passed, 22 failed",
    exit_status=1,
)


def test_the_summary_of_a_green_run() -> None:
    assert report.summary(GREEN).splitlines() == [
        "**Credit flow acceptance passed** (4 of 5 scenarios selected): 3 passed, 0 failed",
        "- Flow 1: 1 of 1 passed, 1 not selected · Flow 2: not run · Flow 3: not run",
        "- Case 1: not run · Case 2: 1 of 1 passed · Case 3: not run · Case 4: not run · Case 5: not run",
        "- All others: 1 of 1 passed, 1 skipped",
        "- On the sandbox in 1 min 2 s, run cf-abc123 of 2026-11-26 12:00 UTC, commit 1acb7ee",
    ]


def test_the_summary_of_a_red_run_has_ten_lines_at_most_and_shows_a_title_as_it_is() -> None:
    lines = report.summary(RED).splitlines()
    assert len(lines) == 10
    assert lines[0] == "**Credit flow acceptance failed**: 0 passed, 22 failed"
    assert lines[4] == (
        r"- ✗ the &lt;b>\*small\*&lt;/b> request, 100%: nine (features/a.feature:7): failed, the individual has 9,982 "
        "credits, expected 9,991"
    )
    assert lines[5].endswith(" word …")
    assert max(map(len, lines)) < 400
    assert lines[8] == "- … and 18 more"
    assert "- On sut.example in " in lines[9]


@pytest.mark.parametrize(
    ("status", "word"), [(0, "passed"), (1, "failed"), (2, "could not begin"), (130, "was interrupted")]
)
def test_the_summary_begins_with_what_the_exit_status_says(status: int, word: str) -> None:
    run = made(verdict="why", exit_status=status)
    assert report.summary(run).startswith(f"**Credit flow acceptance {word}**: why\n")


def test_an_annotation_is_one_line_in_which_nothing_is_a_command() -> None:
    first, second, *_, last = report.workflow_commands(RED)
    assert first == (
        "::error file=features/a.feature,line=7,title=the%0A<b>*small*</b> request%2C 100%25%3A nine (failed)::the "
        "individual has 9,982 credits, expected 9,991; unicorn_db has 2 charges.%0D%0A::error::not a command"
    )
    assert second.startswith("::error file=features/a.feature,line=7,title=red 0 (error)::word word")
    assert last == (
        "::error file=plan/waivers.tsv,line=3,title=plan/waivers.tsv%3A3 of the run (waiver out of date)::it ended"
    )
    assert len(list(report.workflow_commands(RED))) == 22
    assert list(report.workflow_commands(GREEN)) == []


def test_a_problem_without_a_place_has_an_annotation_too() -> None:
    run = made(outside=(Outside(where="before_all of the run", outcome=Kind.HOOK_ERROR, message=""),))
    assert list(report.workflow_commands(run)) == ["::error title=before_all of the run (hook error)::hook error"]


def test_the_summary_is_added_to_that_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tmp_path / "summary.md"
    job.write_text("another step\n", "utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job))
    run = made(scenario("one", outcome=Kind.FAILED, message="wrong"), verdict="0 passed, 1 failed", exit_status=1)
    record.save(run, tmp_path)
    write_result(tmp_path, "one", "failed")
    assert report.main(["github"], tmp_path) == 0
    assert capsys.readouterr().out == "::error file=features/a.feature,line=7,title=one (failed)::wrong\n"
    assert job.read_text("utf-8") == f"another step\n{report.summary(run)}\n"
    (tmp_path / record.FILE).unlink()
    assert report.main(["github"], tmp_path) == 2
    *_, heading, sentence = job.read_text("utf-8").splitlines()
    assert heading == "**Credit flow acceptance: no verdict**"
    assert sentence.startswith("- The results in ")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    record.save(run, tmp_path)
    capsys.readouterr()
    assert report.main(["github"], tmp_path) == 2
    assert capsys.readouterr().err == f"{tmp_path} can't be written: Is a directory.\n"


def test_the_json_is_the_record(everything: RunOutput, capsys: pytest.CaptureFixture[str]) -> None:
    folder = everything.folder / "allure-results"
    assert report.main(["json"], folder) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((folder / record.FILE).read_text("utf-8"))
    assert printed["exit_status"] == 1
    assert printed["version"] == record.VERSION


@pytest.mark.parametrize("arguments", [["pdf"], ["json", "html"], ["JSON"]])
def test_a_format_that_does_not_exist_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(arguments) == 2
    asked = " ".join(arguments)
    assert capsys.readouterr() == ("", f"There is no format {asked}: choose one of html, json, markdown, github.\n")
