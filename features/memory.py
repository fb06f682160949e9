"""What the steps of a scenario share: the attributes of behave's context, and what a scenario remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol

from behave.model import Table

from creditflow.actors import Reply, Target
from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import Answer, LlmRequest
from creditflow.actors.load.plan import Load, User
from creditflow.actors.people import Person
from creditflow.checks import about, diagnosis
from creditflow.checks.accounts import Accounts
from creditflow.checks.own_runs import Ended, Selected
from creditflow.checks.performance import Measurement
from creditflow.checks.platform import Services
from creditflow.checks.reports import DescribedRun, Reports
from creditflow.run.exploration.finding import Finding
from creditflow.run.session import Session


class Memory:
    """What earlier steps of a scenario leave for later ones; only what has a value here is set at the beginning.

    `reply`, `replies` and `answers` are those of the last step that sent something. A step that sends something else
    forgets them, so that no check judges an older reply.
    """

    _answers: tuple[Answer, ...] = ()
    _reply: Reply | None = None
    _replies: tuple[Reply, ...] = ()
    first_answer: Answer
    unanswered: LlmRequest
    first_reply: Reply
    endpoint_replies: dict[str, Reply]
    replies_by_attempt: dict[str, Reply]
    pages: list[Reply]
    short_lived_token: str
    caller: str
    idempotency_key: str
    purchased: int
    sent_key: str
    key_owners: tuple[Person, Person]
    username: str
    sign_in_error: str
    hint: str
    failure: str | None
    tables: dict[str, set[str]]
    services: Services
    selected: Selected
    ended: Ended
    measurement: Measurement
    measurements: tuple[Measurement, ...] = ()
    measure_again: Callable[[], Measurement]
    reuses_measurements = False
    users: tuple[User, ...]
    load: Load
    runs: tuple[DescribedRun, ...]
    steps_described: list[tuple[str, str, int]]
    services_described: list[tuple[str, str, str]]
    reports: Reports
    finding: Finding | None

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers to the LLM requests of the last step that sent something."""
        return self._answers or _nothing("LLM request")

    @property
    def answer(self) -> Answer:
        """The last answer."""
        return self.answers[-1]

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The replies to several requests at the same time."""
        return self._replies or _nothing("set of requests at the same time")

    @property
    def reply(self) -> Reply:
        """The reply to the last request."""
        return self._reply or _nothing("single request")

    @reply.setter
    def reply(self, reply: Reply) -> None:
        self._reply, self._replies, self._answers = reply, (), ()

    def keep(self, answers: Iterable[Answer]) -> None:
        """Remember the answers of a step; the reply is that of the last one."""
        self.keep_together(answers, ())
        self._reply = self.answers[-1].reply

    def forget_replies(self) -> None:
        """Forget what earlier steps got: this one sent something whose replies are remembered under another name."""
        self.keep_together((), ())

    def keep_together(self, answers: Iterable[Answer], replies: Iterable[Reply]) -> None:
        """Remember what several requests at the same time got; there is no last reply among them."""
        self._reply, self._replies, self._answers = None, tuple(replies), tuple(answers)


def _nothing(what: str) -> NoReturn:
    raise LookupError(f"The feature speaks of an answer, but the last step that sent something was no {what}.")


class CreditContext(Protocol):
    """What a step uses of behave's context; `features/environment.py` sets all but the table."""

    session: Session
    target: Target
    cast: Cast
    accounts: Accounts
    memory: Memory
    table: Table


@contextmanager
def last_reply(context: CreditContext) -> Iterator[Reply]:
    """Give the last reply to a check; if it fails, its message names the person and what is recorded about them."""
    person = context.cast.subject("they")
    with about(person.alias, lambda: diagnosis.of_person(context.target, person)):
        yield context.memory.reply
