"""The features keep the rules, and each rule finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from behave.step_registry import StepRegistry

from creditflow.run import contents, feature_lint

GOOD = """\
@allure.label.epic:Small @flow-1 @A1
Feature: An individual pays
  Somebody has to.

  Background:
    Given an individual

  Rule: A request costs credits

    @F1.S1 @needs.journal @critical
    Scenario: A request is paid once
      When they ask something
      Then they have 9 credits left
      And the provider was called once

    @normal
    Scenario Outline: A request for <what> is answered
      When they ask <what>
      Then they have 9 credits left

      Examples:
        | what      |
        | something |
        | more      |
"""
ITEMS = "id\tkind\tsays\nA1\tmust\teverything passes\nF1.S1\tstep\tthey ask\nN1\tnice\treports\n"
LATER = "id\twaits for\nN1\tthe reports\n"
STEPS = (
    ("given", "an individual"),
    ("when", "they ask something"),
    ("when", "they ask more"),
    ("then", "they have 9 credits left"),
    ("then", "the provider was called once"),
)

Lint = Callable[..., list[str]]


def definitions(*steps: tuple[str, str]) -> StepRegistry:
    """Return a registry of steps that do nothing."""
    registry: Any = StepRegistry()

    def step(context: object) -> None: ...

    for kind, text in steps:
        registry.add_step_definition(kind, text, step)
    return registry  # type: ignore[no-any-return]


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Return a function that changes the small feature, or its surroundings, and returns the violations."""

    def run(
        old: str = "",
        new: str = "",
        items: str = ITEMS,
        later: str = LATER,
        steps: tuple[tuple[str, str], ...] = STEPS,
        name: str = "small.feature",
        waivers: str = "",
        page: str = "",
    ) -> list[str]:
        assert GOOD.count(old) == 1 or not old, f"'{old}' is to be in the small feature once"
        features, plan = tmp_path / "features", tmp_path / "plan"
        (features / name).parent.mkdir(parents=True)
        plan.mkdir()
        (features / name).write_text(GOOD.replace(old, new) if old else GOOD, "utf-8")
        (plan / "items.tsv").write_text(items, "utf-8")
        (plan / "later.tsv").write_text(later, "utf-8")
        (plan / "waivers.tsv").write_text(waivers, "utf-8")
        suite = feature_lint.read(features, plan, definitions(*steps))
        fresh = contents.text(suite.features, [item.id for item in suite.items])
        suite = replace(suite, page=page or fresh)
        return [str(finding) for finding in feature_lint.findings(suite)]

    return run


def test_the_features_of_the_suite_keep_every_rule() -> None:
    found = feature_lint.findings(feature_lint.read())

    assert not found, "\n" + "\n".join(map(str, found))


def test_the_coverage_line_counts_the_plan() -> None:
    suite = feature_lint.read()

    assert suite.coverage().startswith("166 of 166 plan items are carried by ")
    assert suite.coverage().endswith(" scenarios, 0 are for later")


def test_a_good_feature_has_no_finding(lint: Lint) -> None:
    assert lint() == []


def test_a_title_that_is_used_twice(lint: Lint) -> None:
    assert lint("A request is paid once", "A request for more is answered") == [
        "features/small.feature:24: the title 'A request for more is answered' is already at "
        "features/small.feature:11: say what is different in this scenario."
    ]


@pytest.mark.parametrize("tag", ["F1.S2", "flow-4", "critcal", "needs.jurnal", "allure.label.epic:"])
def test_an_unknown_tag(lint: Lint, tag: str) -> None:
    assert lint("    @F1.S1 ", f"    @F1.S1 @{tag} ") == [
        f"features/small.feature:10: the tag @{tag} is unknown: use a plan id, a severity, @flow-1 to @flow-3, "
        "@edge-cases, @journey, @qualities, @exclusive, @allure.label.epic:NAME, @needs.NAME or @opt-in."
    ]


