"""What a scenario remembers between its steps: the last answers, and the last reply of Ops-Center."""

from __future__ import annotations

from behave.runner import Context

from creditflow.questions import Answer


def keep(context: Context, answers: list[Answer]) -> None:
    """Remember the answers just got: all of them, the last, and its reply."""
    context.answers, context.answer = answers, answers[-1]
    context.reply = context.answer.reply
