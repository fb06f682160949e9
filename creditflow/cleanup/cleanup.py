"""Removal of what a scenario made: registered when a thing is made, carried out in the reverse order, all of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import groupby

from creditflow.cleanup.journal import CURE, Journal, shown
from creditflow.cleanup.resources import Resource
from creditflow.core.ending import message_of
from creditflow.core.errors import ExpectedError
from creditflow.core.interruption import RemovalInterruptedError, interruption
from creditflow.core.run_limits import TimeLimitError, time_limits

Removal = Callable[[], object]

_hands = ThreadPoolExecutor(4, thread_name_prefix="removal")


class LeftBehindError(ExpectedError):
    """Some of what was made could not be removed; the sentence names each thing and why."""


@dataclass(eq=False)
class _Owed:
    what: str | Resource
    removal: Removal
    alone: bool
    lane: str
    number: int

    def attempt(self) -> str:
        """Remove it, in a thread of its own; returns why that failed, or nothing."""
        try:
            self.removal()
        except Exception as error:
            return str(error) or type(error).__name__
        except BaseException as error:
            return message_of(error, "The removal").removesuffix(".")
        return ""


class Cleanup:
    """The removals that a scenario owes. Registering happens before the thing is made, so that nothing is forgotten.

    Args:
        journal: where things are written before they are made, and when they are gone.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._owed: list[_Owed] = []

    def owe(self, what: str | Resource, removal: Removal, alone: bool = False, lane: str = "") -> None:
        """Register one removal.

        Args:
            what: the thing, or its name for the reader of a failure; only a thing is journalled.
            removal: removes it, and does nothing where it is already gone.
            alone: waits until all that was registered later is removed, and what was registered earlier waits for
                it; removals that need no such order run side by side.
            lane: removals of one lane run one after the other.
        """
        number = self._journal.owe(what) if self._journal and isinstance(what, Resource) else 0
        self._owed.append(_Owed(what, removal, alone, lane, number))

    def carry_out(self) -> None:
        """Remove everything, last made first, also when some of it can't be removed.

        After an interruption what was under way is first given the time to end, lest it makes something anew.

        Raises:
            LeftBehindError: naming each thing that is still there.
        """
        owed, self._owed = self._owed[::-1], []
        said: dict[_Owed, str] = {}
        try:
            with interruption.removing(), time_limits.afterwards("The removal"):
                interruption.settle()
                self._remove(owed, said)
        except (RemovalInterruptedError, TimeLimitError) as why:
            reason = str(why) if isinstance(why, TimeLimitError) else "the removal was interrupted"
            said = dict.fromkeys(owed, reason) | said
        failed: dict[str, list[str]] = {}
        for one in owed:
            if said[one]:
                failed.setdefault(said[one], []).append(str(one.what))
        if failed:
            left = "; ".join(f"{', '.join(resources)} ({reason})" for reason, resources in failed.items())
            raise LeftBehindError(f"This could not be removed and is still on the target: {left}.{self._cure()}")

    def _remove(self, owed: list[_Owed], said: dict[_Owed, str]) -> None:
        for _, together in groupby(enumerate(owed), key=lambda item: item[0] if item[1].alone else -1):
            lanes: dict[object, list[_Owed]] = {}
            for _, one in together:
                lanes.setdefault(one.lane or one, []).append(one)
            under_way: list[Future[None]] = [_hands.submit(self._attempt, lane, said) for lane in lanes.values()]
            try:
                wait(under_way)
            finally:
                for future in under_way:
                    future.cancel()

    def _attempt(self, lane: list[_Owed], said: dict[_Owed, str]) -> None:
        for one in lane:
            said[one] = one.attempt()
            if self._journal and one.number and not said[one]:
                self._journal.gone(one.number)

    def _cure(self) -> str:
        if self._journal is None or not self._journal.left:
            return ""
        return f" It is journalled in {shown(self._journal.path)}: {CURE}."
