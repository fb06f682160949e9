"""The console, Allure, JUnit, the record and the exit status agree about every outcome."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from creditflow.reporting import report_tool
from creditflow.reporting.outcome import Kind
from creditflow.reporting.record import RecordError

if TYPE_CHECKING:
    from tests.reporting.conftest import Behave, RunOutput

ODD_TITLE = r'''odd \x1b[31m \x00 \ufffe ]]> & < "'''
SCENARIOS = {
    "passed": "passed",
    "failed": "failed",
    "bare check": "failed",
    "error": "error",
    "undefined": "undefined",
    "undefined after a failure": "failed",
    "pending": "pending",
    "pending and tolerated by behave": "pending",
    "not testable here": "not testable here",
    "with evidence": "passed",
    "skipped": "skipped",
    "skipped half way": "skipped",
    "outline (GPT-4, 48, 48)": "passed",
    "outline (GPT-3, 8, 9)": "failed",
    "passed under a rule": "passed",
    "failed under a rule": "failed",
    "outline under a rule (9)": "passed",
    "outline under a rule (7)": "failed",
    "never reached in the rule": "untested",
    "passed before the rule's last hook broke": "passed",
    "before_scenario broke": "hook error",
    "after_scenario broke": "hook error",
    "before_tag broke": "hook error",
    "after_tag broke": "hook error",
    "before_step broke": "hook error",
    "after_step broke": "hook error",
    "check and after_step broke": "failed",
    "clean-up broke": "clean-up error",
    "fixture's end broke": "clean-up error",
    "check and clean-up broke": "failed",
    "audit agrees": "passed",
    "audit differs": "failed",
    "check and audit differ": "failed",
    "audit without a section differs": "failed",
    "audit not possible here": "not testable here",
    "audit broke": "hook error",
    "not testable from the start": "not testable here",
    "not testable and clean-up broke": "not testable here",
    "claimed and not checked": "nothing checked",
    "claimed in an And": "nothing checked",
    "claimed in a But": "nothing checked",
    "nothing to compare": "nothing checked",
    "claimed and clean-up broke": "nothing checked",
    "claimed in an outline (GPT-4)": "nothing checked",
    "checked a moment later": "passed",
    "checked that nothing comes": "passed",
    "checked in a thread": "passed",
    "skipped by the last step": "skipped",
    "never reached after the rule's tag": "untested",
    "passed before the rule's tag broke": "passed",
    "passed before the rule's clean-up broke": "passed",
    "never reached after the feature's tag": "untested",
    "passed before the feature's tag broke": "passed",
    "never reached in the feature": "untested",
    ODD_TITLE: "error",
    "passed before the feature's last hook broke": "passed",
    "without steps": "undefined",
    "a secret everywhere": "failed",
}
IN_JUNIT = {
    "outline (GPT-4, 48, 48)": "outline -- @1.1 models",
    "outline (GPT-3, 8, 9)": "outline -- @1.2 models",
    "claimed in an outline (GPT-4)": "claimed in an outline -- @1.1 ",
    "outline under a rule (9)": "outline under a rule -- @1.1 ",
    "outline under a rule (7)": "outline under a rule -- @1.2 ",
}
RENAMED = {"A title given while it ran": ("more details", "passed")}
OUTSIDE = {
    "before_rule of “Its first hook breaks”": "hook error",
    "after_rule of “Its last hook breaks”": "hook error",
    "before_tag @raise.before_tag of “Its tag's first hook breaks”": "hook error",
    "after_tag @raise.after_tag of “Its tag's last hook breaks”": "hook error",
    "before_tag @raise.before_tag of “The first hook of its tag breaks”": "hook error",
    "after_tag @raise.after_tag of “The last hook of its tag breaks”": "hook error",
    "clean-up broken_removal of “Its clean-up breaks”": "clean-up error",
    "before_feature of “Its first hook breaks”": "hook error",
    "after_feature of “Its last hook and its clean-up break”": "hook error",
    "clean-up broken_removal of “Its last hook and its clean-up break”": "clean-up error",
}
AFTER_ITS_STEPS = (
    "audit differs",
    "audit without a section differs",
    "audit not possible here",
    "not testable from the start",
)
"""Scenarios that fail in a hook; under another runner they are hook errors."""
ALLURE = {"passed": "passed", "failed": "failed", "skipped": "skipped", "untested": "unknown"}
NOT_RED = ("passed", "skipped", "untested")


@pytest.mark.parametrize(("title", "kind"), SCENARIOS.items())
def test_console_allure_and_junit_report_the_same_outcome(everything: RunOutput, title: str, kind: str) -> None:
    line = everything.line(title)
    assert line.endswith(" s" if kind == "passed" else f" s  {kind}")
    assert line[0] == {"passed": "✓", "skipped": "-", "untested": "-"}.get(kind, "✗")

    assert everything.results[title]["status"] == ALLURE.get(kind, "broken")
    assert everything.label(title, "outcome") == [kind]

    case = everything.cases[IN_JUNIT.get(title, title)]
    assert case.attrib["status"] == kind
    output = {element.tag for element in case} - {"system-out", "system-err"}
    expected = {"passed": set(), "failed": {"failure"}, "skipped": {"skipped"}, "untested": {"skipped"}}
    assert output == expected.get(kind, {"error"})

    assert everything.recorded[title] == kind


@pytest.mark.parametrize(("name", "kind"), OUTSIDE.items())
def test_an_error_outside_of_scenarios_is_in_every_output(everything: RunOutput, name: str, kind: str) -> None:
    assert f"✗ {name}  {kind}" in everything.console
    assert everything.results[name]["status"] == "broken"
    assert everything.label(name, "outcome") == [kind]
    assert everything.results[name]["statusDetails"]["message"].startswith("RuntimeError: the ")
    assert everything.cases[name].find("error") is not None
    assert everything.cases[name].attrib["status"] == kind
    assert everything.recorded[name] == kind


def test_nothing_else_is_reported(everything: RunOutput) -> None:
    assert set(everything.results) == set(everything.recorded) == {*SCENARIOS, *RENAMED, *OUTSIDE}
    assert len(everything.all_cases) == len(everything.cases) == len(SCENARIOS) + len(RENAMED) + len(OUTSIDE)
    assert "left out by the command line" not in everything.console


def test_the_last_lines_and_the_exit_status_agree_with_the_other_outputs(everything: RunOutput) -> None:
    kinds = [*SCENARIOS.values(), *(kind for _, kind in RENAMED.values()), *OUTSIDE.values()]
    red = [kind for kind in kinds if kind not in NOT_RED]
    *_, before, last = everything.console.rstrip().splitlines()
    assert last == f"{kinds.count('passed')} passed, {len(red)} failed"
    inside = Counter([*SCENARIOS.values(), *(kind for _, kind in RENAMED.values())])
    output = [f"{inside[kind]} {kind}" for kind in Kind if kind not in ("passed", "failed") and inside[kind]]
    assert before == ", ".join([*output, f"{len(OUTSIDE)} failed outside of scenarios"])
    assert everything.status == everything.record.exit_status == 1
    assert everything.record.verdict == last


def test_a_failure_reads_as_its_sentence_first(everything: RunOutput) -> None:
    details = everything.results["failed"]["statusDetails"]
    assert details["message"] == "The individual user has 8 credits, expected 9."
    assert details["trace"].startswith("Traceback")
    assert "/behave/" not in details["trace"]
    failure = everything.cases["failed"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == details["message"]
    block = everything.console.split("✗ failed  ")[1].splitlines()[1:4]
    assert [line.strip() for line in block] == [
        "features/a_checks.feature:11",
        "Then the balance is 8, expected 9",
        "The individual user has 8 credits, expected 9.",
    ]


def test_a_check_without_words_shows_what_it_compared(everything: RunOutput) -> None:
    assert "assert found == 9 (features/steps/steps.py:" in everything.results["bare check"]["statusDetails"]["message"]


def test_an_error_shows_its_way_after_its_message_and_a_check_shows_none(everything: RunOutput) -> None:
    error = everything.console.split("✗ error  ")[1].split("✗ undefined  ")[0]
    assert error.index("ValueError: no such column: purse") < error.index("at features/steps/steps.py:")
    check = everything.console.split("✗ failed under a rule  ")[1].split("✓")[0]
    assert " at features/steps" not in check


def test_two_problems_are_both_reported_and_the_first_leads(everything: RunOutput) -> None:
    first, second = everything.results["check and clean-up broke"]["statusDetails"]["message"].splitlines()
    assert first == "The individual user has 8 credits, expected 9."
    assert second == ("Then also, in clean-up broken_removal: RuntimeError: the organisation Acme could not be removed")


def test_a_scenario_that_did_not_run_has_the_reason(everything: RunOutput) -> None:
    assert everything.results["never reached in the feature"]["statusDetails"]["message"].startswith(
        "It did not run, because before_feature failed: RuntimeError: the before_feature hook broke"
    )
    assert everything.results["skipped"]["statusDetails"]["message"] == "the deployment has no journal"


def test_rules_tags_and_labels_reach_the_report(everything: RunOutput) -> None:
    assert everything.label("passed under a rule", "story") == ["Members pay"]
    assert everything.label("never reached in the rule", "story") == ["Its first hook breaks"]
    assert everything.label("passed under a rule", "tag") == ["flow-2"]
    links = {link["name"].split()[0]: link["url"] for link in everything.results["passed under a rule"]["links"]}
    assert links["K1"] == "traceability.html#K1"
    assert everything.label("failed", "epic") == ["Credit flow"]
    assert everything.label("failed", "feature") == ["Checks"]
    assert everything.label("outline (GPT-3, 8, 9)", "tag") == ["flow-1"]
    assert everything.label("failed", "host")
    assert everything.label("failed", "thread")
    table, text = (step["attachments"][0] for step in everything.results["passed under a rule"]["steps"])
    read = [(everything.folder / "allure-results" / part["source"]).read_text("utf-8") for part in (table, text)]
    assert read == ['who,credits\nmember,"2,500"\n', "a question"]


def test_title_labels_and_parameters_from_a_step_are_kept(everything: RunOutput) -> None:
    title = "A title given while it ran"
    assert everything.label(title, "severity") == ["blocker"]
    assert everything.label(title, "owner") == ["billing"]
    assert everything.results[title]["parameters"] == [{"name": "plan", "value": "Professional"}]


def test_evidence_is_shown_where_it_was_given(everything: RunOutput) -> None:
    result = everything.results["with evidence"]
    step = next(s for s in result["steps"] if s["name"] == "When the ledger is attached")
    assert [attachment["name"] for attachment in step["attachments"]] == ["Answer", "Log", "From a thread"]
    assert "<h4>Ledger</h4>" in result["descriptionHtml"]
    assert "9,991</td>" in result["descriptionHtml"]
    assert {attachment["name"] for attachment in everything.globals} == {
        "welcome",
        "farewell",
        "farewell to all",
    }


@pytest.mark.parametrize(
    ("title", "status", "message"),
    [
        ("audit agrees", "passed", None),
        ("audit differs", "failed", "Acme has 10,000 credits, expected 9,991."),
        ("check and audit differ", "failed", "Acme has 10,000 credits, expected 9,991."),
        ("audit broke", "broken", "ValueError: no such table: purses"),
    ],
)
def test_a_section_of_a_hook_is_in_the_scenario_and_its_table_on_the_scenarios_page(
    everything: RunOutput, title: str, status: str, message: str | None
) -> None:
    steps = everything.results[title]["steps"]
    (section,) = [step for step in steps if step["name"] == "The books agree"]
    assert section["status"] == status
    assert section.get("statusDetails", {}).get("message") == message
    assert "<h4>Books</h4>" in everything.results[title]["descriptionHtml"]
    assert "9,991</td>" in everything.results[title]["descriptionHtml"]
    assert "Books" not in {attachment["name"] for attachment in everything.globals}


def test_a_check_that_fails_after_the_scenario_is_reported_under_its_title(everything: RunOutput) -> None:
    block = everything.console.split("✗ audit differs  ")[1].splitlines()[1:4]
    assert [line.strip() for line in block[1:]] == ["The books agree", "Acme has 10,000 credits, expected 9,991."]
    both = everything.results["check and audit differ"]["statusDetails"]["message"].splitlines()
    assert both == [
        "The individual user has 8 credits, expected 9.",
        "Then also, in The books agree: Acme has 10,000 credits, expected 9,991.",
    ]
    (step,) = everything.results["audit without a section differs"]["steps"][1:]
    assert (step["name"], step["status"]) == ("after_scenario", "failed")


def test_a_row_inserted_in_examples_leaves_the_others_their_history(everything: RunOutput, behave: Behave) -> None:
    feature = behave("--tags=@F1.S5").folder / "features" / "a_checks.feature"
    text = feature.read_text("utf-8")
    row = "      | GPT-4 | 48    | 48       |\n"
    assert row in text
    feature.write_text(text.replace(row, "      | GPT-5 | 7     | 7        |\n" + row), "utf-8")
    after = behave("--tags=@F1.S5")
    assert len(after.results) == 3
    for title in ("outline (GPT-4, 48, 48)", "outline (GPT-3, 8, 9)"):
        assert after.results[title]["historyId"] == everything.results[title]["historyId"]
    assert len({result["historyId"] for result in after.results.values()}) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "last_line"),
    [
        (("--tags=@critical",), 0, "1 passed, 0 failed"),
        (("--tags=@critical and @flow-2",), 1, "No scenario was selected, so nothing was checked: check the tags"),
        (("--tags=@critical", "-n", "no such title"), 1, "No scenario was selected, so nothing was checked: check"),
        (("--tags=@F1.S44",), 2, "No scenario has the tag @F1.S44 (nearest: @F1.S4, @F1.S5): nothing was run."),
        (("--tags=@critical or @F1.S44",), 2, "No scenario has the tag @F1.S44 (nearest: @F1.S4, @F1.S5)"),
        (("--tags=@critical and not @typo",), 2, "No scenario has the tag @typo (none is spelt like it)"),
        (("--tags=@critical", "--tags=not @flow-3"), 2, "No scenario has the tag @flow-3 (nearest: @flow-"),
        (("--tags=@critical,@K22",), 2, "No scenario has the tag @K22 (none is spelt like it): nothing was run."),
        (("--tags=@critical or @K*",), 0, "2 passed, 0 failed"),
        (("features/a_checks.feature", "--tags=@critical and not @K1"), 0, "1 passed, 0 failed"),
        (("--dry-run", "--tags=@F1.S44"), 2, "No scenario has the tag @F1.S44 (nearest: @F1.S4, @F1.S5)"),
        (("--tags=@skip.it",), 1, "Every selected scenario was skipped, so nothing was checked: the reasons"),
        (("--tags=@wip",), 1, "No check failed, but 1 could not be judged, the first as pending:"),
        (("features/f_no_steps.feature",), 1, "No check failed, but 1 could not be judged, the first as undefined:"),
        (("--tags=@critical", "-D", "raise=before_all"), 1, "before_all of the run: RuntimeError: the before_all"),
        (("--tags=@critical", "-D", "raise=after_all"), 1, "after_all of the run: RuntimeError: the after_all"),
        (("--tags=@critical", "-D", "cleanup=testrun"), 1, "clean-up broken_removal of the run: RuntimeError: the"),
        (("--tags=@critical", "-D", "raise=settings"), 2, "KEYCLOAK_URL is not an http address"),
        (("--stop", "--tags=@flow-1 and not @not-chosen", "-n", "failed"), 1, "0 passed, 1 failed"),
        (("--tags=@ctrl-c or @end",), 130, "No check failed, but 1 could not be judged, the first as"),
        (("--tags=@ctrl-c-before or @end",), 130, "No check failed, but 1 could not be judged, the first as"),
        (("--tags=@ctrl-c-after or @end",), 130, "No check failed, but 1 could not be judged, the first as"),
        (("--tags=@term or @end",), 143, "No check failed, but 1 could not be judged, the first as"),
    ],
    ids=[
        "passed", "nothing selected by tags", "nothing selected by title", "misspelt", "misspelt among valid",
        "misspelt and excluded", "misspelt in a second option", "misspelt in the old spelling", "tags by a pattern",
        "a tag of another file", "misspelt in a dry run", "all skipped", "tolerated pending", "no steps", "before_all",
        "after_all", "clean-up of the run", "bad settings", "stop at the first failure", "interrupted",
        "interrupted before the steps", "interrupted after the steps", "terminated",
    ],
)  # fmt: skip
def test_the_exit_status_and_the_last_line_are_honest(
    behave: Behave, arguments: tuple[str, ...], status: int, last_line: str
) -> None:
    output = behave(*arguments)
    assert output.status == status, output.console
    assert output.last_line.startswith(last_line), output.console
    assert "ABORTED: By user" not in output.console
    if status == 2 and "raise=settings" not in arguments:
        with pytest.raises(RecordError, match=r"^The last run could not begin|^There are no results"):
            output.record  # noqa: B018 - it is read here
    else:
        assert (output.record.exit_status, output.record.verdict) == (status, output.last_line)


@pytest.mark.parametrize("hook", ["before_all", "after_all"])
def test_an_error_of_the_run_itself_is_in_every_output(behave: Behave, hook: str) -> None:
    output = behave("--tags=@critical", "--junit", "-D", f"raise={hook}")
    assert output.results[f"{hook} of the run"]["status"] == "broken"
    assert output.cases[f"{hook} of the run"].find("error") is not None
    assert f"RuntimeError: the {hook} hook broke with ‹secret " in output.console  # noqa: RUF001
    others = {name: result["status"] for name, result in output.results.items() if hook not in name}
    if hook == "before_all":
        assert others == {"more details": "unknown"}
        assert "1 untested, 1 failed outside of scenarios" in output.console
    else:
        assert others == {"A title given while it ran": "passed"}


@pytest.mark.parametrize(
    ("tag", "title"),
    [
        ("ctrl-c", "interrupted"),
        ("ctrl-c-before", "interrupted before its steps"),
        ("ctrl-c-after", "interrupted after its steps"),
        ("term", "terminated"),
    ],
)
def test_an_interrupted_run_reports_what_it_did_and_what_it_did_not(behave: Behave, tag: str, title: str) -> None:
    output = behave(f"--tags=@{tag} or @end", "--junit")
    statuses = {name: result["status"] for name, result in output.results.items()}
    assert statuses == {
        title: "broken",
        "after the end": "unknown",
    }
    assert output.cases["after the end"].attrib["status"] == "untested"
    assert "1 untested" in output.console
    assert {attachment["name"] for attachment in output.globals} >= {"farewell"}


def test_under_another_runner_nothing_is_greener(behave: Behave) -> None:
    output = behave(
        "--runner=behave.runner:Runner", "--tags=not @not-chosen and not @ends and not (@endings or @twins)"
    )
    statuses = {name: result["status"] for name, result in output.results.items()}
    expected = SCENARIOS | dict.fromkeys(AFTER_ITS_STEPS, "hook error")
    expected = {title: kind for title, kind in expected.items() if not title.startswith("claimed")}
    assert {name: statuses[name] for name in expected} == {
        name: ALLURE.get(kind, "broken") for name, kind in expected.items()
    }
    for title, kind in expected.items():
        assert output.line(title).endswith(" s" if kind == "passed" else f" s  {kind}")


def test_a_dry_run_selects_nothing_to_check_and_leaves_the_last_results_alone(behave: Behave) -> None:
    before = behave("--tags=@critical").results
    output = behave("--dry-run", "--tags=@critical")
    assert output.status == 0
    assert output.results == before


def test_a_run_that_never_begins_leaves_no_results_of_the_last(behave: Behave) -> None:
    folder = behave("--tags=@critical").folder
    unreadable = "Feature: a\n  Scenario: b\n    Given c\n      | d |\n      | e | f |\n"
    (folder / "features" / "z_unreadable.feature").write_text(unreadable, "utf-8")
    output = behave("--tags=@critical")
    assert output.status == 2
    assert output.results == {}


def test_the_run_draws_its_page_where_it_is_asked_to(behave: Behave) -> None:
    report_tool.ALLURE.prepare()
    output = behave("--tags=@critical", "-D", "report=yes")
    assert (output.status, output.last_line) == (0, "1 passed, 0 failed")
    assert "\nReport: allure-report/index.html\n" in output.console
    assert (output.folder / "allure-report" / "index.html").stat().st_size > 1_000_000
    assert "\nTraceability: allure-report/traceability.html\n" in output.console
    assert 'id="F1.S4"' in (output.folder / "allure-report" / "traceability.html").read_text("utf-8")


def test_a_new_run_replaces_the_results_of_the_last(behave: Behave) -> None:
    behave("--tags=@F1.S5")
    assert set(behave("--tags=@critical").results) == {"A title given while it ran"}
