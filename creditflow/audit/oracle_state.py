"""What is known of the state at any moment of a request: quantities as intervals, facts with changes under way.

Requests overlap, so that nobody knows the order in which Ops-Center decided. What ended before a request began is
certain; what overlaps it may have come first or not.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from creditflow.audit.history import BEFORE_MEMBERSHIPS, DONE, ON_THE_WAY, Act, Asked, History
from creditflow.core import period
from creditflow.core.prices import MODELS, PLAN, charge

QUOTAS = {"trial": 700, "starter": 1_000, "professional": 10_000, "platform": 10_000, "enterprise": math.inf}
"""The calls of a period by tier (contract, "Quotas")."""

PROVIDERS = {"openrouter": "sk-or-", "openai": "sk-"}
"""The providers of own keys, and how their keys begin."""


class Past:
    """A fact that changes; while a change is under way, both values are possible."""

    def __init__(self, first: Any) -> None:
        self._changes: list[tuple[float, float, Any]] = [(-math.inf, -math.inf, first)]

    def change(self, began: float, ended: float, value: Any) -> None:
        """Add a change, later ones last."""
        self._changes.append((began, ended, value))

    def during(self, act: Act) -> list[Any]:
        """Return every value that is possible at some moment of an act, the first one first."""
        before = [value for _, ended, value in self._changes if ended <= act.began]
        return [before[-1], *(v for began, ended, v in self._changes if ended > act.began and began < act.ended)]


@dataclass(frozen=True)
class Flow:
    """What an act adds to a quantity: between `low` and `high`.

    Attributes:
        act: the act.
        low: the least that it adds; below 0 if it takes something.
        high: the most that it adds.
        needs: what has to be there, and may be reserved until the act is settled.
        settled: when Ops-Center has finished with it; infinite if that is not known.
    """

    act: Act
    low: float
    high: float
    needs: float = 0
    settled: float = math.inf


@dataclass
class Quantity:
    """Credits or calls that come and go."""

    name: str = ""
    flows: list[Flow] = field(default_factory=list)

    def add(self, act: Act, low: float, high: float | None = None, needs: float = 0, goes_on: bool = False) -> None:
        """Add a flow; without `high` it is certain."""
        settled = math.inf if goes_on else act.ended
        self.flows.append(Flow(act, low, low if high is None else high, needs, settled))

    def during(self, act: Act) -> tuple[float, float]:
        """Return the least and the most that there is for an act, beside all other acts."""
        least = most = 0.0
        for flow in self.flows:
            if flow.act is act or flow.act.began >= act.ended:
                continue
            if flow.settled <= act.began:
                least, most = least + flow.low, most + flow.high
            elif flow.act.status == 200 and flow.act.ended <= act.began:  # its client has left
                least, most = least + min(flow.low, -flow.needs), most + max(flow.high, -flow.needs)
            else:
                least, most = least + min(0, flow.low, -flow.needs), most + max(0, flow.high)
        return least, most

    def overdrawn(self, more: Callable[[Act], float] = lambda span: 0) -> Iterator[tuple[list[Flow], float]]:
        """Yield each burst of several that can't have passed in any order, with what there was for it.

        Args:
            more: what is there beside the flows, during an act.
        """
        passed = sorted((f for f in self.flows if f.needs and f.act.status == 200), key=lambda f: f.act.began)
        while passed:
            burst = [passed.pop(0)]
            end = burst[0].act.ended
            while passed and passed[0].act.began < end:
                burst.append(passed.pop(0))
                end = max(end, burst[-1].act.ended)
            if len(burst) == 1:
                continue
            span = Act("burst", "", burst[0].act.began, end)
            own = set(map(id, burst))
            others = Quantity(self.name, [flow for flow in self.flows if id(flow) not in own])
            there = left = others.during(span)[1] + more(span)
            # The best order: first what needs much more than it takes in the end.
            for flow in sorted(burst, key=lambda flow: flow.needs + flow.high, reverse=True):
                if left < flow.needs:
                    yield burst, there
                    break
                left += max(flow.high, -flow.needs)


@dataclass
class Row:
    """A membership, by the address of its invitation.

    Attributes:
        role: "admin" or "member".
        email: the address, in lower case.
        invited: the act that made it.
        user: the user id of the member; empty until somebody has taken the invitation up.
        taken_up: when that happened.
        perhaps: the user ids of those who may have taken it up where nobody saw it.
        given: all credits that were ever allocated.
        left: the credits that are left of them.
    """

    role: str
    email: str
    invited: Act
    user: str = ""
    taken_up: float = math.inf
    perhaps: set[str] = field(default_factory=set)
    given: Quantity = field(default_factory=Quantity)
    left: Quantity = field(default_factory=Quantity)

    def is_there(self, act: Act) -> set[bool]:
        """Return whether the address is invited during an act; both if that can't be known."""
        return {True, self.invited.ended <= act.began} if self.invited.began < act.ended else {False}

    def is_of(self, act: Act) -> set[bool]:
        """Return whether the membership is the caller's; both if that can't be known."""
        if self.user:
            return {self.user == act.who and (self.taken_up <= act.ended or self.email == act.email)}
        if self.email == act.email:
            return {True, not self.perhaps - {act.who}}
        return {False, act.who in self.perhaps}


