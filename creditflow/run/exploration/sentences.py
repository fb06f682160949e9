"""Makes random histories: sequences of the features' own sentences, with a weight on the boundaries.

An `Author` draws people, organisations and acts. It keeps a rough account of what everybody has left, only to aim at
the last credit, the last call and the exact allocation. It judges nothing, and its account may be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from creditflow.actors.attempts import MALFORMED
from creditflow.actors.request_shapes import ADDITIONS, SHAPES
from creditflow.core.prices import PLAN, charge

PREFERRED = {
    "money": ("size", "boundary", "shape", "stream", "grant", "failure"),
    "quota": ("quota", "plan"),
    "payer": ("organization", "key", "behalf"),
    "refusals": ("boundary", "refusal", "key", "failure"),
    "keys": ("key", "failure"),
    "organisations": ("organization", "behalf", "admin"),
    "streams": ("stream", "failure"),
    "repetitions": ("repetition",),
    "bursts": ("burst",),
    "services": ("service",),
    "months": ("month",),
}
"""What a history can concentrate on, with the kinds of acts that it then prefers."""

TIMES_MORE = 5
"""How much more often an act comes that the focus prefers."""

CALLS = {"trial": 700, "starter": 1_000, "professional": 10_000, "platform": 10_000, "enterprise": 12_000}
"""The calls of each tier (contract, "Quotas"); for Enterprise, which has no limit, more than any tier has."""

_TOKENS = (3, 5, 6, 10, 11, 20, 50, 99, 100, 101, 150, 250, 350, 450, 700, 1_000, 1_150, 2_300, 3_000)
"""Sizes of requests, half a credit with GPT-3.5-turbo and Claude-3-Sonnet and more than 1,000 credits among them."""
_SHAPED = (200, 201, 250, 350, 700)
_CREDITS = (0, 8, 9, 10, 24, 48, 100, 500, 1_000, 1_500, 2_000, 10_000)
_ALLOCATIONS = (8, 9, 10, 24, 48, 100, 500, 1_000, 2_000)
_LARGEST = 2_000
"""The most credits that one request aims at, so that no answer is very long."""
_LONGER = (120, 150, 250, 400)
"""Tokens of a request that is estimated at 100 tokens."""

_TROUBLES = (
    "answers with a server error",
    "refuses the platform's key",
    "breaks streams off",
    "breaks streams off after it counted the tokens",
    "finds the account empty",
    "limits the rate of the account",
)
_SERVICES = ("Redis", "Lago", "LiteLLM")
_QUICK = ("Redis", "Lago")
"""Services that are back within a second; LiteLLM takes half a minute, in which other histories find more."""
_OWN = ("individual", "trial user", "BYOK user", "stranger", "neighbour")
_MEMBERS = ("member", "second member", "colleague")
_PURCHASES = (2, 9, 100, 1_000, 2_147_483_647)

Kind = Literal["given", "when"]


@dataclass(frozen=True)
class Sentence:
    """One step of a history: its kind, and its text without the keyword."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Allowed:
    """What a history may do on a target.

    Attributes:
        journal: make the provider fail, which only a stand-in allows.
        alone: set the clock and make services fail, which everybody on the target notices.
        keys: store keys that the provider accepts.
    """

    journal: bool = True
    alone: bool = False
    keys: bool = True


@dataclass
class _Person:
    """A person, and what the author believes that they have left.

    Attributes:
        organizations: the allocation that is left in each organisation; None if there never was one.
        keys: the providers whose keys they have stored, and whether each works.
        troubled: whether the provider fails for them.
        moved: whether they gave up their e-mail address.
        lengthened: whether the provider gives them longer answers where a request sets no limit.
        verified: whether their e-mail address is verified.
    """

    alias: str
    tier: str
    credits: int = 0
    calls: int = 0
    organizations: dict[str, int | None] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    troubled: bool = False
    moved: bool = False
    lengthened: bool = False
    verified: bool = True

    @property
    def payer(self) -> str:
        """The organisation that pays without being named; empty if the person pays, or has to name one."""
        return next(iter(self.organizations), "") if len(self.organizations) == 1 else ""

    def left(self, payer: str) -> int:
        """Return what is left of their own credits, or of their allocation."""
        return self.organizations.get(payer) or 0 if payer else self.credits

    @property
    def calls_left(self) -> int:
        return CALLS[self.tier] - self.calls


Act = Callable[[], bool]
"""Adds sentences to the history; returns whether it could."""


