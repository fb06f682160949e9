"""What the steps of a scenario share: the attributes of behave's context, and what a scenario remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from behave.model import Table

from creditflow.actors import Reply, Target
from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import Answer
from creditflow.actors.load.plan import Load, User
from creditflow.actors.people import Person
from creditflow.checks import about, diagnosis
from creditflow.checks.accounts import Accounts
from creditflow.checks.performance import Measurement
from creditflow.checks.platform import Scenarios, Services
from creditflow.checks.reports import DescribedRun, Reports
from creditflow.run.session import Session


class Memory:
    """What earlier steps of a scenario leave for later ones; only what has a value here is set at the beginning."""

    answers: list[Answer]
    first_answer: Answer
    reply: Reply
    first_reply: Reply
    replies: list[Reply]
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
    write_error: str
    services: Services
    scenarios: Scenarios
    tag: str
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

    @property
    def answer(self) -> Answer:
        """The last answer."""
        return self.answers[-1]

    def keep(self, answers: list[Answer]) -> None:
        """Remember the answers of a step, and the reply of the last one."""
        self.answers, self.reply = answers, answers[-1].reply


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