@dataclass
class Club:
    """An organisation."""

    exists: Past = field(default_factory=lambda: Past(False))
    rows: dict[str, Row] = field(default_factory=dict)
    total: Quantity = field(default_factory=Quantity)
    unallocated: Quantity = field(default_factory=Quantity)

    def memberships(self, act: Act) -> list[Row | None]:
        """Return the caller's membership during an act, None for a stranger; several if that can't be known."""
        found: list[Row | None] = []
        for row in self.rows.values():
            possible = row.is_there(act), row.is_of(act)
            if all(True in each for each in possible):
                found.append(row)
                if not any(False in each for each in possible):
                    return [row]
        return [*found, None]


Payer = tuple[Club, Row] | str | None
"""The organisation and the membership that pay, None for own credits, or why nobody can."""

FOREIGN, UNKNOWN, UNNAMED = "foreign organization", "unknown organization", "organization required"


class World:
    """What the acts of a history made of the world, as far as their answers say that they succeeded."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.rates = {MODELS[model]: rate for model, rate in PLAN.items()} | dict(history.prices)
        self.own = {who: Quantity(alias) for who, alias in history.people.items()}
        self.calls: dict[tuple[str, str], Quantity] = defaultdict(Quantity)
        self.tiers: dict[str, Past] = defaultdict(lambda: Past("trial"))
        self.troubles: dict[str, Past] = defaultdict(lambda: Past(""))
        self.keys: dict[tuple[str, str], Past] = defaultdict(lambda: Past(None))
        self.accounts: dict[str, Past] = defaultdict(lambda: Past("unknown"))
        self.clubs: dict[str, Club] = {}
        self.under: dict[tuple[str, str, str], list[Act]] = defaultdict(list)
        self._away: dict[str, Past] = defaultdict(lambda: Past(False))
        self._month = Past(period.name())
        self._counted: set[str] = set()
        self._unseen: dict[str, int] = defaultdict(int)
        self._returning: dict[str, Act] = {}
        for act in history.acts:
            if (key := key_of(act)) and claims(act):
                self.under[key].append(act)
            self._take_up(act)
            self._happen(act)
            self._happen_to_services(act)
            self._succeed(act, self.clubs.get(act.given.get("organization", "")))
        for act in history.acts:
            if act.asked is not None and act.who in self.own and not self.repeats(act):
                self._spend(act, act.asked)

    def name(self, who: str) -> str:
        """Return the alias of a person."""
        return self.history.people.get(who, "somebody")

    def is_away(self, act: Act, *services: str) -> bool:
        """Return whether one of these services may have failed at some moment of an act."""
        return any(service in self._away and True in self._away[service].during(act) for service in services)

    def calls_of(self, act: Act) -> Quantity:
        """Return the caller's calls, below 0, in the period in which an act begins."""
        return self.calls[act.who, self._month.during(act)[0]]

    def repeats(self, act: Act) -> bool:
        """Return whether an act repeats one under its idempotency key, and was answered as that."""
        key = key_of(act)
        if key is None:
            return False
        earlier = itertools.takewhile(lambda each: each is not act, self.under[key])
        return any(each.status == act.status and same(each) == same(act) and is_kept(each) for each in earlier)

    def payers(self, act: Act, asked: Asked) -> list[Payer]:
        """Return who pays for a request without an own key (EP9, step 5); several if that can't be known."""
        choices = []
        for name, club in self.clubs.items():
            there = club.exists.during(act)
            rows = club.memberships(act) if True in there else []
            choices.append([(name, club, row) if row else None for row in rows] + [None] * (False in there))
        found: list[Payer] = []
        for chosen in itertools.product(*choices):
            of = [each for each in chosen if each and asked.organization in (None, each[0])]
            if asked.organization and not of:
                found.append(FOREIGN)
                named = self.clubs.get(asked.organization, Club())
                found += [UNKNOWN] * (False in named.exists.during(act))
            else:
                found.append(UNNAMED if len(of) > 1 else of[0][1:] if of else None)
        return found

    def _take_up(self, act: Act) -> None:
        """Give the invitations of a verified address to its user (contract, "Every endpoint")."""
        if not act.email or act.token != "good":  # noqa: S105
            return
        if act.asked.own_key if act.asked else "organization" not in act.given:
            return
        done = act.status not in BEFORE_MEMBERSHIPS | {None, 503} if act.asked else act.status in DONE
        if not (done or act.asked or act.status is None or act.status >= 500):
            return
        for club in self.clubs.values():
            row = club.rows.get(act.email)
            if row is not None and not row.user:
                row.perhaps.add(act.who)
                if done:
                    row.user, row.taken_up = act.who, act.ended

    def _happen(self, act: Act) -> None:
        """Enter what the suite did to the people beside Ops-Center."""
        given, began, ended = act.given, act.began, act.ended
        if given.get("user_id", "") not in self.own:
            return
        match act.what:
            case "grant":
                self.own[given["user_id"]].add(act, given["credits"])
            case "place_calls":
                self._place(act, given["user_id"], given["count"], period.name(given["at"]))
            case "forget_counter":
                self._lose_counter(act, given["user_id"])
            case "subscribe":
                self._subscribe(act, given["user_id"], given["plan"])
            case "end_subscription":
                self.tiers[given["user_id"]].change(began, ended + self.history.plan_s, "trial")
            case "copy_key":
                for provider in PROVIDERS:
                    if self.keys[given["owner_id"], provider].during(act)[-1]:
                        self.keys[given["user_id"], provider].change(began, ended, None)

    def _happen_to_services(self, act: Act) -> None:
        """Enter failures of services, and changes of the provider's stand-in and of the clock."""
        given, began, ended = act.given, act.began, act.ended
        match act.what:
            case "set_clock":
                self._month.change(began, ended, period.name(given["moment"]))
            case "service_away":
                self._away[given["service"]].change(began, ended, True)
                for who in self.own if given["service"] == "Redis" else ():
                    self._lose_counter(act, who)
            case "service_back":
                self._returning[given["service"]] = act
            case "trouble" | "end_trouble" | "lengthen" if given.get("kind") != "":
                self.troubles[act.who].change(began, ended, given.get("kind", ""))
            case "open_account":
                self.accounts[given["key"]].change(began, ended, given["state"])

    def _succeed(self, act: Act, club: Club | None) -> None:
        """Enter a request to Ops-Center, if it succeeded."""
        given, email = act.given, str(act.given.get("email", "")).strip().lower()
        match act.what, act.status:
            case "store_key", 201:
                self.keys[act.who, given["provider"]].change(act.began, act.ended, given["key"])
            case "remove_key", 204:
                self.keys[act.who, given["provider"]].change(act.began, act.ended, None)
            case "create_organization", 201:
                made = self.clubs[act.made] = Club()
                made.exists.change(act.began, act.ended, True)
                made.rows[act.address or act.who] = Row("admin", act.address, act, act.who, act.began)
            case "invite", 201 if club:
                club.rows.setdefault(email, Row(given["role"], email, act))
            case "remove_organization", 204 if club:
                club.exists.change(act.began, act.ended, False)
            case "purchase", 201 if club and not self.repeats(act):
                club.total.add(act, given["credits"])
                club.unallocated.add(act, given["credits"])
            case "allocate", 200 if club:
                club.unallocated.add(act, -given["credits"], needs=given["credits"])
                if row := club.rows.get(email):
                    row.given.add(act, given["credits"])
                    row.left.add(act, given["credits"])
            case "chat", 200:
                self._counted.add(act.who)
                for service, back in list(self._returning.items()):
                    if act.began >= back.ended:
                        self._away[service].change(back.began, act.ended, False)
                        del self._returning[service]

    def _subscribe(self, act: Act, who: str, plan: str) -> None:
        """Change the plan: a first one has an effect at once, a dearer one soon, a cheaper one after the month."""
        if who not in self.tiers:
            self.tiers[who].change(act.began, act.ended, plan)
        elif QUOTAS.get(plan, 0) >= QUOTAS.get(self.tiers[who].during(act)[-1], 0):
            self.tiers[who].change(act.began, act.ended + self.history.plan_s, plan)

    def _place(self, act: Act, who: str, count: int, month: str) -> None:
        """Enter calls that the suite wrote; beside a counter, Ops-Center may see them only when it is lost."""
        beside = who in self._counted
        self.calls[who, month].add(act, -count, 0 if beside else -count)
        if beside and month == period.name():
            self._unseen[who] += count

    def _lose_counter(self, act: Act, who: str) -> None:
        self._counted.discard(who)
        if unseen := self._unseen.pop(who, 0):
            self.calls[who, period.name()].add(act, 0, -unseen)

    def _spend(self, act: Act, asked: Asked) -> None:
        """Enter the call and the credits of a request that came to its reservation, or may have."""
        answered, lost = act.status == 200, act.status is None
        if not (answered or lost or act.status in (502, 503, 504) or act.code == "invalid_byok_key"):
            return
        unsure = lost or (not answered and (not self.history.exact or self.is_away(act, *ON_THE_WAY, "PostgreSQL")))
        self.calls_of(act).add(act, -1, 0 if unsure else -1, 1, lost or act.status == 503)
        payer = next((payer for payer in self.payers(act, asked) if not isinstance(payer, str)), None)
        if asked.own_key or asked.estimate is None:
            return
        pays = [payer[0].total, payer[1].left] if isinstance(payer, tuple) else [self.own[act.who]]
        rate = self.rates.get(asked.model, 0)
        needs, cost = charge(rate, asked.estimate), charge(rate, asked.tokens or 0)
        least, most = pays[-1].during(act)
        low, high = -min(cost, max(needs, int(most))), -min(cost, max(needs, int(least)))
        left = answered and asked.left_early
        if not (lost or (answered and asked.whole) or left):
            low = high = 0
        elif lost or (left and (self.troubles[act.who].during(act) != [""] or not self.history.exact)):
            high = 0
        for quantity in pays:
            quantity.add(act, low, high, needs, lost or left or act.status == 503)


