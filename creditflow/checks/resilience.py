"""What users get and pay while a service fails (plan items N4 and R6; contract, "When a service is away")."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from creditflow.actors.llm_requests import Answer
from creditflow.actors.load.plan import User
from creditflow.actors.people import Person
from creditflow.checks import diagnosis, refusals
from creditflow.checks.accounts import Accounts
from creditflow.checks.refusals import Refusal
from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.drivers.http import an_object
from creditflow.target.target import Target


def refused(target: Target, answers: Sequence[Answer], refusal: Refusal) -> None:
    """Require that every request is refused, or that its stream breaks off with the same code, in clear words."""
    for answer in answers:
        error = _error(answer)
        holds(
            refusal.fits(answer.reply) or (answer.reply.status == 200 and error.get("code") == refusal.code),
            f"{answer.person.alias} got the status {answer.reply.status}, expected {refusal.status} {refusal.words}",
            partial(_end_of, answer),
        )
        if not error:
            refusals.clear(answer.reply)
            refusals.says(answer.reply, "not charged")


def unanswered(answers: Sequence[Answer]) -> None:
    """Require that nobody got a complete answer."""
    arrived = [answer.person.alias for answer in answers if answer.arrived]
    agree([Finding("answers arrived for", arrived, [])])


def paid_for_answers(accounts: Accounts, users: Sequence[User], credits: int) -> None:
    """Require that everybody has paid so many credits for each answer that arrived, and nothing else."""
    for user in users:
        arrived = 0 if user.own_key else sum(answer.arrived for answer in user.person.answers)
        accounts.charges(user.person, [credits] * arrived)


def nothing_reserved(accounts: Accounts, users: Sequence[User]) -> None:
    """Require that no credits are reserved for anybody."""
    for user in users:
        accounts.nothing_held(user.person)


def cannot_sign_in(target: Target) -> None:
    """Require that Keycloak answers nobody who signs in."""
    try:
        target.keycloak.check()
    except ServiceUnavailableError:
        holds(True, "")
        return
    holds(False, "Keycloak answers a sign-in, although it is away", lambda: diagnosis.why_unauthorized(target, ""))


def token_refused(target: Target, person: Person, token: str) -> None:
    """Require that Ops-Center refuses a token that it accepted before."""
    status = target.ops_center.balance(token).status
    agree([Finding(f"{person.alias} sends a token of a key that the realm has removed, and gets", status, 401)])


def _end_of(answer: Answer) -> str:
    return f"the answer ends: {answer.reply.text[-300:]}"


def _error(answer: Answer) -> dict[str, object]:
    """Return the error with which a stream breaks off; empty for anything else."""
    events = answer.reply.events
    if not events or events[-1] == "[DONE]":
        return {}
    return an_object(an_object(events[-1]).get("error"))