class Author:
    """Makes one history.

    Args:
        random: makes every decision, so that a seed always makes the same history.
        allowed: what the target allows.
        focus: one of `PREFERRED`; empty for everything alike.
        roles: who takes part: individuals, members, own keys; all of them by default.
    """

    def __init__(
        self, random: Random, allowed: Allowed, focus: str = "", roles: Sequence[str] = ("own", "members", "keys")
    ) -> None:
        self.random, self._allowed, self._preferred, self._roles = random, allowed, PREFERRED.get(focus, ()), roles
        self.sentences: list[Sentence] = []
        self.people: dict[str, _Person] = {}
        self._organizations: dict[str, int] = {}
        self._unallocated: dict[str, int] = {}
        self._purchase_key = self._request_key = False
        self._answered: _Person | None = None
        self._clock = False
        self._away = ""

    def history(self, acts: int = 0) -> tuple[Sentence, ...]:
        """Return a history of so many acts; of 6 to 15 without a number."""
        self._people_come()
        self._circumstances()
        for _ in range(acts or self.random.choice((6, 9, 12, 12, 15, 15, 15))):
            self._act()
        self._services_return()
        return tuple(self.sentences)

    def _say(self, kind: Kind, text: str) -> None:
        self.sentences.append(Sentence(kind, text))

    def _one(self, what: Sequence[str]) -> str:
        return self.random.choice(what)

    def _chance(self, percent: int) -> bool:
        return self.random.random() * 100 < percent

    # Who takes part

    def _people_come(self) -> None:
        with_organization = "members" in self._roles and ("own" not in self._roles or self._chance(60))
        if with_organization:
            self._organization_comes()
        if "own" in self._roles or "keys" in self._roles:
            count = self.random.randint(1, 2) if with_organization else self.random.randint(2, 3)
            preferred = [*(["BYOK user"] if "keys" in self._roles else []), *_OWN]
            roles = dict.fromkeys([self._one(preferred), *self.random.sample(_OWN, count - 1)])
            for role in roles:
                self._individual_comes(role)

    def _individual_comes(self, role: str) -> None:
        tier = self._one(("trial", "trial", "starter", "starter", "professional", "platform", "enterprise"))
        credits = self.random.choice(_CREDITS)
        person = self.newcomer(f"the {role}", tier, credits)
        an = "an" if role == "individual" else "a"
        if role == "individual" and self._chance(15):
            person.tier = "trial"
            self._say("given", f"an individual without a subscription, with {credits:,} credits")
        elif role != "individual" and self._chance(10):
            person.verified = False
            self._say(
                "given",
                f"a {role} with an unverified e-mail address, on the {tier.title()} plan with {_credits(credits)}",
            )
        elif self._chance(7):
            other, third = self._one([*CALLS]), self._one([*CALLS])
            person.credits = 1_000
            self._say(
                "given",
                f"{an} {role} on the {tier.title()} plan, whom Keycloak lists as {other.title()} "
                f"and the credits table as {third.title()}",
            )
        else:
            self._say("given", f"{an} {role} on the {tier.title()} plan with {_credits(credits)}")

    def newcomer(self, alias: str, tier: str, credits: int) -> _Person:
        """Add a person without a sentence."""
        self.people[alias] = _Person(alias, tier, credits)
        return self.people[alias]

    def _organization_comes(self) -> None:
        members = self.random.sample(_MEMBERS, self.random.randint(1, 2))
        allocations: list[int | None] = [
            None if self._chance(10) else self.random.choice(_ALLOCATIONS) for _ in members
        ]
        first = "the organisation"
        self._found(first, "an organisation", "the admin", self._total(allocations))
        both = self._chance(50) and allocations[0] is not None
        if both:
            if self._chance(50):
                self._found("the second organisation", "a second organisation", "the second admin", None, allocations)
            else:
                self._found(
                    "the second organisation", "a second organisation of the same admin", "the admin", None, allocations
                )
        for number, (role, allocation) in enumerate(zip(members, allocations, strict=True)):
            if number == 0 and both and allocation is not None:
                self._member_joins("member", allocation, "the second organisation")
            elif role in ("member",) and both:
                continue
            else:
                self._member_joins(role, allocation)
        self._unallocated = {name: max(0, credits) for name, credits in self._unallocated.items()}

    def _total(self, allocations: Sequence[int | None]) -> int:
        """Return credits for an organisation: exactly what is allocated, a little more, or much more."""
        return sum(filter(None, allocations)) + self.random.choice((0, 2, 10, 1_000))

    def _found(
        self, alias: str, words: str, admin: str, total: int | None, allocations: Sequence[int | None] = ()
    ) -> None:
        credits = self._total(allocations) if total is None else total
        if words.endswith("same admin"):
            self._say("given", f"{words} with {_credits(credits)}")
        else:
            self._say("given", f"{words} with {_credits(credits)}")
            self.people[admin] = _Person(admin, "platform")
        self.people[admin].organizations[alias] = None
        self._organizations[alias] = self._unallocated[alias] = credits

    def _member_joins(self, role: str, allocation: int | None, second: str = "") -> None:
        person = self.people[f"the {role}"] = _Person(f"the {role}", "platform")
        person.organizations["the organisation"] = allocation
        self._unallocated["the organisation"] -= allocation or 0
        if second:
            person.organizations[second] = allocation
            self._unallocated[second] -= allocation or 0
            self._say("given", f"a {role} of both with an allocation of {allocation:,} credits in each")
        elif allocation is None:
            self._say("given", f"a {role} without an allocation")
        else:
            self._say("given", f"a {role} with an allocation of {allocation:,} credits")

    def _circumstances(self) -> None:
        """Give people keys, past calls and credits of their own before they begin."""
        for person in self.people.values():
            wants_keys = person.alias == "the BYOK user" or ("own" not in self._roles and "keys" in self._roles)
            if self._chance(85 if wants_keys else 20):
                self._store_key(person, "given")
                if self._chance(35):
                    self._store_key(person, "given")
            if person.organizations and self._chance(35):
                credits = self.random.choice((9, 100, 1_000))
                person.credits += credits
                self._say("given", f"{person.alias} has {credits:,} credits of their own")
            small = CALLS[person.tier] < 10_000
            if self._chance((25 if small else 5) * (2 if "quota" in self._preferred else 1)):
                self._place_calls(person)
            if self._chance(4):
                self._say("given", f"{person.alias} made {self.random.choice((2, CALLS['trial'])):,} calls last month")

    # What happens

    def _act(self) -> None:
        several = any(len(person.organizations) > 1 for person in self.people.values())
        acts: list[tuple[float, str, Act]] = [
            (14, "size", self._asks),
            (16, "boundary", self._asks_for_what_is_left),
            (9, "stream", self._streams),
            (10, "key", self._asks_with_own_key),
            (8, "repetition", self._repeats),
            (8, "burst", self._bursts),
            (10, "shape", self._asks_in_another_shape),
            (15 if several else 4, "behalf", self._asks_on_behalf),
            (8, "organization", self._allocates),
            (5, "organization", self._purchases),
            (5, "admin", self._invites),
            (3, "grant", self._is_granted),
            (4, "key", self._changes_keys),
            (9, "failure", self._provider_fails),
            (2, "refusal", self._asks_wrongly),
            (9, "admin", self._tries_what_is_not_allowed),
            (7, "stream", self._leaves),
            (3, "quota", self._loses_the_counter),
            (3, "quota", self._uses_up_the_quota),
            (3, "plan", self._changes_plan),
            (2, "key", self._empties_the_account),
            (3, "identity", self._changes_who_they_are),
        ]
        if self._allowed.alone:
            acts += [(1, "service", self._service_fails), (1, "month", self._month_ends)]
        if not any(map(self._is_able, self.people.values())) and self._chance(70):
            self._is_granted()
        weights = [weight * (TIMES_MORE if kind in self._preferred else 1) for weight, kind, _ in acts]
        while not self.random.choices(acts, weights)[0][2]():
            pass

    def _then_asks(self, person: _Person, payer: str) -> None:
        """Let somebody send a request that they can pay for."""
        left, model = person.left(payer), self._model()
        tokens = self.tokens(person, model, payer, exactly=0 < left <= _LARGEST)
        several = len(person.organizations) > 1
        of = f" on behalf of {payer}" if several and payer in ("the organisation", "the second organisation") else ""
        self._say("when", f"{person.alias} sends a {model} request that uses {_tokens(tokens)}{of}")
        self._asked(person, model, tokens, payer)

    def _is_able(self, person: _Person) -> bool:
        return person.calls_left > 0 and person.left(person.payer) > 1

    def _anybody(self) -> _Person:
        """Return somebody, rather one who can still pay and has calls left."""
        everybody = list(self.people.values())
        with_one_payer = [person for person in everybody if len(person.organizations) < 2]
        people = with_one_payer if with_one_payer and self._chance(80) else everybody
        able = [person for person in people if self._is_able(person)]
        return self.random.choice(able if able and self._chance(75) else people)

    def tokens(self, person: _Person, model: str, payer: str, exactly: bool = False) -> int:
        """Return the tokens of a request: of what is left, one credit less or more, or of any size."""
        left = person.left(payer)
        if 0 < left <= _LARGEST and (exactly or self._chance(25)):
            cost = left + self.random.choice((0, 0, 0, 1, 1, -1))
            return max(3, self.random.choice(_sizes(PLAN[model], max(1, cost))))
        payable = [tokens for tokens in _TOKENS if charge(PLAN[model], tokens) <= left]
        return self.random.choice(payable if payable and self._chance(85) else _TOKENS)

    def _asked(self, person: _Person, model: str, tokens: int, payer: str, own_key: bool = False) -> None:
        """Note what a request probably does, to aim at the next boundary."""
        self._answered = person
        if person.calls_left <= 0 or (person.organizations and not own_key and not payer):
            return
        cost = 0 if own_key else charge(PLAN[model], tokens)
        if cost > person.left(payer):
            return
        person.calls += 1
        if person.troubled or own_key:
            return
        if payer:
            person.organizations[payer] = person.left(payer) - cost
            self._organizations[payer] -= cost
        else:
            person.credits -= cost

    def _model(self) -> str:
        return self._one(("GPT-3.5-turbo", "GPT-3.5-turbo", "GPT-4", "GPT-4-turbo", "Claude-3-Sonnet"))

    def _kind(self) -> str:
        return "a streamed" if self._chance(25) else "a"

    def _asks(self) -> bool:
        person, model = self._anybody(), self._model()
        tokens = self.tokens(person, model, person.payer)
        form = self.random.random()
        if form < 0.1:
            self._say("when", f'{person.alias} asks {model} "What is new?"')
            tokens = 100
        elif form < 0.25:
            self._request_key = True
            self._say(
                "when",
                f"{person.alias} sends {self._kind()} {model} request that uses {_tokens(tokens)} "
                "under an idempotency key",
            )
        elif form < 0.35 and self._allowed.journal:
            tokens = 100
            used = self.random.choice(_LONGER)
            person.lengthened = True
            self._say(
                "when", f"{person.alias} sends a {model} request that is estimated at 100 tokens and uses {used:,}"
            )
        else:
            self._say("when", f"{person.alias} sends a {model} request that uses {_tokens(tokens)}")
        self._asked(person, model, tokens, person.payer)
        if self.sentences[-1].text.endswith("key") and self._chance(60):
            self._repeats()
        return True

    def _asks_for_what_is_left(self) -> bool:
        person, model = self._anybody(), self._model()
        if not 0 < person.left(person.payer) <= _LARGEST:
            return False
        tokens = self.tokens(person, model, person.payer, exactly=True)
        self._say("when", f"{person.alias} sends {self._kind()} {model} request that uses {_tokens(tokens)}")
        self._asked(person, model, tokens, person.payer)
        return True

    def _streams(self) -> bool:
        person, model = self._anybody(), self._model()
        tokens = self.tokens(person, model, person.payer)
        asking = self._one(
            ("", "", " and asks for the usage", " and does not ask for the usage", " and switches the usage off")
        )
        self._say("when", f"{person.alias} sends a streamed {model} request that uses {_tokens(tokens)}{asking}")
        self._asked(person, model, tokens, person.payer)
        return True

    def _asks_with_own_key(self) -> bool:
        person, model = self._with_keys(), self._model()
        tokens = self.random.choice(_TOKENS)
        under = " under an idempotency key" if self._chance(15) else ""
        self._request_key = self._request_key or bool(under)
        kind = self._kind()
        self._say(
            "when", f"{person.alias} sends {kind} {model} request that uses {_tokens(tokens)} with their own key{under}"
        )
        self._asked(person, model, tokens, person.payer, own_key=True)
        if under and self._chance(60):
            self._repeats()
        return True

    def _with_keys(self) -> _Person:
        """Return somebody who probably has stored a key."""
        owners = [person for person in self.people.values() if person.keys]
        return self.random.choice(owners) if owners and self._chance(85) else self._anybody()

    def _repeats(self) -> bool:
        """Repeat the last request, or use its key for another one."""
        person = self._answered
        way = self.random.random()
        if person is None or self.sentences[-1].kind != "when" or not _repeatable(self.sentences[-1].text):
            if not self._request_key:
                return False
            person, model = person if person and self._chance(60) else self._anybody(), self._model()
            self._say(
                "when",
                f"{person.alias} sends a {model} request that uses {_tokens(self.random.choice(_TOKENS))} "
                "under the same idempotency key",
            )
            self._answered = person
        elif way < 0.6:
            self._say("when", f"{person.alias} sends the same request again")
        elif way < 0.7:
            self._say("when", f"{person.alias} sends the same request again with their own key")
        elif way < 0.85 and self._organizations:
            payer = self._one([*self._organizations])
            self._say("when", f"{person.alias} sends the same request again on behalf of {payer}")
        else:
            other = self._anybody()
            self._say("when", f"{other.alias} sends the same request again")
            self._answered = other
        return True

    def _bursts(self) -> bool:
        person, model = self._anybody(), self._model()
        count, payer = self.random.randint(2, 10), person.payer
        tokens = self._tokens_for_some(person, model, payer, count)
        way = self.random.random()
        if way < 0.08:
            self._say(
                "when",
                f"{person.alias} sends {count} {model} requests that each use {_tokens(tokens)}, "
                "all with the same request id",
            )
        elif way < 0.2:
            key = " with their own key" if person.keys else ""
            self._say(
                "when",
                f"{person.alias} sends {count} {model} requests that each use {_tokens(tokens)}{key}, "
                "all at the same time",
            )
            count = 0 if key else count
        elif way < 0.3:
            self._say(
                "when",
                f"{person.alias} sends {count} streamed {model} requests that each use {_tokens(tokens)}, "
                "all at the same time",
            )
        elif way < 0.45:
            self._say(
                "when",
                f"{person.alias} sends the same {model} request, which uses {_tokens(tokens)}, twice at the same time",
            )
            count = 1
        elif way < 0.6 and person.payer and "the admin" in self.people and person.alias != "the admin":
            return self._purchases_meanwhile(person, model, tokens)
        elif way < 0.75 and len(self.people) > 1:
            other = self.random.choice([one for one in self.people.values() if one is not person])
            count, cost = self.random.randint(2, 5), charge(PLAN[model], tokens)
            if cost == 1:
                return False
            self._say(
                "when",
                f"{person.alias} and {other.alias} each send {count} {model} requests that each use {_tokens(tokens)} "
                f"and cost {_credits(cost)}, all at the same time",
            )
            self._spend(other, model, tokens, count)
        else:
            self._say(
                "when",
                f"{person.alias} sends {count} {model} requests that each use {_tokens(tokens)}, all at the same time",
            )
        self._spend(person, model, tokens, count)
        return True

    def _purchases_meanwhile(self, person: _Person, model: str, tokens: int) -> bool:
        cost, count = charge(PLAN[model], tokens), self.random.randint(2, 4)
        if cost == 1 or person.payer != "the organisation":
            return False
        self._say(
            "when",
            f"the admin purchases 10 credits 2 times while {person.alias} sends {count} {model} requests "
            f"that each use {_tokens(tokens)} and cost {_credits(cost)}",
        )
        self._more(person.payer, 20)
        self._spend(person, model, tokens, count)
        return True

    def _spend(self, person: _Person, model: str, tokens: int, count: int) -> None:
        for _ in range(count):
            self._asked(person, model, tokens, person.payer)
        self._answered = None

    def _tokens_for_some(self, person: _Person, model: str, payer: str, count: int) -> int:
        """Return tokens of which what is left pays for some requests of a burst, and not for all."""
        left = person.left(payer)
        if 0 < left <= _LARGEST * count and self._chance(70):
            cost = max(1, left // self.random.randint(1, count))
            if cost <= _LARGEST:
                return max(3, _sizes(PLAN[model], cost)[-1])
        return self.random.choice(_TOKENS[:12])

    def _asks_in_another_shape(self) -> bool:
        person, model = self._anybody(), self._model()
        way, shape = self.random.random(), self._one([*SHAPES])
        if way < 0.85:
            tokens, left = self.random.choice(_SHAPED), person.left(person.payer)
            too_dear = [size for size in _SHAPED if left < charge(PLAN[model], size) <= 2 * left]
            if too_dear and self._chance(60):
                tokens = self.random.choice(too_dear)
            elif self._chance(50) and 0 < left <= _LARGEST:
                tokens = self.random.choice(_sizes(PLAN[model], left + self.random.choice((0, 0, 1))))
                tokens = tokens if 200 <= tokens <= 2_000 else self.random.choice(_SHAPED)
            self._say("when", f"{person.alias} sends a {model} request {shape} that uses {_tokens(tokens)}")
        else:
            tokens = self.tokens(person, model, person.payer)
            what = self._one([*ADDITIONS])
            self._say("when", f"{person.alias} sends a {model} request that uses {_tokens(tokens)} and adds {what}")
        self._asked(person, model, tokens, person.payer)
        return True

    def _asks_on_behalf(self) -> bool:
        if not self._organizations:
            return False
        several = [person for person in self.people.values() if len(person.organizations) > 1]
        person = self.random.choice(several) if several and self._chance(75) else self._anybody()
        payer, model = self._one([*self._organizations]), self._model()
        tokens = self.tokens(person, model, payer, exactly=self._chance(50))
        under = " under an idempotency key" if self._chance(20) else ""
        self._say(
            "when", f"{person.alias} sends a {model} request that uses {_tokens(tokens)} on behalf of {payer}{under}"
        )
        self._answered = person
        if payer in person.organizations:
            self._asked(person, model, tokens, payer)
        if under and self._chance(60):
            self._repeats()
        return True

    # What organisations do

    def _members(self) -> list[_Person]:
        return [person for person in self.people.values() if "the organisation" in person.organizations]

    def _allocates(self) -> bool:
        if "the organisation" not in self._organizations:
            return False
        members, free = self._members(), self._unallocated["the organisation"]
        person = self.random.choice(members) if self._chance(92) else self._anybody()
        if self._chance(30) and free >= 4:
            each = max(2, free // self.random.randint(1, 3))
            times = self.random.randint(2, 4)
            self._say("when", f"the admin allocates {_credits(each)} to {person.alias} {times} times at the same time")
            times = min(times, free // each)
            self._allocated(person, each * times)
        else:
            amount = max(1, self.random.choice((free, free, free + 1, free + 1, 2, 9, 48, 100)))
            self._say("when", f"the admin allocates {_credits(amount)} to {person.alias}")
            if amount <= free:
                self._allocated(person, amount)
        self._answered = None
        if "the organisation" in person.organizations and self._chance(50):
            self._then_asks(person, "the organisation")
        return True

    def _allocated(self, person: _Person, credits: int) -> None:
        if "the organisation" in person.organizations:
            person.organizations["the organisation"] = person.left("the organisation") + credits
            self._unallocated["the organisation"] -= credits

    def _purchases(self) -> bool:
        if "the organisation" not in self._organizations:
            return False
        credits, way = self.random.choice(_PURCHASES), self.random.random()
        self._answered = None
        if way < 0.3 and self._purchase_key:
            self._say("when", "the admin sends the same purchase again")
        elif way < 0.45 and self._purchase_key and self._admin_of_both():
            self._say(
                "when",
                f"the admin purchases {_credits(credits)} for the second organisation under the same idempotency key",
            )
            self._more("the second organisation", credits)
        elif way < 0.8:
            self._purchase_key = True
            self._say("when", f"the admin purchases {_credits(credits)} under an idempotency key")
            self._more("the organisation", credits)
            if self._chance(60):
                self._say("when", "the admin sends the same purchase again")
        else:
            self._say("when", f"the admin purchases {_credits(credits)}")
            self._more("the organisation", credits)
        return True

    def _admin_of_both(self) -> bool:
        return "the second organisation" in self.people["the admin"].organizations

    def _more(self, organization: str, credits: int) -> None:
        if credits > 1_000_000:
            return
        self._organizations[organization] += credits
        self._unallocated[organization] += credits

    def _invites(self) -> bool:
        outside = [p for p in self.people.values() if "the organisation" not in p.organizations]
        if "the organisation" not in self._organizations or not outside:
            return False
        person = self.random.choice(outside)
        how = self._one(("", "", " in capital letters", " as an admin"))
        self._say("when", f"the admin adds {person.alias} by e-mail{how}")
        person.organizations["the organisation"] = None
        self._answered = None
        if how == " as an admin" and self._chance(70):
            act = self._one(("purchase credits", "allocate credits to themselves"))
            self._say("when", f"{person.alias} tries to {act}")
        free = self._unallocated["the organisation"]
        if free > 1 and self._chance(50):
            amount = self.random.choice((free, min(free, 100)))
            self._say("when", f"the admin allocates {_credits(amount)} to {person.alias}")
            self._allocated(person, amount)
        if self._chance(70):
            self._then_asks(person, "the organisation")
        return True

    def _tries_what_is_not_allowed(self) -> bool:
        if "the organisation" not in self._organizations:
            return False
        person = self.random.choice([*self.people.values(), *self._members()])
        acts = ["purchase credits", "allocate credits to themselves", "create an organisation on an unknown tier"]
        if person.alias == "the admin":
            acts += ["purchase 0 credits", "purchase -5 credits", "purchase half a credit"]
        else:
            acts += ["remove the organisation", "purchase credits", "allocate credits to themselves"]
        for alias in ("the member", "the stranger", "the colleague"):
            if alias in self.people:
                acts += {
                    "the member": [
                        "allocate 0 credits to the member",
                        "allocate -5 credits to the member",
                        "add the member again",
                    ],
                    "the stranger": [
                        "allocate credits to the stranger",
                        "add the stranger",
                        "give somebody an unknown role",
                    ],
                    "the colleague": ["add the colleague"],
                }[alias]
        act = self._one(acts)
        self._say("when", f"{person.alias} tries to {act}")
        self._answered = None
        return True

    # What else changes

    def _is_granted(self) -> bool:
        alone = [person for person in self.people.values() if not person.organizations and person.calls_left > 0]
        person = self.random.choice(alone) if alone and self._chance(85) else self._anybody()
        credits = self.random.choice((1, 9, 48, 100, 1_000))
        person.credits += credits
        self._say("when", f"{person.alias} is granted {_credits(credits)}")
        return True

    def _changes_keys(self) -> bool:
        person = self._with_keys()
        if "openrouter" in person.keys and self._chance(45):
            del person.keys["openrouter"]
            self._say("when", f"{person.alias} removes their OpenRouter key")
        elif self._chance(20):
            text = self._one(("no key at all", "sk-or-v1-with a space", "sk-proj-0123456789abcdef"))
            self._say("when", f'{person.alias} tries to store "{text}" as their OpenRouter key')
        else:
            self._store_key(person, "when")
        self._answered = None
        return True

    def _empties_the_account(self) -> bool:
        owners = [person for person in self.people.values() if "works" in person.keys.values()]
        if not owners or not self._allowed.journal:
            return False
        person = self.random.choice(owners)
        provider = self._latest_key(person)
        person.keys[provider.lower()] = "empty"
        self._say("given", f"the account of {person.alias}'s {provider} key is empty")
        return True

    def _latest_key(self, person: _Person) -> str:
        """Return the provider of the key that they stored last."""
        stored = [s.text for s in self.sentences if s.text.startswith(f"{person.alias} ") and " stor" in s.text]
        return "OpenAI" if "OpenAI" in stored[-1] else "OpenRouter"

    def _store_key(self, person: _Person, kind: Kind) -> None:
        way, stores = self.random.random(), "has stored" if kind == "given" else "stores"
        if way < 0.5 and self._allowed.keys:
            person.keys["openrouter"] = "works"
            self._say(kind, f"{person.alias} {stores} an OpenRouter key")
        elif way < 0.75 and self._allowed.journal:
            person.keys["openai"] = "works"
            self._say(kind, f"{person.alias} {stores} an OpenAI key")
        else:
            person.keys["openrouter"] = "unknown"
            self._say(kind, f"{person.alias} {stores} an OpenRouter key that the provider does not know")

    def _provider_fails(self) -> bool:
        if not self._allowed.journal:
            return False
        troubled = [person for person in self.people.values() if person.troubled]
        if troubled and self._chance(60):
            person = self.random.choice(troubled)
            person.troubled = person.lengthened = False
            self._say("when", f"the provider answers {person.alias} again")
            return True
        person = self._anybody()
        if person.lengthened:
            return False
        person.troubled = True
        self._say("given", f"for {person.alias} the provider {self._one(_TROUBLES)}")
        model, tokens = self._model(), self.tokens(person, "GPT-3.5-turbo", person.payer)
        how = " with their own key" if person.keys and self._chance(40) else ""
        self._say("when", f"{person.alias} sends {self._kind()} {model} request that uses {_tokens(tokens)}{how}")
        self._asked(person, model, tokens, person.payer, own_key=bool(how))
        return True

    def _asks_wrongly(self) -> bool:
        person = self._anybody()
        self._say("when", f"{person.alias} sends a request with {self._one([*MALFORMED])}")
        self._answered = None
        return True

    def _leaves(self) -> bool:
        person, model = self._anybody(), self._model()
        if person.troubled:  # whether the stream broke off behind the client's back, nobody sees
            return False
        tokens = self.tokens(person, model, person.payer)
        cost = charge(PLAN[model], tokens)
        answered = person.calls_left > 0 and cost <= person.left(person.payer) and not person.troubled
        if answered and self._allowed.journal and self._chance(60) and len(person.organizations) < 2:
            under = " under an idempotency key and disconnects" if self._chance(60) else " and disconnects"
            self._say(
                "when", f"{person.alias} sends a {model} request that uses {_tokens(tokens)}{under} before the answer"
            )
            if "key" in under:
                self._say("when", f"{person.alias} sends the unanswered request again")
        else:
            self._say(
                "when",
                f"{person.alias} sends a streamed {model} request that uses {_tokens(max(tokens, 20))} "
                "and disconnects after the first words",
            )
            tokens = max(tokens, 20)
        self._asked(person, model, tokens, person.payer)
        self._answered = None
        return True

    def _loses_the_counter(self) -> bool:
        if self._away == "Redis":
            return False
        self._say("when", f"{self._anybody().alias}'s counter is lost")
        return True

    def _uses_up_the_quota(self) -> bool:
        few = [person for person in self.people.values() if CALLS[person.tier] < 10_000]
        if not few or self._away == "Redis":
            return False
        person = self.random.choice(few)
        more = person.calls_left - self.random.choice((0, 1, 1, 2))
        if more < 2:
            return False
        person.calls += more
        self._say("when", f"{person.alias} makes {more:,} more calls this month, which cost nothing")
        return True

    def _place_calls(self, person: _Person) -> None:
        left = self.random.choice((0, 1, 1, 1, 2, 3))
        person.calls = CALLS[person.tier] - left
        self._say("given", f"{person.alias} has already made {person.calls:,} calls this month")

    def _changes_plan(self) -> bool:
        subscribed = [p for p in self.people.values() if not self._without_subscription(p) and not p.calls]
        if not subscribed or self._away == "Lago":
            return False
        person = self.random.choice(subscribed)
        if self._chance(30):
            self._say("when", f"{person.alias}'s subscription is cancelled")
            person.tier = "trial"
        else:
            plan = self._one([tier for tier in CALLS if tier != person.tier])
            self._say("when", f"{person.alias} changes to the {plan.title()} plan")
            if [*CALLS].index(plan) > [*CALLS].index(person.tier):
                person.tier = plan
        person.calls = person.calls or 0
        return True

    def _without_subscription(self, person: _Person) -> bool:
        texts = [sentence.text for sentence in self.sentences]
        ended = f"{person.alias}'s subscription is cancelled" in texts
        never = person.alias == "the individual" and any(text.startswith("an individual without a") for text in texts)
        return ended or never

    def _changes_who_they_are(self) -> bool:
        person = self._anybody()
        unverified = [one for one in self.people.values() if not one.verified]
        gave_up = [one for one in self.people.values() if one.moved and one is not person]
        if unverified:
            unverified[0].verified = True
            self._say("when", f"{unverified[0].alias}'s e-mail address is verified")
        elif gave_up and not person.moved and self._chance(50):
            gave_up[0].moved = False
            self._say("when", f"{person.alias} gets {gave_up[0].alias}'s former e-mail address")
        elif person.verified and not person.moved and self._chance(70):
            person.moved = True
            self._say("when", f"{person.alias} changes their e-mail address")
        else:
            self._say("when", f"{person.alias} signs in again")
        return True

    # What everybody notices

    def _service_fails(self) -> bool:
        if self._away:
            self._services_return()
        else:
            self._away = self._one(_SERVICES if "service" in self._preferred else _QUICK)
            self._say("when", f"{self._away} goes away")
        return True

    def _services_return(self) -> None:
        if self._away:
            self._say("when", f"{self._away} is back")
            self._away = ""

    def _month_ends(self) -> bool:
        if self._clock or self._away:
            return False
        self._clock = True
        person, model = self._anybody(), self._model()
        tokens = self.tokens(person, model, person.payer)
        self._say("given", "the last second of the month has begun")
        self._say(
            "when",
            f"{person.alias} sends a {model} request that uses {_tokens(tokens)}, "
            "and the next month begins before its answer",
        )
        self._say("when", "the clock shows the real time again")
        self._asked(person, model, tokens, person.payer)
        return True


def history(
    seed: str, allowed: Allowed, focus: str = "", roles: Sequence[str] = ("own", "members", "keys")
) -> tuple[Sentence, ...]:
    """Return the history of a seed: the same one every time."""
    return Author(Random(seed), allowed, focus, roles).history()


def samples() -> frozenset[Sentence]:
    """Return the sentences of many histories, among them one of every kind that an author knows."""
    return frozenset(one for number in range(400) for one in history(f"samples/{number}", Allowed(True, True)))


_REPEATABLE = re.compile(
    r" sends (?:a|a streamed) .* request (?!.*disconnects)(?!.*next month)| sends the same request again"
)


def _repeatable(text: str) -> bool:
    """Return whether "the same request" of the next sentence refers to this one."""
    return bool(_REPEATABLE.search(text)) or " asks " in text


def _credits(number: int) -> str:
    return f"{number:,} credit{'' if number == 1 else 's'}"


def _tokens(number: int) -> str:
    return f"{number:,} token{'' if number == 1 else 's'}"


def _sizes(rate: int, cost: int) -> tuple[int, int]:
    """Return the fewest and the most tokens that cost so many credits; the fewest often cost half a credit less."""
    return max(3, -(-(100 * cost - 50) // rate)), max(3, (100 * cost + 49) // rate)
