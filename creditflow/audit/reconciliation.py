"""The audit after every scenario: every system must have the values that the ledger expects, for all its parties."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from creditflow.audit import ledger, presentation, systems
from creditflow.audit.history import History
from creditflow.audit.ledger import Agreement, Event, Verdict
from creditflow.audit.parties import Parties
from creditflow.audit.systems import Seen
from creditflow.core.polling import soon
from creditflow.core.workers import pool, together
from creditflow.reporting import evidence
from creditflow.target.drivers.provider import ProviderCall
from creditflow.target.target import Target

TITLE = "The ledger agrees with every system"
"""The name of the audit in the report."""

PAUSE = 0.005
"""Seconds between two looks at what differs: most late values arrive within a few of them."""

_hands = pool(6, "audit")


class LedgerMismatchError(AssertionError):
    """A system disagrees with the ledger; the message begins with the first difference."""

    title = TITLE


def audit(
    target: Target,
    parties: Parties,
    history: History,
    seconds: float,
    judged: Callable[[set[str]], object] = lambda events: None,
    hurried: bool = False,
) -> None:
    """Require that every system agrees with the operations of the scenario, for everyone of its cast.

    The bystanders are audited with them, as far as that needs no sign-in. Values that arrive a moment later (an event,
    the charge of a stream that the client left) are awaited.

    Args:
        target: the systems to read.
        parties: the people and organisations of the scenario, and the bystanders, who must not have changed.
        history: what was done to them.
        seconds: the deadline for late values.
        judged: receives the transaction ids of all events in Lago, right or wrong, and of those that are expected.
        hurried: whether the deadline is too short for late values, so that an event that Lago lacks is no difference.

    Raises:
        LedgerMismatchError: a system disagrees, or it can't be known whether one does.
    """
    if not parties.cast.people:
        return
    comparison = Comparison(target, parties, history, hurried)
    with evidence.section(TITLE):
        try:
            soon(comparison.require_agreement, seconds, PAUSE)
        except LedgerMismatchError as mismatch:
            recorded = presentation.recorded(target, parties, comparison.verdict)
            raise LedgerMismatchError("; ".join([str(mismatch), *recorded]) + ".") from None
        finally:
            if comparison.made:
                presentation.show(parties, comparison.verdict)
                presentation.attach_costs(parties, comparison.calls)
                judged(events(comparison.verdict))
        if comparison.verdict.agreement is Agreement.UNKNOWN:
            raise LedgerMismatchError(f"The ledger can't tell: {presentation.in_short(comparison.verdict.unknown)}.")


class Comparison:
    """Compares the systems with the ledger; after the first time it reads again only the systems that disagreed.

    With `hurried`, an event that Lago lacks is no difference.

    Attributes:
        made: whether the systems were compared at least once.
        calls: the calls in the provider's journal.
        verdict: the last verdict.
    """

    def __init__(self, target: Target, parties: Parties, history: History, hurried: bool = False) -> None:
        self._parties, self._history, self._hurried = parties, history, hurried
        self.calls: list[ProviderCall] = []
        self._looks = systems.looks_at(target, parties, history, self.calls)
        self._readings: list[Seen] = [{} for _ in self._looks]
        self._due = list(range(len(self._looks)))
        self.made, self.verdict = False, Verdict((), (), ())

    def require_agreement(self) -> None:
        """Read the systems and compare them.

        Raises:
            LedgerMismatchError: a system disagrees.
        """
        looks = [partial(systems.shown, self._looks[index]) for index in self._due]
        for index, reading in zip(self._due, together(_hands, looks, here=2), strict=True):
            self._readings[index] = reading
        self.verdict = ledger.judge(self._history, systems.together(self._readings), self._hurried)
        self.made = True
        if self.verdict.agreement is Agreement.NO:
            self._due = _disagreeing(self._readings, self.verdict)
            raise LedgerMismatchError(presentation.sentence(self._parties, self.verdict))


def _disagreeing(readings: list[Seen], verdict: Verdict) -> list[int]:
    """Return the indexes of the readings that disagree, or all of them if that is unclear."""
    if verdict.wrong:
        return list(range(len(readings)))
    differing = {(line.account, system) for line in verdict.lines for system in line.differs}
    return [
        index
        for index, reading in enumerate(readings)
        if any((account, system) in differing for account, values in reading.items() for system in values)
    ]


def events(verdict: Verdict) -> set[str]:
    """Return the transaction ids of all events in Lago, and of those that are expected there."""
    lines = [line for line in verdict.lines if line.account.what == ledger.EVENTS]
    found = [value for line in lines for value in (line.seen.get("Lago"), line.expected)]
    return {event.request for events in found if isinstance(events, tuple) for event in events if type(event) is Event}
