"""Random histories consist of the features' own sentences, are the same for the same seed, and follow their focus."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest
from behave.parser import parse_feature
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from creditflow.audit.oracle import Decision
from creditflow.core.errors import NotTestableError
from creditflow.run.exploration import finding, shrinking, situations
from creditflow.run.exploration.finding import Finding, Seed
from creditflow.run.exploration.run import require_allowed, seed_of
from creditflow.run.exploration.sentences import PREFERRED, Allowed, Author, Sentence, history
from creditflow.run.feature_lint import Suite, findings, suite_steps, tags_needed
from creditflow.target.settings import FOCUSES, SettingsError, load

EVERYWHERE = Allowed(journal=True, alone=True)
ROLES = [("own",), ("members",), ("keys",), ("own", "members", "keys")]


@trials(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["", *FOCUSES]), st.sampled_from(ROLES))
def test_each_sentence_fits_exactly_one_step(random: Random, focus: str, roles: tuple[str, ...]) -> None:
    steps = suite_steps().steps
    for sentence in Author(random, EVERYWHERE, focus, roles).history():
        fitting = [step for step in steps[sentence.kind] if step.match(sentence.text)]
        assert len(fitting) == 1, f"{sentence} fits {[step.pattern for step in fitting]}"


@trials(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_nobody_is_spoken_of_before_they_come(random: Random) -> None:
    told = Author(random, EVERYWHERE).history()
    assert list(shrinking.sensible(told)) == [told]


def test_the_same_seed_makes_the_same_history() -> None:
    assert history("4711/17", EVERYWHERE) == history("4711/17", EVERYWHERE)
    assert history("4711/17", EVERYWHERE) != history("4711/18", EVERYWHERE)


def test_a_history_has_people_and_six_to_fifteen_acts() -> None:
    for number in range(50):
        told = history(f"1/{number}", Allowed())
        assert shrinking.people(told)
        assert 6 <= sum(sentence.kind == "when" for sentence in told) <= 35


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        (Allowed(journal=False, alone=True), r"the provider|is estimated|disconnects before the answer|OpenAI key"),
        (Allowed(keys=False), r"stored an OpenRouter key$|stores an OpenRouter key$"),
        (Allowed(journal=True, alone=False), r"goes away|is back|month has begun|the clock"),
    ],
    ids=["no stand-in", "no key that works", "others on the target"],
)
def test_a_history_does_only_what_the_target_allows(allowed: Allowed, words: str) -> None:
    said = [one.text for number in range(200) for one in history(f"1/{number}", allowed)]
    others = re.compile(r"key that the provider does not know|a body of its own for the provider")
    assert not [text for text in said if re.search(words, others.sub("", text))]


@pytest.mark.parametrize(
    ("focus", "words"),
    [
        ("quota", r"more calls this month|counter is lost"),
        ("keys", r"own key|stores an|removes their"),
        ("bursts", r"at the same time"),
        ("repetitions", r"the same request again|the same idempotency key"),
        ("streams", r"streamed"),
    ],
)
def test_a_focus_makes_its_acts_more_frequent(focus: str, words: str) -> None:
    def share(of: str) -> float:
        said = [
            one.text for number in range(150) for one in history(f"1/{number}", Allowed(), of) if one.kind == "when"
        ]
        return sum(bool(re.search(words, text)) for text in said) / len(said)

    assert share(focus) > 1.5 * share("")


def test_the_settings_know_every_focus() -> None:
    assert set(FOCUSES) == set(PREFERRED)


def test_the_boundaries_are_reached_more_often_than_anything_else() -> None:
    """A person with 9 credits, who can pay for exactly 100 tokens of GPT-3.5-turbo, is near them in most requests."""
    costs: Counter[int] = Counter()
    for number in range(100):
        author = Author(Random(number), Allowed())
        person = author.newcomer("the individual", "professional", 9)
        tokens = author.tokens(person, "GPT-3.5-turbo", "", exactly=True)
        costs[(9 * tokens + 50) // 100 - 9] += 1
    assert set(costs) == {-1, 0, 1}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("explore_minutes", "abc", "EXPLORE_MINUTES is not valid"),
        ("explore_minutes", "0", "EXPLORE_MINUTES is not valid"),
        ("explore_seed", "x", "EXPLORE_SEED is not a seed such as 4711, or 4711/17 for its history 17"),
        ("explore_focus", "mony", "EXPLORE_FOCUS is none of money, quota, payer"),
        ("explore_tries", "-1", "EXPLORE_TRIES is not valid"),
    ],
)
def test_bad_input_gets_one_clear_sentence(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        load({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "refused"),
    [({}, True), ({"allow_exploring": "other.example.com"}, True), ({"allow_exploring": "staging.example.com"}, False)],
)
def test_a_deployment_is_explored_only_if_it_is_named(more: dict[str, str], refused: bool) -> None:
    named = {"ops_center_url": "https://staging.example.com", "keycloak_url": "https://staging.example.com"}
    settings = load({**named, "keycloak_client_secret": "not a secret", **more})
    if refused:
        with pytest.raises(NotTestableError, match=r"set ALLOW_EXPLORING=staging\.example\.com"):
            require_allowed(settings)
    else:
        require_allowed(settings)


def test_a_seed_may_name_one_history() -> None:
    assert seed_of("4711") == (4711, 0)
    assert seed_of("4711/17") == (4711, 17)
    assert seed_of("")[0] > 0


GIVEN = (
    Sentence("given", "an individual on the Starter plan with 100 credits"),
    Sentence("given", "a neighbour on the Trial plan with 9 credits"),
    Sentence("when", "the neighbour sends a GPT-4 request that uses 3 tokens"),
    Sentence("when", "the individual signs in again"),
    Sentence("when", "the individual sends a GPT-3.5-turbo request that uses 50 tokens"),
    Sentence("when", "the individual sends a GPT-4-turbo request that uses 50 tokens"),
)


def needed(told: tuple[Sentence, ...]) -> bool:
    """Be wrong as long as these three sentences are there."""
    return {GIVEN[0], GIVEN[4], GIVEN[5]} <= set(told)


def test_a_finding_becomes_as_small_as_possible() -> None:
    small, tries = shrinking.smallest(GIVEN, needed, 40)
    assert small == (GIVEN[0], GIVEN[4], GIVEN[5])
    assert tries <= 12


@trials(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_what_is_needed_stays_and_the_rest_goes(random: Random, data: st.DataObject) -> None:
    told = Author(random, Allowed()).history()
    kept = told[data.draw(st.integers(0, len(told) - 1))]
    small, _ = shrinking.smallest(told, lambda one: {kept, told[-1]} <= set(one), 10_000)
    assert {kept, told[-1]} <= set(small)
    assert list(shrinking.sensible(small)) == [small]
    assert len(small) <= 9


def test_making_it_smaller_ends_after_so_many_tries_or_seconds() -> None:
    seen: list[int] = []

    def count(told: tuple[Sentence, ...]) -> bool:
        seen.append(len(told))
        return False

    assert shrinking.smallest(GIVEN, count, 3) == (GIVEN, 3)
    ticks = iter(range(100))
    assert shrinking.smallest(GIVEN, count, 100, seconds=2, clock=lambda: next(ticks)) == (GIVEN, 1)


FOUND = Finding((GIVEN[0], GIVEN[4]), "the ledger", "credits", "The ledger disagrees", Seed(4711, 17), 3, 20)


def test_a_finding_is_told_with_its_scenario_and_how_to_repeat_it() -> None:
    said = finding.told(FOUND, ["normal"], "make explore SEED=4711/17")
    assert said.startswith("The ledger disagrees\n")
    assert "wrong 3 of 20 times" in said
    assert said.endswith("`make explore SEED=4711/17`")


@trials(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_scenario_that_is_pasted_keeps_the_rules_of_the_features(random: Random) -> None:
    registry = suite_steps()
    told = Author(random, EVERYWHERE).history()
    alone, _ = shrinking.smallest(told, lambda one: told[-1] in one and len(one) >= 3, 10_000)
    found = Finding(alone, "the oracle", "", "", Seed(1, 2))
    steps = parse_feature("Feature: a\n Scenario: b\n" + "\n".join(finding.steps(found.sentences))).scenarios[0].steps
    text = (
        "@allure.label.epic:Found\nFeature: Found\n  What histories found.\n\n  Rule: Answers are as agreed\n\n"
        + finding.scenario(found, [*tags_needed(steps, registry), "normal"])
    )
    feature = parse_feature(text, filename="features/risks/found.feature")
    [scenario] = feature.walk_scenarios()
    assert [(step.step_type, step.name) for step in scenario.steps] == [
        *((one.kind, one.text) for one in found.sentences),
        ("then", finding.THEN),
    ]
    suite = Suite((feature,), (), (), (), (), registry, "")
    about_it = [one.sentence for one in findings(suite) if "found.feature" in one.where]
    assert [one for one in about_it if "steps, at most" not in one] == []


def test_situations_are_counted_and_named_when_they_are_missing() -> None:
    counted = situations.Situations()
    assert counted.reached == 0
    counted.add([Decision("quota", "trial", "", "whole", "plain", "one short", "someone", "r1")] * 2)
    assert counted.reached == 3
    row = next(row for row in counted.rows() if row[0] == "quota")
    assert row[1] == 2
    assert "stream" in row[-1]
    assert "starter" in row[-1]
    assert "trial" not in row[-1]
    assert next(row for row in counted.rows() if row[0] == "replay")[-1] == "all of it"
