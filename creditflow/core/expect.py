"""Expectations: values are compared exactly, and a mismatch is one sentence with what the systems recorded.

A failure names the person and the system, then what was expected, then what the systems recorded. Figures have
thousands separators (9,991).

Every check of the suite is made here and counted (:data:`checks`). A step that states an outcome and makes no check is
an error.
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
    """Counts the checks of all threads, passed and failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0

    @property
    def made(self) -> int:
        """The number of checks so far."""
        return self._made

    def made_one(self) -> None:
        """Count one more check."""
        with self._lock:
            self._made += 1


checks = Checks()
"""The checks of this process; the runner requires at least one of a step that states an outcome."""


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
    """Return whether two values have the same type and value, and so do their parts: 9.0 is not 9."""
    if type(found) is not type(expected) or found != expected:
        return False
    return not isinstance(found, list | tuple) or all(map(_same, found, expected))


def agree(findings: Iterable[Finding], recorded: Callable[[], str] = lambda: "") -> None:
    """Require every finding to be as expected.

    Args:
        findings: usually the same figure in several systems.
        recorded: returns what the systems recorded about it; called only for a mismatch.

    Raises:
        AssertionError: with every finding that differs, then what was recorded.
        NothingCheckedError: there is no finding.
    """
    looked_up = list(findings)
    if not looked_up:
        raise NothingCheckedError(
            "Nothing was checked: there is nothing to compare; check that the feature's table has rows and that the "
            "target returned any data."
        )
    checks.made_one()
    wrong = [finding.sentence() for finding in looked_up if not finding.agrees]
    if wrong:
        raise AssertionError("; ".join([*wrong, recorded()]).rstrip("; ") + ".")


def holds(condition: bool, sentence: str, recorded: Callable[[], str] = lambda: "") -> None:
    """Require a condition; the sentence says what is wrong if it is false."""
    checks.made_one()
    if not condition:
        raise AssertionError("; ".join(part for part in (sentence.rstrip("."), recorded()) if part) + ".")


@contextmanager
def about(who: str, recorded: Callable[[], str]) -> Iterator[None]:
    """Add to each failed check of this block the person it is about, and what the systems recorded about them."""
    try:
        yield
    except NotTestableError:
        raise
    except AssertionError as red:
        raise AssertionError(f"{who}: {str(red).rstrip('.')}; {recorded()}.") from None


def verdict(check: Callable[[], None]) -> str | None:
    """Return the message of a check that fails, or None if it passes."""
    try:
        check()
    except AssertionError as red:
        return str(red)
    return None


def written(value: Any) -> str:
    """Return a value as people write it: 9,991; none; yes; lists and tables as words."""
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
    """Join parts in their order and count repeated ones: "9, 48 and 10 times 100"."""
    runs = [(part, len(list(same))) for part, same in groupby(parts)]
    words = [part if number == 1 else f"{number:,} times {part}" for part, number in runs]
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part) or "none"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "no charges", "1 charge", "9,991 credits"."""
    return f"{'no' if number == 0 else f'{number:,}'} {noun}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    """Return how often something happened: never, once, twice, 3 times."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number:,} times")
