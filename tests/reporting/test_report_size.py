"""A report has a size that a browser can open; what is cut or left out says so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from creditflow.core.redaction import redactor
from creditflow.reporting import html, scenario_page, size_limits
from creditflow.reporting.allure import RedactingLogger
from creditflow.reporting.report_tool import ALLURE
from creditflow.reporting.size_limits import MESSAGE, PAGE, RUN, TEXT, shortened
from sandbox import program

PROJECT = Path(__file__).resolve().parents[2]
LARGE = 19_000_000
SECRET = "Kx9-pQ7-vB3-mN5-tR1-wZ8"


def test_a_short_text_stays_and_a_long_one_keeps_its_ends_and_says_what_is_left_out() -> None:
    assert shortened("x" * MESSAGE) == "x" * MESSAGE
    text = shortened(f"begin {'x' * LARGE} end")
    assert len(text) <= MESSAGE
    assert text.startswith(
        "This text has 19,000,010 characters; here are the first 4,900 and the last 4,900.\n\nbegin "
    )
    assert text.endswith(" end")
    assert "[... 18,990,210 characters are left out ...]" in text
    assert shortened(text) == text


@pytest.mark.parametrize("before", [4_890, 4_899, 4_900, 4_910])
def test_a_secret_at_the_cut_is_redacted(before: int) -> None:
    redactor.learn(SECRET)
    text = shortened(f"{'x' * before}{SECRET}{'y' * LARGE}{SECRET}{'z' * before}")
    assert not any(SECRET[at : at + 5] in text for at in range(len(SECRET) - 5))


@pytest.mark.parametrize(
    ("body", "file", "start"),
    [
        ("x" * LARGE, "1-attachment.txt", b"This text has 19,000,000 characters"),
        (b"x" * LARGE, "1-attachment.csv", b"This text has 19,000,000 characters"),
        ("x" * LARGE, "1-attachment.html", b'<!doctype html><meta charset="utf-8"><p>This attachment is left out'),
        (b"x" * LARGE, "1-attachment.png", b"This attachment is left out, because it has 19,000,000 bytes"),
    ],
)
def test_a_large_attachment_is_cut_or_left_out(body: str | bytes, file: str, start: bytes, tmp_path: Path) -> None:
    logger: Any = RedactingLogger(tmp_path / "results")
    source = tmp_path / file
    source.write_bytes(body if isinstance(body, bytes) else body.encode())
    logger.report_attached_data(body, file)
    of_data = (tmp_path / "results" / file).read_bytes()
    logger.report_attached_file(str(source), file)
    of_file = (tmp_path / "results" / file).read_bytes()
    assert of_data.startswith(start)
    assert of_file.startswith(start)
    assert max(len(of_data), len(of_file)) <= TEXT


def test_a_file_that_is_too_large_to_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_limits, "READABLE", 10)
    (tmp_path / "log.txt").write_text("eleven char", "utf-8")
    logger: Any = RedactingLogger(tmp_path / "results")
    logger.report_attached_file(str(tmp_path / "log.txt"), "1-attachment.txt")
    assert (tmp_path / "results" / "1-attachment.txt").read_bytes().startswith(b"This attachment is left out, because")


def test_all_attachments_of_a_run_together_have_a_limit(tmp_path: Path) -> None:
    logger: Any = RedactingLogger(tmp_path / "results")
    for number in range(RUN // PAGE + 5):
        logger.report_attached_data(b"x" * PAGE, f"{number:02}-attachment.png")
    files = sorted((tmp_path / "results").glob("*-attachment.png"))
    assert sum(file.stat().st_size for file in files) < RUN + 2_000
    assert [file.read_bytes()[:4] for file in files] == [b"xxxx"] * (RUN // PAGE) + [b"This"] * 5
    assert files[-1].read_text("utf-8").endswith("Run the scenario alone to see it.")


def test_a_long_table_shows_its_marked_rows_and_counts_the_others() -> None:
    rows = [(number, "row") for number in range(scenario_page.MOST_ROWS + 300)]
    table = scenario_page.table("Rows", ("number", "what"), rows, marked=[450])
    assert table.count("<tr") == scenario_page.MOST_ROWS + 1
    assert ">450</td>" in table
    assert "The table has 500 rows; 300 of them are left out here." in table


STEPS = f"""
from behave import then, when

from creditflow.core import expect
from creditflow.reporting import evidence

@when("the answer is large")
def large(context):
    evidence.attach_text("Answer", "x" * {LARGE})
    evidence.attach_table("Rows", ("number", "text"), [(n, "x" * 100) for n in range(5_000)])

@then("all is well")
def well(context):
    expect.holds(True, "it is not well")

@then("the message is large")
def message(context):
    raise AssertionError("x" * {LARGE // 10})
"""


def test_a_run_with_large_texts_and_a_long_scenario_makes_a_page_that_a_browser_opens(tmp_path: Path) -> None:
    ALLURE.prepare()
    features = tmp_path / "features"
    (features / "steps").mkdir(parents=True)
    (features / "steps" / "steps.py").write_text(STEPS, "utf-8")
    large = "".join(f"  Scenario: large {n}\n    When the answer is large\n    Then all is well\n" for n in range(40))
    long = "  Scenario: long\n" + "    Then all is well\n" * 750
    red = "  Scenario: red\n    Then the message is large\n"
    (features / "a.feature").write_text(f"Feature: Sizes\n{large}{long}{red}", "utf-8")
    (tmp_path / "behave.ini").write_text((PROJECT / "tests/reporting/outcomes/behave.ini").read_text("utf-8"), "utf-8")
    done = program.run(["behave"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, timeout=300)
    assert done.stdout.rstrip().endswith("41 passed, 1 failed"), done.stdout[-2_000:]
    attached = sum(file.stat().st_size for file in (tmp_path / "allure-results").glob("*-attachment.*"))
    assert attached <= 40 * TEXT
    results = [json.loads(file.read_text("utf-8")) for file in (tmp_path / "allure-results").glob("*-result.json")]
    assert max(len(result["steps"]) for result in results) == 750
    assert html.draw(tmp_path / "allure-results").stat().st_size < 20_000_000
