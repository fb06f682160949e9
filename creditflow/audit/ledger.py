"""The independent ledger: what every balance, count and row must be after the operations of a scenario.

It follows the contract's rules and nothing of the product's implementation. `expected` computes the books from a
history; `judge` compares them with what the systems say. Both are pure functions: they ask no system and read no
clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

from creditflow.audit.history import (
    BEFORE_MEMBERSHIPS,
    ON_THE_WAY,
    Allocated,
    Asked,
    AskedPastOpsCenter,
    CounterLost,
    Dissolved,
    Founded,
    Granted,
    History,
    Joined,
    Operation,
    Placed,
    Purchased,
    Unsubscribed,
    Visited,
)
from creditflow.core.prices import charge


@dataclass(frozen=True, order=True)
class Movement:
    """A row of `credit_transactions`: its kind, its signed credits, its user, and the request that it charges."""

    kind: str
    credits: int
    who: str = ""
    request: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.credits:+,}{_of(self.request)}"


@dataclass(frozen=True, order=True)
class Call:
    """A counted call: its tokens (0 without an answer), its cost in credits, and the organisation that paid."""

    request: str
    model: str
    tokens: int
    credits: int
    own_key: bool
    answered: bool
    organization: str = ""

    def __str__(self) -> str:
        paid = "with the own key" if self.own_key else f"for {self.credits:,}"
        payer = " for an organisation" if self.organization else ""
        return f"{self.tokens:,} tokens {paid}{'' if self.answered else ', not answered'}{_of(self.request)}{payer}"


@dataclass(frozen=True, order=True)
class Event:
    """An event in Lago, and its subscription; empty if the person has none."""

    request: str
    subscription: str

    def __str__(self) -> str:
        return f"event{_of(self.request)}{f' for {self.subscription}' if self.subscription else ''}"


def _of(request: str) -> str:
    return f" of request {request[:8]}" if request else ""


@dataclass(frozen=True, order=True)
class Account:
    """What is recorded about a person, an organisation, or a member of an organisation.

    Attributes:
        owner: the id of the user or of the organisation.
        what: what is recorded: `CREDITS`, `MOVEMENTS`, ...
        organization: the id of the organisation that allocated credits to the owner; else empty.
    """

    owner: str
    what: str
    organization: str = ""


Value = int | None | tuple[Movement | Call | Event, ...]
"""A figure, or rows in their sorting order."""

_REFUSE = {
    "provider_error": ON_THE_WAY,
    "provider_timeout": ON_THE_WAY,
    "service_unavailable": frozenset({"PostgreSQL"}),
}
"""The services whose failure explains a refusal, by its code."""

CREDITS, MOVEMENTS, RESERVED = "credits", "movements", "reserved credits"
CALLS, COUNTED, COUNTER, EVENTS = "calls of this month", "counted calls", "counter", "events in Lago"
OWN_KEY, PLATFORM_KEY = "provider calls with the own key", "provider calls with the platform's key"
ALLOCATED, LEFT, USED = "allocated credits", "allocation left", "allocation used"


@dataclass(frozen=True)
class Counted:
    """A call that a system counts, and the user id of its person."""

    who: str
    call: Call

    def is_of(self, asked: Asked) -> bool:
        """Return whether it may be the call of a request whose id is not known."""
        return (self.who, self.call.model, self.call.own_key) == (asked.who, asked.model, asked.own_key)


@dataclass
class Books:
    """The expected books.

    Attributes:
        figures: the expected value of every account.
        absent: accounts that a system may also have no value for.
        more: how much more than its value an account may also have.
        same: the first request under an idempotency key, by each request that repeats it.
        wrong: sentences about what must not have happened.
        unknown: sentences about what can't be known.
    """

    figures: dict[Account, Value] = field(default_factory=dict)
    absent: set[Account] = field(default_factory=set)
    more: dict[Account, int] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass
class _Person:
    credits: int = 0
    movements: list[Movement] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    placed: int = 0
    asked_past: int = 0
    lost: set[str] = field(default_factory=set)
    unsubscribed_calls: set[str] = field(default_factory=set)
    subscribed: bool = True
    counter_lost: bool = True
    counter_unsure: bool = False


@dataclass
class _Organization:
    """`invited` has the address of each member whose invitation is not taken up yet; empty if it is not known."""

    credits: int = 0
    invited: dict[str, str] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    allocated: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)


def expected(history: History, counted: Mapping[str, Counted] = MappingProxyType({})) -> Books:
    """Return the books after a history, by the contract's rules ("The LLM request", "Tables", "Redis", "Lago").

    Args:
        history: the operations of the scenario.
        counted: the calls that some system counts, by the id of the request; they decide on those that may count or
            not.
    """
    keeper = _Keeper(history, counted)
    for operation in history.operations:
        keeper.enter(operation)
    return keeper.close()


class _Keeper:
    """Enters one operation after the other."""

    def __init__(self, history: History, counted: Mapping[str, Counted]) -> None:
        self.history, self.counted, self.books = history, counted, Books()
        answered = {operation.request for operation in history.operations if isinstance(operation, Asked)}
        self.unanswered = [request for request in counted if request not in answered]
        self.people = {who: _Person() for who in history.people}
        self.organizations: dict[str, _Organization] = {}
        self.dissolved: dict[str, _Organization] = {}
        self.first: dict[object, str] = {}
        self.long = Counter(o.who for o in history.operations if isinstance(o, Asked) and o.is_long)

    def enter(self, operation: Operation) -> None:
        """Enter one operation; if it concerns an unknown person or organisation, the result is unknown."""
        if isinstance(operation, Asked):
            if operation.address_verified and not operation.own_key and operation.status not in BEFORE_MEMBERSHIPS:
                self._take_up_invitations(operation.who, operation.address)
            self._ask(operation)
        elif isinstance(operation, Visited):
            self._take_up_invitations(operation.who, operation.address)
        elif self._concerns_known(operation):
            self._move(operation)
        else:
            self.books.unknown.append(
                f"{type(operation).__name__} concerns a person or an organisation that is not in this scenario"
            )

    def _take_up_invitations(self, who: str, address: str) -> None:
        """Make a person a member wherever their verified address is invited (contract, "Every endpoint")."""
        for organization in self.organizations.values():
            if organization.invited.get(who) in ("", address):
                del organization.invited[who]

    def _concerns_known(self, operation: Operation) -> bool:
        match operation:
            case Granted(who) | Placed(who) | Unsubscribed(who) | CounterLost(who, _) | AskedPastOpsCenter(who):
                return who in self.people
            case Joined(organization) | Dissolved(organization) | Purchased(organization):
                return organization in self.organizations
            case Allocated(organization, who):
                return organization in self.organizations and who in self.organizations[organization].allocated
        return True

    def _move(self, operation: Operation) -> None:
        match operation:
            case Granted(who, credits):
                self.people[who].credits += credits
                self.people[who].movements.append(Movement("grant", credits, who))
            case Placed(who, count, this_period):
                self.people[who].placed += count if this_period else 0
            case Founded(organization, who):
                self.organizations[organization] = _Organization(allocated={who: 0}, used={who: 0})
            case Joined(organization, who, email):
                self.organizations[organization].allocated[who] = 0
                self.organizations[organization].used[who] = 0
                self.organizations[organization].invited[who] = email
            case Dissolved(organization):
                self.dissolved[organization] = self.organizations.pop(organization)
            case Purchased(organization, who, credits, key):
                if key is None or not self._repeats((who, organization, key)):
                    self.organizations[organization].credits += credits
                    self.organizations[organization].movements.append(Movement("purchase", credits, who))
            case Allocated(organization, who, credits):
                self.organizations[organization].allocated[who] += credits
            case Unsubscribed(who):
                self.people[who].subscribed = False
            case CounterLost(who, unsure):
                self.people[who].counter_lost = True
                self.people[who].counter_unsure |= unsure
            case AskedPastOpsCenter(who):
                self.people[who].asked_past += 1

    def _ask(self, asked: Asked) -> None:
        """Enter a request that was refused, failed at the provider, or was answered and charged once (EP9)."""
        if asked.who not in self.people:
            if asked.status != 401:
                self.books.unknown.append(f"nobody of this scenario asked, and the answer was {asked.status}")
        elif asked.status is None:
            self._without_answer(asked)
        elif asked.status == 200 and (asked.whole or asked.left_early):
            if not self._replayed(asked):
                self._answered(asked)
        elif asked.away & _REFUSE.get(asked.code, frozenset()):
            self._lost(asked)
        elif asked.status == 200 or asked.code == "invalid_byok_key":
            if asked.status == 200 or not self._replayed(asked):  # half a stream is no answer to repeat
                self._failed(asked)
                if asked.away & ON_THE_WAY:
                    self.people[asked.who].lost.add(asked.request)
        elif asked.status >= 500:
            self._server_error(asked)

    def _without_answer(self, asked: Asked) -> None:
        """Enter a request whose client left before the answer, or whose answer was lost or came too late."""
        if "Ops-Center" in asked.away:
            self._cut_off(asked)
        elif not asked.left_early:
            self.books.unknown.append(f"{self._name(asked.who)} asked and no answer came: it may have been charged")
            self._cut_off(asked)
        elif not self._replayed(named := replace(asked, request=self._unnamed(asked))):
            self._answered(named)

    def _server_error(self, asked: Asked) -> None:
        """Enter a request that Ops-Center, LiteLLM or the provider failed."""
        if asked.troubled:
            self._failed(asked)
        else:
            answered = f"{self._name(asked.who)} was answered {asked.status}{_of(asked.request)}"
            self.books.unknown.append(f"{answered}, and whether the provider was asked is not known")

    def _answered(self, asked: Asked) -> None:
        rate = self.history.prices.get(asked.model)
        if asked.tokens is None or rate is None:
            self.books.unknown.append(f"what{_of(asked.request)} cost is not known: no tokens or no price")
            return
        payer = self._payer(asked)
        cost = 0 if asked.own_key else self._payable(asked, payer, charge(rate, asked.tokens), rate)
        self._count(asked, Call(asked.request, asked.model, asked.tokens, cost, asked.own_key, True, payer or ""))
        if asked.own_key:
            return
        movement = Movement("usage", -cost, asked.who, asked.request)
        if payer:
            organization = self.organizations[payer]
            organization.credits -= cost
            organization.used[asked.who] += cost
            organization.movements.append(movement)
        else:
            self.people[asked.who].credits -= cost
            self.people[asked.who].movements.append(movement)

    def _cut_off(self, asked: Asked) -> None:
        """Enter a request whose answer was lost in a crash of Ops-Center, or was not awaited.

        It counts if it was sent to the provider, and is charged if the provider's answer had arrived (contract, "After
        a crash"). All systems have to agree on it.
        """
        request = self._unnamed(asked)
        if not request:
            return
        if self.counted[request].call.answered:
            self._answered(replace(asked, request=request))
        else:
            self._lost(replace(asked, request=request))

    def _payable(self, asked: Asked, payer: str | None, cost: int, rate: int) -> int:
        """Return what the payer pays of a cost: all that was estimated, and beyond it no more than is left.

        Of several long answers each leaves what another request has reserved meanwhile. That is not known here: such an
        answer may say that it cost less.
        """
        estimate = cost if asked.estimate is None else charge(rate, asked.estimate)
        if payer:
            organization = self.organizations[payer]
            left = organization.allocated[asked.who] - organization.used[asked.who]
        else:
            left = self.people[asked.who].credits
        most = min(cost, max(left, estimate))
        several = asked.is_long and self.long[asked.who] > 1
        return asked.said if several and asked.said is not None and estimate <= asked.said < most else most

    def _unnamed(self, asked: Asked) -> str:
        """Return the id of a call that may be of a request whose client never learned the id; empty without one.

        Of several, the one that used the tokens of the request.
        """
        may_be = [request for request in self.unanswered if self.counted[request].is_of(asked)]
        own = min(may_be, key=lambda request: self.counted[request].call.tokens != asked.tokens, default="")
        if own:
            self.unanswered.remove(own)
        return own

    def _replayed(self, asked: Asked) -> bool:
        return asked.same is not None and self._repeats((asked.who, *asked.same), asked.request)

    def _lost(self, asked: Asked) -> None:
        """Enter a request that was lost on the way to the provider or back.

        Ops-Center can't know in every case whether it was sent, so that it may count as a call or not. All systems have
        to agree on it.
        """
        if asked.request in self.counted:
            self._failed(asked)
            self.people[asked.who].lost.add(asked.request)

    def _failed(self, asked: Asked) -> None:
        """Enter a request that the provider did not answer: it counts and costs nothing."""
        payer = self._payer(asked) or ""
        self._count(asked, Call(asked.request, asked.model, 0, 0, asked.own_key, False, payer))

    def _count(self, asked: Asked, call: Call) -> None:
        person = self.people[asked.who]
        person.calls.append(call)
        person.counter_lost = person.counter_unsure
        if not person.subscribed:
            person.unsubscribed_calls.add(call.request)

    def _payer(self, asked: Asked) -> str | None:
        """Return the organisation that pays, or None for the person's own credits or key (EP9, step 5)."""
        if asked.own_key:
            return None
        of = [
            name
            for name, organization in self.organizations.items()
            if asked.who in organization.allocated.keys() - organization.invited.keys()
        ]
        if asked.organization in of:
            return asked.organization
        if asked.organization or len(of) > 1:
            self.books.wrong.append(
                f"{self._name(asked.who)} was answered{_of(asked.request)} although it is not clear who pays"
            )
        return of[0] if of else None

    def _repeats(self, same: object, request: str = "") -> bool:
        """Return whether this was done before under the same idempotency key, and note the first request of it."""
        if same not in self.first:
            self.first[same] = request
            return False
        if request:
            self.books.same[request] = self.first[same]
        return True

    def _name(self, who: str) -> str:
        return self.history.people.get(who, "somebody")

    def close(self) -> Books:
        for who, person in self.people.items():
            lost = [call for call in person.calls if call.request in person.lost]
            sent = [call for call in person.calls if call.request not in person.lost]
            own = sum(call.own_key for call in sent)
            counted = person.placed + len(person.calls)
            subscription = self.history.subscriptions.get(who, "")
            self._write(Account(who, CREDITS), person.credits)
            self._write(Account(who, MOVEMENTS), person.movements)
            self._write(Account(who, RESERVED), 0)
            self._write(Account(who, CALLS), counted)
            self._write(Account(who, COUNTED), person.calls)
            self._write(Account(who, COUNTER), counted)
            if person.counter_lost:
                self.books.absent.add(Account(who, COUNTER))
            events = [
                Event(call.request, "" if call.request in person.unsubscribed_calls else subscription)
                for call in person.calls
            ]
            self._write(Account(who, EVENTS), events)
            self._write(Account(who, OWN_KEY), own)
            self._write(Account(who, PLATFORM_KEY), len(sent) - own + person.asked_past)
            self.books.more[Account(who, OWN_KEY)] = sum(call.own_key for call in lost)
            self.books.more[Account(who, PLATFORM_KEY)] = sum(not call.own_key for call in lost)
        for name, organization in self.organizations.items():
            self._write(Account(name, CREDITS), organization.credits)
            left = {who: given - organization.used[who] for who, given in organization.allocated.items()}
            allocated = sum(left.values())
            self._write(Account(name, ALLOCATED), allocated)
            if allocated > organization.credits:
                self.books.wrong.append(
                    f"more is allocated than there is: {allocated:,} of {organization.credits:,} credits"
                )
            self._write(Account(name, MOVEMENTS), organization.movements)
            self._write(Account(name, RESERVED), 0)
            for who, credits in left.items():
                self._write(Account(who, LEFT, name), credits)
                self._write(Account(who, USED, name), organization.used[who])
        for name, organization in self.dissolved.items():
            self._write(Account(name, MOVEMENTS), organization.movements)
            self.books.absent.add(Account(name, MOVEMENTS))
        return self.books

    def _write(self, account: Account, value: int | Iterable[Any]) -> None:
        if isinstance(value, int) and value < 0:
            self.books.wrong.append(f"more was paid than there was: {account.what} would be {value:,}")
        self.books.figures[account] = value if isinstance(value, int) else tuple(sorted(value))


