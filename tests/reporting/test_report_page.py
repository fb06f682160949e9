"""The report is one page that opens in a browser, is about this run only, and loads nothing."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.reporting import html, report_tool

if TYPE_CHECKING:
    from tests.reporting.conftest import RunBehave, RunOutput

CANARY = "canary-7Hx2/qP+9"


@pytest.fixture(scope="module")
def page(everything: RunOutput, tmp_path_factory: pytest.TempPathFactory) -> Path:
    report_tool.prepare()
    folder = tmp_path_factory.mktemp("report")
    shutil.copytree(everything.folder / "allure-results", folder / "allure-results")
    return html.draw(folder / "allure-results")


@pytest.fixture(scope="module")
def data(page: Path) -> dict[str, str]:
    """Return the data within the page, by name."""
    return data_of(page)


@pytest.fixture(scope="module")
def twins(run_behave: RunBehave, tmp_path_factory: pytest.TempPathFactory) -> RunOutput:
    """Run scenarios with identical texts, a red and a green one of each, and draw the report."""
    report_tool.prepare()
    output = run_behave(tmp_path_factory.mktemp("twins") / "project", "--tags=@twins", "--junit")
    html.draw(output.folder / "allure-results")
    return output


def data_of(page: Path) -> dict[str, str]:
    found = re.findall(r'd\("([^"]+)","([^"]*)"\)', page.read_text("utf-8"))
    return {name: base64.b64decode(value).decode("utf-8", "replace") for name, value in found}


def test_scenarios_of_one_title_are_no_retries_of_each_other(twins: RunOutput) -> None:
    results = _results(twins)
    drawn = data_of(twins.folder / "allure-report" / "index.html")
    statistic = json.loads(drawn["widgets/statistic.json"])
    written = Counter(result["status"] for result in results)
    assert statistic["total"] == len(results) == len(twins.all_cases)
    assert "retries" not in statistic
    assert {status: statistic[status] for status in written} == written
    last = twins.last_line
    assert last == f"{written['passed']} passed, {written['failed'] + written['broken']} failed"
    shown = [json.loads(text) for name, text in drawn.items() if re.fullmatch(r"data/test-results/\w+\.json", name)]
    assert len(shown) == len(results)
    assert not any(result["isRetry"] or result.get("retries") for result in shown)
    kinds = Counter(label["value"] for r in results for label in r["labels"] if label["name"] == "outcome")
    red = {"failed", "error", "hook error", "clean-up error", "undefined", "pending", "nothing checked"}
    assert set(kinds) == {*red, "not testable here", "passed", "skipped"}


def test_their_history_survives_inserted_lines_and_rows_and_another_way_to_name_the_file(
    run_behave: RunBehave, twins: RunOutput
) -> None:
    before = {(r["historyId"], r["status"]) for r in _results(twins)}
    feature = twins.folder / "features" / "t_twins.feature"
    text = feature.read_text("utf-8").replace("Feature: Twins\n", "Feature: Twins\n\n  # a line\n", 1)
    row = "      | the balance |\n"
    feature.write_text(text.replace(row, f"      | the new row |\n{row}", 1), "utf-8")
    after = run_behave(twins.folder, str(twins.folder / "features"), "--tags=@twins")
    found = {(r["historyId"], r["status"]) for r in _results(after)}
    assert len(found - before) == 1
    assert before <= found
    line = text.splitlines().index("  @skip.it") + 6
    alone = run_behave(twins.folder, f"features/t_twins.feature:{line}")
    assert [(r["historyId"], r["status"]) in before for r in _results(alone) if r["name"] == "twin"] == [True]


def _results(output: RunOutput) -> list[dict[str, Any]]:
    files = (output.folder / "allure-results").glob("*-result.json")
    return [json.loads(file.read_text("utf-8")) for file in files]


def test_the_report_is_one_file_that_loads_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert {file.name for file in page.parent.iterdir()} == {"index.html"}
    assert not re.findall(r'<(?:script|link|img|iframe)[^>]*\b(?:src|href)="(?!data:)', text)
    assert "googletagmanager" not in text
    assert "Content-Security-Policy" in text


def test_the_report_counts_the_results_of_the_run(data: dict[str, str], everything: RunOutput) -> None:
    statistic = json.loads(data["widgets/statistic.json"])
    assert statistic["total"] == len(everything.results)
    kinds = _kinds(everything)
    assert statistic["passed"] == kinds["passed"] > 0
    assert statistic["unknown"] == kinds["untested"] > 0


def test_the_report_sorts_failures_by_what_is_to_be_done(data: dict[str, str], everything: RunOutput) -> None:
    nodes: list[dict[str, Any]] = list(json.loads(data["widgets/categories.json"])["nodes"].values())
    totals = {node["name"]: node["statistic"]["total"] for node in nodes if node["type"] == "category"}
    kinds = _kinds(everything)
    assert totals == {
        "Check failed": kinds["failed"],
        "Error in a test": kinds["error"],
        "Undefined step": kinds["undefined"] + kinds["pending"],
        "Nothing checked": kinds["nothing checked"],
        "Not testable here": kinds["not testable here"],
        "Set-up error": kinds["hook error"],
        "Clean-up error": kinds["clean-up error"],
        "Not run": kinds["untested"],
    }


def _kinds(output: RunOutput) -> Counter[str]:
    """Count the results of each outcome."""
    return Counter(kind for title in output.results for kind in output.label(title, "outcome"))


def test_the_report_names_the_target_without_its_secrets(data: dict[str, str]) -> None:
    facts = {fact["name"]: fact["values"][0] for fact in json.loads(data["widgets/allure_environment.json"])}
    assert facts["Keycloak"] == "26.7.4"
    assert facts["Ops-Center"].startswith("http://ops:‹secret ")  # noqa: RUF001
    assert all(CANARY not in text for text in data.values())


def test_without_results_there_is_no_report_and_a_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(html.NotDrawnError, match=r"There are no results in .* run behave first"):
        html.draw(tmp_path)


def test_without_the_tool_a_sentence_says_how_to_get_it(
    everything: RunOutput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_tool, "TOOL", tmp_path / "allure")
    with pytest.raises(html.NotDrawnError, match=r"run `python -m creditflow\.reporting\.report_tool`"):
        html.draw(everything.folder / "allure-results")


def test_preparing_twice_installs_once(capsys: pytest.CaptureFixture[str]) -> None:
    report_tool.prepare()
    capsys.readouterr()
    report_tool.prepare()
    assert capsys.readouterr().out == ""


def test_without_a_network_preparing_says_so_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(
        report_tool.NotPreparedError, match="the npm registry does not answer; check this machine's network"
    ):
        report_tool.prepare(tmp_path / "allure")
    assert not report_tool.is_prepared(tmp_path / "allure")
