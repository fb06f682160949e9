"""The report is one page that opens in a browser, is about this run only, and loads nothing."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.reporting import html
from creditflow.reporting.npm_tool import NotPreparedError
from creditflow.reporting.outcome import Kind
from creditflow.reporting.report_tool import ALLURE

if TYPE_CHECKING:
    from tests.reporting import made_up
    from tests.reporting.conftest import RunBehave, RunOutput
else:
    import made_up

CANARY = "canary-7Hx2/qP+9"


@pytest.fixture(scope="module")
def page(everything: RunOutput, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ALLURE.prepare()
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
    ALLURE.prepare()
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
        "A product defect": kinds["failed"],
        "A broken test or service": kinds["error"],
        "A step is not written": kinds["undefined"] + kinds["pending"],
        "Nothing was checked": kinds["nothing checked"],
        "Not testable here": kinds["not testable here"],
        "The set-up failed": kinds["hook error"],
        "The clean-up failed": kinds["clean-up error"],
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
    monkeypatch.setattr(html, "ALLURE", replace(ALLURE, folder=tmp_path / "allure"))
    with pytest.raises(html.NotDrawnError, match=r"run `python -m creditflow\.reporting\.report_tool`"):
        html.draw(everything.folder / "allure-results")


def test_preparing_twice_installs_once(capsys: pytest.CaptureFixture[str]) -> None:
    ALLURE.prepare()
    capsys.readouterr()
    ALLURE.prepare()
    assert capsys.readouterr().out == ""


def test_without_a_network_preparing_says_so_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    tool = replace(ALLURE, folder=tmp_path / "allure")
    with pytest.raises(NotPreparedError, match="the npm registry does not answer; check this machine's network"):
        tool.prepare()
    assert not tool.is_prepared()


def test_a_run_is_compared_with_the_run_before_and_drawn_again_as_often_as_one_likes(tmp_path: Path) -> None:
    ALLURE.prepare()
    results = tmp_path / "allure-results"
    first = [made_up.scenario(1, title="one"), made_up.scenario(2, title="two")]
    made_up.write(made_up.run(*first, run="cf-first1"), results)
    html.draw(results)
    second = [first[0], made_up.scenario(2, kind=Kind.FAILED, title="two")]
    made_up.write(made_up.run(*second, run="cf-second"), results)
    for _ in range(2):
        data = data_of(html.draw(results))
        assert json.loads(data["widgets/variables.json"])["Since the last run"] == "1 newly red"
    facts = {fact["name"]: fact["values"][0] for fact in json.loads(data["widgets/allure_environment.json"])}
    assert facts["Run"] == "cf-second"
    history = (tmp_path / ".sandbox" / "allure-history.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["name"].rpartition(", run ")[2] for line in history] == ["cf-first1", "cf-second"]


def test_a_damaged_line_of_the_history_is_no_obstacle(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text('{"name": "x, run cf-aaaaaa", "testResults": {"a.b": {"status": "passed"}}}\n{"nam\n', "utf-8")
    assert html._before(history, "cf-bbbbbb") == {"a": "passed"}
    assert html._before(history, "cf-aaaaaa") is None
    assert html._before(tmp_path / "none.jsonl", "cf-bbbbbb") is None
