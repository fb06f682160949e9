"""The ledger agrees with correct books after any history, and disagrees when they are wrong in one place.

A small product has tables like a database and shares no code with the ledger. After random operations the verdict on
its tables must be YES, and NO after one of them was damaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from creditflow.audit import history as done
from creditflow.audit.history import History, Operation
from creditflow.audit.ledger import Account, Agreement, Call, Event, Movement, Value, judge

PEOPLE = {"ann": "the admin", "ben": "the member", "cat": "the individual"}
SUBSCRIPTIONS = {"ann": "ann-subscription", "cat": "cat-subscription"}
CLUBS = ["club", "team"]
PRICES = {"small": 9, "large": 48}

Row = dict[str, Any]
Seen = dict[Account, dict[str, Value]]


@dataclass
class Product:
    """Tables of rows, and the operations that made them."""

    operations: list[Operation] = field(default_factory=list)
    money: list[Row] = field(default_factory=list)
    """Of credit_transactions: who, club, kind, amount, request."""
    calls: list[Row] = field(default_factory=list)
    """Of usage_tracking: who, club, request, model, tokens, cost, own_key, answered, placed, this_month."""
    members: list[Row] = field(default_factory=list)
    """Of organization_members: who, club, given, used."""
    events: list[Row] = field(default_factory=list)
    """Of Lago: who, request, subscription."""
    asked: list[Row] = field(default_factory=list)
    """Of the provider's journal: who, own_key."""
    counters: dict[str, int] = field(default_factory=dict)
    first: dict[Any, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def own_credits(self, who: str) -> int:
        return sum(row["amount"] for row in self.money if row["who"] == who and row["club"] is None)

    def total(self, club: str) -> int:
        return sum(row["amount"] for row in self.money if row["club"] == club)

    def left(self, club: str) -> int:
        return sum(row["given"] - row["used"] for row in self.members if row["club"] == club)

    def there(self, club: str) -> bool:
        return club not in self.gone and any(row["club"] == club for row in self.members)

    def grant(self, who: str, amount: int) -> None:
        self.money.append({"who": who, "club": None, "kind": "grant", "amount": amount, "request": ""})
        self.operations.append(done.Granted(who, amount))

    def place(self, who: str, number: int, this_month: bool) -> None:
        self.calls += [{"who": who, "placed": True, "this_month": this_month} for _ in range(number)]
        self.operations.append(done.Placed(who, number, this_month))
        self.lose_counter(who)

    def lose_counter(self, who: str) -> None:
        self.counters.pop(who, None)
        self.operations.append(done.CounterLost(who))

    def found(self, club: str, who: str) -> None:
        if club not in self.gone and not self.there(club):
            self.members.append({"who": who, "club": club, "given": 0, "used": 0})
            self.operations.append(done.Founded(club, who))

    def join(self, club: str, who: str) -> None:
        if self.there(club) and not any(row["club"] == club and row["who"] == who for row in self.members):
            self.members.append({"who": who, "club": club, "given": 0, "used": 0})
            self.operations.append(done.Joined(club, who))

    def dissolve(self, club: str, keeps_the_rows: bool) -> None:
        if self.there(club):
            self.members = [row for row in self.members if row["club"] != club]
            self.money = [row for row in self.money if keeps_the_rows or row["club"] != club]
            self.gone.add(club)
            self.operations.append(done.Dissolved(club))

    def purchase(self, club: str, who: str, amount: int, key: str | None) -> None:
        if not self.there(club):
            return
        self.operations.append(done.Purchased(club, who, amount, key))
        if key is None or self.first.setdefault((club, who, key), str(len(self.operations))) == str(
            len(self.operations)
        ):
            self.money.append({"who": who, "club": club, "kind": "purchase", "amount": amount, "request": ""})

    def allocate(self, club: str, who: str, amount: int) -> None:
        for row in self.members:
            if row["club"] == club and row["who"] == who and amount <= self.total(club) - self.left(club):
                row["given"] += amount
                self.operations.append(done.Allocated(club, who, amount))

    def ask_past(self, who: str) -> None:
        self.asked.append({"who": who, "own_key": False})
        self.operations.append(done.AskedPastOpsCenter(who))

    def ask(self, who: str, model: str, tokens: int, how: str, own_key: bool, key: str | None, named: bool) -> None:
        """Send a request of a person; `how` is answered, left, failed, broken or refused."""
        request = f"request-{len(self.operations)}"
        mine = [row for row in self.members if row["who"] == who]
        payer = mine[0] if mine and (named or len(mine) == 1) else None
        club = payer["club"] if payer else None
        cost = max(1, int(Decimal(PRICES[model] * tokens).scaleb(-2).quantize(Decimal(1), ROUND_HALF_UP)))
        kept = club if not own_key else None

        def tell(status: int, **more: Any) -> None:
            same = (key, f"{model} {tokens} {own_key} {named}") if key else None
            organization = club if named else None
            self.operations.append(
                done.Asked(who, request, model, tokens, status, own_key=own_key, organization=organization, same=same,
                           **more)
            )  # fmt: skip

        def count(answered: bool, charged: int) -> None:
            self.asked.append({"who": who, "own_key": own_key})
            self.calls.append(
                {"who": who, "club": kept, "request": request, "model": model, "tokens": tokens if answered else 0,
                 "cost": charged, "own_key": own_key, "answered": answered, "placed": False, "this_month": True}
            )  # fmt: skip
            self.events.append({"who": who, "request": request, "subscription": SUBSCRIPTIONS.get(who, "")})
            self.counters[who] = len([row for row in self.calls if row["who"] == who and row["this_month"]])

        if key and how in ("answered", "left"):
            identity = who, key, model, tokens, own_key, named
            if identity in self.first:
                tell(200)
                return
        can_pay = payer["given"] - payer["used"] >= cost if payer else not mine and self.own_credits(who) >= cost
        if how == "refused" or not (own_key or can_pay):
            tell(402)
        elif how in ("failed", "broken"):
            count(answered=False, charged=0)
            if how == "broken":
                tell(200, whole=False)
            elif own_key:
                tell(401, code="invalid_byok_key")
            else:
                tell(502, troubled=True)
        else:
            if key:
                self.first[identity] = request
            count(answered=True, charged=0 if own_key else cost)
            if not own_key:
                self.money.append({"who": who, "club": club, "kind": "usage", "amount": -cost, "request": request})
                if payer:
                    payer["used"] += cost
            tell(200, whole=how == "answered", left_early=how == "left")

    def history(self, *more: Operation) -> History:
        return History(PEOPLE, SUBSCRIPTIONS, (*self.operations, *more), PRICES)

    def seen(self) -> Seen:
        """Return the values in each system, read from the tables."""
        seen: Seen = {}
        for who in PEOPLE:
            counted = [row for row in self.calls if row["who"] == who]
            month = len([row for row in counted if row["this_month"]])
            asked = [row["own_key"] for row in self.asked if row["who"] == who]
            seen |= {
                Account(who, "credits"): {"the API": self.own_credits(who), "user_credits": self.own_credits(who)},
                Account(who, "movements"): {"credit_transactions": self.rows(who=who, club=None)},
                Account(who, "calls of this month"): {"the API": month, "usage_tracking": month},
                Account(who, "counted calls"): {"usage_tracking": tuple(map(_call, filter(_is_made, counted)))},
                Account(who, "counter"): {"Redis": self.counters.get(who)},
                Account(who, "events in Lago"): {
                    "Lago": tuple(Event(r["request"], r["subscription"]) for r in self.events if r["who"] == who)
                },
                Account(who, "provider calls with the own key"): {"the journal": asked.count(True)},
                Account(who, "provider calls with the platform's key"): {"the journal": asked.count(False)},
            }
        for club in CLUBS:
            rows = self.rows(club=club)
            if self.there(club):
                seen[Account(club, "credits")] = {"the API": self.total(club), "organization_credits": self.total(club)}
                seen[Account(club, "allocated credits")] = {"organization_credits": self.left(club)}
            if self.there(club) or rows:
                seen[Account(club, "movements")] = {"credit_transactions": rows}
        for row in self.members:
            seen[Account(row["who"], "allocation left", row["club"])] = {
                "organization_members": row["given"] - row["used"]
            }
            seen[Account(row["who"], "allocation used", row["club"])] = {"organization_members": row["used"]}
        return seen

    def rows(self, **of: str | None) -> tuple[Movement, ...]:
        """Return the rows of credit_transactions with these values."""
        found = [row for row in self.money if all(row[column] == value for column, value in of.items())]
        return tuple(Movement(row["kind"], row["amount"], row["who"], row["request"]) for row in found)


def _is_made(row: Row) -> bool:
    return not row["placed"]


def _call(row: Row) -> Call:
    return Call(
        row["request"], row["model"], row["tokens"], row["cost"], row["own_key"], row["answered"], row["club"] or ""
    )


who, club = st.sampled_from(sorted(PEOPLE)), st.sampled_from(CLUBS)
amount, key = st.integers(1, 500), st.none() | st.sampled_from(["k1", "k2"])
Act = tuple[str, tuple[Any, ...]]


def act(name: str, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    return st.tuples(st.just(name), st.tuples(*values))


asks = act(
    "ask",
    who,
    st.sampled_from(sorted(PRICES)),
    st.sampled_from([1, 100, 150]),
    st.sampled_from(["answered"] * 5 + ["left", "failed", "broken", "refused"]),
    st.booleans(),
    key,
    st.booleans(),
)
acts = st.lists(
    st.one_of(
        asks,
        asks,
        act("grant", who, amount),
        act("found", club, who),
        act("join", club, who),
        act("purchase", club, who, amount, key),
        act("allocate", club, who, amount),
        act("dissolve", club, st.booleans()),
        act("place", who, st.integers(1, 3), st.booleans()),
        act("lose_counter", who),
        act("ask_past", who),
    ),
    max_size=25,
)
beginning: list[Act] = [
    ("grant", ("cat", 500)),
    ("found", ("club", "ann")),
    ("purchase", ("club", "ann", 800, None)),
    ("join", ("club", "ben")),
    ("allocate", ("club", "ben", 400)),
    ("ask", ("cat", "small", 100, "answered", False, None, False)),
    ("ask", ("ben", "small", 100, "answered", False, None, False)),
]


def product_of(lived: list[Act]) -> Product:
    product = Product()
    for name, values in [*beginning, *lived]:
        getattr(product, name)(*values)
    return product


def money(product: Product) -> list[Row]:
    """Return the movements of those that still exist."""
    return [row for row in product.money if row["club"] not in product.gone]


def calls(product: Product) -> list[Row]:
    return [row for row in product.calls if not row["placed"]]


def tampered(rows: Callable[[Product], list[Row]], column: str, other: Callable[[Any], Any]) -> Damage:
    """Change a column of one row."""

    def damage(product: Product, pick: Callable[[int], int]) -> None:
        found = rows(product)
        assume(found)
        row = found[pick(len(found))]
        row[column] = other(row[column])

    return damage


def lost(rows: Callable[[Product], list[Row]], table: str) -> Damage:
    def damage(product: Product, pick: Callable[[int], int]) -> None:
        found = rows(product)
        assume(found)
        row = found[pick(len(found))]
        setattr(product, table, [other for other in getattr(product, table) if other is not row])

    return damage


def doubled(rows: Callable[[Product], list[Row]], table: str) -> Damage:
    def damage(product: Product, pick: Callable[[int], int]) -> None:
        found = rows(product)
        assume(found)
        getattr(product, table).append(dict(found[pick(len(found))]))

    return damage


def miscounted(product: Product, pick: Callable[[int], int]) -> None:
    assume(product.counters)
    whose = sorted(product.counters)[pick(len(product.counters))]
    product.counters[whose] += [-1, 1][pick(2)]


def flushed(product: Product, pick: Callable[[int], int]) -> None:
    """Reset a counter although calls were counted."""
    assume(product.counters)
    product.counters[sorted(product.counters)[pick(len(product.counters))]] = 0


def another(person: str) -> str:
    return {"ann": "ben", "ben": "cat", "cat": "ann"}[person]


def everything(product: Product) -> list[Row]:
    return product.events


Damage = Callable[[Product, Callable[[int], int]], None]

DAMAGES: dict[str, Damage] = {
    "a charge or purchase of another amount": tampered(money, "amount", lambda a: a - 1),
    "a movement of another person": tampered(money, "who", another),
    "a movement of another request": tampered(money, "request", lambda r: r + "-another"),
    "a movement of another kind": tampered(money, "kind", lambda k: k + "-another"),
    "a movement of another payer": tampered(money, "club", lambda c: None if c else "nobody's club"),
    "a movement lost": lost(money, "money"),
    "a movement doubled": doubled(money, "money"),
    "a call of another cost": tampered(calls, "cost", lambda c: c + 1),
    "a call of other tokens": tampered(calls, "tokens", lambda t: t + 1),
    "a call of another model": tampered(calls, "model", lambda m: m + "-another"),
    "a call of another person": tampered(calls, "who", another),
    "a call of another organisation": tampered(calls, "club", lambda c: None if c else "club"),
    "a call said to be on the other key": tampered(calls, "own_key", lambda own: not own),
    "a call said to be answered or not": tampered(calls, "answered", lambda answered: not answered),
    "a call lost": lost(calls, "calls"),
    "a call doubled": doubled(calls, "calls"),
    "an allocation of one more": tampered(lambda p: p.members, "given", lambda g: g + 1),
    "an allocation used by one more": tampered(lambda p: p.members, "used", lambda u: u + 1),
    "an event lost": lost(everything, "events"),
    "an event doubled": doubled(everything, "events"),
    "an event of another request": tampered(everything, "request", lambda r: r + "-another"),
    "an event of another subscription": tampered(everything, "subscription", lambda s: s + "-another"),
    "an event of another person": tampered(everything, "who", another),
    "a provider call lost": lost(lambda p: p.asked, "asked"),
    "a provider call too many": doubled(lambda p: p.asked, "asked"),
    "a provider call on the other key": tampered(lambda p: p.asked, "own_key", lambda own: not own),
    "a counter off by one": miscounted,
    "a counter that begins anew": flushed,
}


def moved(value: Value) -> Value:
    """Return a wrong value."""
    if isinstance(value, tuple):
        return (*value, *value[:1]) if value else (Event("made-up", ""),)
    return (value or 0) + 1 if value is not None else 99


@settings(max_examples=100, deadline=None)
@given(lived=acts)
def test_books_that_are_kept_well_are_a_yes(lived: list[Act]) -> None:
    product = product_of(lived)
    verdict = judge(product.history(), product.seen())
    assert [(line.account, line.expected, line.seen) for line in verdict.lines if line.differs] == []
    assert verdict.agreement is Agreement.YES


@settings(max_examples=200, deadline=None)
@given(lived=acts, damage=st.sampled_from(sorted(DAMAGES)), data=st.data())
def test_books_with_one_thing_wrong_are_a_no(lived: list[Act], damage: str, data: st.DataObject) -> None:
    product = product_of(lived)
    DAMAGES[damage](product, lambda number: data.draw(st.integers(0, number - 1)))
    assert judge(product.history(), product.seen()).agreement is Agreement.NO


@settings(max_examples=200, deadline=None)
@given(lived=acts, data=st.data())
def test_one_system_that_has_one_figure_wrong_is_a_no_and_is_named(lived: list[Act], data: st.DataObject) -> None:
    product = product_of(lived)
    seen = product.seen()
    account, system = data.draw(st.sampled_from(sorted((a, s) for a, said in seen.items() for s in said)))
    seen[account][system] = moved(seen[account][system])
    verdict = judge(product.history(), seen)
    assert verdict.agreement is Agreement.NO
    assert [(line.account, line.differs) for line in verdict.lines if line.differs] == [(account, [system])]


@settings(max_examples=100, deadline=None)
@given(lived=acts, damage=st.none() | st.sampled_from(sorted(DAMAGES)), data=st.data())
def test_with_a_request_that_got_no_answer_nothing_is_a_yes(
    lived: list[Act], damage: str | None, data: st.DataObject
) -> None:
    product = product_of(lived)
    if damage:
        DAMAGES[damage](product, lambda number: data.draw(st.integers(0, number - 1)))
    unanswered = done.Asked("cat", "", "small", 100, None, whole=False)
    assert judge(product.history(unanswered), product.seen()).agreement is (
        Agreement.NO if damage else Agreement.UNKNOWN
    )
