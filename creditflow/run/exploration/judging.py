"""Judges what a history has done so far: the answers after each step, the accounts and the logs at its end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from creditflow.actors.cast import Cast
from creditflow.audit import oracle, reconciliation, statements
from creditflow.audit.ledger import Agreement
from creditflow.audit.oracle import Decision
from creditflow.audit.parties import Parties, history_of
from creditflow.audit.reconciliation import PAUSE, Comparison, LedgerMismatchError
from creditflow.core.expect import first_few, holds
from creditflow.core.polling import soon
from creditflow.run.session import Session
from creditflow.target.drivers.record import RecordedRequest

MOST = 10
"""How many sentences about answers a message contains."""


@dataclass(frozen=True)
class Wrong:
    """What is wrong: who noticed it, what kind of thing it is, and the message in full."""

    judge: str
    kind: str
    message: str


def answers(
    session: Session, cast: Cast, entries: Sequence[RecordedRequest], since: int = 0
) -> tuple[Wrong | None, tuple[Decision, ...]]:
    """Return which new answer was not allowed or says something wrong, and what decided each new one.

    Args:
        session: the run.
        cast: who did it.
        entries: the record of what was done.
        since: how many entries were judged before; their answers are not judged again.
    """
    if not cast.people:
        return None, ()
    history = history_of(session.target, Parties.of(cast, session.bystanders), entries)
    verdict = oracle.judge(history, len(history.acts) - len(entries) + since)
    said = [*verdict.wrong, *verdict.unknown]
    if said:
        return Wrong("the oracle", kind_of(said[0]), f"{'; '.join(first_few(said, MOST))}."), verdict.decided
    said = statements.wrong(history, entries, _sure_tiers(entries, verdict.decided), since)
    wrong = Wrong("the answers", kind_of(said[0]), f"{'; '.join(first_few(said, MOST))}.") if said else None
    return wrong, verdict.decided


def _sure_tiers(entries: Sequence[RecordedRequest], decided: Sequence[Decision]) -> dict[str, str]:
    """Return the tier by the id of a request, without those of people whose plan changed."""
    plans = Counter(
        entry.values["user_id"] for entry in entries if entry.operation in ("subscribe", "end_subscription")
    )
    return {one.request: one.tier for one in decided if one.request and plans[one.who] < 2}


def accounts(session: Session, cast: Cast, entries: Sequence[RecordedRequest], seconds: float) -> Wrong | None:
    """Return what the ledger, the oracle of refusals or the logs say against what was done.

    Args:
        session: the run.
        cast: who did it.
        entries: the record of what was done.
        seconds: how long late values are awaited.
    """
    if not cast.people:
        return None
    target = session.target
    parties = Parties.of(cast, session.bystanders)
    comparison = Comparison(target, parties, history_of(target, parties, entries))
    try:
        soon(comparison.require_agreement, seconds, PAUSE)
    except LedgerMismatchError as mismatch:
        first = next((line.account.what for line in comparison.verdict.lines if line.differs), "")
        return Wrong(
            "the ledger",
            first or kind_of(next(iter(comparison.verdict.wrong), str(mismatch))),
            str(mismatch),
        )
    finally:
        if comparison.made:
            session.watch.judged(reconciliation.events(comparison.verdict))
    if comparison.verdict.agreement is Agreement.UNKNOWN:
        why = "; ".join(comparison.verdict.unknown)
        return Wrong("the ledger", kind_of(why), f"The ledger can't tell: {why}.")
    return None


def require_agreement(session: Session, cast: Cast) -> None:
    """Require that every answer so far was allowed, and that every system agrees with the ledger.

    Raises:
        AssertionError: one does not; the message says what is wrong.
    """
    entries = list(session.target.record.entries)
    wrong = answers(session, cast, entries)[0] or accounts(session, cast, entries, session.settings.poll_timeout_s)
    holds(wrong is None, wrong.message if wrong else "")


def kind_of(message: str) -> str:
    """Return the beginning of a message without its figures and ids."""
    return re.sub(r"[0-9a-f-]*\d[0-9a-f,.-]*", "#", message)[:80]
