"""The account of a person: credits, charges, calls, quota and history, required of every system that records them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from creditflow.actors.llm_requests import Answer, LlmRequest
from creditflow.actors.people import Person
from creditflow.checks import response_shapes
from creditflow.checks.account_base import API, CALLS, MOVEMENTS, AccountBase
from creditflow.core import period, tokens
from creditflow.core.errors import NotTestableError
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.drivers.http import Reply, objects

_RECENT = "a time in UTC within the last minutes"


class HistoryEntry(NamedTuple):
    """One request in a history: the API's name of the model, tokens, credits, and whether the own key paid."""

    model: str
    tokens: int
    credits: int
    own_key: bool


class PersonAccount(AccountBase):
    """Checks of what people have and use."""

    def credits(self, person: Person, expected: int) -> None:
        """Require a person's own credits in the API, in `user_credits`, and as the sum of their movements."""
        expected += self._price_difference(self._paid_by(person, None))
        balance = self._fields(self.target.ops_center.balance(person.token))
        row = self.target.unicorn.user_credits(person.id) or {"credits_remaining": 0}
        moved = [m["amount"] for m in self.target.unicorn.movements(user_id=person.id) if m["org_id"] is None]
        who = person.alias
        agree(
            [
                Finding(f"{who} has", balance.get("credits"), expected, "credits", API),
                Finding(f"{who} has", row["credits_remaining"], expected, "credits", "unicorn_db (user_credits)"),
                Finding(f"the movements of {who} add up to", sum(moved), expected, "credits", MOVEMENTS),
            ],
            self._recorded(person),
        )

    def charges(self, person: Person, amounts: Sequence[int]) -> None:
        """Require a person's charges by any payer: exactly these rows, each for a counted call of the same amount.

        Contract, "Always true": one usage row in `credit_transactions` for each charged call in `usage_tracking`,
        same request, same amount.
        """
        expected = sorted(self._expected_charges(person, list(amounts)))
        charged = sorted((str(row["request_id"]), -row["amount"]) for row in self._charges(person))
        calls = self.target.unicorn.charged_calls(person.id)
        counted = sorted((str(call["request_id"]), call["credits"]) for call in calls)
        who = person.alias
        agree(
            [
                Finding(f"the charges on the account of {who} are", _credits(charged), expected, system=MOVEMENTS),
                Finding(f"the charged calls of {who} cost", _credits(counted), expected, system=CALLS),
            ],
            self._recorded(person),
        )
        holds(
            charged == counted,
            f"the charges of {who} (credit_transactions) and their charged calls (usage_tracking) "
            f"are not of the same requests",
            self._recorded(person),
        )

    def movements(self, person: Person, expected: Sequence[tuple[str, int]]) -> None:
        """Require a person's movements, oldest first, each by its kind and its signed amount."""
        rows = self.target.unicorn.movements(user_id=person.id)
        charges = iter(self._expected_charges(person, [-amount for kind, amount in expected if kind == "usage"]))
        wanted = [(kind, -next(charges) if kind == "usage" else amount) for kind, amount in expected]
        found = [(row["transaction_type"], row["amount"]) for row in rows]
        agree(
            [Finding(f"the movements of {person.alias} are", found, wanted, system=MOVEMENTS)], self._recorded(person)
        )

    def no_organization_charged(self, person: Person) -> None:
        """Require that no organisation paid anything for a person."""
        rows = [row for row in self.target.unicorn.movements(user_id=person.id) if row["org_id"] is not None]
        agree(
            [Finding("organisations have", len(rows), 0, f"movements for {person.alias}", MOVEMENTS)],
            self._recorded(person),
        )

    def no_individual_charged(self, person: Person) -> None:
        """Require that a person's own credits have no movements but grants."""
        own = [row for row in self.target.unicorn.movements(user_id=person.id) if row["org_id"] is None]
        rows = [row for row in own if row["transaction_type"] != "grant"]
        agree(
            [Finding(f"{person.alias} has", len(rows), 0, "movements of their own credits", MOVEMENTS)],
            self._recorded(person),
        )

    def calls(self, person: Person, used: int, limit: int | None) -> None:
        """Require the calls that count in this period: two endpoints of the API, and `usage_tracking`."""
        usage = self._fields(self.target.ops_center.usage(person.token))
        balance = self._fields(self.target.ops_center.balance(person.token))
        counted = self.target.unicorn.number_of_calls(person.id, period.start().replace(tzinfo=None))
        left = None if limit is None else max(0, limit - used)
        who = person.alias
        agree(
            [
                Finding(f"{who} has used", usage.get("api_calls_used"), used, "calls", "the usage"),
                Finding(f"the limit of {who} is", usage.get("api_calls_limit"), limit, "calls", "the usage"),
                Finding(f"{who} has", usage.get("api_calls_remaining"), left, "calls left", "the usage"),
                Finding(f"{who} has used", balance.get("api_calls_used"), used, "calls", "the balance"),
                Finding(f"the limit of {who} is", balance.get("api_calls_limit"), limit, "calls", "the balance"),
                Finding(f"{who} has", counted, used, "calls", CALLS),
            ],
            self._recorded(person),
        )

    def counter(self, person: Person, expected: int) -> None:
        """Require the period's counter in Redis."""
        found = self.target.counters.calls(person.id, period.name())
        agree(
            [Finding(f"the counter of {person.alias} is at", found, expected, system="Redis")], self._recorded(person)
        )

    def one_call(self, answer: Answer, tokens: int, credits: int) -> None:
        """Require that a person has exactly one counted call, this answer's, with its tokens and credits (T6)."""
        credits -= self._price_difference([answer])
        tokens = tokens if self.target.provider_is_exact else answer.reported_tokens or 0
        rows = self.target.unicorn.calls(answer.person.id)
        found = [(str(r["request_id"]), r["tokens"], r["credits"], r["byok"], r["status"]) for r in rows]
        expected = [(answer.request_id, tokens, credits, False, 200)]
        agree([Finding("the counted calls are", found, expected, system=CALLS)], self._recorded(answer.person))

    def nothing_held(self, person: Person) -> None:
        """Require that a person has no reservation: all their columns of reserved credits are 0.

        Raises:
            NotTestableError: unicorn_db has no such column.
        """
        reserved = self.target.unicorn.reserved_credits(person.id, person.email)
        if reserved is None:
            raise NotTestableError(
                "unicorn_db has no column that shows reservations", "name such a column '..._reserved'"
            )
        agree([Finding(f"{person.alias} has", reserved, 0, "reserved credits", "unicorn_db")], self._recorded(person))

    def stated(self, answer: Answer, cost: int, left: int) -> None:
        """Require the cost and the remaining credits that an answer states."""
        difference = self._price_difference([answer])
        fields, reads = answer.fields, f"{answer.person.alias} reads in the answer that"
        agree(
            [
                Finding(f"{reads} it cost", fields.get("cost_credits"), cost - difference, "credits"),
                Finding(reads, fields.get("credits_remaining"), left + difference, "credits are left"),
                Finding(f"{reads} their own key paid:", fields.get("byok_used"), False),
            ],
            self._recorded(answer.person),
        )

    def each_stated(self, answers: Iterable[Answer], cost: int) -> None:
        """Require that each of these requests of unusual shapes was answered, for this cost and with 0 credits left."""
        findings = []
        for answer in answers:
            what, fields = f"a request {answer.request.shape}", answer.fields
            findings += [
                Finding(f"{what} is answered with", answer.reply.status, 200),
                Finding(f"{what} uses", answer.reported_tokens, answer.request.tokens, "tokens"),
                Finding(f"{what} costs", fields.get("cost_credits"), cost, "credits"),
                Finding(f"{what} leaves", fields.get("credits_remaining"), 0, "credits"),
            ]
        agree(findings)

    def spent(self, person: Person, expected: int) -> None:
        """Require the credits that the usage shows for this period, and the beginning and end of the period."""
        expected -= self._price_difference(answer for answer, _ in self._charged(person))
        usage = self._fields(self.target.ops_center.usage(person.token))
        begin, reset = str(usage.get("period_start", ""))[:10], str(usage.get("reset_date", ""))[:10]
        agree(
            [
                Finding(f"the usage page of {person.alias} shows", usage.get("credits_used"), expected, "credits"),
                Finding("the period begins on", begin, period.start().date().isoformat()),
                Finding("the quota resets on", reset, period.reset().date().isoformat()),
            ],
            self._recorded(person),
        )

    def history(self, person: Person, expected: Sequence[HistoryEntry]) -> None:
        """Require a person's history, the latest first."""
        reply = self.target.ops_center.history(person.token)
        items = objects(self._fields(reply).get("items"))
        found = [HistoryEntry._make(map(item.get, ("model", "tokens", "credits", "byok"))) for item in items]
        answers = [answer for answer in reversed(person.answers) if answer.reply.status == 200]
        expected = [self._as_reported(entry, answer) for entry, answer in zip_longest(expected, answers) if entry]
        requests, asked = [item.get("request_id") for item in items], [answer.request_id for answer in answers]
        agree(
            [
                Finding(f"the history of {person.alias} reads", found, expected),
                Finding("the history says that it has", reply.body.get("total"), len(expected), "entries"),
                Finding("the history's requests are", requests, asked),
            ],
            self._recorded(person),
        )

    def page(self, person: Person, reply: Reply, tokens: int, credits: int) -> None:
        """Require that every entry on a page of a history is a person's own answered request of this size and cost."""
        own = {answer.request_id: answer for answer in person.answers}
        items = {str(item.get("request_id")): item for item in objects(reply.body.get("items"))}
        holds(bool(items), f"the page of {person.alias}'s history is empty: {reply.text[:300]}")
        foreign = sorted(request[:4] for request in items.keys() - own.keys())
        findings = [Finding(f"the requests in {person.alias}'s history that are not theirs are", foreign, [])]
        for request, item in items.items():
            entry = HistoryEntry(str(item.get("model")), tokens, credits, False)
            entry, time = self._as_reported(entry, own.get(request)), item.get("timestamp")
            what = f"the entry {request[:4]} of {person.alias}'s history"
            findings += [
                Finding(f"{what} has", item.get("tokens"), entry.tokens, "tokens"),
                Finding(f"{what} cost", item.get("credits"), entry.credits, "credits"),
                Finding(f"{what} has the status", item.get("status"), 200),
                Finding(f"{what} has the time", _RECENT if response_shapes.is_recent(time) else time, _RECENT),
            ]
        agree(findings, lambda: f"the page reads {reply.text[:300]}")

    def pages(self, person: Person, pages: Sequence[Reply], count: int) -> None:
        """Require that the pages of a history show every one of `count` calls exactly once.

        Calls that were sent after the first page are none of them.
        """
        shown = [str(item.get("request_id")) for page in pages for item in objects(self._fields(page).get("items"))]
        later = {answer.request_id for answer in person.answers}
        due = {str(call["request_id"]) for call in self.target.unicorn.calls(person.id)} - later
        who = f"the pages of the history of {person.alias}"
        agree(
            [
                Finding(f"{person.alias} had", len(due), count, "calls before the first page", CALLS),
                Finding(f"{who} show", len(shown) - len(set(shown)), 0, "entries twice"),
                Finding(f"{who} lack", len(due - set(shown)), 0, "entries"),
                Finding(f"{who} show", len(set(shown) - due), 0, "entries that came later"),
                Finding(f"{who} say that there are", {page.body.get("total") for page in pages}, {count}, "entries"),
            ],
            self._recorded(person),
        )

    def counted_in_the_month_of_its_beginning(self, person: Person) -> None:
        """Require that one call counts in this month, and none in the next, which has begun for Ops-Center."""
        usage, next_month = self._fields(self.target.ops_center.usage(person.token)), period.reset()
        counters, calls = self.target.counters, self.target.unicorn.calls(person.id)
        later = [call for call in calls if call["created_at"] >= next_month.replace(tzinfo=None)]
        old, new = f"of {person.alias} in {period.name()}", f"of {person.alias} in {period.name(next_month)}"
        agree(
            [
                Finding(f"the counter {old} is at", counters.calls(person.id, period.name()), 1, system="Redis"),
                Finding(
                    f"the counter {new} is at",
                    counters.calls(person.id, period.name(next_month)) or 0,
                    0,
                    system="Redis",
                ),
                Finding(f"the calls {old} are", len(calls) - len(later), 1, system=CALLS),
                Finding(f"the calls {new} are", len(later), 0, system=CALLS),
                Finding(
                    "the usage page's month begins on", str(usage.get("period_start", ""))[:10], str(next_month.date())
                ),
                Finding(f"the calls {new} are", usage.get("api_calls_used"), 0, system="the usage"),
            ],
            self._recorded(person),
        )

    def used_in_the_month_that_follows(self, person: Person, calls: int, limit: int, credits: int) -> None:
        """Require the calls and the credits of the month that follows this one, which has begun for Ops-Center."""
        usage = self._fields(self.target.ops_center.usage(person.token))
        balance = self._fields(self.target.ops_center.balance(person.token))
        begin = str(period.reset().date())
        agree(
            [
                Finding("the usage page's month begins on", str(usage.get("period_start", ""))[:10], begin),
                Finding(f"the limit of {person.alias} is", usage.get("api_calls_limit"), limit, "calls", "the usage"),
                Finding(f"{person.alias} has used", usage.get("api_calls_used"), calls, "calls", "the usage"),
                Finding(f"{person.alias} has used", balance.get("api_calls_used"), calls, "calls", "the balance"),
                Finding(f"the usage page of {person.alias} shows", usage.get("credits_used"), credits, "credits"),
            ],
            self._recorded(person),
        )

    def priced(self, model: str, tokens: int, credits: int) -> None:
        """Require that the feature's price list gives the cost that the feature states for a request."""
        prices = self._cast.prices
        cost = prices.charge(model, tokens) if prices else None
        agree([Finding(f"{tokens:,} tokens of {model} cost", cost, credits, "by the feature's prices")])

    def estimated(self, person: Person, request: LlmRequest, expected: int) -> None:
        """Require that a person's request is estimated at the tokens that the feature states."""
        estimate = tokens.estimated(request.body(person.name))
        agree([Finding("the request is estimated at", estimate, expected, "tokens, by the contract's rules")])

    def _as_reported(self, entry: HistoryEntry, answer: Answer | None) -> HistoryEntry:
        """Return an entry of a history with the tokens that the provider reported and their price."""
        if self.target.provider_is_exact or answer is None:
            return entry
        credits = entry.credits - self._price_difference([answer])
        return entry._replace(tokens=answer.reported_tokens or 0, credits=credits)


def _credits(charges: list[tuple[str, int]]) -> list[int]:
    return sorted(credits for _, credits in charges)
