"""Removal of what a scenario made: registered when a thing is made, carried out in the reverse order, all of it."""

from __future__ import annotations

from collections.abc import Callable


class LeftBehind(Exception):  # noqa: N818 - what the exception says is what was left
    """Some of what was made could not be removed; the sentence names each thing and why."""


class Cleanup:
    """The removals that a scenario owes. Registering happens before the thing is made, so that nothing is forgotten."""

    def __init__(self) -> None:
        self._owed: list[tuple[str, Callable[[], object]]] = []

    def owe(self, what: str, removal: Callable[[], object]) -> None:
        """Register one removal; `what` names the thing for the reader of a failure."""
        self._owed.append((what, removal))

    def carry_out(self) -> None:
        """Remove everything, last made first, also when some of it can't be removed.

        Raises:
            LeftBehind: naming each thing that is still there.
        """
        failed = []
        while self._owed:
            what, removal = self._owed.pop()
            try:
                removal()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the rest is still removed
                failed.append(f"{what} ({error})")
        if failed:
            raise LeftBehind("This could not be removed and is still on the target: " + "; ".join(failed) + ".")