@dataclass(frozen=True)
class Line:
    """One account: its value before the first request, the expected value, and the value in each system.

    Attributes:
        may_be_absent: whether a system may also have no value.
        more: how much more than the expected value is right too.
        may_be_late: whether a system may also lack rows.
    """

    account: Account
    before: Value
    expected: Value
    seen: Mapping[str, Value]
    may_be_absent: bool = False
    more: int = 0
    may_be_late: bool = False

    @property
    def differs(self) -> list[str]:
        """The systems with another value."""
        return [system for system, value in self.seen.items() if not self._agrees(value)]

    def _agrees(self, value: Value) -> bool:
        if isinstance(value, int) and isinstance(self.expected, int):
            return self.expected <= value <= self.expected + self.more
        if value == self.expected or (self.may_be_absent and value in (None, ())):
            return True
        lacking, extra = apart(self.expected, value)
        return self.may_be_late and bool(lacking) and not extra


class Agreement(Enum):
    """Whether the systems agree with the ledger."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """The ledger's verdict: every account, what must not have happened, and what can't be known."""

    lines: tuple[Line, ...]
    wrong: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def agreement(self) -> Agreement:
        """`YES` if every system has the expected values, `NO` if one differs, `UNKNOWN` if that can't be known."""
        if self.wrong or any(line.differs for line in self.lines):
            return Agreement.NO
        return Agreement.UNKNOWN if self.unknown else Agreement.YES


