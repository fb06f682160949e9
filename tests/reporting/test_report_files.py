"""The text reports are private, whole and free of secrets, and nothing of another user is used or changed."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from creditflow.core.redaction import redactor
from creditflow.reporting import report_files, report_tool, sign_off, text_report, text_summary
from creditflow.reporting.outcome import Kind
from creditflow.reporting.record import RunRecord, Scenario
from creditflow.reporting.report_files import NotWrittenError

if TYPE_CHECKING:
    from tests.reporting.conftest import Behave

ENDED = datetime(2025, 11, 15, 10, 30, tzinfo=UTC)
SECRET = "a-canary-in-a-message-7c1f"


def run(name: str = "cf-abc123", kind: Kind = Kind.PASSED, message: str = "") -> RunRecord:
    """Return the record of a run with one scenario."""
    scenario = Scenario(
        uuid="1",
        name="a",
        title="A request costs nine credits",
        feature="Flow 1",
        rule="",
        place="features/flows/1_individual_user.feature:35",
        items=("F1.S5",),
        tags=("F1.S5", "critical"),
        severity="critical",
        outcome=kind,
        message=message,
    )
    return RunRecord(
        run=name,
        began=ENDED - timedelta(minutes=1),
        ended=ENDED,
        suite="0.1.0",
        commit="",
        target="http://localhost:8084",
        on_sandbox=True,
        scenarios_in_suite=1,
        scenarios=(scenario,),
        verdict="1 passed, 0 failed",
        exit_status=int(kind.is_red),
    )


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_the_files_have_the_plans_names_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "reports"
    before = os.umask(0)
    try:
        written = report_files.make(run(kind=Kind.FAILED, message="wrong"), folder)
    finally:
        os.umask(before)
    assert files_in(folder) == [
        "credit_flow_e2e_report.txt",
        "credit_flow_errors.log",
        "credit_flow_reports/credit_flow_summary_20251115_103000.txt",
        "credit_flow_sign_off.html",
        "credit_flow_sign_off.txt",
    ]
    assert sorted(written.values()) == sorted(folder / name for name in files_in(folder))
    assert {stat.S_IMODE(path.stat().st_mode) for path in written.values()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / text_summary.FOLDER)} == {0o700}


def test_a_file_of_an_earlier_run_is_replaced_with_its_mode(tmp_path: Path) -> None:
    earlier = tmp_path / text_report.NAME
    earlier.write_text("cf-earlier")
    earlier.chmod(0o644)
    report_files.make(run(), tmp_path)
    assert "cf-earlier" not in earlier.read_text("utf-8")
    assert stat.S_IMODE(earlier.stat().st_mode) == 0o600


def test_the_log_of_an_earlier_run_goes_with_a_run_without_errors(tmp_path: Path) -> None:
    report_files.make(run(kind=Kind.FAILED, message="wrong"), tmp_path)
    assert text_summary.ERRORS in files_in(tmp_path)
    written = report_files.make(run(), tmp_path)
    assert text_summary.ERRORS not in files_in(tmp_path)
    assert "Errors" not in written


@pytest.mark.parametrize("name", [text_report.NAME, text_summary.ERRORS, sign_off.PAGE])
def test_a_link_is_neither_followed_nor_replaced(name: str, tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "reports"
    theirs.write_text("theirs")
    folder.mkdir()
    (folder / name).symlink_to(theirs)
    with pytest.raises(NotWrittenError) as refused:
        report_files.make(run(), folder)
    assert str(refused.value) == (
        f"The reports were not written, because {folder / name} is a link: remove it, or set REPORT_DIR to another "
        "folder."
    )
    assert theirs.read_text() == "theirs"
    assert (folder / name).is_symlink()


@pytest.mark.parametrize("link", ["reports", "reports/credit_flow_reports"])
def test_a_folder_that_is_a_link_is_refused(link: str, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(theirs)
    with pytest.raises(NotWrittenError, match=rf"{link} is a link: .*REPORT_DIR"):
        report_files.make(run(), tmp_path / "reports")
    assert files_in(theirs) == []


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / text_report.NAME).write_text("theirs")
    monkeypatch.setattr(os, "fstat", lambda _: os.stat("/"))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(
        NotWrittenError, match=rf"{text_report.NAME} belongs to another user: set REPORT_DIR to a folder"
    ):
        report_files.make(run(), tmp_path)
    assert files_in(tmp_path) == [text_report.NAME]
    assert (tmp_path / text_report.NAME).read_text() == "theirs"


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(tmp_path.stat())
    found[stat.ST_UID] = os.getuid() + 1
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result(found))
    with pytest.raises(NotWrittenError, match=r"belongs to another user: set REPORT_DIR to a folder of yours\.$"):
        report_files.make(run(), tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("name", [text_report.NAME, text_summary.FOLDER])
def test_something_else_in_the_place_of_a_file_or_folder_is_refused(name: str, tmp_path: Path) -> None:
    if name == text_summary.FOLDER:
        (tmp_path / name).write_text("a file")
    else:
        (tmp_path / name).mkdir()
    with pytest.raises(NotWrittenError, match=rf"{name} (?:is not a file|can't be written \(Not a directory\)): "):
        report_files.make(run(), tmp_path)


def test_a_folder_that_can_not_be_written_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(NotWrittenError) as failed:
        report_files.make(run(), tmp_path)
    assert str(failed.value) == (
        f"The reports were not written, because {tmp_path / text_report.NAME} can't be written (No space left on "
        "device): set REPORT_DIR to a folder that you can write to."
    )
    assert files_in(tmp_path) == []


def test_two_runs_at_once_leave_whole_files(tmp_path: Path) -> None:
    runs = [run(f"cf-run{number}") for number in range(8)]
    for number, alone in enumerate(runs):
        report_files.make(alone, tmp_path / str(number))
    together = tmp_path / "together"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: report_files.make(one, together), 4 * runs))
    assert files_in(together) == files_in(tmp_path / "0")
    for name in files_in(together):
        texts = [(tmp_path / str(number) / name).read_bytes() for number in range(8)]
        assert (together / name).read_bytes() in texts


def test_no_secret_reaches_a_file(tmp_path: Path) -> None:
    redactor.learn(SECRET)
    report_files.make(run(kind=Kind.FAILED, message=f"the answer was {SECRET}\x1b[2J"), tmp_path)
    for name in files_in(tmp_path):
        text = (tmp_path / name).read_text("utf-8")
        assert SECRET not in text
        assert "\x1b" not in text
    assert "‹secret" in (tmp_path / text_report.NAME).read_text("utf-8")  # noqa: RUF001


def test_a_run_with_a_page_writes_its_reports_and_says_where(
    behave: Behave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_tool.ALLURE.prepare()
    folder = tmp_path / "reports"
    monkeypatch.setenv("REPORT_DIR", str(folder))
    assert behave("--tags=@critical").status == 0
    assert not folder.exists()
    output = behave("--tags=@critical", "-D", "report=yes")
    assert (output.status, output.last_line) == (0, "1 passed, 0 failed")
    assert len(files_in(folder)) == 4
    for name in files_in(folder):
        assert f": {folder / name}\n" in output.console


def test_a_run_whose_reports_can_not_be_written_says_so_in_its_last_line(
    behave: Behave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_tool.ALLURE.prepare()
    (tmp_path / "reports").symlink_to(tmp_path)
    monkeypatch.setenv("REPORT_DIR", str(tmp_path / "reports"))
    output = behave("--tags=@critical", "-D", "report=yes")
    assert output.status == 1
    assert "\n1 passed, 0 failed\n" in output.console
    assert output.last_line.startswith(f"The reports were not written, because {tmp_path / 'reports'} is a link: ")
    assert (output.record.exit_status, output.record.verdict) == (1, output.last_line)


def test_a_red_run_of_every_outcome_writes_no_secret_and_no_line_for_a_signature(
    behave: Behave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reports"
    monkeypatch.setenv("REPORT_DIR", str(folder))
    behave("--tags=not @not-chosen and not @ends and not @endings and not @twins", "-D", "report=yes")
    assert text_summary.ERRORS in files_in(folder)
    for name in files_in(folder):
        text = (folder / name).read_text("utf-8")
        assert "7Hx2/qP" not in text
        assert "Signature" not in text