@pytest.mark.parametrize(("tags", "found"), [("@A1", "nothing"), ("@normal @critical", "normal and critical")])
def test_no_severity_or_two(lint: Lint, tags: str, found: str) -> None:
    assert lint("    @normal\n", f"    {tags}\n") == [
        f"features/small.feature:17: 'A request for <what> is answered' has {found} as severity: "
        "give it exactly one of blocker and critical and normal and minor and trivial."
    ]


def test_a_plan_item_that_no_scenario_carries(lint: Lint) -> None:
    assert lint("@F1.S1 ", "") == [
        "plan/items.tsv:3: no scenario of a usual run carries the plan item F1.S1: "
        "tag the one that checks it, or say in later.tsv what it waits for."
    ]


def test_a_plan_item_that_only_an_opt_in_scenario_carries(lint: Lint) -> None:
    assert lint("@F1.S1 ", "@F1.S1 @opt-in ") == [
        "plan/items.tsv:3: no scenario of a usual run carries the plan item F1.S1: "
        "tag the one that checks it, or say in later.tsv what it waits for."
    ]


def test_a_plan_item_that_is_carried_and_for_later(lint: Lint) -> None:
    assert lint(later=LATER + "F1.S1\tbetter days\n") == [
        "plan/later.tsv:3: the plan item F1.S1 is for later, but a scenario carries it: remove the row."
    ]


def test_a_waiver_for_a_scenario_that_does_not_exist(lint: Lint) -> None:
    rows = "scenario\ttarget\tuntil\treason\nNo feature: no title\tsut.example\t2999-12-31\tbetter days\n"
    assert lint(waivers=rows) == [
        "plan/waivers.tsv:2: no scenario is called 'No feature: no title': correct the name, or remove the row."
    ]


def test_rows_of_the_plan_that_are_wrong(lint: Lint) -> None:
    assert lint(items=ITEMS + "N1\tnice\tagain\nA1\t\n", later=LATER + "N9\tnobody\n") == [
        "plan/items.tsv:5: the plan item N1 is there twice: remove one of the rows.",
        "plan/items.tsv:6: the row of 'A1' is not whole: give it id, kind and what it says, separated by tabs.",
        "plan/items.tsv:6: the plan item A1 is there twice: remove one of the rows.",
        "plan/later.tsv:3: N9 is no item of the plan: correct the id, or remove the row.",
    ]


@pytest.mark.parametrize(
    ("step", "what", "word"),
    [
        ("they ask http://localhost", "a URL or path", "http://localhost"),
        ("they ask /credits/balance", "a URL or path", "/credits/balance"),
        ("they ask api/v1/org", "a URL or path", "api/v1/org"),
        ("they POST a question", "an HTTP verb", "POST"),
        ("they SELECT their credits", "SQL", "SELECT"),
        ('they ask {"max": 9}', "JSON", "{"),
        ("they ask on port 8084", "a port", "port"),
        ("they ask ops-center:8084", "a port", "center:8084"),
        ("they send X-Use-BYOK", "a header", "X-Use-BYOK"),
        ("they send an Idempotency-Key", "a header", "Idempotency-Key"),
        ("they look at credits_remaining", "a table, column or field", "credits_remaining"),
    ],
)
def test_a_step_in_technical_words(lint: Lint, step: str, what: str, word: str) -> None:
    found = [finding for finding in lint("When they ask something", f"When {step}") if "contains" in finding]

    assert found == [
        f"features/small.feature:12: the step '{step}' contains {what} ('{word}'): say what people do or see."
    ]


