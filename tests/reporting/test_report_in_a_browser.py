"""The report in a real browser: it opens from its file, asks for nothing else, and shows red as red."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.reporting import html
from creditflow.reporting.outcome import Kind
from creditflow.reporting.report_tool import ALLURE

if TYPE_CHECKING:
    from tests.reporting import browser, made_up
    from tests.reporting.conftest import RunBehave, RunOutput
else:
    import browser
    import made_up

pytestmark = browser.needs_browser

LINKS = (
    ("features/flows/1_individual_user.feature:1", "../features/flows/1_individual_user.feature"),
    ("F1.S5 the question costs about 9 credits", "traceability.html#F1.S5"),
)
KINDS = tuple(Kind)
RED = [kind for kind in KINDS if kind.is_red]


def place_of(uuid: str) -> str:
    """Return the fragment of a result's page."""
    return md5(uuid.encode(), usedforsecurity=False).hexdigest()


def draw(results: Path) -> Path:
    ALLURE.prepare()
    return html.draw(results)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Draw a made-up run with one scenario of each outcome, and look at it."""
    folder = tmp_path_factory.mktemp("made-up")
    scenarios = [
        made_up.scenario(
            n, kind=kind, message=f"{kind}: the reason." if kind.is_red else "", accounts=(made_up.CREDITS,)
        )
        for n, kind in enumerate(KINDS, 1)
    ]
    made_up.write(made_up.run(*scenarios), folder / "allure-results", made_up.page_with_a_table(), LINKS)
    page = draw(folder / "allure-results")
    scenario = place_of(scenarios[1].uuid)
    views: list[dict[str, Any]] = [
        {"name": "first", "axe": '[data-testid="report-variables"]'},
        {"name": "narrow", "width": 390},
        {"name": "scenario", "hash": scenario, "axe": '[data-testid="test-result-meta-links"]'},
        {"name": "narrow scenario", "hash": scenario, "width": 390},
        {"name": "categories", "hash": "categories"},
        {"name": "charts", "hash": "charts"},
        {"name": "timeline", "hash": "timeline"},
        {"name": "keyboard", "keys": ["ArrowDown", "Enter"]},
    ]
    return browser.visit(page, views, folder)


def test_nothing_is_asked_for_and_the_console_shows_no_error(seen: dict[str, Any]) -> None:
    assert seen["requests"] == []
    assert seen["errors"] == []


@pytest.mark.parametrize("view", ["first", "narrow"])
def test_the_first_page_begins_with_the_verdict(seen: dict[str, Any], view: str) -> None:
    first = seen["views"][view]
    assert first["scrolled"] == 0
    verdict = first["text"].partition("What holds")[2].partition("Metadata")[0]
    assert f"The credit flow fails: 1 passed, {len(RED)} failed" in verdict
    assert "0 of 1 hold; fails: Flow 1" in verdict
    assert "this is the first run in the history" in verdict
    assert "0.1.0 0123456789ab" in first["text"]


def test_each_outcome_is_shown_in_its_colour_and_category(seen: dict[str, Any]) -> None:
    shown = dict(map(tuple, seen["views"]["first"]["leaves"]))
    colours = {Kind.PASSED: "passed", Kind.FAILED: "failed", Kind.UNTESTED: "unknown"}
    colours |= {Kind.SKIPPED: "skipped", Kind.WAIVED: "skipped"}
    for number, kind in enumerate(KINDS, 1):
        assert shown[f"scenario {number} is {kind}"] == colours.get(kind, "broken"), kind
    for category in html.CATEGORIES:
        assert category in seen["views"]["categories"]["text"]


def test_a_scenario_shows_its_money_and_its_links_without_a_click(seen: dict[str, Any]) -> None:
    scenario = seen["views"]["scenario"]
    assert "failed: the reason." in scenario["text"]
    (description,) = scenario["frames"]
    for text in ("Feature: Flow 1", "Ledger", "the individual", "10,000", "9,982", "9,991", "unicorn_db: 9,982"):
        assert text in description
    assert set(LINKS) <= set(map(tuple, scenario["links"]))


@pytest.mark.parametrize("view", ["narrow", "narrow scenario"])
def test_a_narrow_window_needs_no_scrolling_sideways(seen: dict[str, Any], view: str) -> None:
    assert seen["views"][view]["outside"] == []


def test_a_scenario_opens_by_keyboard(seen: dict[str, Any]) -> None:
    assert seen["views"]["keyboard"]["address"] in {f"#{place_of(f'result-{n}')}" for n in range(1, len(KINDS) + 1)}


@pytest.mark.parametrize("view", ["first", "scenario"])
def test_what_the_suite_adds_is_accessible(seen: dict[str, Any], view: str) -> None:
    """Allure's own parts are not judged: some of its buttons have no name, and its page has no landmarks."""
    assert seen["views"][view]["violations"] == []


def test_a_description_is_accessible_in_both_themes(tmp_path: Path) -> None:
    themes = {"light": ("#fff", "#222"), "dark": ("#161a1d", "#dee4ea")}
    for theme, (paper, ink) in themes.items():
        page = tmp_path / f"{theme}.html"
        page.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Description</title>'
            f'<body style="background:{paper};color:{ink}"><main id="app"><h1>Scenario</h1><h2>Body</h2><h3>Text</h3>'
            f"{made_up.page_with_a_table()}<p>{'This page imitates the frame of a description. ' * 3}</p></main>",
            "utf-8",
        )
        found = browser.visit(page, [{"name": "page", "axe": "body"}], tmp_path)
        assert found["views"]["page"]["violations"] == []


def test_red_is_red_in_a_real_run(everything: RunOutput, tmp_path: Path) -> None:
    shutil.copytree(everything.folder / "allure-results", tmp_path / "allure-results")
    found = browser.visit(draw(tmp_path / "allure-results"), [{"name": "first"}], tmp_path)
    assert (found["requests"], found["errors"]) == ([], [])
    shown = {(name, status) for name, status in found["views"]["first"]["leaves"]}
    red = {(name, r["status"]) for name, r in everything.results.items() if r["status"] in ("failed", "broken")}
    assert red
    assert red <= shown
    assert not any((name, "passed") in shown for name, _ in red)


def test_an_equal_title_is_not_a_retry(run_behave: RunBehave, tmp_path: Path) -> None:
    output = run_behave(tmp_path / "twins", "--tags=@twins", "--junit")
    results = [json.loads(file.read_text("utf-8")) for file in (output.folder / "allure-results").glob("*-result.json")]
    found = browser.visit(draw(output.folder / "allure-results"), [{"name": "first"}], tmp_path)
    leaves = Counter(map(tuple, found["views"]["first"]["leaves"]))
    assert leaves == Counter((result["name"], result["status"]) for result in results)
