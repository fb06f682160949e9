"""The independent book-keeper: what every balance, count and row must be after what a scenario did.

It knows the contract's rules and nothing of how a product keeps its books. `expected` computes the books from a
history; `judge` compares them with what the systems say, and its verdict is yes, no or unknown. Both are pure
functions: no system is asked here, no clock is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from creditflow.audit.history import (
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
)
from creditflow.core.prices import charge


@dataclass(frozen=True, order=True)
class Movement:
    """A row of `credit_transactions`: its kind, its signed credits, whose it is, and the request that it charges."""

    kind: str
    credits: int
    who: str = ""
    request: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.credits:+,}{_of(self.request)}"


@dataclass(frozen=True, order=True)
class Call:
    """A counted call: its tokens (of one that was not answered: 0), what it cost, and who paid."""

    request: str
    model: str
    tokens: int
    credits: int
    own_key: bool
    answered: bool
    organization: str = ""

    def __str__(self) -> str:
        paid = "with the own key" if self.own_key else f"for {self.credits:,}"
        return f"{self.tokens:,} tokens {paid}{'' if self.answered else ', not answered'}{_of(self.request)}"


@dataclass(frozen=True, order=True)
class Event:
    """An event in Lago, and the subscription that it names (empty: the person has none)."""

    request: str
    subscription: str

    def __str__(self) -> str:
        return f"event{_of(self.request)}{f' for {self.subscription}' if self.subscription else ''}"


def _of(request: str) -> str:
    return f" of request {request[:8]}" if request else ""


Account = tuple[str, str]
"""Whose (a user's or organisation's id, with both: the member in the organisation), and what is kept of it."""

Value = int | None | tuple[Movement | Call | Event, ...]
"""A figure, or the rows that there must be, in their order of sorting."""

CREDITS, MOVEMENTS, HELD = "credits", "movements", "credits held"
CALLS, COUNTED, COUNTER, EVENTS = "calls of this month", "counted calls", "counter", "events in Lago"
OWN_KEY, PLATFORM_KEY = "provider calls with the own key", "provider calls with the platform's key"
ALLOCATED, LEFT, USED = "allocated credits", "allocation left", "allocation used"


@dataclass
class Books:
    """What must be, by account.

    Attributes:
        figures: what every account must show.
        absent: accounts of which it is as good that a system keeps nothing.
        same: the request that stands for another one under the same idempotency key.
        wrong: what may not have happened at all, a sentence each.
        unknown: what can't be told, a sentence each.
    """

    figures: dict[Account, Value] = field(default_factory=dict)
    absent: set[Account] = field(default_factory=set)
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
    counter_lost: bool = True


@dataclass
class _Organization:
    credits: int = 0
    movements: list[Movement] = field(default_factory=list)
    allocated: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)


def expected(history: History) -> Books:
    """The books after a history, by the contract's rules ("The LLM request", "Tables", "Redis", "Lago")."""
    keeper = _Keeper(history)
    for operation in history.operations:
        keeper.enter(operation)
    return keeper.close()