def key_of(act: Act) -> tuple[str, str, str] | None:
    """Return the user, the path and the idempotency key of an act; None without a key."""
    if act.asked is not None:
        key, path = act.given["headers"].get("Idempotency-Key"), "chat"
    else:
        key, path = act.given.get("key"), f"purchase {act.given.get('organization')}"
    return (act.who, path, key) if key and act.what in ("chat", "purchase") else None


def same(act: Act) -> object:
    """Return what has to be equal in a repetition: the body and the payer."""
    return act.asked.same if act.asked else act.given["credits"]


def claims(act: Act) -> bool:
    """Return whether an act may have claimed its idempotency key: nothing before step 4 refused it."""
    return act.status not in (409, 422) and (act.status != 401 or act.code == "invalid_byok_key")


def is_kept(act: Act) -> bool:
    """Return whether the answer is kept for repetitions: it is below 500, and no stream that broke off."""
    return act.status is not None and act.status < 500 and not breaks_off(act)


def goes_on(act: Act) -> bool:
    """Return whether Ops-Center may go on with a request after the end that its client saw."""
    return act.status is None or (act.status == 200 and act.asked is not None and act.asked.left_early)


def breaks_off(act: Act) -> bool:
    """Return whether the answer is a stream that broke off."""
    return act.status == 200 and act.asked is not None and not (act.asked.whole or act.asked.left_early)
