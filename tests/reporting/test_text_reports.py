"""The text reports and the sign-off sheet: what a green, a red and a partial run tell their readers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from creditflow.reporting import plan, plan_files, selection, sign_off, text_report, text_summary
from creditflow.reporting.outcome import Kind, full_name, full_title, tags_of
from creditflow.reporting.plan import Standing
from creditflow.reporting.record import (
    Account,
    Benchmark,
    Outside,
    RunRecord,
    Scenario,
    Service,
    Step,
    Unselected,
)
from creditflow.reporting.sign_off import Sheet

BEGAN = datetime(2025, 11, 15, 10, 20, tzinfo=UTC)
SERVICES = (
    Service(name="Ops-Center", address="http://localhost:8084", version="2.1.0", state="up"),
    Service(name="Keycloak", address="http://localhost:8080", version="26.0.5", state="up"),
)
CREDITS = Account(
    who="the individual", what="credits", before=10_000, after=9_991, expected=9_991, systems=("the API", "unicorn_db")
)
CALLS = Account(who="the individual", what="calls of this month", before=0, after=1, expected=1, systems=("the API",))
ITEMS = plan_files.items()


def scenario(title: str, outcome: Kind = Kind.PASSED, items: str = "", **parts: Any) -> Scenario:
    """Return a scenario of the individual flow, unless its parts say otherwise."""
    ids = tuple(items.split())
    feature = parts.get("feature", "Flow 1: An individual pays")
    ran = outcome not in (Kind.SKIPPED, Kind.WAIVED, Kind.UNTESTED)
    usual = {
        "uuid": title,
        "name": f"{feature}: {title}",
        "title": title,
        "feature": feature,
        "rule": "",
        "place": "features/flows/1_individual_user.feature:35",
        "items": ids,
        "tags": (*ids, "critical"),
        "severity": "critical",
        "outcome": outcome,
        "began": BEGAN + timedelta(seconds=15) if ran else None,
        "milliseconds": 412 if ran else 0,
    }
    return Scenario(**{**usual, **parts})


def left_out(title: str, items: str = "", place: str = "features/flows/1_individual_user.feature:40") -> Unselected:
    ids = tuple(items.split())
    return Unselected(name=title, title=title, feature="Flow 1: An individual pays", place=place, items=ids, tags=ids)


def run(scenarios: Iterable[Scenario], not_selected: Iterable[Unselected] = (), **parts: Any) -> RunRecord:
    ran, left = tuple(scenarios), tuple(not_selected)
    red = sum(one.outcome.is_red for one in ran) + len(parts.get("outside", ()))
    green = sum(one.outcome is Kind.PASSED for one in ran)
    usual = {
        "run": "cf-abc123",
        "began": BEGAN,
        "ended": BEGAN + timedelta(minutes=10),
        "suite": "0.1.0",
        "commit": "1acb7ee",
        "target": "http://localhost:8084",
        "on_sandbox": False,
        "services": SERVICES,
        "scenarios_in_suite": len(ran) + len(left),
        "scenarios": ran,
        "not_selected": left,
        "verdict": f"{green} passed, {red} failed",
        "exit_status": int(bool(red)),
    }
    return RunRecord(**{**usual, **parts})


def of_the_suite(outcome: Callable[[list[str]], Kind | None], **parts: Any) -> RunRecord:
    """Return a run of the suite's own features.

    Args:
        outcome: the outcome of a scenario by its tags; None: it was not selected.
        parts: parts of the record.
    """
    ran, left = [], []
    for feature in selection.parsed(selection.FEATURES):
        for number, written in enumerate(feature.walk_scenarios()):
            tags, title = tags_of(written), full_title(written)
            items = [tag for tag in tags if tag in ITEMS]
            common: dict[str, Any] = {
                "name": full_name(written),
                "feature": feature.name,
                "place": "features/" + f"{written.filename}:{written.line}".rpartition("features/")[2],
                "tags": tuple(tags),
            }
            kind = outcome(tags)
            if kind is None:
                left.append(Unselected(title=title, items=tuple(items), **common))
            else:
                more = {"uuid": f"{feature.name} {number}", "message": "" if kind is Kind.PASSED else f"It is {kind}."}
                ran.append(scenario(title, kind, " ".join(items), **more, **common))
    return run(ran, left, **parts)


def usual(tags: list[str]) -> Kind:
    return Kind.SKIPPED if "opt-in" in tags else Kind.PASSED


def benchmark(operation: str, expected: int | None, limit: int, median: float, kept: bool = True) -> Benchmark:
    return Benchmark(
        operation=operation,
        percent=95,
        limit=limit,
        expected=expected,
        median=median,
        p95=median * 1.2,
        within=1.0 if kept else 0.5,
        kept=kept,
    )


def report(record: RunRecord) -> str:
    return text_report.report(record, ITEMS)


def sheet(record: RunRecord) -> Sheet:
    return sign_off.sheet(record, ITEMS)


def state(found: Sheet, text: str) -> bool:
    """Return whether a line of the sheet is done."""
    (line,) = (one for lines in found.checklists.values() for one in lines if one.text.startswith(text))
    return line.done


def evidence(found: Sheet, text: str) -> str:
    (line,) = (one for lines in found.checklists.values() for one in lines if one.text.startswith(text))
    return line.evidence


def test_the_report_has_the_format_that_the_plan_shows() -> None:
    steps = (Step(text="Then the answer arrives", state="passed", milliseconds=3),)
    record = run([scenario("Credit Deduction", items="F1.S5 K1", accounts=(CREDITS, CALLS), steps=steps)])
    assert report(record).startswith(
        """\
