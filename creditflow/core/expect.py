"""Expectations: compare found and expected exactly, and report a mismatch as a sentence.

A failure names the person and the system first, then what was found and expected, then what the systems recorded.
Figures are written as people write them (9,991).

Every check of the suite is counted (:data:`checks`), so that the runner notices a step that claims an outcome and
compares nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from creditflow.core.errors import NothingCheckedError, NotTestableError


class Checks:
    """Counts the checks of every thread, green or red."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0

    @property
    def made(self) -> int:
        """The number of checks made so far."""
        return self._made

    def made_one(self) -> None:
        """Count one more check."""
        with self._lock:
            self._made += 1


checks = Checks()
"""The checks of this process. The runner requires one from every step that claims an outcome."""


@dataclass(frozen=True)
class Finding:
    """One figure or fact that was looked up.

    Attributes:
        what: what was looked up, as the beginning of a sentence, such as "the individual has".
        found: the value in the target.
        expected: the value in the feature.
        unit: what the value counts, such as "credits"; empty for a fact.
        system: where it was looked up, such as "the API" or "unicorn_db (user_credits)".
    """

    what: str
    found: Any
    expected: Any
    unit: str = ""
    system: str = ""

    @property
    def agrees(self) -> bool:
        """Whether found and expected are equal and of the same type."""
        return _same(self.found, self.expected)

    def sentence(self) -> str:
        """Return what was found and expected: "the individual has 9,982 credits in the API, expected 9,991"."""
        found, expected = written(self.found) or "empty", written(self.expected)
        if found == expected or (isinstance(self.found, str) and isinstance(self.expected, int)):
            found = f"'{found}' (of the type {type(self.found).__name__})"
        where = f"in {self.system}" if self.system else ""
        return f"{' '.join(filter(None, (self.what, found, self.unit, where)))}, expected {expected}"


def _same(found: Any, expected: Any) -> bool:
    """Return whether two values, and each of their parts, are equal and of the same type: 9.0 is not 9."""
    if type(found) is not type(expected) or found != expected:
        return False
    return not isinstance(found, list | tuple) or all(map(_same, found, expected))


class DisagreementError(AssertionError):
    """A red check. What the systems recorded is read with its message.

    Args:
        sentence: what disagrees.
        recorded: returns what the systems recorded about it.
    """

    def __init__(self, sentence: str, recorded: Callable[[], str] = lambda: "") -> None:
        super().__init__(sentence)
        self._sentence, self._recorded = sentence, recorded

    @cached_property
    def _message(self) -> str:
        return "; ".join(part for part in (self._sentence.rstrip("."), self._recorded()) if part) + "."

    def __str__(self) -> str:
        return self._message


repeated: ContextVar[bool] = ContextVar("repeated", default=False)
"""Whether a red check will be repeated, so that what the systems recorded is read only if it stays red."""


def agree(findings: Iterable[Finding], recorded: Callable[[], str] = lambda: "") -> None:
    """Require every finding to be as expected.

    Args:
        findings: what was looked up, usually the same figure in several systems.
        recorded: returns what the systems recorded about it; called only if something disagrees.

    Raises:
        AssertionError: with every finding that disagrees, then what was recorded.
        NothingCheckedError: there is no finding.
    """
    found = list(findings)
    if not found:
        raise NothingCheckedError(
            "Nothing was checked: there is nothing to compare; see whether the feature's table has rows and whether "
            "the target gave anything to look at."
        )
    checks.made_one()
    wrong = [finding.sentence() for finding in found if not finding.agrees]
    if wrong:
        raise _red("; ".join(wrong), recorded)


def holds(condition: bool, sentence: str, recorded: Callable[[], str] = lambda: "") -> None:
    """Require a condition; the sentence says what is wrong without it."""
    checks.made_one()
    if not condition:
        raise _red(sentence, recorded)


def _red(sentence: str, recorded: Callable[[], str]) -> AssertionError:
    red = DisagreementError(sentence, recorded)
    return red if repeated.get() else AssertionError(str(red))


@contextmanager
def about(who: str, recorded: Callable[[], str]) -> Iterator[None]:
    """Add to a red check whom it is about, and what the systems recorded about them."""
    try:
        yield
    except NotTestableError:
        raise
    except AssertionError as red:
        raise AssertionError(f"{who}: {str(red).rstrip('.')}; {recorded()}.") from None


def verdict(check: Callable[[], None]) -> str | None:
    """Return the message of a red check, or None if it is green."""
    try:
        check()
    except AssertionError as red:
        return str(red)
    return None


def written(value: Any) -> str:
    """Return a value as people write it: 9,991; none; yes; a list or a table as words."""
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
    """Join parts in their order, repeated ones as a number: "9, 48 and 10 times 100"."""
    runs = [(part, len(list(same))) for part, same in groupby(parts)]
    words = [part if number == 1 else f"{number:,} times {part}" for part, number in runs]
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part) or "none"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "no charges", "1 charge", "9,991 credits"."""
    return f"{'no' if number == 0 else f'{number:,}'} {noun}{'' if number == 1 else 's'}"


def first_few(parts: Sequence[str], most: int) -> list[str]:
    """Return the parts if they are not too many; else the first ones, and how many more there are."""
    more = len(parts) - most
    return [*parts[:most], f"and {more:,} more"] if more > 0 else list(parts)


def times(number: int) -> str:
    """Return how often: never, once, twice, 3 times."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number:,} times")