class _Keeper:
    """Enters one deed after the other."""

    def __init__(self, history: History) -> None:
        self.history, self.books = history, Books()
        self.people = {who: _Person() for who in history.people}
        self.organizations: dict[str, _Organization] = {}
        self.dissolved: dict[str, _Organization] = {}
        self.first: dict[object, str] = {}

    def enter(self, operation: Operation) -> None:
        """Enter one deed; one that is said to have been done to what is not there can't be entered."""
        if isinstance(operation, Asked):
            self._ask(operation)
            return
        try:
            self._move(operation)
        except KeyError:
            done = type(operation).__name__.lower()
            self.books.unknown.append(f"something was {done}, but to nobody or nothing that is there")

    def _move(self, operation: Operation) -> None:
        match operation:
            case Granted(who, credits):
                self.people[who].credits += credits
                self.people[who].movements.append(Movement("grant", credits, who))
            case Placed(who, count, this_period):
                self.people[who].placed += count if this_period else 0
            case Founded(organization, who):
                self.organizations[organization] = _Organization(allocated={who: 0}, used={who: 0})
            case Joined(organization, who):
                self.organizations[organization].allocated[who] = 0
                self.organizations[organization].used[who] = 0
            case Dissolved(organization):
                self.dissolved[organization] = self.organizations.pop(organization)
            case Purchased(organization, who, credits, key):
                if key is None or not self._repeats((who, organization, key)):
                    self.organizations[organization].credits += credits
                    self.organizations[organization].movements.append(Movement("purchase", credits, who))
            case Allocated(organization, who, credits):
                self.organizations[organization].allocated[who] += credits
            case CounterLost(who):
                self.people[who].counter_lost = True
            case AskedPastOpsCenter(who):
                self.people[who].asked_past += 1

    def _ask(self, asked: Asked) -> None:
        """EP9: refused before it is sent, sent and failed, or answered and charged once."""
        if asked.who not in self.people:
            if asked.status != 401:
                self.books.unknown.append(f"nobody of this scenario asked, and the answer was {asked.status}")
            return
        if asked.status is None:
            self.books.unknown.append(f"{self._name(asked.who)} asked and no answer came: it may have been charged")
        elif asked.status == 200 and (asked.whole or asked.left_early):
            if asked.same is None or not self._repeats((asked.who, asked.same), asked.request):
                self._answered(asked)
        elif asked.status == 200 or asked.code == "invalid_byok_key":
            self._failed(asked)
        elif asked.status >= 500:
            if asked.troubled:
                self._failed(asked)
            else:
                told = f"{self._name(asked.who)} was answered {asked.status}{_of(asked.request)}"
                self.books.unknown.append(f"{told}, and whether the provider was asked is not known")

    def _answered(self, asked: Asked) -> None:
        rate = self.history.prices.get(asked.model)
        if asked.tokens is None or rate is None:
            self.books.unknown.append(f"what{_of(asked.request)} cost is not known: no tokens or no price")
            return
        payer = self._payer(asked)
        cost = 0 if asked.own_key else charge(rate, asked.tokens)
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

    def _failed(self, asked: Asked) -> None:
        """Sent to the provider and not answered: it counts and costs nothing."""
        payer = self._payer(asked) or ""
        self._count(asked, Call(asked.request, asked.model, 0, 0, asked.own_key, False, payer))

    def _count(self, asked: Asked, call: Call) -> None:
        self.people[asked.who].calls.append(call)
        self.people[asked.who].counter_lost = False

    def _payer(self, asked: Asked) -> str | None:
        """The organisation that pays, None for the person's own purse or key (EP9, step 5)."""
        if asked.own_key:
            return None
        of = [name for name, organization in self.organizations.items() if asked.who in organization.allocated]
        if asked.organization in of:
            return asked.organization
        if asked.organization or len(of) > 1:
            self.books.wrong.append(
                f"{self._name(asked.who)} was answered{_of(asked.request)} although it is not clear who pays"
            )
        return of[0] if of else None

    def _repeats(self, same: object, request: str = "") -> bool:
        """Whether this was done before under the same idempotency key; the first request then stands for it."""
        if same not in self.first:
            self.first[same] = request
            return False
        self.books.same[request] = self.first[same]
        return True

    def _name(self, who: str) -> str:
        return self.history.people.get(who, "somebody")

    def close(self) -> Books:
        for who, person in self.people.items():
            own = sum(call.own_key for call in person.calls)
            counted = person.placed + len(person.calls)
            subscription = self.history.subscriptions.get(who, "")
            self._write(who, CREDITS, person.credits)
            self._write(who, MOVEMENTS, person.movements)
            self._write(who, HELD, 0)
            self._write(who, CALLS, counted)
            self._write(who, COUNTED, person.calls)
            self._write(who, COUNTER, counted)
            if person.counter_lost:
                self.books.absent.add((who, COUNTER))
            self._write(who, EVENTS, [Event(call.request, subscription) for call in person.calls])
            self._write(who, OWN_KEY, own)
            self._write(who, PLATFORM_KEY, len(person.calls) - own + person.asked_past)
        for name, organization in self.organizations.items():
            self._write(name, CREDITS, organization.credits)
            left = {who: given - organization.used[who] for who, given in organization.allocated.items()}
            self._write(name, ALLOCATED, sum(left.values()))
            if sum(left.values()) > organization.credits:
                told = f"{sum(left.values()):,} of {organization.credits:,} credits"
                self.books.wrong.append(f"more is allocated than there is: {told}")
            self._write(name, MOVEMENTS, organization.movements)
            self._write(name, HELD, 0)
            for who, credits in left.items():
                self._write(f"{who} {name}", LEFT, credits)
                self._write(f"{who} {name}", USED, organization.used[who])
        for name, organization in self.dissolved.items():
            self._write(name, MOVEMENTS, organization.movements)
            self.books.absent.add((name, MOVEMENTS))
        return self.books

    def _write(self, whose: str, what: str, value: int | Iterable[Any]) -> None:
        if isinstance(value, int) and value < 0:
            self.books.wrong.append(f"more was paid than there was: {what} would be {value:,}")
        self.books.figures[whose, what] = value if isinstance(value, int) else tuple(sorted(value))


@dataclass(frozen=True)
class Line:
    """One account: what it was before the first request, what it must be, and what each system says."""

    whose: str
    what: str
    before: Value
    expected: Value
    seen: Mapping[str, Value]
    may_be_absent: bool = False

    @property
    def differs(self) -> list[str]:
        """The systems that say something else."""
        return [system for system, value in self.seen.items() if not self._agrees(value)]

    def _agrees(self, value: Value) -> bool:
        return value == self.expected or (self.may_be_absent and value in (None, ()))


@dataclass(frozen=True)
class Verdict:
    """What the ledger says: every account, what may not have happened, and what can't be told."""

    lines: tuple[Line, ...]
    wrong: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def answer(self) -> str:
        """`yes`: every system tells what the ledger expects; `no`: one does not; `unknown`: it can't be told."""
        if self.wrong or any(line.differs for line in self.lines):
            return "no"
        return "unknown" if self.unknown else "yes"


def judge(history: History, seen: Mapping[Account, Mapping[str, Value]]) -> Verdict:
    """Compare what must be with what is.

    Args:
        history: what the scenario did.
        seen: by account what each system says; an account that no system shows can't be tested on that target.
    """
    books, before = expected(history), expected(_until_the_first_request(history)).figures
    strange = sorted(seen.keys() - books.figures.keys())
    due = books.figures | {account: _nothing_of(seen[account]) for account in strange}
    lines = tuple(
        Line(
            *account,
            before.get(account),
            value,
            {system: _known_by(books, said) for system, said in seen.get(account, {}).items()},
            account in books.absent,
        )
        for account, value in due.items()
    )
    return Verdict(lines, tuple(dict.fromkeys(books.wrong)), tuple(dict.fromkeys(books.unknown)))


def apart(expected: Value, seen: Value) -> tuple[list[Any], list[Any]]:
    """Of two lists of rows, what the second lacks and what it has too many; empty for figures."""
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
    """What must be of an account that nobody has: no rows, or no figure at all."""
    return () if any(isinstance(value, tuple) for value in said.values()) else None


def _known_by(books: Books, value: Value) -> Value:
    """The same rows, those of a repeated request under the id of the first."""
    if not isinstance(value, tuple):
        return value
    return tuple(sorted(replace(row, request=books.same.get(row.request, row.request)) for row in value))