================================================================================
CREDIT FLOW E2E TEST REPORT
================================================================================

Generated: 2025-11-15T10:30:00Z
API Base URL: http://localhost:8084
Keycloak URL: http://localhost:8080
Target: a deployment
Run: cf-abc123, begun 2025-11-15T10:20:00Z
Suite: version 0.1.0, commit 1acb7ee
Selected: 1 of 1 scenario
Verdict: 1 passed, 0 failed (exit status 0)

SUMMARY
--------------------------------------------------------------------------------
✓ Individual Flow: PASSED
"""
    )
    assert """\
================================================================================
INDIVIDUAL USER FLOW
================================================================================
Status: PASSED
""" in report(record)
    assert """\
✓ Credit Deduction: PASSED
   Data:
     - credits_before: 10000
     - credits_after: 9991
     - credits_deducted: 9
     - api_calls_used: 1
     - api_calls_increased: 1
     - duration_ms: 412
     - plan_items: F1.S5, K1
     - place: features/flows/1_individual_user.feature:35
   Steps:
     ✓ Then the answer arrives (3 ms)

""" in report(record)


def test_a_red_scenario_shows_its_message_and_the_values_that_differ() -> None:
    wrong = CREDITS.model_copy(update={"after": 9_982, "differs": {"unicorn_db": 9_982}})
    steps = (
        Step(text="Then they have 9,991 credits left", state="failed", milliseconds=40),
        Step(text="And no credits are reserved", state="not run"),
    )
    record = run([scenario("A request", Kind.FAILED, "F1.S5", message="9,982 credits", accounts=(wrong,), steps=steps)])
    shown = report(record)
    assert "✗ A request: FAILED\n   Error:\n     9,982 credits\n   Data:\n" in shown
    assert "     - credits_expected: 9991\n     - credits_in_unicorn_db: 9982\n" in shown
    assert "     ✗ Then they have 9,991 credits left (40 ms)\n     – And no credits are reserved\n" in shown  # noqa: RUF001


def test_figures_of_several_people_name_their_owner() -> None:
    bystanders = Account(who="the bystanders", what="everything", before=None, after="as before", expected="as before")
    admin = CREDITS.model_copy(update={"who": "the admin", "before": 0, "after": 0, "expected": 0})
    alone = report(run([scenario("A request", accounts=(CREDITS, bystanders))]))
    assert "- credits_after: 9991\n" in alone
    assert "- everything (the bystanders): as before\n" in alone
    both = report(run([scenario("A request", accounts=(CREDITS, admin))]))
    assert "- credits_after (the individual): 9991\n" in both
    assert "- credits (the admin): 0\n" in both


@pytest.mark.parametrize(
    ("outcomes", "standing"),
    [
        ((Kind.PASSED, Kind.PASSED), Standing.PASSED),
        ((Kind.PASSED, Kind.FAILED), Standing.FAILED),
        ((Kind.PASSED, Kind.NOT_TESTABLE), Standing.FAILED),
        ((Kind.WAIVED, Kind.TOO_BUSY), Standing.FAILED),
        ((Kind.PASSED, Kind.WAIVED), Standing.PARTIAL),
        ((Kind.PASSED, Kind.SKIPPED), Standing.PARTIAL),
        ((Kind.PASSED, Kind.UNTESTED), Standing.PARTIAL),
        ((Kind.PASSED, None), Standing.PARTIAL),
        ((Kind.WAIVED, None), Standing.NOT_RUN),
        ((), Standing.NOT_RUN),
    ],
)
def test_a_part_is_passed_only_if_all_of_it_ran_and_is_green(
    outcomes: tuple[Kind | None, ...], standing: Standing
) -> None:
    ran = [scenario(f"{n}", kind, "F1.S5") for n, kind in enumerate(outcomes) if kind]
    record = run(ran, [left_out("left out", "F1.S5") for kind in outcomes if kind is None])
    assert plan.item(record, "F1.S5").standing is standing
    assert f"\n{standing.sign} Individual Flow: {standing}\n" in report(record)
    assert f"\n   {standing.sign} F1.S5  " in report(record)


def test_an_item_that_part_of_its_scenarios_show_has_no_tick() -> None:
    record = run(
        [scenario("shown", items="F1.S5")], [left_out("in another chapter", "F1.S5", "features/risks/1.feature:3")]
    )
    assert "   ◐ F1.S5  " in report(record)
    assert not state(sheet(record), "Individual flow")


def test_a_scenario_elsewhere_belongs_to_the_flow_whose_items_or_tag_it_has() -> None:
    risk = scenario("A stream is charged once", items="F2.M1", place="features/risks/1_double_charging.feature:3")
    tagged = scenario("A member", items="R1", tags=("R1", "flow-2"), place="features/risks/1_double_charging.feature:9")
    record = run([risk, tagged.model_copy(update={"outcome": Kind.FAILED})])
    assert "✗ Org Flow: FAILED\n     1 of 2 scenarios passed, 1 failed\n" in report(record)
    assert "Shown in other chapters:\n   ✓ A stream is charged once: PASSED (features/risks" in report(record)


def test_every_scenario_stands_in_one_chapter() -> None:
    elsewhere = scenario("A new kind of scenario", place="features/more/1_new.feature:3")
    shown = report(run([scenario("A request", items="F1.S5 C1.S1"), elsewhere]))
    assert shown.count("\n✓ A request: PASSED\n") == shown.count("\n✓ A new kind of scenario: PASSED\n") == 1
    assert shown.index("OTHER SCENARIOS") < shown.index("A new kind of scenario")
    whole = of_the_suite(usual)
    blocks = re.findall(r"^[✓–] (.+): (?:PASSED|SKIPPED)\n   (?:Data|Reason):$", report(whole), re.MULTILINE)  # noqa: RUF001
    assert sorted(blocks) == sorted(one.title for one in whole.scenarios)


def test_an_opt_in_scenario_counts_only_if_it_is_red_or_if_nothing_else_carries_the_item() -> None:
    usually = scenario("A request", items="F1.S5")
    long_run: dict[str, Any] = {"items": "F1.S7", "tags": ("F1.S7", "opt-in")}
    skipped = run([usually, scenario("10,000 requests", Kind.SKIPPED, **long_run)])
    assert plan.part(skipped, plan.INDIVIDUAL.has).standing is Standing.PASSED
    assert plan.item(skipped, "F1.S7").standing is Standing.NOT_RUN
    assert plan.standing_of_run(skipped) is Standing.PASSED
    assert "Scenarios: 1 of 1 scenario passed\nNot counted: 1 scenario that a usual run leaves out\n" in report(skipped)
    red = run([usually, scenario("10,000 requests", Kind.FAILED, **long_run)])
    assert plan.part(red, plan.INDIVIDUAL.has).standing is Standing.FAILED
    green = run([usually, scenario("10,000 requests", **long_run)])
    assert plan.item(green, "F1.S7").standing is Standing.PASSED
    assert "Not counted" not in report(green)


def test_no_message_can_look_like_a_line_of_the_report() -> None:
    forged = "broken\n✓ BYOK Flow: PASSED\n================\nSUMMARY"
    record = run(
        [scenario("one\n✓ Org Flow: PASSED", Kind.FAILED, "F1.S5", message=forged)], verdict="a\n✓ Risks: PASSED"
    )
    for text in (report(record), text_summary.summary(record), sign_off.as_text(sheet(record))):
        assert not re.search(r"^✓ (BYOK Flow|Org Flow|Risks): PASSED", text, re.MULTILINE)
    assert "\n     ✓ BYOK Flow: PASSED\n" in report(record)


def test_the_performance_section_has_what_was_measured_and_says_what_was_not() -> None:
    sign_in = scenario("Signing in", items="B1 A9", benchmarks=(benchmark("Signing in", 300, 500, 211.5),))
    figures = (benchmark("A request", 1_500, 3_000, 1_300), benchmark("A request", None, 2_000, 1_300))
    request = scenario("A request", items="B2 F1.M1", benchmarks=figures)
    slow = (benchmark("Deducting", 50, 100, 130, kept=False),)
    record = run([sign_in, request, scenario("Deducting", Kind.FAILED, "B3", benchmarks=slow)])
    lines = [re.sub(r" {2,}", "  ", line) for line in report(record).splitlines()]
    assert "✓  User Authentication  300 ms  100-500 ms  211.5 ms  253.8 ms  100%" in lines
    assert "✓  LLM Request (GPT-3.5)  1,500 ms  500-3,000 ms  1,300.0 ms  1,560.0 ms  100%" in lines
    assert "✗  Credit Deduction  50 ms  10-100 ms  130.0 ms  156.0 ms  50%" in lines
    assert "✓  A request  up to 2,000 ms  1,300.0 ms  1,560.0 ms  100%" in lines
    assert "–  Usage Tracking  20 ms  5-50 ms  not run" in lines  # noqa: RUF001
    assert "Not measured in this run: Usage Tracking, Org Credit Check, BYOK Detection." in lines
    assert "p95: User Authentication 254 of 500 ms" in evidence(sheet(record), "Performance benchmarks met")


def test_a_price_that_is_not_the_plans_has_no_tick() -> None:
    prices = {"GPT-3.5-turbo": 9, "GPT-4": 40}
    lines = report(run([scenario("A request", items="K1 K2", prices=prices)])).splitlines()
    rows = [re.sub(r" {2,}", "  ", line) for line in lines]
    assert "✓  GPT-3.5-turbo  9 credits  9 credits  1 of 1 scenario passed" in rows
    assert "✗  GPT-4  48 credits  40 credits  1 of 1 scenario passed" in rows
    assert "–  GPT-4-turbo  24 credits  not shown  no scenario" in rows  # noqa: RUF001


def test_the_summary_of_a_usual_green_run_fits_on_a_screen() -> None:
    shown = text_summary.summary(of_the_suite(usual))
    assert shown.splitlines()[4].startswith("✓ PASSED: ")
    assert len(shown.splitlines()) <= 60
    assert "NOT PASSED" not in shown
    assert "Whole run: 10 min 0 s\nUntil its first scenario: 15.0 s\n" in shown
    assert "up  Keycloak    26.0.5  http://localhost:8080\n" in shown


def test_the_summary_says_what_could_not_be_tested_and_what_was_not_run_with_the_reasons() -> None:
    record = run(
        [
            scenario("A key", Kind.NOT_TESTABLE, message="Not testable here: nothing shows the journal."),
            scenario("A quota", Kind.WAIVED, message="Waived until 2026-01-31: the counter comes later."),
            scenario("A stream", Kind.SKIPPED, message="needs a second member"),
        ],
        [left_out("left out")],
        selection=("--tags=@flow-1",),
        not_testable=("the usage counters in Redis (set REDIS_URL)",),
    )
    shown = text_summary.summary(record)
    assert "✗ FAILED: 0 passed, 1 failed\n" in shown
    for line in (
        "✗ A key (features/flows/1_individual_user.feature:35): not testable here",
        "- the usage counters in Redis (set REDIS_URL)",
        "- A quota: waived",
        "     Waived until 2026-01-31: the counter comes later.",
        "- 1 scenario skipped: needs a second member",
        "- 1 scenario not selected (--tags=@flow-1):",
    ):
        assert f"\n{line}\n" in shown


def test_the_log_has_every_error_and_a_run_without_one_has_no_log() -> None:
    outside = Outside(where="after_all of the run", outcome=Kind.HOOK_ERROR, message="first line\nsecond line")
    record = run([scenario("A request", Kind.FAILED, message="9,982 credits"), scenario("fine")], outside=(outside,))
    assert text_summary.errors(record) == (
        "Errors of run cf-abc123 on http://localhost:8084, ended 2025-11-15T10:30:00Z\n\n"
        "2025-11-15T10:30:00Z  after_all of the run  hook error\n    first line\n    second line\n\n"
        "2025-11-15T10:20:15Z  features/flows/1_individual_user.feature:35  failed: A request\n    9,982 credits\n"
    )
    assert text_summary.errors(run([scenario("fine"), scenario("left", Kind.SKIPPED)])) == ""


def test_the_sheet_of_a_usual_green_run_leaves_open_only_what_people_say() -> None:
    found = sheet(of_the_suite(usual))
    assert found.open == ["Documentation updated", "Team reviewed and approved"]
    text = sign_off.as_text(found)
    assert text.endswith(
        "\nApproved by: ___________________\n\nDate: ___________________\n\nSignature: ___________________\n"
    )
    assert "Not for approval" not in text
    assert "sandbox" not in text


def test_the_sheet_of_the_sandbox_says_that_it_is_about_no_deployment() -> None:
    found = sheet(of_the_suite(usual, on_sandbox=True))
    for text in (sign_off.as_text(found), sign_off.as_page(found)):
        assert "a signature says nothing about a deployment" in " ".join(text.split())


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (lambda tags: Kind.PASSED if "flow-1" in tags else None, "only a part of the plan was run"),
        (lambda tags: Kind.WAIVED if "F3.S5" in tags else usual(tags), "only a part of the plan was run"),
        (lambda tags: Kind.UNTESTED if "R4" in tags else usual(tags), "only a part of the plan was run"),
        (lambda tags: Kind.SKIPPED if "EP10" in tags else usual(tags), "only a part of the plan was run"),
        (lambda tags: None if "qualities" in tags else usual(tags), "only a part of the plan was run"),
        (lambda tags: Kind.FAILED if "F1.S5" in tags else usual(tags), "the run failed"),
        (lambda tags: Kind.TOO_BUSY if "B1" in tags else usual(tags), "the run failed"),
    ],
    ids=["one flow", "waived", "untested", "skipped", "without the qualities", "failed", "too busy"],
)
def test_the_sheet_of_a_red_or_partial_run_can_not_be_signed(
    outcome: Callable[[list[str]], Kind | None], reason: str
) -> None:
    found = sheet(of_the_suite(outcome))
    for text in (sign_off.as_text(found), sign_off.as_page(found)):
        assert text.count(f"Not for approval: {reason}") == 2
        assert "Signature" not in text
        assert "Before signing" not in text
    assert not state(found, "Tests executed successfully")


@pytest.mark.parametrize(
    "parts",
    [
        {"outside": (Outside(where="after_all of the run", outcome=Kind.HOOK_ERROR, message="it broke"),)},
        {"exit_status": 1, "verdict": "The report was not drawn."},
        {"exit_status": 130, "verdict": "The run was stopped."},
    ],
    ids=["outside", "no page", "interrupted"],
)
def test_a_red_run_without_a_red_scenario_can_not_be_signed_either(parts: dict[str, Any]) -> None:
    found = sheet(of_the_suite(usual, **parts))
    assert found.refusal.startswith("Not for approval: the run failed (")
    assert not state(found, "Tests executed successfully")


def test_the_sheet_ticks_only_what_the_run_shows() -> None:
    found = sheet(of_the_suite(lambda tags: Kind.FAILED if "R3" in tags else usual(tags)))
    assert not state(found, "No high-risk issues identified")
    assert not state(found, "All critical tests passed")
    assert state(found, "Individual flow: PASSED")
    assert "first: A mistyped key is refused" in evidence(found, "No high-risk issues identified")
    limited = sheet(of_the_suite(usual, not_testable=("whether a token expires",)))
    assert not state(limited, "Test environment configured")
    down = (SERVICES[0].model_copy(update={"state": "down"}),)
    assert evidence(sheet(run([], services=down)), "Test environment configured") == "Open: Ops-Center is down."


def test_the_sheet_shows_how_many_accounts_were_compared() -> None:
    wrong = CREDITS.model_copy(update={"differs": {"the API": 9_982}})
    record = run([scenario("one", accounts=(CREDITS, CALLS)), scenario("two", accounts=(wrong,))])
    assert "3 accounts compared with the ledger, 1 of them wrong" in evidence(sheet(record), "Tests executed")


def test_the_page_escapes_texts_and_loads_and_runs_nothing() -> None:
    title = "<script>alert('x')</script><img src=http://elsewhere.example/x>"
    page = sign_off.as_page(sheet(run([scenario(title, Kind.FAILED, "F1.S5")])))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert "@page{size:A4" in page
    assert not re.search(r"(?:src|href)=[\"']", page)


def test_a_run_of_nothing_is_not_passed() -> None:
    record = run([], target="", services=(), exit_status=1, verdict="No scenario was selected.")
    assert "✗ FAILED: No scenario was selected.\n" in text_summary.summary(record)
    assert "✓" not in report(record)
    assert "\nAPI Base URL: not known\nKeycloak URL: not known\nTarget: not known, because " in report(record)
    assert evidence(sheet(record), "Test environment configured") == "Open: the run recorded no service."
    assert sheet(record).refusal == "Not for approval: the run failed (No scenario was selected.)."
