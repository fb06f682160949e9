"""A deliberate exception excuses what is not testable here, until its day, and never hides anything else."""

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
    from tests.reporting.conftest import Behave, Told

OUTCOMES = Path(__file__).resolve().parent / "outcomes"
HEADING = "scenario\ttarget\tuntil\treason"
HERE = "sut.example"
REASON = "Staging gets its journal with the next release."
BLIND = "Checks: not testable here"
CHECKS = "features/a_checks.feature"
TWO = (CHECKS, "-n", "^not testable here$", "-n", "^told more$", "--junit")

WithExceptions = Callable[..., "Told"]


def row(scenario: str = BLIND, target: str = HERE, until: str = "2999-12-31", reason: str = REASON) -> str:
    return "\t".join((scenario, target, until, reason))


@pytest.fixture
def run(behave: Behave, tmp_path: Path) -> WithExceptions:
    """Run behave in a project with these rows of exceptions."""

    def with_exceptions(rows: list[str], *arguments: str, heading: str = HEADING) -> Told:
        plan = tmp_path / "project" / "plan"
        shutil.copytree(OUTCOMES, plan.parent)
        plan.mkdir()
        (plan / "waivers.tsv").write_text("\n".join(["# what it is for", heading, *rows, ""]), "utf-8")
        return behave(*arguments)

    return with_exceptions


def test_an_excused_scenario_is_told_everywhere_with_its_reason_and_its_last_day(run: WithExceptions) -> None:
    told = run([row()], *TWO)
    assert told.status == 0, told.console
    *_, before, last = told.console.rstrip().splitlines()
    assert (before, last) == ("1 excused", "1 passed, 0 failed")

    reason = (
        f"Excused until 2999-12-31 (plan/waivers.tsv:3): {REASON} Not testable here: the provider keeps no journal. "
        "To make it testable: name a provider stand-in in PROVIDER_URL."
    )
    line = told.line("not testable here")
    assert line.startswith("- ")
    assert line.endswith(" s  excused")
    assert reason in told.console
    result = told.results["not testable here"]
    assert (result["status"], result["statusDetails"]["message"]) == ("skipped", reason)
    assert told.label("not testable here", "outcome") == ["excused"]
    case = told.cases["not testable here"]
    skipped = case.find("skipped")
    assert skipped is not None
    assert (case.attrib["status"], skipped.attrib["message"]) == ("excused", reason)


def test_where_nothing_is_left_but_what_is_excused_the_run_is_red(run: WithExceptions) -> None:
    told = run([row()], CHECKS, "-n", "^not testable here$")
    assert told.status == 1
    assert told.last_line.startswith("Every selected scenario was skipped or excused, so nothing was checked")


def test_an_excused_scenario_does_not_stop_a_run_that_stops_at_the_first_failure(run: WithExceptions) -> None:
    told = run([row()], CHECKS, "--stop", "-n", "^not testable here$", "-n", "^with evidence$")
    assert (told.status, told.last_line) == (0, "1 passed, 0 failed"), told.console


def test_what_a_hook_finds_not_testable_can_be_excused(run: WithExceptions) -> None:
    rows = [row("Hooks and clean-up of scenarios: not testable from the start")]
    told = run(rows, "features/c_hooks.feature", "-n", "^not testable from the start$", "-n", "^audit agrees$")
    assert (told.status, told.last_line) == (0, "1 passed, 0 failed"), told.console


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
def test_nothing_but_what_is_not_testable_is_excused(run: WithExceptions, scenario: str, title: str, kind: str) -> None:
    told = run([row(scenario)], "-n", f"^{title}$")
    assert told.status == 1
    assert told.line(title).endswith(f" s  {kind}")


def test_an_exception_of_another_target_excuses_nothing_here(run: WithExceptions) -> None:
    told = run([row(target="other.example")], *TWO)
    assert told.status == 1
    assert told.last_line.startswith("No check failed, but 1 could not be judged, the first as not testable here:")
    assert told.line("not testable here").endswith(" s  not testable here")
    assert set(told.results) == {"not testable here", "A title given while it ran"}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            row(until="2026-01-31"),
            f"plan/waivers.tsv:3 of the run: the exception for “{BLIND}” on {HERE} ended on 2026-01-31 "
            f"({REASON.rstrip('.')}): make it testable and remove the line, or agree on a later day.",
        ),
        (
            row("Checks: told more"),
            f"plan/waivers.tsv:3 of the run: the exception for “Checks: told more” is no longer needed, because "
            f"{HERE} shows it: remove the line “{row('Checks: told more')}”.",
        ),
        (
            row("Checks: told less", "other.example"),
            "plan/waivers.tsv:3 of the run: no scenario is called “Checks: told less”: correct the name, or "
            f"remove the line “{row('Checks: told less', 'other.example')}”.",
        ),
    ],
    ids=["over", "not needed", "of no scenario"],
)
def test_an_exception_out_of_date_is_red_in_every_output(run: WithExceptions, written: str, sentence: str) -> None:
    told = run([written], "--tags=@critical", "--junit")
    assert told.status == 1
    assert told.last_line == sentence
    where, _, message = sentence.partition(" of the run: ")
    assert f"  the run  {where}  exception out of date\n    {message}" in told.console
    result = told.results[f"{where} of the run"]
    assert (result["status"], result["statusDetails"]["message"]) == ("broken", message)
    case = told.cases[f"{where} of the run"]
    error = case.find("error")
    assert error is not None
    assert (case.attrib["status"], error.attrib["message"]) == ("exception out of date", message)


def test_after_its_last_day_an_exception_excuses_nothing(run: WithExceptions) -> None:
    told = run([row(until="2026-01-31")], *TWO)
    assert told.status == 1
    assert told.line("not testable here").endswith(" s  not testable here")
    assert "1 passed, 2 failed" in told.console


def test_an_exception_is_needed_as_long_as_one_row_of_an_outline_needs_it() -> None:
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
        ([f"{BLIND}\t{HERE}\t2026-12-31"], "plan/waivers.tsv:3 is not whole: give it scenario, target, until"),
        ([row(reason=" ")], "plan/waivers.tsv:3 is not whole: give it scenario, target, until, reason"),
        ([row().replace("\t", "  ")], "plan/waivers.tsv:3 is not whole"),
        ([row(), row(until="31.12.2026")], "plan/waivers.tsv:4 ends on '31.12.2026', which is no day: write it as"),
        ([row(until="2026-02-30")], "plan/waivers.tsv:3 ends on '2026-02-30', which is no day"),
        (
            [row(target="http://sut.example:80")],
            "plan/waivers.tsv:3 names the target 'http://sut.example:80': write",
        ),
        ([row(), row(reason="again")], "plan/waivers.tsv:4 excuses a scenario that a line above excuses already"),
    ],
)
def test_exceptions_that_cannot_be_read_end_the_run_before_it_begins(
    run: WithExceptions, rows: list[str], sentence: str
) -> None:
    told = run(rows, "--tags=@critical")
    assert told.status == 2
    assert told.last_line.startswith(sentence)
    assert "told more" not in told.console
    assert told.results == {}


def test_exceptions_without_their_heading_end_the_run_before_it_begins(run: WithExceptions) -> None:
    told = run([], "--tags=@critical", heading=row())
    assert told.status == 2
    assert told.last_line == (
        "plan/waivers.tsv:2 has to be the heading: scenario, target, until, reason, separated by tabs."
    )


def test_the_suite_excuses_nothing() -> None:
    path = Path(__file__).resolve().parents[2] / waivers.FILE
    assert path.is_file()
    assert waivers.read(path) == ()
