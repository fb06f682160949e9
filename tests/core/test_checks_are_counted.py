"""Every check is counted in every thread, green or red; nothing to compare is no check."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from creditflow.core import polling
from creditflow.core.errors import NothingCheckedError
from creditflow.core.expect import Checks, Finding, agree, checks, holds


def test_a_check_counts_whether_it_is_green_or_red() -> None:
    before = checks.made
    holds(True, "never said")
    agree([Finding("it is", 9, 9), Finding("it is", 48, 48)])
    assert checks.made == before + 2
    with pytest.raises(AssertionError):
        holds(False, "it is wrong")
    with pytest.raises(AssertionError):
        agree([Finding("it is", 9, 8)])
    assert checks.made == before + 4


def test_before_the_first_check_none_is_counted() -> None:
    assert Checks().made == 0


def test_checks_made_side_by_side_are_all_counted() -> None:
    before = checks.made
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: holds(True, "never said"), range(4000)))
    assert checks.made == before + 4000


def test_a_wait_is_a_check() -> None:
    before = checks.made
    polling.soon(lambda: holds(checks.made > before + 1, "not yet"), 2)
    assert checks.made >= before + 2
    before = checks.made
    polling.never(lambda: False, 0, "it came")
    assert checks.made == before + 1


def test_nothing_to_compare_is_an_error_that_no_wait_swallows() -> None:
    before = checks.made
    with pytest.raises(NothingCheckedError, match="there is nothing to compare"):
        agree([])
    with pytest.raises(NothingCheckedError):
        polling.soon(lambda: agree(iter(())), 2)
    assert checks.made == before
