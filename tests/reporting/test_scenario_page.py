"""A scenario's page has the texts of its feature and rule, and links to its line and to its items of the plan."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from behave.model import Scenario
from behave.parser import parse_feature

from creditflow.reporting import scenario_page

FEATURE = """
@F1.S5 @flow-1
Feature: Paying
  Why users <pay>.

  Rule: A price holds
    It is the price list's.

    @K1
    Scenario Outline: <model> costs <cost>
      How much it is.

      Then it costs <cost>

      Examples:
        | model | cost |
        | GPT-4 | 48   |
"""
ITEMS = {"F1.S5": "the question costs about 9 credits", "K1": "100 tokens cost 9 credits"}


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    for name in ("SERVER_URL", "REPOSITORY", "SHA"):
        monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    feature = parse_feature(FEATURE, filename="features/paying.feature")
    assert feature is not None
    scenario: Scenario = feature.walk_scenarios()[0]
    return scenario


def test_the_description_has_the_texts_of_feature_rule_and_scenario_once(scenario: Scenario) -> None:
    assert scenario_page.description(scenario) == (
        "<h4>Feature: Paying</h4><p>Why users &lt;pay&gt;.</p><h4>Rule: A price holds</h4>"
        "<p>It is the price list&#x27;s.</p><p>How much it is.</p>"
    )


def test_the_links_lead_to_the_line_and_to_the_items(scenario: Scenario) -> None:
    links = [(link.name, link.url) for link in scenario_page.links(scenario, ITEMS, Path("allure-report"))]
    assert links == [
        (f"features/paying.feature:{scenario.line}", "../features/paying.feature"),
        ("F1.S5 the question costs about 9 credits", "traceability.html#F1.S5"),
        ("K1 100 tokens cost 9 credits", "traceability.html#K1"),
    ]


def test_on_github_the_line_is_that_of_the_commit(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SERVER_URL": "https://git.example", "REPOSITORY": "us/suite", "SHA": "abc"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    (line,) = scenario_page.links(scenario, {}, Path("allure-report"))
    assert line.url == f"https://git.example/us/suite/blob/abc/features/paying.feature#L{scenario.line}"


def test_the_items_are_those_beside_the_features(tmp_path: Path) -> None:
    config: Any = SimpleNamespace(base_dir=str(tmp_path / "features"))
    assert scenario_page.plan_items(config) == {}
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "items.tsv").write_text("id\tkind\tsays\nK1\tcost\tit costs 9 credits\n", "utf-8")
    assert scenario_page.plan_items(config) == {"K1": "it costs 9 credits"}


def test_a_table_escapes_texts_aligns_numbers_and_marks_rows() -> None:
    table = scenario_page.table("A & B", ("who",), [("<x>",), (10_000,), (None,), (True,), ("x" * 25,)], marked=[1])
    assert "<h4>A &amp; B</h4>" in table
    assert "<td>&lt;x&gt;</td>" in table
    assert f"<tr{scenario_page._MARKED}><td{scenario_page._NUMBER}>10,000</td>" in table
    assert "<td></td>" in table
    assert f"<td{scenario_page._LONG}>xxx" in table
    assert ">True</td>" in table


def test_each_part_of_a_message_has_a_line_of_its_own() -> None:
    hint = "no credits were deducted: the credit middleware may be off, check that it is enabled in the API router"
    assert scenario_page.problems(f"they have <9>, expected 8; {hint}.\nThen also, in x: y.") == (
        f"<h4>What is wrong</h4><ul><li>they have &lt;9&gt;, expected 8</li><li>{hint}.</li>"
        f"<li>Then also, in x: y.</li></ul>"
    )
