"""`make report` makes every report again from the results alone, and the end of a run says where they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from creditflow.checks.reports import DescribedRun
from creditflow.reporting import record, report, sign_off, summary, text_report
from creditflow.reporting.outcome import OUTCOME_LABEL
from creditflow.run import reports
from creditflow.target.settings import load


@pytest.fixture
def results(tmp_path: Path, no_settings: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run's results; the page is not drawn, and the text reports go to another folder."""
    folder = tmp_path / "allure-results"
    folder.mkdir()
    made = DescribedRun.of_all_parts().record()
    record.save(made, folder)
    for scenario in made.scenarios:
        result = {"uuid": scenario.uuid, "labels": [{"name": OUTCOME_LABEL, "value": scenario.outcome}]}
        (folder / f"{scenario.title}-result.json").write_text(json.dumps(result), "utf-8")
    monkeypatch.setenv("REPORT_DIR", str(tmp_path / "reports"))
    monkeypatch.setattr(report, "main", lambda arguments, results: 0)
    return folder


def test_the_text_reports_are_made_again_from_the_results(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reports.main([], results) == 0
    first = (tmp_path / "reports" / text_report.NAME).read_bytes()
    assert f"Report as text: {tmp_path / 'reports' / text_report.NAME}\n" in capsys.readouterr().out
    (tmp_path / "reports" / text_report.NAME).unlink()
    assert reports.main(["html"], results) == 0
    assert (tmp_path / "reports" / text_report.NAME).read_bytes() == first


def test_other_formats_write_no_text_report(results: Path, tmp_path: Path) -> None:
    assert reports.main(["json"], results) == 0
    assert not (tmp_path / "reports").exists()


def test_incomplete_results_make_no_text_report(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next(results.glob("*-result.json")).unlink()
    assert reports.main([], results) == 2
    assert capsys.readouterr().err.endswith("run behave again.\n")
    assert not (tmp_path / "reports").exists()


def test_a_folder_that_can_not_be_used_is_one_sentence(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reports").symlink_to(tmp_path)
    assert reports.main([], results) == 2
    assert capsys.readouterr().err == (
        f"The reports were not written, because {tmp_path / 'reports'} is a link: name the folder itself in "
        "REPORT_DIR, or remove the link.\n"
    )


def test_a_wrong_setting_is_one_sentence(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTP_TIMEOUT_S", "soon")
    assert reports.main([], results) == 2
    assert capsys.readouterr().err.startswith("HTTP_TIMEOUT_S is not valid")


def test_the_end_of_a_run_says_where_its_reports_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary.write_texts(DescribedRun.of_all_parts({"risks": "failed"}).record(), tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "Report as text",
        "Summary",
        "Errors",
        "Sign-off sheet",
        "Sign-off sheet to print",
    ]
    assert all(Path(line.partition(": ")[2]).is_file() for line in lines)


def test_a_page_that_was_not_drawn_is_the_verdict_of_the_text_reports_too(tmp_path: Path) -> None:
    summary.write_texts(DescribedRun.of_all_parts().record(), tmp_path, "The report was not drawn.")
    assert "Verdict: The report was not drawn. (exit status 1)\n" in (tmp_path / text_report.NAME).read_text("utf-8")
    assert "Not for approval" in (tmp_path / sign_off.TEXT).read_text("utf-8")


def test_the_plans_folder_is_the_default(no_settings: None) -> None:
    assert load().report_dir == Path("/tmp")
