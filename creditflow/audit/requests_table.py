"""The table of what a red scenario asked of the platform, and what the platform answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from creditflow.actors.cast import Cast
from creditflow.audit.history import subject
from creditflow.reporting import evidence
from creditflow.target.drivers.record import READ, RecordedRequest

LONGEST = 1_000
"""How many characters of a request or an answer the table shows."""


@contextmanager
def shown_if_red(cast: Cast, entries: Sequence[RecordedRequest], green: bool) -> Iterator[None]:
    """Add the table to the report if the scenario is red already, or if the block raises an error.

    Args:
        cast: the cast of the scenario.
        entries: what was asked, in order.
        green: whether the scenario passed so far.
    """
    try:
        yield
    except BaseException:
        green = False
        raise
    finally:
        asked = [entry for entry in entries if entry.operation not in ("sign_in", READ)]
        if asked and not green:
            names = {person.id: person.alias for person in cast.people}
            evidence.attach_table(
                "What was asked, in order, and what was answered",
                ("", "who", "what", "sent", "status", "answer", "ms"),
                [_row(number, entry, names) for number, entry in enumerate(asked, 1)],
            )


def _row(number: int, entry: RecordedRequest, names: dict[str, str]) -> tuple[object, ...]:
    who = names.get(subject(entry.token), "someone else") if entry.token else "the suite"
    sent = json.dumps({name: value for name, value in entry.values.items() if value is not None}, default=str)
    what, reply = entry.operation.replace("_", " "), entry.reply
    if reply is None:
        return number, who, what, _cut(sent), "no answer" if entry.token else "", "", None
    return number, who, what, _cut(sent), str(reply.status), _cut(reply.text), round(reply.milliseconds)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [... of {len(text):,} characters]"
