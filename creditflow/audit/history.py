"""The history of a scenario: the record of the drivers, read as operations without judging them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from creditflow.core import access_tokens, period
from creditflow.target import ceiling
from creditflow.target.drivers.http import whole
from creditflow.target.drivers.record import RecordedRequest

ON_THE_WAY = frozenset({"LiteLLM", "the provider"})
"""The services on the way to a model: when one of them fails, the provider may have been asked or not."""

DONE = frozenset({200, 201, 204})
"""The statuses of a request that succeeded."""

BEFORE_MEMBERSHIPS = frozenset({401, 422, 429})
"""The statuses of LLM requests that end before Ops-Center looks for the memberships of their sender (EP9)."""


@dataclass(frozen=True)
class Granted:
    """A person was granted credits of their own."""

    who: str
    credits: int


@dataclass(frozen=True)
class Placed:
    """The suite inserted counted calls for a person, in this period or in an earlier one."""

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
    """An organisation invited a person by an e-mail address in lower case; without one it is not known."""

    organization: str
    who: str
    email: str = ""


@dataclass(frozen=True)
class Dissolved:
    """An organisation was removed."""

    organization: str


@dataclass(frozen=True)
class Visited:
    """A person with a verified address used an endpoint of some organisation with success."""

    who: str
    address: str


@dataclass(frozen=True)
class Purchased:
    """An organisation bought credits; a repeated `key` of the same person is the same purchase."""

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
class Unsubscribed:
    """A person's subscription in Lago ended."""

    who: str


@dataclass(frozen=True)
class CounterLost:
    """Redis lost a person's counter.

    Attributes:
        who: the user id.
        unsure: whether it may be missing from then on, because Redis or Ops-Center failed: Ops-Center then uses none of
            the counters, and does without Redis until it trusts it again (contract, "When a service is away").
    """

    who: str
    unsure: bool = False


@dataclass(frozen=True)
class AskedPastOpsCenter:
    """The provider received a request of a person on the platform's key, without Ops-Center."""

    who: str


@dataclass(frozen=True)
class Asked:
    """An LLM request and its answer.

    Attributes:
        who: the user id in the token; empty if the token is of nobody in this scenario.
        request: the id of the request in every system (`X-Request-Id`).
        model: the API's name of the model.
        tokens: the tokens of the feature, or those that the provider reported; None if neither is known.
        status: the HTTP status of the answer; None without an answer.
        code: the code of the refusal; empty for an answer.
        whole: whether the answer arrived completely.
        left_early: whether the client closed the connection before the end.
        own_key: whether the person's own provider key had to pay.
        organization: the organisation that had to pay, if the request named one.
        same: equal for repetitions of one request, with the same payer, under one idempotency key; None without a key.
        troubled: whether the provider was set to fail for this person before.
        away: the services that failed, because the scenario wanted it, when the request ended, such as "PostgreSQL".
        address: the e-mail address in the token, in lower case; empty without one.
        address_verified: whether the token says that this address is verified.
        said: the credits that the answer says it cost; None if it says nothing.
        estimate: the tokens for which credits are reserved; None if the body is no LLM request.
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
    same: tuple[str, ...] | None = None
    troubled: bool = False
    away: frozenset[str] = frozenset()
    address: str = ""
    address_verified: bool = True
    said: int | None = None
    estimate: int | None = None

    @property
    def is_long(self) -> bool:
        """Whether it used more tokens than credits were reserved for."""
        return self.estimate is not None and self.tokens is not None and self.estimate < self.tokens


@dataclass(frozen=True)
class Act:
    """One entry of the record, also if it was refused. The oracle of refusals reads the acts.

    Attributes:
        what: the operation of the record, such as "chat" or "purchase".
        who: the user id in the token; for a trouble that of its person.
        began: when it began, in seconds of a clock that only goes forward.
        ended: when its answer had arrived, or its client had left.
        status: the HTTP status of the answer; None without an answer.
        code: the code of the refusal; empty without one.
        token: "good", "none", "expired", "forged", or "unsure" if it ended during the request.
        address: the e-mail address in the token, in lower case; empty without one.
        verified: whether the token says that the address is verified.
        given: what was sent: the values of the record.
        made: the id of the organisation that was created; else empty.
        asked: the LLM request, for "chat".
    """

    what: str
    who: str
    began: float
    ended: float
    status: int | None = None
    code: str = ""
    token: str = "good"  # noqa: S105 - what is known about the token, not a token
    address: str = ""
    verified: bool = True
    given: Mapping[str, Any] = field(default_factory=dict)
    made: str = ""
    asked: Asked | None = None

    @property
    def email(self) -> str:
        """The verified address; empty without one."""
        return self.address if self.verified else ""


Operation = (
    Granted
    | Placed
    | Founded
    | Joined
    | Dissolved
    | Visited
    | Purchased
    | Allocated
    | Unsubscribed
    | CounterLost
    | AskedPastOpsCenter
    | Asked
)


@dataclass(frozen=True)
class History:
    """All operations on the people and organisations of a scenario, in their order.

    Attributes:
        people: the aliases of the people by user id.
        subscriptions: the external ids of their subscriptions in Lago by user id; without those who have none.
        operations: the operations, oldest first.
        prices: credits for 100 tokens by the API's name of the model.
        acts: every entry of the record, also what was refused, in the order in which they ended.
        exact: whether the provider does exactly what a stand-in is told: uses the announced tokens, and fails only if
            it was set to.
        plan_s: how long a change of the plan may take to have an effect, in seconds (contract, "Quotas").
    """

    people: Mapping[str, str]
    subscriptions: Mapping[str, str]
    operations: tuple[Operation, ...]
    prices: Mapping[str, int]
    acts: tuple[Act, ...] = ()
    exact: bool = True
    plan_s: float = 60.0


@dataclass(frozen=True)
class Names:
    """The user ids of the people, by e-mail in lower case and by user name."""

    by_email: Mapping[str, str]
    by_name: Mapping[str, str]


@lru_cache(maxsize=1_000)
def _claims(token: str | None) -> Mapping[str, Any]:
    """Return the claims of a token; none if it can't be read."""
    try:
        return access_tokens.claims(token or "")
    except ValueError:
        return {}


