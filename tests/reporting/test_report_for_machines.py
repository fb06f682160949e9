"""The JSON, the summary and the annotations of a run say what its record says, and no title breaks their form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from creditflow.reporting import record, report
from creditflow.reporting.outcome import Kind
from creditflow.reporting.record import Outside
from tests.reporting.test_record import made, scenario, write_result

if TYPE_CHECKING:
    from tests.reporting.conftest import RunOutput

GREEN = made(
    scenario("a", items=("F1.S5",), tags=("flow-1",)),
    scenario("b", items=("C2.S1",), tags=("edge-cases",)),
    scenario("c", items=("R1",), tags=()),
    scenario("d", items=("B1",), tags=("qualities",), outcome=Kind.SKIPPED),
    scenarios_in_suite=84,
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
        "**Credit flow acceptance passed**: 3 passed, 0 failed",
        "- Flow 1: 1 of 1 passed · Flow 2: not run · Flow 3: not run",
        "- Case 1: not run · Case 2: 1 of 1 passed · Case 3: not run · Case 4: not run · Case 5: not run",
        "- All others: 1 of 1 passed, 1 skipped",
        "- 4 of 84 scenarios on the sandbox in 1 min 2 s, run cf-abc123 of 2026-11-26 12:00 UTC, commit 1acb7ee",
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
    assert " on sut.example in " in lines[9]


@pytest.mark.parametrize(
    ("status", "word"), [(0, "passed"), (1, "failed"), (2, "could not begin"), (130, "was interrupted")]
)
def test_the_summary_begins_with_what_the_exit_status_says(status: int, word: str) -> None:
    run = made(verdict="why", exit_status=status)
    assert report.summary(run).startswith(f"**Credit flow acceptance {word}**: why\n")


def test_an_annotation_is_one_line_in_which_nothing_is_a_command() -> None:
    first, second, *_, last = report.annotations(RED)
    assert first == (
        "::error file=features/a.feature,line=7,title=the%0A<b>*small*</b> request%2C 100%25%3A nine (failed)::the "
        "individual has 9,982 credits, expected 9,991; unicorn_db has 2 charges.%0D%0A::error::not a command"
    )
    assert second.startswith("::error file=features/a.feature,line=7,title=red 0 (error)::word word")
    assert last == (
        "::error file=plan/waivers.tsv,line=3,title=plan/waivers.tsv%3A3 of the run (waiver out of date)::it ended"
    )
    assert len(list(report.annotations(RED))) == 22
    assert list(report.annotations(GREEN)) == []


def test_a_problem_without_a_place_has_an_annotation_too() -> None:
    run = made(outside=(Outside(where="before_all of the run", outcome=Kind.HOOK_ERROR, message=""),))
    assert list(report.annotations(run)) == ["::error title=before_all of the run (hook error)::hook error"]


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
