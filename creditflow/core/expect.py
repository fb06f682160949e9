"""Expectations: expected and found are compared exactly, and a mismatch reads as a sentence with what was recorded.

A failure begins with the person and the system, then says what was expected, then what the systems recorded. Figures
are written as people write them (9,991).

Every check of the suite is made here and counted (:data:`checks`), so that a step which claims an outcome and compares
nothing is found out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from creditflow.core.errors import NothingCheckedError, NotTestableError


class Checks:
    """Counts the checks that were made, by whichever thread, green or red."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0

    @property
    def made(self) -> int:
        """How many checks were made so far."""
        return self._made

    def made_one(self) -> None:
        """Count one check more."""
        with self._lock:
            self._made += 1


checks = Checks()
"""The checks of this process; the runner looks whether a step that claims an outcome made any."""


@dataclass(frozen=True)
class Finding:
    """One figure or fact that was looked up.

    Attributes:
        says: the sentence with `{}` where the found value goes, such as "the individual has {} credits in the API".
        found: what the target says.
        expected: what the feature says.
    """

    says: str
    found: Any
    expected: Any

    @property
    def agrees(self) -> bool:
        """Whether it is exactly what was expected; a truth is no number here."""
        return _same(self.found, self.expected)

    def sentence(self) -> str:
        """Found and expected, for a reader."""
        found, expected = written(self.found), written(self.expected)
        if found == expected or (isinstance(self.found, str) and isinstance(self.expected, int)):
            found = f"'{found}' (of the kind {type(self.found).__name__})"
        return f"{self.says.format(found)}, expected {expected}"


def _same(found: Any, expected: Any) -> bool:
    """Whether two values are equal and of one kind, and so is each of their parts: 9.0 is no 9."""
    if type(found) is not type(expected) or found != expected:
        return False
    return not isinstance(found, list | tuple) or all(map(_same, found, expected))


def agree(findings: Iterable[Finding], recorded: Callable[[], str] = lambda: "") -> None:
    """Require every finding to be as expected.

    Args:
        findings: what was looked up, usually the same figure in several systems.
        recorded: what the systems recorded about it; asked only when something disagrees.

    Raises:
        AssertionError: with every finding that disagrees, then what was recorded.
        NothingCheckedError: there is no finding, so that anything would agree.
    """
    looked_up = list(findings)
    if not looked_up:
        raise NothingCheckedError(
            "Nothing was checked: there is nothing to compare; see whether the feature's table has rows and whether "
            "the target gave anything to look at."
        )
    checks.made_one()
    wrong = [finding.sentence() for finding in looked_up if not finding.agrees]
    if wrong:
        raise AssertionError("; ".join([*wrong, recorded()]).rstrip("; ") + ".")


def holds(condition: bool, sentence: str, recorded: Callable[[], str] = lambda: "") -> None:
    """Require a condition; the sentence says what is wrong when it does not hold."""
    checks.made_one()
    if not condition:
        raise AssertionError("; ".join(part for part in (sentence.rstrip("."), recorded()) if part) + ".")


@contextmanager
def about(who: str, recorded: Callable[[], str]) -> Iterator[None]:
    """Say of whom a check within speaks when it is red, and what the systems recorded of them."""
    try:
        yield
    except NotTestableError:
        raise
    except AssertionError as red:
        raise AssertionError(f"{who}: {str(red).rstrip('.')}; {recorded()}.") from None


def verdict(check: Callable[[], None]) -> str | None:
    """What a check says when it is red; None when it is green."""
    try:
        check()
    except AssertionError as red:
        return str(red)
    return None


def written(value: Any) -> str:
    """A value as people write it: 9,991; none; lists and tables as words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return _listed([f"{written(k)} {written(v)}" for k, v in value.items()])
    if isinstance(value, list | tuple | set):
        return _listed([written(v) for v in value])
    return str(value)


def _listed(parts: list[str]) -> str:
    """Parts in their order, those that repeat with their number: "9, 48 and 10 times 100"."""
    runs = [(part, len(list(same))) for part, same in groupby(parts)]
    said = [part if number == 1 else f"{number:,} times {part}" for part, number in runs]
    return " and ".join(part for part in (", ".join(said[:-1]), *said[-1:]) if part) or "none"


def counted(number: int, thing: str) -> str:
    """A number and its thing: "no charges", "1 charge", "9,991 credits"."""
    return f"{'no' if number == 0 else f'{number:,}'} {thing}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    """How often: never, once, twice, 3 times."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number:,} times")
