"""The oracle against products that decide at any moment of a request.

A simulated product answers requests of a few people, many of them at the same time. It checks and reserves at a random
moment of each request, and settles at a later one. The oracle sees only the begin and the end of each request. All
that such a product answers is allowed; one answer that is changed, where nothing else was under way, is not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from creditflow.audit import oracle
from creditflow.audit.history import Act, Asked, History
from creditflow.audit.ledger import Agreement
from creditflow.core import period
from creditflow.core.prices import charge

MODEL, RATE, CLUB = "openai/gpt-3.5-turbo", 9, "0b8c1d2e-0000-4000-8000-00000000c1ab"
PEOPLE = {"ann": "Ann", "ben": "Ben", "cat": "Cat", "dan": "Dan"}
"""Ann and Ben pay themselves; Cat and Dan are members of an organisation."""


@dataclass(frozen=True)
class Sent:
    """A request: who sends it, its tokens, what it really uses, and four moments of it in their order."""

    who: str
    tokens: int
    used: int
    fails: bool
    began: int
    moments: tuple[int, int, int]

    @property
    def decided(self) -> int:
        return self.began + self.moments[0]

    @property
    def settled(self) -> int:
        return self.decided + self.moments[1]

    @property
    def ended(self) -> int:
        return self.settled + self.moments[2]


sent = st.lists(
    st.builds(
        Sent,
        st.sampled_from(sorted(PEOPLE)),
        st.sampled_from((50, 100, 200)),
        st.sampled_from((50, 100, 200)),
        st.booleans(),
        st.integers(0, 60),
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    ),
    min_size=1,
    max_size=12,
)


@dataclass
class Product:
    """Credits, allocations and calls that are left, less what is reserved."""

    own: dict[str, int]
    calls: dict[str, int]
    total: int
    left: dict[str, int]
    answers: dict[int, tuple[int, str]] = field(default_factory=dict)
    needs: dict[int, int] = field(default_factory=dict)

    def decide(self, number: int, one: Sent) -> None:
        needs = charge(RATE, one.tokens)
        if self.calls[one.who] < 1:
            refusal = 429, "quota_exceeded"
        elif one.who in self.own and self.own[one.who] < needs:
            refusal = 402, "insufficient_credits"
        elif one.who in self.left and self.total < needs:
            refusal = 402, "insufficient_organization_credits"
        elif one.who in self.left and self.left[one.who] < needs:
            refusal = 402, "allocation_exhausted"
        else:
            self.needs[number] = needs
            self.calls[one.who] -= 1
            self.take(one.who, needs)
            return
        self.answers[number] = refusal

    def settle(self, number: int, one: Sent) -> None:
        if number not in self.needs:
            return
        self.take(one.who, -self.needs[number])
        if one.fails:
            self.answers[number] = 502, "provider_error"
        else:
            there = self.own.get(one.who, self.left.get(one.who, 0))
            self.take(one.who, min(there, charge(RATE, one.used)))
            self.answers[number] = 200, ""

    def take(self, who: str, credits: int) -> None:
        if who in self.own:
            self.own[who] -= credits
        else:
            self.total -= credits
            self.left[who] -= credits


def lived(requests: list[Sent], own: int, total: int, left: int, calls: int) -> tuple[list[Act], list[Act]]:
    """Return the acts before the first request, and those of the requests with the product's answers."""
    left = min(left, total // 2)
    product = Product({"ann": own, "ben": own}, dict.fromkeys(PEOPLE, calls), total, {"cat": left, "dan": left})
    events = [(one.decided, product.decide, number) for number, one in enumerate(requests)]
    events += [(one.settled, product.settle, number) for number, one in enumerate(requests)]
    for _, happen, number in sorted(events, key=lambda event: event[0]):
        happen(number, requests[number])
    before = [
        act("create_organization", "cat", 201, name="n", tier="platform", made=CLUB),
        act("invite", "cat", 201, organization=CLUB, email="dan@example.com", role="member"),
        act("purchase", "cat", 201, organization=CLUB, credits=total, key=None),
        *(
            act("allocate", "cat", 200, organization=CLUB, email=f"{who}@example.com", credits=left)
            for who in ("cat", "dan")
            if left
        ),
        *(act("grant", user_id=who, credits=own) for who in ("ann", "ben")),
        *(act("place_calls", user_id=who, count=700 - calls, at=period.now()) for who in PEOPLE),
    ]
    done = [chat(number, one, *product.answers[number]) for number, one in enumerate(requests)]
    return before, done


def act(what: str, who: str = "", status: int | None = None, made: str = "", **given: Any) -> Act:
    return Act(what, who, -2, -1, status, address=f"{who}@example.com", made=made, given=given)


def chat(number: int, one: Sent, status: int, code: str) -> Act:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "a"}], "max_tokens": one.tokens - 1}
    asked = Asked(one.who, f"r{number}", MODEL, one.used, status, code, estimate=one.tokens)
    address, more = f"{one.who}@example.com", {"body": json.loads(json.dumps(body)), "headers": {}}
    return Act("chat", one.who, one.began, one.ended, status, code, address=address, given=more, asked=asked)


def judged(before: list[Act], done: list[Act], exact: bool = True) -> oracle.Verdict:
    acts = (*before, *sorted(done, key=lambda each: each.ended))
    return oracle.judge(History(PEOPLE, {}, (), {MODEL: RATE}, acts, exact=exact))


some = st.integers(0, 40)


@settings(max_examples=200, deadline=None)
@given(requests=sent, own=some, total=st.integers(2, 80), left=st.integers(1, 40), calls=st.integers(0, 4))
def test_whatever_a_right_product_answers_is_allowed(
    requests: list[Sent], own: int, total: int, left: int, calls: int
) -> None:
    verdict = judged(*lived(requests, own, total, left, calls), exact=not any(one.fails for one in requests))
    assert verdict.wrong == ()
    assert verdict.agreement is Agreement.YES
    assert len([one for one in verdict.decided if one.form == "whole"]) == len(requests)


@settings(max_examples=200, deadline=None)
@given(
    requests=sent,
    own=some,
    total=st.integers(2, 80),
    left=st.integers(1, 40),
    calls=st.integers(0, 4),
    data=st.data(),
)
def test_an_answer_that_is_changed_where_nothing_else_was_under_way_is_not_allowed(
    requests: list[Sent], own: int, total: int, left: int, calls: int, data: st.DataObject
) -> None:
    apart = [replace(one, began=60 * number, fails=False) for number, one in enumerate(requests)]
    before, done = lived(apart, own, total, left, calls)
    number = data.draw(st.integers(0, len(done) - 1))
    there = done[number]
    others = {(200, ""), (429, "quota_exceeded"), (402, "insufficient_credits"), (402, "allocation_exhausted")}
    status, code = data.draw(st.sampled_from(sorted(others - {(there.status, there.code)})))
    done[number] = chat(number, apart[number], status, code)
    assert any(f"request r{number})" in sentence for sentence in judged(before, done).wrong)
