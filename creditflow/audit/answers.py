"""The judgement after every scenario: every answer must be one that the contract allows."""

from __future__ import annotations

from collections.abc import Iterable

from creditflow.actors.bystanders import Bystanders
from creditflow.actors.cast import Cast
from creditflow.audit import oracle
from creditflow.audit.ledger import Agreement
from creditflow.audit.oracle import Verdict
from creditflow.audit.parties import Parties, history_of
from creditflow.reporting import evidence
from creditflow.target.drivers.record import RecordedRequest
from creditflow.target.target import Target

TITLE = "Every answer was allowed"
"""The name of the judgement in the report."""

MOST = 10
"""How many sentences a message contains; the table has all."""


class AnswerNotAllowedError(AssertionError):
    """An answer was not allowed, or it can't be known whether it was; the message begins with the first one."""

    title = TITLE


def require_allowed(
    target: Target, cast: Cast, entries: Iterable[RecordedRequest], bystanders: Bystanders | None
) -> Verdict:
    """Require that every answer of a scenario was allowed by the state before it and the requests in flight.

    Args:
        target: the deployment.
        cast: the people and organisations of the scenario.
        entries: the record of what was done.
        bystanders: people and organisations of the whole run.

    Raises:
        AnswerNotAllowedError: an answer was not allowed, or it can't be known whether one was.
    """
    verdict = oracle.judge(history_of(target, Parties.of(cast, bystanders), entries))
    if not verdict.decided and verdict.agreement is Agreement.YES:
        return verdict
    with evidence.section(TITLE):
        if verdict.agreement is not Agreement.YES:
            sentences = [*verdict.wrong, *verdict.unknown]
            evidence.attach_table("Answers that were not allowed", ("answer",), [(each,) for each in sentences])
            more = [f"and {len(sentences) - MOST:,} more, which the table shows"] if len(sentences) > MOST else []
            begins = "An answer was not allowed" if verdict.wrong else "Whether an answer was allowed can't be told"
            raise AnswerNotAllowedError(f"{begins}: {'; '.join([*sentences[:MOST], *more])}.")
    return verdict
