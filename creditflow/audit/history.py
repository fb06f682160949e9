"""What a scenario did, in the words of the domain: the record of the drivers, read without judging it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from creditflow.core import period
from creditflow.target import ceiling
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.record import RecordedRequest


@dataclass(frozen=True)
class Granted:
    """A person got credits of their own."""

    who: str
    credits: int


@dataclass(frozen=True)
class Placed:
    """Calls were recorded for a person that nobody made, in this period or in an earlier one."""

    who: str
    count: int
    this_period: bool


@dataclass(frozen=True)
class Founded:
    """An organisation was created; its founder is its admin."""

    organization: str
    who: str


@dataclass(frozen=True)
class Joined:
    """A person became a member of an organisation."""

    organization: str
    who: str


@dataclass(frozen=True)
class Dissolved:
    """An organisation was removed."""

    organization: str


@dataclass(frozen=True)
class Purchased:
    """An organisation bought credits; the same `key` of the same person is the same purchase."""

    organization: str
    who: str
    credits: int
    key: str | None


@dataclass(frozen=True)
class Allocated:
    """A member was allocated credits of their organisation."""

    organization: str
    who: str
    credits: int


@dataclass(frozen=True)
class CounterLost:
    """Redis lost a person's counter."""

    who: str


@dataclass(frozen=True)
class AskedPastOpsCenter:
    """The provider was asked in a person's name, on the platform's key, without Ops-Center."""

    who: str


@dataclass(frozen=True)
class Asked:
    """An LLM request, and what came back.

    Attributes:
        who: the user id of the asker; empty when the token names nobody of this scenario.
        request: the id by which every system knows it (`X-Request-Id`).
        model: as the API calls it.
        tokens: that it uses by the feature, or by the provider's own count; None when nobody told.
        status: of the answer; None when no answer came.
        code: of the refusal, empty for an answer.
        whole: the answer came to its end.
        left_early: the asker went away before the end.
        own_key: asked for with the person's own provider key.
        organization: named as the one that pays, if one is named.
        same: tells requests apart that are not the same under one idempotency key; None without a key.
        troubled: the provider was told to be in trouble for this person before.
    """

    who: str
    request: str
    model: str
    tokens: int | None
    status: int | None
    code: str = ""
    whole: bool = True
    left_early: bool = False
    own_key: bool = False
    organization: str | None = None
    same: tuple[str, str] | None = None
    troubled: bool = False


Operation = (
    Granted | Placed | Founded | Joined | Dissolved | Purchased | Allocated | CounterLost | AskedPastOpsCenter | Asked
)


@dataclass(frozen=True)
class History:
    """Everything that happened to the people and organisations of a scenario, in its order.

    Attributes:
        people: the aliases of the people by user id.
        subscriptions: the external ids of their subscriptions in Lago by user id; those without one are not in it.
        deeds: what was done.
        prices: credits for 100 tokens by the API's name of the model.
    """

    people: Mapping[str, str]
    subscriptions: Mapping[str, str]
    operations: tuple[Operation, ...]
    prices: Mapping[str, int]


@dataclass(frozen=True)
class Names:
    """How the record's names lead to user ids: by e-mail and by user name."""

    by_email: Mapping[str, str]
    by_name: Mapping[str, str]


@lru_cache(maxsize=1_000)
def _subject(token: str | None) -> str:
    """Whose token it is; empty for one that says nothing."""
    try:
        claims: dict[str, Any] = jwt.decode(token or "", options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return ""
    return str(claims.get("sub", ""))


def read(entries: Iterable[RecordedRequest], names: Names, exact: bool) -> tuple[Operation, ...]:
    """The deeds of a record; what was refused moved nothing and is left out, but for LLM requests.

    Args:
        entries: the record.
        names: whose e-mails and user names the record speaks of.
        exact: whether the provider uses exactly the tokens that are announced.
    """
    operations: list[Operation] = []
    troubled: set[str] = set()
    for entry in entries:
        if entry.operation == "trouble":
            troubled.add(names.by_name.get(entry.values["caller"], ""))
        elif entry.operation == "chat":
            operations.append(_asked(entry, exact, troubled))
        elif operation := _moved(entry, names):
            operations.append(operation)
    return tuple(operations)


def _moved(entry: RecordedRequest, names: Names) -> Operation | None:
    """The deed of an entry that succeeded; None for one that moved nothing."""
    done, given = _DONE.get(entry.operation), entry.values
    if done is None or (entry.reply.status if entry.reply else None) != done[0]:
        return None
    return done[1](entry, given, names)


_DONE: dict[str, tuple[int | None, Callable[[RecordedRequest, Mapping[str, Any], Names], Operation]]] = {
    "grant": (None, lambda _, given, __: Granted(given["user_id"], given["credits"])),
    "place_calls": (
        None, lambda _, given, __: Placed(given["user_id"], given["count"], given["at"] >= period.start())
    ),
    "forget_counter": (None, lambda _, given, __: CounterLost(given["user_id"])),
    "chat_past_ops_center": (
        200, lambda _, given, names: AskedPastOpsCenter(names.by_name.get(_words(given["body"])[0], ""))
    ),
    "create_organization": (201, lambda entry, _, __: Founded(_organization(entry.reply), _subject(entry.token))),
    "invite": (201, lambda _, given, names: Joined(given["organization"], names.by_email.get(given["email"], ""))),
    "remove_organization": (204, lambda _, given, __: Dissolved(given["organization"])),
    "purchase": (
        201,
        lambda entry, given, _: Purchased(
            given["organization"], _subject(entry.token), given["credits"], given["key"]
        ),
    ),
    "allocate": (
        200,
        lambda _, given, names: Allocated(
            given["organization"], names.by_email.get(given["email"], ""), given["credits"]
        ),
    ),
}  # fmt: skip
"""By act: the status of an answer that means that it was done (None: no answer is due), and the deed."""


def _asked(entry: RecordedRequest, exact: bool, troubled: set[str]) -> Asked:
    body, headers, reply = entry.values["body"], entry.values["headers"], entry.reply
    streamed = isinstance(body, dict) and body.get("stream")
    who, key = _subject(entry.token), headers.get("Idempotency-Key")
    tokens = ceiling.announced(body) if exact or reply is None else ceiling.reported(reply)
    return Asked(
        who=who,
        request=reply.headers.get("X-Request-Id", "") if reply else "",
        model=str(body.get("model", "")) if isinstance(body, dict) else "",
        tokens=tokens,
        status=reply.status if reply else None,
        code=str(reply.body.get("code", "")) if reply else "",
        whole=reply is not None and (not streamed or reply.events[-1:] == ("[DONE]",)),
        left_early=bool(entry.values.get("left_early")),
        own_key=headers.get("X-Use-BYOK") == "true",
        organization=headers.get("X-Organization-Id"),
        same=(key, json.dumps(body, sort_keys=True)) if key else None,
        troubled=who in troubled,
    )


def _organization(reply: Reply | None) -> str:
    return str(reply.body.get("id", "")) if reply else ""


def _words(body: Any) -> list[str]:
    """The words of the last message of a request, of which the first is the asker's name; one empty word without."""
    try:
        return str(body["messages"][-1]["content"]).split() or [""]
    except (KeyError, IndexError, TypeError):
        return [""]
