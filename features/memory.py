"""What a scenario remembers between its steps: the last answers, and the last reply of Ops-Center."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from behave.runner import Context

from creditflow.actors.llm_requests import Answer
from creditflow.checks import diagnosis
from creditflow.core import expect
from creditflow.target.drivers.http import Reply


def keep(context: Context, answers: list[Answer]) -> None:
    """Remember the answers just got: all of them, the last, and its reply."""
    context.answers, context.answer = answers, answers[-1]
    context.reply = context.answer.reply


@contextmanager
def last_reply(context: Context) -> Iterator[Reply]:
    """The last reply, to be judged within: a red check then says who got it, and what is recorded of them."""
    person = context.cast.subject("they")
    with expect.about(person.alias, lambda: diagnosis.of_person(context.target, person)):
        yield context.reply
