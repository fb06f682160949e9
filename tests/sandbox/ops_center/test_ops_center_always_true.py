"""Random histories of purchases, allocations, grants and requests: the credits always add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sandbox.ops_center import pricing

if TYPE_CHECKING:
    from tests.sandbox.ops_center.conftest import Deployment, Organization, Person

MODELS = st.sampled_from(sorted(pricing.RATES))
TOKENS = st.sampled_from([3, 17, 50, 100, 667, 1500])
WHO = st.integers(0, 2)
CREDITS = st.sampled_from([1, 9, 50, 400])
STEPS = st.one_of(
    st.tuples(st.just("grant"), CREDITS),
    st.tuples(st.just("purchase"), CREDITS),
    st.tuples(st.just("allocate"), WHO, CREDITS),
    st.tuples(st.just("ask"), WHO, MODELS, TOKENS, st.booleans()),
    st.tuples(st.just("ask"), WHO, MODELS, TOKENS, st.booleans()),
    st.tuples(st.just("ask in trouble"), WHO, MODELS, st.sampled_from(["server_error", "bad_key", "broken_stream"])),
    st.tuples(st.just("ask at once"), WHO, MODELS, TOKENS),
)


@dataclass
class Books:
    """The expected credits of everybody, as plain sums."""

    own: int = 0
    total: int = 0
    allocated: list[int] = field(default_factory=lambda: [0, 0])
    used: list[int] = field(default_factory=lambda: [0, 0])

    def left(self, who: int) -> int:
        return self.own if who == 2 else self.allocated[who] - self.used[who]

    def spend(self, who: int, credits: int) -> None:
        if who == 2:
            self.own -= credits
        else:
            self.used[who] += credits
            self.total -= credits

    def unallocated(self) -> int:
        return self.total - sum(self.allocated) + sum(self.used)


class World:
    """Two members of an organisation and an individual, created for each history."""

    def __init__(self, center: Deployment, people: list[Person], organization: Organization) -> None:
        self.center = center
        self.people = people
        self.organization = organization
        self.books = Books()
        for person in people:
            self.books.own += person.balance() if person is people[2] else 0
        self._take_stock()

    def _take_stock(self) -> None:
        credits = self.organization.credits()
        self.books.total = credits["total_credits"]
        for who in (0, 1):
            allocation = self.people[who].get(f"{self.organization.path}/my-allocation").json()
            self.books.allocated[who], self.books.used[who] = allocation["allocated"], allocation["used"]

    def do(self, step: tuple[object, ...]) -> None:
        match step:
            case ("grant", int(credits)):
                self.center.grant(self.people[2].id, credits)
                self.books.own += credits
            case ("purchase", int(credits)):
                assert self.organization.purchase(credits).status_code == 201
                self.books.total += credits
            case ("allocate", int(who), int(credits)):
                self._allocate(who % 2, credits)
            case ("ask", int(who), str(model), int(tokens), bool(stream)):
                self._ask(who, model, tokens, stream=stream)
            case ("ask in trouble", int(who), str(model), str(kind)):
                self._ask_in_trouble(who, model, kind)
            case ("ask at once", int(who), str(model), int(tokens)):
                self._ask_at_once(who, model, tokens)

    def _allocate(self, who: int, credits: int) -> None:
        possible = credits <= self.books.unallocated()
        answer = self.organization.allocate(self.people[who], credits)
        assert answer.status_code == (200 if possible else 409)
        if possible:
            self.books.allocated[who] += credits

    def _ask(self, who: int, model: str, tokens: int, *, stream: bool) -> None:
        cost = pricing.charge(model, tokens)
        affordable = cost <= self.books.left(who)
        answer = self.people[who].ask(tokens, model, stream=stream)
        assert answer.ok == affordable, answer.text
        if affordable:
            self.books.spend(who, cost)

    def _ask_in_trouble(self, who: int, model: str, kind: str) -> None:
        self.center.trouble(self.people[who], kind)
        answer = self.people[who].ask(100, model)
        self.center.trouble(self.people[who], None)
        assert answer.status_code == (502 if pricing.charge(model, 100) <= self.books.left(who) else answer.status_code)
        assert not answer.ok

    def _ask_at_once(self, who: int, model: str, tokens: int) -> None:
        cost = pricing.charge(model, tokens)
        affordable = min(4, self.books.left(who) // cost)
        answers = self.center.at_once([lambda: self.people[who].ask(tokens, model)] * 4)
        assert [answer.ok for answer in answers].count(True) == affordable
        self.books.spend(who, cost * affordable)

    def check(self) -> None:
        found = Books(own=self.people[2].balance())
        books, self.books = self.books, found
        self._take_stock()
        assert found == books
        self.center.always_true()


def test_random_histories_keep_what_is_always_true(center: Deployment, organization: Organization) -> None:
    people = [organization.member(), organization.member(), center.person()]

    @settings(
        max_examples=15,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEPS, min_size=1, max_size=12))
    def history(steps: list[tuple[object, ...]]) -> None:
        world = World(center, people, organization)
        for step in steps:
            world.do(step)
        world.check()

    history()
