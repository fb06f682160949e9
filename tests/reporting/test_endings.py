"""Code that would end the process is an error of its scenario; the clean-up and the other scenarios still run."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from creditflow.reporting import html
from creditflow.reporting.report_tool import ALLURE

if TYPE_CHECKING:
    from tests.reporting.conftest import Behave, RunOutput

NO_STEP_RAN = ("before_scenario ended", "before_tag ended", "a fixture ended in its set-up")


def message(output: RunOutput, title: str) -> str:
    return str(output.results[title]["statusDetails"]["message"])


def test_everything_that_was_made_is_removed(endings: RunOutput) -> None:
    removed = (endings.folder / "removed").read_text("utf-8").splitlines()
    ran = {name.partition(" -- @")[0].strip() for name in endings.cases if " of “" not in name}
    kept_from_running = {name for name, case in endings.cases.items() if case.attrib["status"] == "untested"}
    assert {name.partition(" -- @")[0].strip() for name in removed} == ran - kept_from_running - set(NO_STEP_RAN)
    assert set(Counter(removed).values()) == {1}


def test_the_scenarios_after_it_run_and_the_exit_status_is_not_that_of_the_step(endings: RunOutput) -> None:
    assert endings.line("comes after all endings")[0] == "✓"
    assert endings.status == 1
    assert endings.last_line.startswith("3 passed, ")


@pytest.mark.parametrize(
    ("title", "sentence"),
    [
        ("a step ends by sys.exit(0)", "The step ended the process: SystemExit(0); "),
        ("a step ends by sys.exit in words", "The step ended the process: SystemExit('all done'); "),
        ("a step ends by os._exit(0)", "The step ended the process: os._exit(0); "),
        ("a step ends by KeyboardInterrupt", "The step raised KeyboardInterrupt without a signal."),
        ("a step ends by a kind of its own", "The step raised OfItsOwnKind('enough'), which is not an Exception"),
        ("a step ends by sys.exit(0) in a thread", "The thread ended the process: SystemExit(0); "),
        ("a step ends by an error in a thread", "ValueError: no such column: purse"),
        ("before_scenario ended", "The hook before_scenario ended the process: SystemExit(0); "),
        ("a clean-up ended", "The clean-up ended the process: SystemExit(0); "),
        ("a check failed and a clean-up ended", "The individual user has 8 credits, expected 9.\nThen also, in"),
        ("a removal of the suite's own ended", "This could not be removed and is still on the target: the org"),
    ],
)
def test_the_message_names_what_ended_the_process_and_how(endings: RunOutput, title: str, sentence: str) -> None:
    assert message(endings, title).startswith(sentence)


def test_an_error_in_a_thread_is_reported_with_its_place(endings: RunOutput) -> None:
    trace = endings.results["a step ends by an error in a thread"]["statusDetails"]["trace"]
    assert "features/steps/steps.py" in trace
    assert "thread bystander" in endings.console


def test_a_formatter_that_breaks_is_named_and_the_scenario_runs_to_its_end(behave: Behave) -> None:
    broken = ("-f", "broken_formatter:Formatter", "-o", "broken.txt", "-D", "breaks=result")
    output = behave(*broken, "--tags=@endings", "-n", "comes after all", "--junit")
    assert message(output, "comes after all endings") == "The formatter broken failed: OSError: the disk is full"
    assert output.last_line.endswith("The formatter broken failed: OSError: the disk is full")
    assert (output.folder / "removed").read_text("utf-8") == "comes after all endings\n"
    assert output.status == 1


def test_the_report_of_a_killed_run_says_that_it_is_incomplete_and_so_does_the_next_run(behave: Behave) -> None:
    ALLURE.prepare()
    killed = behave("--tags=@killed or @critical")
    assert killed.status == -9
    page = html.draw(killed.folder / "allure-results")
    assert page.is_file()
    written = (killed.folder / "allure-results" / "run-without-verdict-result.json").read_text("utf-8")
    drawn = json.loads(written)
    assert drawn["status"] == "broken"
    sentence = "The last run ended without a verdict, in the scenario “killed” (features/h_ends.feature:"
    assert drawn["statusDetails"]["message"].startswith(sentence)

    after = behave("--tags=@critical")
    assert sentence in after.console
    assert set(after.results) == {"A title given while it ran"}
    assert sentence not in behave("--tags=@critical").console
