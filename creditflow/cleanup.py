"""Removal of what a scenario made: registered when a thing is made, carried out in the reverse order, all of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

Removal = Callable[[], object]

_hands = ThreadPoolExecutor(4, thread_name_prefix="removal")


class LeftBehind(Exception):  # noqa: N818 - what the exception says is what was left
    """Some of what was made could not be removed; the sentence names each thing and why."""


class Cleanup:
    """The removals that a scenario owes. Registering happens before the thing is made, so that nothing is forgotten."""

    def __init__(self) -> None:
        self._owed: list[tuple[str, Removal, bool]] = []

    def owe(self, what: str, removal: Removal, alone: bool = False) -> None:
        """Register one removal.

        Args:
            what: names the thing for the reader of a failure.
            removal: removes it, and does nothing where it is already gone.
            alone: waits until all that was registered later is removed, and what was registered earlier waits for
                it; removals that need no such order run side by side.
        """
        self._owed.append((what, removal, alone))

    def carry_out(self) -> None:
        """Remove everything, last made first, also when some of it can't be removed.

        Raises:
            LeftBehind: naming each thing that is still there.
        """
        owed, self._owed = self._owed[::-1], []
        failed: list[str] = []
        for _, together in groupby(enumerate(owed), key=lambda item: item[0] if item[1][2] else -1):
            failed += [said for said in _hands.map(_attempt, [item for _, item in together]) if said]
        if failed:
            raise LeftBehind("This could not be removed and is still on the target: " + "; ".join(failed) + ".")


def _attempt(owed: tuple[str, Removal, bool]) -> str:
    what, removal, _ = owed
    try:
        removal()
    except Exception as error:
        return f"{what} ({error})"
    return ""