def judge(history: History, seen: Mapping[Account, Mapping[str, Value]], hurried: bool = False) -> Verdict:
    """Compare the expected books with the systems.

    Args:
        history: the operations of the scenario.
        seen: the value in each system by account; an account that no system shows can't be tested on that target.
        hurried: whether the events in Lago may still be late.
    """
    counted = {
        row.request: Counted(account.owner, row)
        for account, systems in seen.items()
        for value in systems.values()
        if isinstance(value, tuple)
        for row in value
        if isinstance(row, Call)
    }
    books = expected(history, counted)
    before = expected(_until_the_first_request(history)).figures
    strange = sorted(seen.keys() - books.figures.keys())
    due = books.figures | {account: _nothing_of(seen[account]) for account in strange}
    lines = tuple(
        Line(
            account,
            before.get(account),
            value,
            {system: _known_by(books, said) for system, said in seen.get(account, {}).items()},
            account in books.absent,
            books.more.get(account, 0),
            hurried and account.what == EVENTS,
        )
        for account, value in due.items()
    )
    return Verdict(lines, tuple(dict.fromkeys(books.wrong)), tuple(dict.fromkeys(books.unknown)))


def apart(expected: Value, seen: Value) -> tuple[list[Any], list[Any]]:
    """Return the rows that a system lacks and those that it has too many; nothing for figures."""
    if not isinstance(expected, tuple) or not isinstance(seen, tuple):
        return [], []
    due, found = Counter(expected), Counter(seen)
    return list((due - found).elements()), list((found - due).elements())


def _until_the_first_request(history: History) -> History:
    first = next(
        (i for i, operation in enumerate(history.operations) if isinstance(operation, Asked)), len(history.operations)
    )
    return replace(history, operations=history.operations[:first])


def _nothing_of(said: Mapping[str, Value]) -> Value:
    """Return the expected value of an account that nobody has: no rows, or no figure."""
    return () if any(isinstance(value, tuple) for value in said.values()) else None


def _known_by(books: Books, value: Value) -> Value:
    """Return the rows with the id of the first request in place of that of a repeated one."""
    if not isinstance(value, tuple):
        return value
    return tuple(sorted(replace(row, request=books.same.get(row.request, row.request)) for row in value))
