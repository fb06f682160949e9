"""How figures are compared, how a mismatch reads, and how long the suite waits for a late value."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from creditflow.checks.accounts import HistoryEntry
from creditflow.core import expect, polling
from creditflow.core.errors import NotTestableError
from creditflow.core.expect import Finding, agree, counted, holds, times, verdict, written


def never_asked() -> str:
    raise AssertionError("what was recorded is asked only when something disagrees")


def a_fault_of_the_suite() -> None:
    raise KeyError("no verdict about the target")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("9991", 9991),
        (9991.0, 9991),
        (True, 1),
        (False, 0),
        (None, 0),
        (0, None),
        ("", None),
        ([9], (9,)),
        ([9, 9], [9]),
        ([], [9]),
        ("9,991", "9991"),
        ([9, 48], [48, 9]),
        ([9.0], [9]),
        ((True, 9), (1, 9)),
        ([[9], [48.0]], [[9], [48]]),
        ([HistoryEntry("GPT-4", 100, 9, False)], [HistoryEntry("GPT-4", 100, 9, 0)]),  # type: ignore[arg-type]
    ],
)
def test_what_only_resembles_the_expected_is_red(found: Any, expected: Any) -> None:
    with pytest.raises(AssertionError):
        agree([Finding("it is", found, expected)], str)


@pytest.mark.parametrize(
    "value", [9991, 0, "9991", None, True, [9, 48], (9,), [], [(9, "x"), HistoryEntry("GPT-4", 100, 9, False)]]
)
def test_the_same_is_green_and_nothing_more_is_looked_up(value: Any) -> None:
    agree([Finding("it is", value, value)], never_asked)


def test_a_mismatch_says_found_and_expected_and_then_what_was_recorded() -> None:
    asked: list[str] = []

    def recorded() -> str:
        asked.append("once")
        return "unicorn_db has 2 charges of 9"

    with pytest.raises(AssertionError) as red:
        agree(
            [
                Finding("the individual has", 9982, 9991, "credits", "the API"),
                Finding("the individual has", 9999, 9999, "calls left"),
                Finding("the individual has", None, 9991, "credits", "unicorn_db"),
            ],
            recorded,
        )
    assert str(red.value) == (
        "the individual has 9,982 credits in the API, expected 9,991; "
        "the individual has none credits in unicorn_db, expected 9,991; unicorn_db has 2 charges of 9."
    )
    assert asked == ["once"]


def test_a_finding_names_what_found_unit_system_and_expected() -> None:
    assert Finding("the counter is at", 7, 1, system="Redis").sentence() == "the counter is at 7 in Redis, expected 1"
    assert Finding("X has", 2, 1, "charges").sentence() == "X has 2 charges, expected 1"
    assert Finding("X is", "", "up").sentence() == "X is empty, expected up"


def test_a_mismatch_about_which_nothing_is_recorded_ends_as_a_sentence() -> None:
    with pytest.raises(AssertionError) as red:
        agree([Finding("X is", True, 1)], str)
    assert str(red.value) == "X is yes, expected 1."


def test_a_condition_that_does_not_hold_is_told_with_what_was_recorded() -> None:
    holds(True, "never said", never_asked)
    with pytest.raises(AssertionError) as red:
        holds(False, "the answer carries no id.", lambda: "it reads {}")
    assert str(red.value) == "the answer carries no id; it reads {}."
    with pytest.raises(AssertionError, match=r"^the answer carries no id\.$"):
        holds(False, "the answer carries no id")


def test_a_verdict_is_the_sentence_of_a_red_check_and_nothing_of_a_green_one() -> None:
    assert verdict(lambda: None) is None
    assert verdict(lambda: holds(False, "it is wrong")) == "it is wrong."
    with pytest.raises(KeyError):
        verdict(a_fault_of_the_suite)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9991, "9,991"),
        (-5, "-5"),
        (None, "none"),
        (True, "yes"),
        (False, "no"),
        ([], "none"),
        ([9, 48, 1000], "9, 48 and 1,000"),
        ("a UUID", "a UUID"),
        ([("a", 9, None)], "a, 9 and none"),
    ],
)
def test_a_value_is_written_as_people_write_it(value: Any, text: str) -> None:
    assert written(value) == text


def test_a_count_and_a_frequency_read_as_words() -> None:
    assert [counted(n, "charge") for n in (0, 1, 9991)] == ["no charges", "1 charge", "9,991 charges"]
    assert [times(n) for n in (0, 1, 2, 3, 1000)] == ["never", "once", "twice", "3 times", "1,000 times"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by one that only sleeping moves; return a list with its seconds since the test began."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_what_comes_a_moment_later_is_waited_for_and_not_longer(clock: list[float]) -> None:
    asked: list[int] = []

    def third_time() -> None:
        asked.append(1)
        holds(len(asked) >= 3, "not yet")

    polling.soon(third_time, 5)
    assert len(asked) == 3
    assert clock == [pytest.approx(2 * polling.PAUSE)]


def test_what_does_not_come_is_red_at_the_deadline_with_the_last_that_was_said(clock: list[float]) -> None:
    asked: list[int] = []

    def never_holds() -> None:
        asked.append(1)
        holds(False, f"asked {len(asked)} times")

    with pytest.raises(AssertionError) as red:
        polling.soon(never_holds, 0.45)
    assert clock == [pytest.approx(0.5)]
    assert str(red.value) == "within 0.45 s: asked 6 times."


def test_an_error_that_is_no_verdict_ends_the_waiting_at_once(clock: list[float]) -> None:
    with pytest.raises(LookupError):
        polling.soon(a_fault_of_the_suite, 5)
    assert clock == [0.0]


def test_what_must_not_come_is_watched_for_all_of_the_time(clock: list[float]) -> None:
    looked: list[float] = []

    def happened() -> bool:
        looked.append(clock[0])
        return False

    polling.never(happened, 0.45, "it came")
    assert looked == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_what_must_not_come_and_came_late_is_red_with_its_sentence(clock: list[float]) -> None:
    looked: list[int] = []

    def happened() -> bool:
        looked.append(1)
        return len(looked) == 3

    with pytest.raises(AssertionError, match=r"^a second event came$"):
        polling.never(happened, 5, "a second event came")
    assert len(looked) == 3


def test_a_red_check_about_somebody_begins_with_them_and_ends_with_what_is_recorded() -> None:
    with (
        pytest.raises(AssertionError) as red,
        expect.about("the member", lambda: "unicorn_db has no charge"),
    ):
        holds(False, "the upgrade link is not the organisation's own")
    assert str(red.value) == "the member: the upgrade link is not the organisation's own; unicorn_db has no charge."


def test_a_green_check_about_somebody_asks_for_no_record() -> None:
    def recorded() -> str:
        pytest.fail("nobody needs to know")

    with expect.about("the member", recorded):
        holds(True, "never said")


def test_what_can_not_be_tested_keeps_its_verdict_also_about_somebody() -> None:
    with pytest.raises(NotTestableError), expect.about("the member", lambda: ""):
        raise NotTestableError("no system shows it", "set LAGO_API_URL")


def test_what_reads_alike_is_reported_with_its_type() -> None:
    for found, expected, kind in ((True, "yes", "bool"), ([48], "48", "list"), ("9,991", 9991, "str"), ("x", 9, "str")):
        with pytest.raises(AssertionError, match=rf"\(of the type {kind}\), expected"):
            agree([Finding("X is", found, expected)])
    with pytest.raises(AssertionError) as red:
        agree([Finding("X is", 8, 9)])
    assert "of the type" not in str(red.value)


def test_parts_that_repeat_are_written_once_with_their_number() -> None:
    assert written([9, 48, *[100] * 10]) == "9, 48 and 10 times 100"


def test_what_was_found_can_not_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(Finding("X is", 8, 9), "found", 9)  # noqa: B010


def test_equal_figures_and_words_of_their_own_memory_are_the_same() -> None:
    agree([Finding("X is", int("9991"), 9991), Finding("X is", "".join(["a", "b"]), "ab")])
