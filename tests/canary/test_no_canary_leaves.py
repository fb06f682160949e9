"""No secret is in anything that a run writes, however it ends and however its services fail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from spellings import spellings, traces, written

from creditflow.reporting.report_tool import ALLURE

if TYPE_CHECKING:
    from conftest import Ran, Runs

MARK = re.compile("‹secret ([0-9a-f]{6})›".encode())  # noqa: RUF001
LOUD = ("--verbose", "--no-capture", "--no-capture-stderr", "--no-capture-log", "--logging-level=DEBUG", "-Dloud=yes")
STOCK = (
    *("-f", "creditflow.reporting.allure:Formatter", "-o", "allure-results"),
    *("-f", "plain", "-o", "plain.txt", "-f", "json", "-o", "run.json", "-f", "pretty", "-o", "pretty.txt"),
)


def require_silence(ran: Ran, files: int, marks: int) -> None:
    """Require no canary in any spelling, and a real search: a minimum of files, and of marks in them."""
    written_files = ran.written()
    found = sum(len(MARK.findall(data)) for data in written_files.values())
    known = len({mark for data in written_files.values() for mark in MARK.findall(data)})
    searched = sum(map(len, written_files.values()))
    leaks = ran.leaks()
    print(
        f"\n{ran.folder.name}: {len(ran.canaries)} canaries in {len(spellings('a'))} spellings are in {len(leaks)} of "
        f"{len(written_files)} files and streams with {searched:,} bytes; {found:,} marks, {known} different ones; "
        f"exit status {ran.status}"
    )
    assert not leaks, "\n".join(leaks[:40])
    assert len(written_files) >= files, sorted(written_files)
    assert found >= marks, ran.stdout.decode()[-3000:] + ran.stderr.decode()[-3000:]


def test_the_search_finds_a_canary_in_every_spelling(canaries: dict[str, str]) -> None:
    for name, secret in canaries.items():
        text = written(secret)
        found = set(traces({name: secret}, text.encode()))
        assert {f"{name}, {spelling}" for spelling in spellings(secret)} <= found
        assert f"{name}, as it is over lines" in found


@pytest.fixture(scope="module", params=[1, 4], ids=["one job", "four jobs"])
def usual(runs: Runs, request: pytest.FixtureRequest) -> Ran:
    report = ("-D", "report=yes") if ALLURE.is_prepared() else ()
    return runs.run(f"usual-{request.param}", "--tags=not @ends", "--junit", f"--jobs={request.param}", *report)


def test_a_run_of_every_outcome_leaks_nothing(usual: Ran) -> None:
    require_silence(usual, files=60, marks=2000)


def test_that_run_had_every_outcome_and_every_service_failed(usual: Ran) -> None:
    output = usual.stdout.decode()
    for outcome in (
        "failed", "error", "hook error", "clean-up error", "undefined", "pending", "nothing checked",
        "not testable here", "skipped",
    ):  # fmt: skip
        assert re.search(rf"\d s  {outcome}$", output, re.MULTILINE), f"no scenario is {outcome}\n{output[-4000:]}"
    assert output.count(" is asked and ") >= 26
    if ALLURE.is_prepared():
        assert (usual.folder / "allure-report" / "index.html").is_file(), output[-2000:]
        assert (usual.folder / "reports" / "credit_flow_errors.log").is_file(), output[-2000:]


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_verbose_run_leaks_nothing(runs: Runs, jobs: int) -> None:
    loud = runs.run(f"loud-{jobs}", "--tags=not @ends", f"--jobs={jobs}", *LOUD, *STOCK)
    require_silence(loud, files=60, marks=2000)
    assert {"plain.txt", "run.json", "pretty.txt"} <= set(loud.written())
    assert b"DEBUG" in loud.stderr, "nothing was logged"
    died = "thread ‹secret ".encode()  # noqa: RUF001
    assert any(died in data for data in loud.written().values()), "the error of a thread was not reported"
    for error in (b"Exception ignored in", b"UserWarning", b"Traceback"):
        assert error in loud.stdout + loud.stderr, error


def test_a_run_that_is_interrupted_leaks_nothing(runs: Runs) -> None:
    ran = runs.run("interrupted", "features/c_ends.feature", "--junit")
    assert ran.status != 0
    require_silence(ran, files=8, marks=200)


def test_a_crash_of_the_suite_leaks_nothing(runs: Runs) -> None:
    ran = runs.run("crash", CANARY_CRASH="yes")
    assert ran.status != 0
    assert b"Traceback" in ran.stderr + ran.stdout
    require_silence(ran, files=3, marks=100)


def test_a_run_that_can_not_begin_leaks_nothing(runs: Runs) -> None:
    results = (
        "-f",
        "creditflow.reporting.allure:Formatter",
        "-o",
        "FOLDER/results",
        "-f",
        "plain",
        "-o",
        "FOLDER/plain",
    )
    ran = runs.of_the_suite("begin", "behave", *results, "--verbose", "--logging-level=DEBUG", "--no-capture")
    assert ran.status == 2, ran.stdout.decode()[-2000:]
    assert "The run can't begin:" in ran.stdout.decode()
    require_silence(ran, files=3, marks=1)


def test_the_doctor_of_a_target_that_fails_everywhere_leaks_nothing(runs: Runs) -> None:
    ran = runs.of_the_suite("doctor", "creditflow", "doctor")
    assert ran.status == 1
    assert "problem" in ran.stdout.decode()
    require_silence(ran, files=2, marks=1)


def test_the_same_secret_has_one_mark_within_a_run_and_another_in_the_next(usual: Ran, runs: Runs) -> None:
    line = re.compile("^.*password: as it is: (‹secret .{6}›)".encode(), re.MULTILINE)  # noqa: RUF001
    first = {found for data in usual.written().values() for found in line.findall(data)}
    again = runs.run(f"again-{usual.folder.name}", "features/a_outcomes.feature", "--name=failed")
    second = {found for data in again.written().values() for found in line.findall(data)}
    assert len(first) == 1
    assert len(second) == 1
    assert first != second