def _address(token: str | None) -> tuple[str, bool]:
    """Return the e-mail address in a token, in lower case, and whether it is verified; an empty text without one."""
    claims = _claims(token)
    return str(claims.get("email") or "").lower(), claims.get("email_verified") is not False


def subject(token: str | None) -> str:
    """Return the user id in a token; empty if it has none."""
    return str(_claims(token).get("sub", ""))


def read(entries: Iterable[RecordedRequest], names: Names, exact: bool) -> tuple[Operation, ...]:
    """Return the operations of a record, without refused ones; refused LLM requests are included.

    Args:
        entries: the record.
        names: the people in the record.
        exact: whether the provider uses exactly the announced tokens.
    """
    operations: list[Operation] = []
    troubled: set[str] = set()
    away: set[str] = set()
    usual: dict[str, int] = {}
    for entry in entries:
        address, verified = _address(entry.token)
        used = "organization" in entry.values and entry.reply and entry.reply.status in DONE
        if address and verified and used:
            operations.append(Visited(subject(entry.token), address))
        if entry.operation == "trouble":
            troubled.add(names.by_name.get(entry.values["caller"], ""))
        elif entry.operation == "lengthen":
            usual[names.by_name.get(entry.values["caller"], "")] = entry.values["words"]
        elif entry.operation in ("service_away", "service_back"):
            service = entry.values["service"]
            (away.add if entry.operation == "service_away" else away.discard)(service)
            if service in ("Redis", "Ops-Center"):
                operations += [CounterLost(who, unsure=True) for who in sorted(names.by_name.values())]
        elif entry.operation == "chat":
            asked = _asked(entry, exact, usual.get(subject(entry.token)))
            operations.append(replace(asked, troubled=asked.who in troubled, away=frozenset(away)))
        elif operation := _operation(entry, names):
            operations.append(operation)
    return tuple(operations)


def _operation(entry: RecordedRequest, names: Names) -> Operation | None:
    """Return the operation of an entry that succeeded; None if it changed nothing."""
    operation: Operation | None = None
    given, reply = entry.values, entry.reply
    match entry.operation, reply.status if reply else None:
        case "grant", None:
            operation = Granted(given["user_id"], given["credits"])
        case "place_calls", None:
            operation = Placed(given["user_id"], given["count"], given["at"] >= period.start())
        case "forget_counter", None:
            operation = CounterLost(given["user_id"])
        case "end_subscription", None:
            operation = Unsubscribed(given["user_id"])
        case "chat_past_ops_center", 200:
            operation = AskedPastOpsCenter(names.by_name.get(_words(given["body"])[0], ""))
        case "create_organization", 201:
            operation = Founded(str(reply.body.get("id", "")) if reply else "", subject(entry.token))
        case "invite", 201:
            email = given["email"].lower()
            operation = Joined(given["organization"], names.by_email.get(email, ""), email)
        case "remove_organization", 204:
            operation = Dissolved(given["organization"])
        case "purchase", 201:
            operation = Purchased(given["organization"], subject(entry.token), given["credits"], given["key"])
        case "allocate", 200:
            operation = Allocated(
                given["organization"], names.by_email.get(given["email"].lower(), ""), given["credits"]
            )
    return operation