@pytest.mark.parametrize(
    ("name", "step", "cell", "found"),
    [
        ("2_databases.feature", "user_credits is there", "user_id", 0),
        ("5_endpoints.feature", "it holds", "user_id", 0),
        ("5_endpoints.feature", "it holds user_id", "credits", 1),
        ("1_services.feature", "unicorn_db is there", "credits", 0),
        ("1_services.feature", "it holds", "user_id", 1),
    ],
)
def test_where_columns_and_fields_may_be_named(lint: Lint, name: str, step: str, cell: str, found: int) -> None:
    was = "And the provider was called once\n"
    table = f"{was}      And {step}\n        | field  |\n        | {cell} |\n"

    assert len(lint(was, table, name=name, steps=(*STEPS, ("then", step)))) == found


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("1 credits", "1 credit"),
        ("1 calls", "1 call"),
        ("one tokens", "one token"),
        ("1 requests", "1 request"),
        ("1 entries", "1 entry"),
        ("2 credit", "2 credits"),
        ("0 call", "0 calls"),
        ("10,001 call", "10,001 calls"),
        ("2 entry", "2 entries"),
        ("1 GPT-3.5-turbo requests", "1 GPT-3.5-turbo request"),
        ("2 active subscription", "2 active subscriptions"),
    ],
)
def test_a_number_and_a_noun_that_do_not_agree(lint: Lint, wrong: str, right: str) -> None:
    assert lint("A request is paid once", f"A request for {right} costs {wrong}") == [
        f"features/small.feature:11: '{wrong}' in the title 'A request for {right} costs {wrong}' is not English: "
        "make number and noun agree."
    ]


def test_a_number_and_a_noun_that_do_not_agree_once_a_row_is_filled_in(lint: Lint) -> None:
    assert lint(
        "        | something |\n        | more      |\n",
        "        | 1 tokens |\n",
        steps=(*STEPS, ("when", "they ask 1 tokens")),
    )[:2] == [
        "features/small.feature:23: '1 tokens' in the title 'A request for 1 tokens is answered' is not English: "
        "make number and noun agree.",
        "features/small.feature:18: '1 tokens' in the step 'they ask 1 tokens' is not English: "
        "make number and noun agree.",
    ]


@pytest.mark.parametrize(
    "title",
    [
        "1 of 10,000 calls is used",
        "A GPT-4 request is answered",
        "A GPT-3.5 request costs nine credits",
        "The 701st call is refused",
        "It is refused with 429 and costs -5 credits",
        "One credit more than 9 is too much",
        "100 tokens of GPT-4 cost 48 credits",
        "1 answer arrives and 1 is refused",
        "They wait a 1-second request",
    ],
)
def test_numbers_that_count_nothing_or_agree(lint: Lint, title: str) -> None:
    assert lint("A request is paid once", title) == []


def test_a_scenario_that_is_too_long(lint: Lint) -> None:
    once = "      When they ask something\n"

    assert lint(once, once * 11) == [
        "features/small.feature:11: 'A request is paid once' has 13 steps, at most 12 are read: "
        "show its second behaviour in a scenario of its own."
    ]


@pytest.mark.parametrize(("more", "too_long"), [(21, False), (22, True)])
def test_a_journey_may_be_longer_but_not_of_any_length(lint: Lint, more: int, too_long: bool) -> None:
    was = "    @F1.S1 @needs.journal @critical\n    Scenario: A request is paid once\n"
    journey = was.replace("@F1.S1", "@journey @F1.S1") + "      When they ask something\n" * more
    where = "features/flows/small.feature:11: 'A request is paid once'"

    assert lint(was, journey, name="flows/small.feature") == [
        f"{where} has 25 steps, at most 24 are read: show its second behaviour in a scenario of its own."
    ] * (1 if too_long else 0)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "flows/small.feature",
            "",
            "",
            "nothing of its scenarios: tag its first scenario, and no other, with @journey",
        ),
        ("flows/small.feature", "    @normal", "    @journey @normal", "2 and 3 of its scenarios: tag its first"),
        ("small.feature", "@F1.S1", "@journey @F1.S1", "1 of its scenarios: remove the tag @journey"),
    ],
)
def test_a_journey_is_the_first_scenario_of_a_flow_and_of_nothing_else(
    lint: Lint, name: str, old: str, new: str, says: str
) -> None:
    (found,) = lint(old, new, name=name)
    assert f"'An individual pays' has its journeys at {says}" in found


def test_a_misspelt_step_that_behave_takes_for_description(lint: Lint) -> None:
    assert lint("      When they ask something\n", "      Whn they ask something\n      When they ask more\n") == [
        "features/small.feature:11: 'Whn they ask something' is read as description and never run: "
        "begin it with Given, When, Then, And or But, or make it a comment."
    ]


