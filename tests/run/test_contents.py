"""`docs/scenarios.md` lists every scenario of the features in the order of the plan."""

from __future__ import annotations

import re
from pathlib import Path

from behave.model import Feature
from behave.parser import parse_feature

from creditflow.reporting import plan_items, selection
from creditflow.run import contents
from creditflow.run.contents import PAGE, text

SMALL = """\
@allure.label.epic:Small @flow-1 @A1
Feature: An individual pays
  Users see what they pay
  at once. More is said here.

  @F1.S5 @needs.journal @critical
  Scenario: A request of one_model is paid once
    When they ask

  Rule: Each model has its price

    @K1 @normal
    Scenario Outline: A request for <what thing> costs <cost>
      When they ask

      Examples:
        | what thing | cost |
        | a          | 1    |
        | b          | 2    |

      @K2
      Examples:
        | what thing | cost |
        | c          | 3    |

    @qualities @opt-in
    Scenario: A long one | with a bar
      When they ask
"""


def small(folder: str = "flows", name: str = "1_small.feature", source: str = SMALL) -> Feature:
    feature = parse_feature(source, filename=f"features/{folder}/{name}")
    assert feature
    return feature


def test_a_feature_is_its_title_its_first_sentence_a_link_and_a_row_for_each_scenario() -> None:
    page = text([small()], ["F1.S5", "K1", "K2", "A1", "N1"])

    assert page.partition("## Flows\n")[2].splitlines()[2:] == [
        "### An individual pays",
        "Users see what they pay at once. [1_small.feature](../features/flows/1_small.feature)",
        "All scenarios: A1.",
        "",
        "| scenario | plan | notes |",
        "|---|---|---|",
        "| A request of one\\_model is paid once | F1.S5 | critical, stand-in |",
        "| **Each model has its price** | | |",
        "| A request for *what thing* costs *cost* | K1 K2 | 3 rows |",
        "| A long one \\| with a bar |  | opt-in |",
    ]
    assert "5 scenarios in 1 feature. They carry 4 of the plan's\n5 items, a usual run 4 of them." in page


def test_the_features_are_in_the_order_of_the_plan() -> None:
    folders = ("risks", "qualities", "flows", "another", "platform", "edge_cases")
    features = [small(folder, f"{number}_x.feature") for folder in folders for number in (2, 1)]
    links = re.findall(r"\(\.\./features/(\w+)/(\d)_x\.feature\)", text(features, []))

    order = ("flows", "edge_cases", "risks", "platform", "qualities", "another")
    assert links == [(folder, number) for folder in order for number in ("1", "2")]


def test_the_page_lists_every_feature_rule_and_scenario_of_the_suite() -> None:
    page, features = PAGE.read_text("utf-8"), selection.parsed(selection.FEATURES)
    rows = re.findall(r"^\| (?!\*\*)(?!.*\]\(#).* \| [A-Z\d. ]* \| .*\|$", page, re.MULTILINE)

    assert page == text(features, [item.id for item in plan_items.read().items])
    assert len(rows) == sum(len(part.scenarios) for feature in features for part in (feature, *feature.rules))
    for feature in features:
        assert f"(../features/{Path(feature.filename).parent.name}/{Path(feature.filename).name})" in page


def test_the_command_writes_the_page_again() -> None:
    before = PAGE.read_bytes()

    assert contents.main() == 0
    assert PAGE.read_bytes() == before
