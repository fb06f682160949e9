"""The catalogue of faults: each is described, fits the code that it changes, and the matrix judges it rightly."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import faults, program
from sandbox.errors import SandboxError
from sandbox.faults import Fault, catalogue, matrix
from sandbox.faults.matrix import Ran, Trial
from sandbox.handle import Sandbox
from sandbox.settings import PROJECT, SandboxSettings

ITEMS = {line.partition("\t")[0] for line in (PROJECT / "plan" / "items.tsv").read_text().splitlines()}
SAMPLE = (
    "charge-rounds-down",
    "member-is-charged-individually",
    "key-stored-in-clear",
    "calls-are-billed-again-under-a-new-id",
    "invoice-stays-a-draft",
    "requests-reach-the-provider-twice",
)
"""One of each kind: what is charged, who pays, what is kept, what is billed, and of each stand-in."""


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_fault_says_whom_it_harms_what_it_breaks_and_how_it_reads(name: str) -> None:
    fault = catalogue()[name]
    assert fault.harm.endswith(".")
    assert len(fault.harm.split()) >= 6
    assert fault.breaks
    assert set(fault.breaks) <= ITEMS
    assert fault.says
    assert all(len(words) >= 6 for words in fault.says), "words that lead to the defect are more than one"


@pytest.mark.parametrize("service", sorted(faults.CATALOGUE.keys() - {"litellm"}))  # LiteLLM has another environment
def test_every_fault_still_fits_the_code_that_it_changes(service: str) -> None:
    misfits = [name for name in catalogue(service) if _switches_on(catalogue(service)[name]) != 0]
    assert misfits == []


def _switches_on(fault: Fault) -> int:
    """Switch a fault on in a fork; return 0 if that works."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            fault.switch_on()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_there_are_faults_of_every_part_of_the_contract() -> None:
    modules = {fault.switch_on.__module__ for fault in catalogue().values()}
    assert modules == {module for of_service in faults.CATALOGUE.values() for module in of_service}
    assert len(catalogue()) >= 80


def test_a_piece_that_the_code_does_not_have_is_no_fault() -> None:
    with pytest.raises(ValueError, match="has 0 pieces that read 'nothing of the kind'"):
        faults.rewrite(matrix.run, "nothing of the kind", "")


def test_a_fault_of_another_name_is_not_switched_on_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(faults.VARIABLE, "charge-rounds-sideways")
    with pytest.raises(SandboxError, match="ops-center has no fault 'charge-rounds-sideways'"):
        faults.switch_on("ops-center")


def _trial(*ran: Ran, status: int = 1, says: tuple[str, ...] = ("9,992 credits",)) -> Trial:
    fault = Fault("half-a-credit", "ops-center", "Half a credit is lost.", ("K1",), says, lambda: None)
    return Trial(fault, status, ran, 1.0)


def test_a_red_scenario_whose_message_leads_to_the_defect_kills() -> None:
    trial = _trial(Ran("a", "f:1", False, ""), Ran("b", "f:2", True, "the individual has 9,992 credits"))
    assert trial.killed
    assert trial.verdict == "killed"


def test_a_red_scenario_whose_message_leads_elsewhere_does_not_kill() -> None:
    trial = _trial(Ran("a", "f:1", True, "something is wrong"), Ran("b", "f:2", True, "9,992 credits"))
    assert not trial.killed
    assert trial.verdict == "survived: the message does not say '9,992 credits'"


@pytest.mark.parametrize(
    ("message", "words", "fits"),
    [
        ("it cost 9 credits, expected 9.", "credits, expected 9", True),
        ("it cost 9 credits, expected 9; more", "credits, expected 9", True),
        ("it has 9 credits, expected 9,991", "credits, expected 9", False),
        ("it has 9 credits, expected 96", "credits, expected 9", False),
        ("it has 9 credits, expected 9.5", "credits, expected 9", False),
        ("1,009 credits in the API", "9 credits in", False),
        ("10,009 credits in the API", "009 credits in", False),
        ("has 9 credits in the API", "9 credits in", True),
        ("the key can be read", "the key", True),
    ],
)
def test_a_number_in_the_words_of_a_fault_is_a_whole_number(message: str, words: str, fits: bool) -> None:
    assert matrix.contains(message, words) is fits
    assert _trial(Ran("a", "f:1", True, message), says=(words,)).killed is fits


def test_green_scenarios_kill_nothing() -> None:
    trial = _trial(Ran("a", "f:1", False, ""), status=0)
    assert trial.verdict == "survived: 1 scenarios stayed green"


def test_a_run_that_judged_nothing_kills_nothing() -> None:
    assert not _trial(status=2).killed
    assert _trial(status=2).verdict.startswith("survived: no scenario was judged (status 2)")


def test_runs_of_the_features_share_what_they_load_and_nothing_else() -> None:
    def behave(*arguments: str, seconds: float = 120) -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if name != faults.VARIABLE}
        ran = program.run(["behave", *arguments], cwd=PROJECT, env=environment, timeout=seconds)
        return ran.returncode, ran.stdout

    status, output = behave("--version")
    assert (status, output.strip().startswith("behave")) == (0, True)
    status, output = behave("--dry-run", "--tags=@no-such-tag")
    assert status == 2
    assert "@no-such-tag" in output
    with pytest.raises(subprocess.TimeoutExpired):
        behave("--dry-run", seconds=0.05)


@dataclass(frozen=True)
class Lent:
    """A sandbox that keeps running after the matrix."""

    settings: dict[str, str]
    where: SandboxSettings
    restart: Callable[..., float]

    def stop(self) -> None:
        """Keep it running."""