@lru_cache(maxsize=1_000)
def _asked(entry: RecordedRequest, exact: bool, usual: int | None) -> Asked:
    """Return the LLM request of an entry; a history that grows is read again with each step.

    Args:
        entry: the entry.
        exact: whether the provider uses exactly the announced tokens.
        usual: the tokens of an answer without a limit; None if nobody has changed them.
    """
    body, headers, reply = entry.values["body"], entry.values["headers"], entry.reply
    streamed = isinstance(body, dict) and body.get("stream")
    who, key = subject(entry.token), headers.get("Idempotency-Key")
    address, verified = _address(entry.token)
    tokens = ceiling.announced(body, usual) if exact or reply is None else ceiling.reported(reply)
    payer = headers.get("X-Use-BYOK", "false"), headers.get("X-Organization-Id", "")
    return Asked(
        who=who,
        request=reply.headers.get("X-Request-Id", "") if reply else "",
        model=str(body.get("model", "")) if isinstance(body, dict) else "",
        tokens=tokens,
        estimate=ceiling.estimated(body),
        said=whole(reply.fields.get("cost_credits")) if reply else None,
        status=reply.status if reply else None,
        code=str(reply.body.get("code", "")) if reply else "",
        whole=reply is not None and (not streamed or reply.events[-1:] == ("[DONE]",)),
        left_early=bool(entry.values.get("left_early")),
        own_key=headers.get("X-Use-BYOK") == "true",
        organization=headers.get("X-Organization-Id"),
        same=(key, json.dumps(body, sort_keys=True), *payer) if key else None,
        address=address,
        address_verified=verified,
    )


_LEEWAY_S = 2.0
"""Seconds around the end of a token in which it may be accepted or refused."""


def acts(entries: Iterable[RecordedRequest], names: Names, exact: bool) -> tuple[Act, ...]:
    """Return every entry of a record as an act, in the order in which they ended.

    Args:
        entries: the record.
        names: the people in the record.
        exact: whether the provider uses exactly the announced tokens.
    """
    entries = list(entries)
    ends: dict[str, tuple[float, float]] = {}
    withdrawn: set[str] = set()
    usual: dict[str, int] = {}
    found = []
    for entry in entries:
        claims, given = _claims(entry.token), entry.values
        address, verified = _address(entry.token)
        who = names.by_name.get(given["caller"], "") if "caller" in given else subject(entry.token)
        if entry.operation == "sign_in" and given["audience"] in _listed(claims.get("aud")):
            ends[entry.token or ""] = (entry.began + given["seconds"], entry.ended + given["seconds"])
        elif entry.operation == "withdraw_signing_key":
            withdrawn = set(ends)
        elif entry.operation == "lengthen":
            usual[who] = given["words"]
        reply = entry.reply
        found.append(
            Act(
                what=entry.operation,
                who=who,
                began=entry.began,
                ended=entry.ended,
                status=reply.status if reply else None,
                code=str(reply.body.get("code", "")) if reply else "",
                token=_goodness(entry, ends, withdrawn) if ends or not entry.token else "good",
                address=address,
                verified=verified,
                given=given,
                made=str(reply.body.get("id", "")) if reply and entry.operation == "create_organization" else "",
                asked=_asked(entry, exact, usual.get(who)) if entry.operation == "chat" else None,
            )
        )
    return tuple(sorted(found, key=lambda act: act.ended))


def _goodness(entry: RecordedRequest, ends: Mapping[str, tuple[float, float]], withdrawn: set[str]) -> str:
    """Return whether the token of an entry is good, by the sign-ins and the withdrawn signing keys before it."""
    if not entry.token:
        return "none"
    if entry.token not in ends:
        return "forged"
    if entry.token in withdrawn:
        return "unsure"
    earliest, latest = ends[entry.token]
    if entry.ended < earliest - _LEEWAY_S:
        return "good"
    return "expired" if entry.began > latest + _LEEWAY_S else "unsure"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(body: Any) -> list[str]:
    """Return the words of a request's last message, the first of them a user name; one empty word without a message."""
    try:
        return str(body["messages"][-1]["content"]).split() or [""]
    except (KeyError, IndexError, TypeError):
        return [""]