def test_a_misspelt_step_of_a_background(lint: Lint) -> None:
    assert lint("Given an individual", "Givn an individual", steps=STEPS[1:]) == [
        "features/small.feature:5: 'Givn an individual' is read as description and never run: "
        "begin it with Given, When, Then, And or But, or make it a comment."
    ]


@pytest.mark.parametrize("line", ["Senario: Another", "Given somebody", "Scenario outline: Another"])
def test_a_keyword_that_behave_takes_for_description(lint: Lint, line: str) -> None:
    assert lint("Somebody has to.", line) == [
        f"features/small.feature:2: '{line}' is read as description of 'An individual pays', not as a step or "
        "keyword: correct its keyword or the one before it, or begin the sentence otherwise."
    ]


def test_a_feature_without_a_description(lint: Lint) -> None:
    assert lint("  Somebody has to.\n", "") == [
        "features/small.feature:2: 'An individual pays' has no description: say why the business cares."
    ]


def test_a_feature_that_behave_cannot_read(lint: Lint) -> None:
    assert lint("Then they have 9 credits left\n      And", "Tehn they have 9 credits left\n      And") == [
        "features/small.feature:13: behave can't read 'Tehn they have 9 credits left': correct its keyword or tag."
    ]


def test_a_step_that_is_not_defined(lint: Lint) -> None:
    assert lint("<what>\n      Then", "<what> again\n      Then", steps=(*STEPS[:2], *STEPS[3:])) == [
        "features/small.feature:18: no definition fits the step 'they ask something again': "
        "use a sentence of the others, or define it.",
        "features/small.feature:18: no definition fits the step 'they ask more again': "
        "use a sentence of the others, or define it.",
    ]


def test_a_definition_that_nobody_uses(lint: Lint) -> None:
    (found,) = lint(steps=(*STEPS, ("then", "all is well")))

    assert found.startswith("tests/run/test_feature_lint.py:")
    assert found.endswith(": no feature uses the step 'all is well': remove its definition.")


def test_a_step_that_two_definitions_fit(lint: Lint) -> None:
    (found,) = lint(steps=(*STEPS, ("step", "they ask more")))

    assert found.startswith("features/small.feature:18: the step 'they ask more' fits tests/run/")


@pytest.mark.parametrize(("tags", "missing"), [("@flow-1 @A1", 2), ("@flow-1 @exclusive @A1", 0)])
def test_a_step_that_changes_what_others_see(
    tags: str, missing: int, lint: Lint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_lint, "EXCLUSIVE_STEPS", {Path(__file__).name})

    found = [one for one in lint("@flow-1 @A1", tags) if "tag it with @exclusive" in one]

    assert len(found) == missing


def test_a_step_that_needs_the_journal_without_the_tag(lint: Lint) -> None:
    assert lint("@needs.journal ", "") == [
        "features/small.feature:11: 'A request is paid once' needs what only the provider's stand-in shows: "
        "tag it with @needs.journal."
    ]


def test_the_tag_of_the_journal_without_such_a_step(lint: Lint) -> None:
    assert lint("    @normal\n", "    @normal @needs.journal\n") == [
        "features/small.feature:17: no step of 'A request for <what> is answered' asks the provider's stand-in: "
        "remove @needs.journal."
    ]


def test_a_scenario_without_an_outcome(lint: Lint) -> None:
    assert lint(
        "<what>\n      Then they", "<what>\n      When they", steps=(*STEPS, ("when", "they have 9 credits left"))
    ) == [
        "features/small.feature:17: 'A request for <what> is answered' has no Then: say what has to be true at its end."
    ]


def test_an_outline_without_rows(lint: Lint) -> None:
    assert lint("        | something |\n        | more      |\n", "", steps=(*STEPS[:2], *STEPS[3:])) == [
        "features/small.feature:17: 'A request for <what> is answered' has no row of Examples, so it never runs: "
        "give it rows."
    ]


def test_a_table_of_contents_that_is_out_of_date(lint: Lint) -> None:
    assert lint(page="# All scenarios\n\nAn older one.\n") == [
        "docs/scenarios.md:3: the page is not that of the features: write it with `python -m creditflow.run.contents`."
    ]
