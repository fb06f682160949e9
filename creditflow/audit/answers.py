"""The judgement after every scenario: every answer must be one that the contract allows."""

from __future__ import annotations

from creditflow.audit import oracle, presentation
from creditflow.audit.history import History
from creditflow.audit.ledger import Agreement
from creditflow.audit.oracle import Verdict
from creditflow.reporting import evidence

TITLE = "Every answer was allowed"
"""The name of the judgement in the report."""


class AnswerNotAllowedError(AssertionError):
    """An answer was not allowed, or it can't be known whether it was; the message begins with the first one."""

    title = TITLE


def require_allowed(history: History) -> Verdict:
    """Require that every answer of a history was allowed by the state before it and the requests in flight.

    Raises:
        AnswerNotAllowedError: an answer was not allowed, or it can't be known whether one was.
    """
    verdict = oracle.judge(history)
    if not verdict.decided and verdict.agreement is Agreement.YES:
        return verdict
    with evidence.section(TITLE):
        if verdict.agreement is not Agreement.YES:
            sentences = [*verdict.wrong, *verdict.unknown]
            evidence.attach_table("Answers that were not allowed", ("answer",), [(each,) for each in sentences])
            begins = "An answer was not allowed" if verdict.wrong else "Whether an answer was allowed can't be told"
            raise AnswerNotAllowedError(f"{begins}: {presentation.in_short(sentences)}.")
    return verdict
