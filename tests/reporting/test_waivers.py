"""A waiver applies to a scenario that is not testable here, until its last day, and hides nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from creditflow.reporting import waivers
from creditflow.reporting.waivers import Waiver

if TYPE_CHECKING:
    from tests.reporting.conftest import Behave, RunOutput

OUTCOMES = Path(__file__).resolve().parent / "outcomes"
HEADING = "scenario\ttarget\tuntil\treason"
HERE = "sut.example"
REASON = "Staging gets its journal with the next release."
BLIND = "Checks: not testable here"
CHECKS = "features/a_checks.feature"
TWO = (CHECKS, "-n", "^not testable here$", "-n", "^more details$", "--junit")

WithWaivers = Callable[..., "RunOutput"]


def row(scenario: str = BLIND, target: str = HERE, until: str = "2999-12-31", reason: str = REASON) -> str:
    return "\t".join((scenario, target, until, reason))


@pytest.fixture
def run(behave: Behave, tmp_path: Path) -> WithWaivers:
    """Run behave in a project with these waivers."""

    def with_waivers(rows: list[str], *arguments: str, heading: str = HEADING) -> RunOutput:
        plan = tmp_path / "project" / "plan"
        shutil.copytree(OUTCOMES, plan.parent)
        (plan / "waivers.tsv").write_text("\n".join(["# what it is for", heading, *rows, ""]), "utf-8")
        return behave(*arguments)

    return with_waivers


def test_a_waived_scenario_is_in_every_output_with_its_reason_and_its_last_day(run: WithWaivers) -> None:
    output = run([row()], *TWO)
    assert output.status == 0, output.console
    *_, before, last = output.console.rstrip().splitlines()
    assert (before, last) == ("1 waived", "1 passed, 0 failed")

    reason = (
        f"Waived until 2999-12-31 (plan/waivers.tsv:3): {REASON} Not testable here: the provider keeps no journal. "
        "To make it testable: name a provider stand-in in PROVIDER_URL."
    )
    line = output.line("not testable here")
    assert line.startswith("- ")
    assert line.endswith(" s  waived")
    assert reason in output.console
    result = output.results["not testable here"]
    assert (result["status"], result["statusDetails"]["message"]) == ("skipped", reason)
    assert output.label("not testable here", "outcome") == ["waived"]
    case = output.cases["not testable here"]
    skipped = case.find("skipped")
    assert skipped is not None
    assert (case.attrib["status"], skipped.attrib["message"]) == ("waived", reason)


def test_a_run_of_nothing_but_waived_scenarios_is_red(run: WithWaivers) -> None:
    output = run([row()], CHECKS, "-n", "^not testable here$")
    assert output.status == 1
    assert output.last_line.startswith("Every selected scenario was skipped or waived, so nothing was checked")


def test_a_waived_scenario_does_not_stop_a_run_that_stops_at_the_first_failure(run: WithWaivers) -> None:
    output = run([row()], CHECKS, "--stop", "-n", "^not testable here$", "-n", "^with evidence$")
    assert (output.status, output.last_line) == (0, "1 passed, 0 failed"), output.console


def test_what_a_hook_finds_not_testable_can_be_waived(run: WithWaivers) -> None:
    rows = [row("Hooks and clean-up of scenarios: not testable from the start")]
    output = run(rows, "features/c_hooks.feature", "-n", "^not testable from the start$", "-n", "^audit agrees$")
    assert (output.status, output.last_line) == (0, "1 passed, 0 failed"), output.console


@pytest.mark.parametrize(
    ("scenario", "title", "kind"),
    [
        ("Checks: failed", "failed", "failed"),
        ("Checks: error", "error", "error"),
        ("Claims: claimed and not checked", "claimed and not checked", "nothing checked"),
        ("Hooks and clean-up of scenarios: before_scenario broke", "before_scenario broke", "hook error"),
        (
            "Hooks and clean-up of scenarios: not testable and clean-up broke",
            "not testable and clean-up broke",
            "not testable here",
        ),
    ],
)
def test_nothing_but_what_is_not_testable_is_waived(run: WithWaivers, scenario: str, title: str, kind: str) -> None:
    output = run([row(scenario)], "-n", f"^{title}$")
    assert output.status == 1
    assert output.line(title).endswith(f" s  {kind}")


def test_a_waiver_of_another_target_does_not_apply_here(run: WithWaivers) -> None:
    output = run([row(target="other.example")], *TWO)
    assert output.status == 1
    assert output.last_line.startswith("No check failed, but 1 could not be judged, the first as not testable here:")
    assert output.line("not testable here").endswith(" s  not testable here")
    assert set(output.results) == {"not testable here", "A title given while it ran"}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            row(until="2026-01-31"),
            f"plan/waivers.tsv:3 of the run: the waiver for “{BLIND}” on {HERE} ended on 2026-01-31 "
            f"({REASON.rstrip('.')}): make it testable and remove the line, or agree on a later day.",
        ),
        (
            row("Checks: more details"),
            f"plan/waivers.tsv:3 of the run: the waiver for “Checks: more details” is no longer needed, because "
            f"{HERE} shows it: remove the line “{row('Checks: more details')}”.",
        ),
        (
            row("Checks: less details", "other.example"),
            "plan/waivers.tsv:3 of the run: no scenario is called “Checks: less details”: correct the name, or "
            f"remove the line “{row('Checks: less details', 'other.example')}”.",
        ),
    ],
    ids=["over", "not needed", "of no scenario"],
)
def test_a_waiver_out_of_date_is_red_in_every_output(run: WithWaivers, written: str, sentence: str) -> None:
    output = run([written], "--tags=@critical", "--junit")
    assert output.status == 1
    assert output.last_line == sentence
    where, _, message = sentence.partition(" of the run: ")
    assert f"  the run  {where}  waiver out of date\n    {message}" in output.console
    result = output.results[f"{where} of the run"]
    assert (result["status"], result["statusDetails"]["message"]) == ("broken", message)
    case = output.cases[f"{where} of the run"]
    error = case.find("error")
    assert error is not None
    assert (case.attrib["status"], error.attrib["message"]) == ("waiver out of date", message)


def test_after_its_last_day_a_waiver_does_not_apply(run: WithWaivers) -> None:
    output = run([row(until="2026-01-31")], *TWO)
    assert output.status == 1
    assert output.line("not testable here").endswith(" s  not testable here")
    assert "1 passed, 2 failed" in output.console


def test_a_waiver_is_needed_as_long_as_one_row_of_an_outline_needs_it() -> None:
    waiver = Waiver("F: many", HERE, date(2026, 12, 31), REASON, "plan/waivers.tsv:3", "the line")
    day = date(2026, 12, 31)
    assert waiver.covers("F: many", HERE, day)
    assert not waiver.covers("F: many", HERE, date(2027, 1, 1))
    assert not list(waivers.out_of_date([waiver], {"F: many"}, HERE, set(), day))
    assert list(waivers.out_of_date([waiver], {"F: many"}, HERE, {"F: many"}, day))
    assert not list(waivers.out_of_date([waiver], {"F: many"}, "other.example", {"F: many"}, day))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([f"{BLIND}\t{HERE}\t2026-12-31"], "plan/waivers.tsv:3 is incomplete: write scenario, target, until"),
        ([row(reason=" ")], "plan/waivers.tsv:3 is incomplete: write scenario, target, until, reason"),
        ([row().replace("\t", "  ")], "plan/waivers.tsv:3 is incomplete"),
        ([row(), row(until="31.12.2026")], "plan/waivers.tsv:4 ends on '31.12.2026', which is not a date: write it as"),
        ([row(until="2026-02-30")], "plan/waivers.tsv:3 ends on '2026-02-30', which is not a date"),
        (
            [row(target="http://sut.example:80")],
            "plan/waivers.tsv:3 names the target 'http://sut.example:80': write",
        ),
        ([row(), row(reason="again")], "plan/waivers.tsv:4 waives a scenario that a line above waives already"),
    ],
)
def test_waivers_that_cannot_be_read_end_the_run_before_it_begins(
    run: WithWaivers, rows: list[str], sentence: str
) -> None:
    output = run(rows, "--tags=@critical")
    assert output.status == 2
    assert output.last_line.startswith(sentence)
    assert "more details" not in output.console
    assert output.results == {}


def test_waivers_without_their_heading_end_the_run_before_it_begins(run: WithWaivers) -> None:
    output = run([], "--tags=@critical", heading=row())
    assert output.status == 2
    assert output.last_line == (
        "plan/waivers.tsv:2 has to be the heading: scenario, target, until, reason, separated by tabs."
    )


def test_the_suite_has_no_waivers() -> None:
    path = Path(__file__).resolve().parents[2] / waivers.FILE
    assert path.is_file()
    assert waivers.read(path) == ()
