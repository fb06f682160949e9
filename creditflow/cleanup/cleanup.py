"""Removal of what a scenario created: finalizers, added before each resource is created, run in reverse order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from itertools import groupby

from creditflow.cleanup.journal import CURE, Journal, display_path
from creditflow.cleanup.resources import Resource
from creditflow.core.ending import message_of
from creditflow.core.errors import ExpectedError
from creditflow.core.expect import first_few
from creditflow.core.interruption import RemovalInterruptedError, interruption
from creditflow.core.run_limits import TimeLimitError, time_limits
from creditflow.core.workers import pool

Removal = Callable[[], object]

MOST = 10
"""How many resources with one reason, and how many reasons, a message names; the clean-up journal lists all."""

_pool = pool(4, "removal")


INTERRUPTED = "the removal was interrupted"
"""Why something is left after a second signal."""


def left_behind(errors: Iterable[tuple[str | Resource, str]]) -> str:
    """Return a sentence with what could not be removed, by the reason; empty if nothing has one."""
    failed: dict[str, list[str]] = {}
    for resource, why in errors:
        if why:
            failed.setdefault(why, []).append(str(resource))
    left = [f"{', '.join(first_few(names, MOST))} ({why})" for why, names in failed.items()]
    what = "; ".join(first_few(left, MOST))
    return f"This could not be removed and is still on the target: {what}." if left else ""


class LeftBehindError(ExpectedError):
    """Some resources could not be removed; the message names the first ones, with the reason."""


@dataclass(eq=False)
class _Finalizer:
    resource: str | Resource
    removal: Removal
    alone: bool
    lane: str
    number: int

    def run(self) -> str:
        """Remove the resource; return the error message, or an empty text."""
        try:
            self.removal()
        except Exception as error:
            return str(error) or type(error).__name__
        except BaseException as error:
            return message_of(error, "The removal").removesuffix(".")
        return ""


class Cleanup:
    """The finalizers of a scenario. Each is added before its resource is created, so that no resource is forgotten.

    Args:
        journal: the clean-up journal, which lists the resources until they are removed.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._finalizers: list[_Finalizer] = []

    def add_finalizer(self, resource: str | Resource, removal: Removal, alone: bool = False, lane: str = "") -> None:
        """Add one finalizer.

        Args:
            resource: the resource, which is written to the clean-up journal; or a text that names it in error messages,
                which is not written there.
            removal: removes the resource, and does nothing if it is already removed.
            alone: run after all later finalizers, and before all earlier ones; the others run side by side.
            lane: finalizers of the same lane run one after the other.
        """
        number = self._journal.register(resource) if self._journal and isinstance(resource, Resource) else 0
        self._finalizers.append(_Finalizer(resource, removal, alone, lane, number))

    def carry_out(self) -> None:
        """Run all finalizers, the last one first, also if some of them fail.

        After an interruption, requests under way first get time to end, so that they create nothing after the removal.

        Raises:
            LeftBehindError: some resources are still there.
        """
        finalizers, self._finalizers = self._finalizers[::-1], []
        errors: dict[_Finalizer, str] = {}
        try:
            with interruption.removing(), time_limits.afterwards("The removal"):
                interruption.settle()
                self._run(finalizers, errors)
        except (RemovalInterruptedError, TimeLimitError) as why:
            if self._journal and interruption.given_up:
                self._journal.interrupt()
            errors = dict.fromkeys(finalizers, str(why) or INTERRUPTED) | errors
        if left := left_behind((finalizer.resource, errors[finalizer]) for finalizer in finalizers):
            raise LeftBehindError(f"{left}{self._cure()}")

    def _run(self, finalizers: list[_Finalizer], errors: dict[_Finalizer, str]) -> None:
        for _, group in groupby(enumerate(finalizers), key=lambda item: item[0] if item[1].alone else -1):
            lanes: dict[object, list[_Finalizer]] = {}
            for _, finalizer in group:
                lanes.setdefault(finalizer.lane or finalizer, []).append(finalizer)
            under_way: list[Future[None]] = [_pool.submit(self._run_lane, lane, errors) for lane in lanes.values()]
            try:
                wait(under_way)
            finally:
                for future in under_way:
                    future.cancel()

    def _run_lane(self, lane: list[_Finalizer], errors: dict[_Finalizer, str]) -> None:
        for finalizer in lane:
            errors[finalizer] = finalizer.run()
            if self._journal and finalizer.number and not errors[finalizer]:
                self._journal.gone(finalizer.number)

    def _cure(self) -> str:
        if self._journal is None or not self._journal.left:
            return ""
        return f" It is listed in {display_path(self._journal.path)}: {CURE}."