@pytest.fixture(scope="module")
def tried(own: Sandbox) -> Iterator[tuple[int, list[str]]]:
    """Return the exit status and output of the matrix for a sample and a fault that changes nothing."""
    # It names a fault of the catalogue, so that the service can switch it on, and asks of it what it does not break.
    harmless = Fault(SAMPLE[0], "ops-center", "Nothing goes wrong.", ("X3",), ("nothing",), lambda: None)
    said: list[str] = []
    known = catalogue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix.Lanes, "_start", lambda *_: Lent(own.settings, own.where, own.restart))
        yield matrix.run([*(known[name] for name in SAMPLE), harmless], said.append), said
    own.restart(harmless.service)


def test_a_sample_of_the_matrix_is_killed_with_words_that_lead_to_the_defect(tried: tuple[int, list[str]]) -> None:
    _, said = tried
    for name in SAMPLE:
        assert any(re.match(rf"killed +[0-9.]+ s  {name}: {re.escape(catalogue()[name].harm)}", line) for line in said)
    assert said[-1] == f"{len(SAMPLE) + 1} faults: {len(SAMPLE)} killed, 1 survived"
    assert any(re.match(r"clean +[0-9.]+ s  [0-9]+ scenarios, 0 of them red", line) for line in said)


def test_a_fault_that_changes_nothing_survives_and_fails_the_matrix(tried: tuple[int, list[str]]) -> None:
    status, said = tried
    assert status == 1
    assert any(re.match(rf"survived +[0-9.]+ s  {SAMPLE[0]}: Nothing goes wrong\.", line) for line in said)


class ShamRunner:
    """A runner of three scenarios; the first fault turns the first red, and the second fault the second."""

    TURNED = {"one": "f:1", "two": "f:2"}  # noqa: RUF012

    def __init__(self) -> None:
        self.tried: list[tuple[str, tuple[str, ...]]] = []

    def clean(self, _faults: object) -> Trial:
        return Trial(None, 0, tuple(Ran(f"scenario {n}", f"f:{n}", False, "") for n in (1, 2, 3)), 1.0)

    def trial(self, fault: Fault, places: Sequence[str] = (), whole: bool = False, **more: Any) -> Trial:
        assert whole or places
        assert not any(more.values())
        self.tried.append((fault.name, tuple(places)))
        turned = self.TURNED[fault.name] if fault.name == "one" or places else "elsewhere:1"
        ran = [Ran("x", place, place == turned, "words that lead") for place in (places or ["elsewhere:1", turned])]
        return Trial(fault, 1, tuple(ran), 1.0)


def test_when_every_fault_is_killed_the_matrix_is_green(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place, said = ShamRunner(), list[str]()
    monkeypatch.setattr(matrix.Lanes, "run", lambda _, jobs: [t for t in (job(place) for job in jobs) if t])
    monkeypatch.setattr(place, "trial", lambda fault, **_: Trial(fault, 1, (Ran("x", "f:1", True, "words"),), 1.0))
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path))
    chosen = [Fault(name, "ops-center", "Harm.", ("K1",), ("words",), lambda: None) for name in ("one", "two")]
    assert matrix.run(chosen, said.append) == 0
    assert said[-1] == "2 faults: 2 killed, 0 survived"


def test_the_scenario_that_a_fault_turned_red_is_tried_first_the_next_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place, firsts = ShamRunner(), list[str]()

    def trial(fault: Fault, *, first: str, **_: Any) -> Trial:
        firsts.append(first)
        return Trial(fault, 1, (Ran("Feature: Rule: A title -- @1.2 ", "f:1", True, "words"),), 1.0)

    monkeypatch.setattr(matrix.Lanes, "run", lambda _, jobs: [t for t in (job(place) for job in jobs) if t])
    monkeypatch.setattr(place, "trial", trial)
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path))
    chosen = [Fault(name, "ops-center", "Harm.", ("K1",), ("words",), lambda: None) for name in ("one", "two")]
    for one_alone in (False, False, True):
        assert matrix.run(chosen, lambda _: None, shown=one_alone) == 0
    assert firsts == ["", "", "A title", "A title", "", ""]


def test_faults_that_a_measured_time_shows_run_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place, lanes = ShamRunner(), list[tuple[int, int]]()

    def run(self: matrix.Lanes, jobs: Sequence[matrix.Job]) -> list[Trial]:
        lanes.append((self._count, len(jobs)))
        return [trial for trial in (job(place) for job in jobs) if trial]  # type: ignore[arg-type]

    monkeypatch.setattr(matrix.Lanes, "run", run)
    monkeypatch.setattr(place, "trial", lambda fault, **_: Trial(fault, 1, (Ran("x", "f:1", True, ""),), 1.0))
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path))
    known = catalogue("ops-center")
    names = ("looking-for-a-stored-key-takes-60-ms", "charge-rounds-down", "only-some-requests-at-a-time-are-passed-on")
    matrix.run([known[name] for name in names], lambda _: None, lanes=2)
    assert lanes == [(2, 2), (1, 2)]


def test_a_scenario_that_no_fault_turns_red_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place, said = ShamRunner(), list[str]()
    monkeypatch.setattr(matrix.Lanes, "run", lambda _, jobs: [t for t in (job(place) for job in jobs) if t])
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path))
    chosen = [Fault(name, "ops-center", "Harm.", ("K1",), ("words",), lambda: None) for name in ("one", "two")]
    assert matrix.run(chosen, said.append, everything=True) == 1
    assert place.tried == [("one", ()), ("two", ()), ("one", ("f:2", "f:3")), ("two", ("f:2", "f:3"))]
    assert "no fault turns it red: scenario 3" in said
    assert "3 scenarios, 1 of them turned red by no fault" in said
    assert said[-1] == "2 faults: 2 killed, 0 survived"
