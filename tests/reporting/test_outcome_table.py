"""All five outputs of each outcome side by side; `pytest -s tests/reporting/test_outcome_table.py` prints them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reporting.conftest import RunBehave, RunOutput

pytestmark = pytest.mark.timeout(900)
"""Seconds for the first test, which makes all runs, on a busy machine."""

FEATURES = Path(__file__).resolve().parent / "outcomes" / "features"
WAIVED = "Checks: not testable here\tsut.example\t2999-12-31\tThe journal comes with the next release."
EXPIRED = "Checks: more details\tsut.example\t2026-01-31\tThe journal comes with the next release."


def alone(title: str, *more: str) -> tuple[str, ...]:
    """Return the arguments that select scenarios of one small feature by title."""
    written = re.compile(rf"Scenario(?: Outline)?: {re.escape(title.partition(' -- @')[0])}$", re.MULTILINE)
    feature = next(f for f in sorted(FEATURES.rglob("*.feature")) if written.search(f.read_text("utf-8")))
    names = [argument for name in (title, *more) for argument in ("-n", f"^{re.escape(name)}$")]
    return (f"features/{feature.name}", *names)


@dataclass(frozen=True)
class Case:
    """One outcome: what happens, the name of its result, its kind, the exit status, and the arguments of the run."""

    what: str
    name: str
    kind: str
    status: int = 1
    arguments: tuple[str, ...] = ()
    in_junit: str = ""
    waiver: str = ""

    @property
    def command(self) -> tuple[str, ...]:
        return self.arguments or alone(self.name)


def outside(what: str, name: str, kind: str, scenario: str) -> Case:
    """Return the case of an error outside of scenarios, which happens when a scenario runs."""
    return Case(what, name, kind, 1, alone(scenario))


def of_run(what: str, name: str, kind: str, *arguments: str) -> Case:
    """Return the case of an error of the run itself."""
    return Case(what, f"{name} of the run", kind, 1, ("--tags=@F1.S4", *arguments))


def row(what: str, scenario: str, kind: str, cells: str, in_junit: str, status: int) -> Case:
    """Return the case of a row of Examples."""
    return Case(what, f"{scenario} ({cells})", kind, status, alone(in_junit), in_junit)


def ending(what: str, name: str, kind: str, in_junit: str = "") -> Case:
    """Return the case of code that would end the process; all of them are in one run."""
    return Case(what, name, kind, 1, ("--tags=@endings",), in_junit)


def step_ending(number: int, how: str) -> Case:
    """Return the case of a step that would end the process, by its row of Examples."""
    return ending(f"error: {how}", f"a step ends by {how}", "error", f"a step ends by {how} -- @1.{number} ")


BROKEN = (
    "-f", "broken_formatter:Formatter", "-o", "broken.txt", "-f", "creditflow.reporting.console:Formatter", "-o", "-",
)  # fmt: skip
STEP_ENDINGS = (
    "sys.exit(0)", "sys.exit(None)", "sys.exit in words", "GeneratorExit", "KeyboardInterrupt", "CancelledError",
    "a kind of its own", "os._exit(0)", "sys.exit(0) in a pool", "os._exit(0) in a pool", "sys.exit(0) in a thread",
    "an error in a thread", "os._exit(0) in a thread", "an error without a readable message",
)  # fmt: skip

CASES = (
    Case("passed", "passed", "passed", 0),
    Case("passed under a rule, with a table and a text", "passed under a rule", "passed", 0),
    row("passed row of an outline", "outline", "passed", "GPT-4, 48, 48", "outline -- @1.1 models", 0),
    row("passed row of an outline under a rule", "outline under a rule", "passed", "9",
        "outline under a rule -- @1.1 ", 0),
    Case("passed, with an audit after it", "audit agrees", "passed", 0),
    Case("failed", "failed", "failed"),
    Case("failed under a rule, with a table", "failed under a rule", "failed"),
    row("failed row of an outline", "outline", "failed", "GPT-3, 8, 9", "outline -- @1.2 models", 1),
    row("failed row of an outline under a rule", "outline under a rule", "failed", "7",
        "outline under a rule -- @1.2 ", 1),
    Case("failed check, failed clean-up", "check and clean-up broke", "failed"),
    Case("failed audit after the scenario", "audit differs", "failed"),
    Case("error", "error", "error"),
    Case("hook error: before_scenario", "before_scenario broke", "hook error"),
    Case("hook error: after_scenario", "after_scenario broke", "hook error"),
    Case("hook error: before_tag", "before_tag broke", "hook error"),
    Case("hook error: after_tag", "after_tag broke", "hook error"),
    Case("hook error: before_step", "before_step broke", "hook error"),
    Case("hook error: after_step", "after_step broke", "hook error"),
    outside("hook error: before_feature", "before_feature of “Its first hook breaks”", "hook error",
            "never reached in the feature"),
    outside("hook error: after_feature", "after_feature of “Its last hook and its clean-up break”", "hook error",
            "passed before the feature's last hook broke"),
    outside("hook error: before_tag of a feature", "before_tag @raise.before_tag of “Its tag's first hook breaks”",
            "hook error", "never reached after the feature's tag"),
    outside("hook error: after_tag of a feature", "after_tag @raise.after_tag of “Its tag's last hook breaks”",
            "hook error", "passed before the feature's tag broke"),
    outside("hook error: before_rule", "before_rule of “Its first hook breaks”", "hook error",
            "never reached in the rule"),
    outside("hook error: after_rule", "after_rule of “Its last hook breaks”", "hook error",
            "passed before the rule's last hook broke"),
    outside("hook error: before_tag of a rule", "before_tag @raise.before_tag of “The first hook of its tag breaks”",
            "hook error", "never reached after the rule's tag"),
    outside("hook error: after_tag of a rule", "after_tag @raise.after_tag of “The last hook of its tag breaks”",
            "hook error", "passed before the rule's tag broke"),
    of_run("hook error: before_all", "before_all", "hook error", "-D", "raise=before_all"),
    of_run("hook error: after_all", "after_all", "hook error", "-D", "raise=after_all"),
    Case("clean-up error: scenario", "clean-up broke", "clean-up error"),
    Case("clean-up error: fixture", "fixture's end broke", "clean-up error"),
    outside("clean-up error: rule", "clean-up broken_removal of “Its clean-up breaks”", "clean-up error",
            "passed before the rule's clean-up broke"),
    outside("clean-up error: feature", "clean-up broken_removal of “Its last hook and its clean-up break”",
            "clean-up error", "passed before the feature's last hook broke"),
    of_run("clean-up error: run", "clean-up broken_removal", "clean-up error", "-D", "cleanup=testrun"),
    Case("undefined", "undefined", "undefined"),
    Case("undefined: no steps", "without steps", "undefined"),
    Case("pending", "pending", "pending"),
    Case("pending, and tolerated by behave", "pending and tolerated by behave", "pending"),
    Case("nothing checked by a Then", "claimed and not checked", "nothing checked"),
    Case("nothing checked by an And", "claimed in an And", "nothing checked"),
    row("nothing checked, outline under a rule", "claimed in an outline", "nothing checked", "GPT-4",
        "claimed in an outline -- @1.1 ", 1),
    Case("not testable here", "not testable here", "not testable here"),
    Case("not testable here, said by a hook", "not testable from the start", "not testable here"),
    Case("waived, beside one that passed", "not testable here", "waived", 0,
         alone("not testable here", "passed"), waiver=WAIVED),
    Case("waiver that has expired", "plan/waivers.tsv:2 of the run", "waiver out of date", 1, ("--tags=@F1.S4",),
         waiver=EXPIRED),
    Case("skipped, beside one that passed", "skipped", "skipped", 0, alone("skipped", "passed")),
    Case("skipped, and nothing else", "skipped", "skipped"),
    Case("skipped half way, and nothing else", "skipped half way", "skipped"),
    Case("untested: before_feature failed", "never reached in the feature", "untested"),
    Case("untested: before_rule failed", "never reached in the rule", "untested"),
    Case("untested: before_all failed", "passed", "untested", 1, (*alone("passed"), "-D", "raise=before_all")),
    Case("untested: after a failure, with --stop", "error", "untested", 1, ("--stop", *alone("failed", "error"))),
    Case("the failure that --stop stopped at", "failed", "failed", 1, ("--stop", *alone("failed", "error"))),
    Case("interrupted by Ctrl-C", "interrupted", "error", 130, ("--tags=@ctrl-c or @end",)),
    Case("untested: the run was interrupted", "after the end", "untested", 130, ("--tags=@ctrl-c or @end",)),
    Case("interrupted in before_scenario", "interrupted before its steps", "hook error", 130,
         ("--tags=@ctrl-c-before or @end",)),
    Case("interrupted in after_scenario", "interrupted after its steps", "hook error", 130,
         ("--tags=@ctrl-c-after or @end",)),
    *(step_ending(number, how) for number, how in enumerate(STEP_ENDINGS, 1)),
    ending("error: sys.exit in an async step", "an async step ends by sys.exit", "error"),
    ending("hook error: before_scenario exits", "before_scenario ended", "hook error"),
    ending("hook error: after_scenario exits", "after_scenario ended", "hook error"),
    ending("hook error: before_tag exits", "before_tag ended", "hook error"),
    ending("hook error: after_tag exits", "after_tag ended", "hook error"),
    ending("hook error: before_step exits", "before_step ended", "hook error"),
    ending("hook error: after_step exits", "after_step ended", "hook error"),
    ending("hook error: a fixture's set-up exits", "a fixture ended in its set-up", "hook error"),
    ending("hook error: before_rule exits", "before_rule of “Its first hook ends”", "hook error"),
    ending("hook error: after_rule exits", "after_rule of “Its last hook ends”", "hook error"),
    ending("hook error: before_feature exits", "before_feature of “Every scenario is kept from running”", "hook error"),
    ending("hook error: after_feature exits", "after_feature of “Its last hook ends too late”", "hook error"),
    of_run("hook error: before_all exits", "before_all", "hook error", "-D", "raise=exit in before_all"),
    of_run("hook error: after_all exits", "after_all", "hook error", "-D", "raise=exit in after_all"),
    ending("clean-up error: a fixture's end exits", "a fixture ended in its end", "clean-up error"),
    ending("clean-up error: a clean-up exits", "a clean-up ended", "clean-up error"),
    ending("clean-up error: a removal exits", "a removal of the suite's own ended", "clean-up error"),
    ending("failed check, then a clean-up exits", "a check failed and a clean-up ended", "failed"),
    ending("passed, after all of them", "comes after all endings", "passed"),
    of_run("error: a formatter breaks at its end", "formatter broken", "error", *BROKEN, "-D", "breaks=close"),
    Case("error: a formatter breaks in a scenario", "passed", "error", 1,
         (*alone("passed"), *BROKEN, "-D", "breaks=result")),
    Case("error: a formatter exits in a scenario", "passed", "error", 1,
         (*alone("passed"), *BROKEN, "-D", "breaks=exit in result")),
    Case("terminated (SIGTERM)", "terminated", "error", 143, ("--tags=@term or @end",)),
)  # fmt: skip

IN_ALLURE = {"passed": "passed", "failed": "failed", "skipped": "skipped", "waived": "skipped", "untested": "unknown"}
IN_JUNIT = {"passed": "", "failed": "failure", "skipped": "skipped", "waived": "skipped", "untested": "skipped"}


@dataclass(frozen=True)
class Row:
    """The five outputs of a case."""

    case: Case
    console: str
    allure: tuple[str, str]
    junit: tuple[str, str]
    record: str
    status: int

    @property
    def agree(self) -> bool:
        """Whether all five outputs are right, and so agree."""
        kind = self.case.kind
        return (
            self.console == kind
            and self.allure == (IN_ALLURE.get(kind, "broken"), kind)
            and self.junit == (IN_JUNIT.get(kind, "error"), kind)
            and self.record == kind
            and self.status == self.case.status
        )

    def __str__(self) -> str:
        parts = (
            f"{self.case.what:<46}",
            f"{self.console:<22}",
            f"{_both(*self.allure):<32}",
            f"{_both(*self.junit):<32}",
            f"{self.record:<22}",
            f"{self.status:^6}",
            "yes" if self.agree else "NO",
        )
        return "| " + " | ".join(parts) + " |"


HEADING = (
    f"| {'what happened':<46} | {'console':<22} | {'Allure: status (outcome)':<32} | {'JUnit: element (status)':<32} "
    f"| {'record':<22} | {'exit':<6} | agree |\n"
    f"|{'-' * 48}|{'-' * 24}|{'-' * 34}|{'-' * 34}|{'-' * 24}|{'-' * 8}|-------|"
)


@pytest.fixture(
    scope="module", params=[("--jobs", "1"), ("--jobs", "4", "-D", "order=random:7")], ids=["one job", "four jobs"]
)
def rows(
    request: pytest.FixtureRequest, run_behave: RunBehave, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Row]]:
    """Run every case separately, two at a time; print all outputs at the end.

    What must come after another scenario is exclusive. In a random order also a single scenario has a worker.
    """
    folder = tmp_path_factory.mktemp("cases")
    commands = list(dict.fromkeys((case.command, case.waiver) for case in CASES))

    def output_of(number: int) -> RunOutput:
        return _run(run_behave, folder / f"case-{number}", *commands[number], request.param)

    with ThreadPoolExecutor(2) as pool:
        outputs = dict(zip(commands, pool.map(output_of, range(len(commands))), strict=True))
    found = [_row(case, outputs[case.command, case.waiver]) for case in CASES]
    yield {row.case.what: row for row in found}
    print("", HEADING, *found, sep="\n")
    print(f"{len(found)} outcomes, {sum(row.agree for row in found)} with five outputs that agree")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_console_allure_junit_record_and_exit_status_agree(rows: dict[str, Row], case: Case) -> None:
    assert rows[case.what].agree, f"{HEADING}\n{rows[case.what]}"


def _run(
    run_behave: RunBehave, folder: Path, command: tuple[str, ...], waiver: str, jobs: tuple[str, ...]
) -> RunOutput:
    if waiver:
        shutil.copytree(FEATURES.parent, folder)
        (folder / "plan" / "waivers.tsv").write_text(f"scenario\ttarget\tuntil\treason\n{waiver}\n", "utf-8")
    return run_behave(folder, *command, "--junit", *jobs)


def _row(case: Case, output: RunOutput) -> Row:
    result, junit = output.results.get(case.name), output.cases.get(case.in_junit or case.name)
    elements = [element.tag for element in junit if element.tag not in ("system-out", "system-err")] if junit else []
    return Row(
        case,
        _on_console(output, case.name),
        (result["status"], ", ".join(output.label(case.name, "outcome"))) if result else ("not reported", ""),
        (", ".join(elements), junit.attrib["status"]) if junit is not None else ("not reported", ""),
        output.recorded.get(case.name, "not reported"),
        output.status,
    )


def _on_console(output: RunOutput, name: str) -> str:
    """Return the outcome on the console: in the line of the scenario or error, or in the last list."""
    if line := output.line(name):
        return line.rpartition("  ")[2] if not re.search(r" s$", line) else "passed"
    of_the_run = re.search(rf"^  the run  {re.escape(name.removesuffix(' of the run'))}  (.+)$", output.console, re.M)
    return of_the_run.group(1) if of_the_run else "not reported"


def _both(first: str, second: str) -> str:
    return f"{first or '-'} ({second})" if second else first
