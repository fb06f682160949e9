"""What people and organisations have, compared with what the feature says, in every system that records it.

Each function takes the expected figure from the feature and requires it of the API and of the tables alike; a
mismatch tells what the systems recorded (`creditflow.checks.diagnosis`).

With a provider stand-in the tokens are exactly those announced. A real provider counts its own tokens: there the
expected figure is the feature's, moved by the difference between the feature's price for the announced tokens and the
feature's price for the tokens that the provider reported, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import Answer
from creditflow.actors.people import Organization, Person
from creditflow.checks import diagnosis, response_shapes
from creditflow.core import period
from creditflow.core.errors import NotTestableError
from creditflow.core.expect import Finding, agree, holds
from creditflow.reporting import evidence
from creditflow.target.drivers.http import Reply, objects, whole
from creditflow.target.drivers.postgres import Row
from creditflow.target.target import Target


class HistoryEntry(NamedTuple):
    """One request in a history: the API's name of the model, tokens, credits, and whether the own key paid."""

    model: str
    tokens: int
    credits: int
    own_key: bool


class Accounts:
    """The accounts of a scenario's people and organisations on one target, by the feature's price list."""

    def __init__(self, target: Target, cast: Cast) -> None:
        self.target, self._cast = target, cast
        self._counted_otherwise: dict[str, str] = {}

    def credits(self, person: Person, expected: int) -> None:
        """Require a person's individual credits: the API, `user_credits`, and the sum of their own movements."""
        expected += self._drift(a for a in person.answers if self._paid_by(a, None))
        purse = self.target.unicorn.user_credits(person.id)
        own = [m["amount"] for m in self.target.unicorn.movements(user_id=person.id) if m["org_id"] is None]
        agree(
            [
                Finding(
                    f"{person.alias} has {{}} credits in the API",
                    self._balance(person).get("credits"),
                    expected,
                ),
                Finding(
                    f"{person.alias} has {{}} credits in unicorn_db (user_credits)",
                    purse["credits_remaining"] if purse else 0,
                    expected,
                ),
                Finding(
                    f"the movements of {person.alias} add up to {{}} credits (credit_transactions)",
                    sum(own),
                    expected,
                ),
            ],
            lambda: self._story(person),
        )

    def charges(self, person: Person, amounts: Sequence[int]) -> None:
        """Require the charges of a person, whoever paid: exactly these rows, each for one counted call of its amount.

        Contract, "Always true": one usage row in `credit_transactions` for each charged call in `usage_tracking`,
        same request, same amount.
        """
        expected = sorted(self._moved(list(amounts), person))
        charged = sorted((str(r["request_id"]), -r["amount"]) for r in self._usage_rows(person))
        counted = sorted(
            (str(c["request_id"]), c["credits"]) for c in self.target.unicorn.calls(person.id) if c["credits"]
        )
        agree(
            [
                Finding(f"the charges on the account of {person.alias} are {{}}", _credits(charged), expected),
                Finding(f"the charged calls of {person.alias} cost {{}} (usage_tracking)", _credits(counted), expected),
            ],
            lambda: self._story(person),
        )
        holds(
            charged == counted,
            f"the charges of {person.alias} (credit_transactions) and their charged calls (usage_tracking) "
            f"are not of the same requests",
            lambda: self._story(person),
        )

    def charged_to(self, person: Person, organization: Organization, amount: int) -> None:
        """Require one movement that names both the organisation that pays and the member who asked: this charge."""
        rows = self.target.unicorn.movements(org_id=organization.id, user_id=person.id)
        agree(
            [Finding("the charges that name both are {}", [-r["amount"] for r in rows], self._moved([amount], person))],
            lambda: diagnosis.of_organization(self.target, organization),
        )

    def movements(self, person: Person, expected: Sequence[tuple[str, int]]) -> None:
        """Require a person's movements, oldest first, each by its kind and its signed amount."""
        rows = self.target.unicorn.movements(user_id=person.id)
        charges = iter(self._moved([-amount for kind, amount in expected if kind == "usage"], person))
        wanted = [(kind, -next(charges) if kind == "usage" else amount) for kind, amount in expected]
        found = [(r["transaction_type"], r["amount"]) for r in rows]
        agree([Finding(f"the movements of {person.alias} are {{}}", found, wanted)], lambda: self._story(person))

    def no_organization_charged(self, person: Person) -> None:
        """Require that no organisation paid anything for a person."""
        rows = [r for r in self.target.unicorn.movements(user_id=person.id) if r["org_id"] is not None]
        agree(
            [
                Finding(
                    f"organisations have {{}} movements for {person.alias} (credit_transactions)",
                    len(rows),
                    0,
                )
            ],
            lambda: self._story(person),
        )

    def no_individual_charged(self, person: Person) -> None:
        """Require that nothing moved in a person's own purse but grants."""
        rows = [
            r for r in self.target.unicorn.movements(user_id=person.id)
            if r["org_id"] is None and r["transaction_type"] != "grant"
        ]  # fmt: skip
        agree(
            [
                Finding(
                    f"{person.alias} has {{}} movements in their own purse (credit_transactions)",
                    len(rows),
                    0,
                )
            ],
            lambda: self._story(person),
        )

    def calls(self, person: Person, used: int, limit: int | None) -> None:
        """Require the calls that count in this period: both answers of the API, and `usage_tracking`."""
        usage, balance = self._fields(self.target.ops_center.usage(person.token)), self._balance(person)
        remaining = None if limit is None else max(0, limit - used)
        findings = [
            Finding(f"{person.alias} has used {{}} calls in the usage", usage.get("api_calls_used"), used),
            Finding(f"the limit of {person.alias} is {{}} calls in the usage", usage.get("api_calls_limit"), limit),
            Finding(
                f"{person.alias} has {{}} calls left in the usage",
                usage.get("api_calls_remaining"),
                remaining,
            ),
            Finding(f"{person.alias} has used {{}} calls in the balance", balance.get("api_calls_used"), used),
            Finding(
                f"the limit of {person.alias} is {{}} calls in the balance",
                balance.get("api_calls_limit"),
                limit,
            ),
            Finding(
                f"{{}} calls of {person.alias} are in unicorn_db (usage_tracking)",
                len(self.target.unicorn.calls(person.id, period.start().replace(tzinfo=None))),
                used,
            ),
        ]
        agree(findings, lambda: self._story(person))

    def counter(self, person: Person, expected: int) -> None:
        """Require the period's counter in Redis."""
        found = self.target.counters.calls(person.id, period.name())
        agree(
            [Finding(f"the counter of {person.alias} is at {{}} (Redis)", found, expected)],
            lambda: self._story(person),
        )

    def allocation(self, person: Person, organization: Organization, remaining: int) -> None:
        """Require what is left of a member's allocation: the API, `organization_members`, the organisation's page."""
        remaining += self._drift(a for a in person.answers if self._paid_by(a, organization))
        mine = self._fields(self.target.ops_center.my_allocation(person.token, organization.id))
        row = self._member_row(person, organization)
        seen = self._fields(self.target.ops_center.organization(organization.admin.token, organization.id))
        members = objects(seen.get("members"))
        listed: dict[str, Any] = next((m for m in members if m.get("user_email") == person.email), {})
        given, used = whole(listed.get("allocated", 0)), whole(listed.get("used", 0))
        agree(
            [
                Finding(
                    f"{person.alias} has {{}} credits of their allocation left in the API",
                    mine.get("remaining"),
                    remaining,
                ),
                Finding(
                    f"{person.alias} has {{}} credits of their allocation left in unicorn_db (organization_members)",
                    row["allocated_credits"] - row["used_credits"],
                    remaining,
                ),
                Finding(
                    f"the organisation's page gives {person.alias} {{}} credits to spend",
                    given - used if given is not None and used is not None else f"{listed}"[:200],
                    remaining,
                ),
            ],
            lambda: self._story(person),
        )

    def used(self, person: Person, organization: Organization, expected: int) -> None:
        """Require what a member has used of their allocation, in the API and in `organization_members`."""
        expected -= self._drift(a for a in person.answers if self._paid_by(a, organization))
        mine = self._fields(self.target.ops_center.my_allocation(person.token, organization.id))
        agree(
            [
                Finding(
                    f"{person.alias} has used {{}} credits of their allocation in the API",
                    mine.get("used"),
                    expected,
                ),
                Finding(
                    f"{person.alias} has used {{}} credits in unicorn_db (organization_members)",
                    self._member_row(person, organization)["used_credits"],
                    expected,
                ),
            ],
            lambda: self._story(person),
        )

    def organization(self, organization: Organization, total: int, unallocated: int | None = None) -> None:
        """Require an organisation's credits: the API, `organization_credits`, and the sum of its movements."""
        total += self._drift(self._answers_paid_by(organization))
        fields = self._fields(self.target.ops_center.organization_credits(organization.admin.token, organization.id))
        row = self.target.unicorn.organization_credits(organization.id) or {
            "total_credits": 0,
            "allocated_credits": 0,
        }
        moved = sum(m["amount"] for m in self.target.unicorn.movements(org_id=organization.id))
        left = sum(m["allocated_credits"] - m["used_credits"] for m in self.target.unicorn.members(organization.id))
        who, allocated = organization.alias, row["allocated_credits"]
        findings = [
            Finding(f"{who} has {{}} credits in the API", fields.get("total_credits"), total),
            Finding(f"{who} has {{}} credits in unicorn_db (organization_credits)", row["total_credits"], total),
            Finding(f"the movements of {who} add up to {{}} credits (credit_transactions)", moved, total),
        ]
        if unallocated is None:
            same = fields.get("allocated_credits") == allocated == left
            told = f"the API, organization_credits and the members of {who} agree on what is allocated: {{}}"
            findings.append(Finding(told, same, True))
        else:
            wanted = total - unallocated
            findings += [
                Finding(
                    f"{who} has {{}} unallocated credits in the API", fields.get("unallocated_credits"), unallocated
                ),
                Finding(f"{who} has {{}} allocated credits in the API", fields.get("allocated_credits"), wanted),
                Finding(f"{who} has {{}} allocated credits in unicorn_db (organization_credits)", allocated, wanted),
                Finding(f"the members of {who} have {{}} credits to spend (organization_members)", left, wanted),
            ]
        agree(findings, lambda: diagnosis.of_organization(self.target, organization))

    def removed(self, organization: Organization) -> None:
        """Require that an organisation is gone with its credits and members, and its movements still booked."""
        reply = self.target.ops_center.organization(organization.admin.token, organization.id)
        unicorn, who = self.target.unicorn, f"{organization.alias} is still there after its removal:"
        agree(
            [
                Finding(f"{who} its page is answered with {{}}", reply.status, 404),
                Finding(f"{who} organization_credits has {{}}", unicorn.organization_credits(organization.id), None),
                Finding(f"{who} it has {{}} members", len(unicorn.members(organization.id)), 0),
            ],
        )
        movements = unicorn.movements(org_id=organization.id)
        holds(bool(movements), f"the movements of {organization.alias} are gone with it (credit_transactions)")

    def attribution(self, organization: Organization, expected: Sequence[tuple[Person, int, int]]) -> None:
        """Require the usage breakdown: for each person credits used and calls, and nobody else's usage in it."""
        reply = self.target.ops_center.usage_attribution(organization.admin.token, organization.id)
        self._fields_or_fail(reply, 200)
        rows = {str(row.get("user_email")): row for row in objects(reply.items)}
        findings = []
        for person, credits, calls in expected:
            row = rows.pop(person.email, {})
            moved = self._drift(a for a in person.answers if self._paid_by(a, organization))
            who = f"the breakdown gives {person.alias}"
            findings += [
                Finding(f"{who} {{}} credits", row.get("credits_used"), credits - moved),
                Finding(f"{who} {{}} calls", row.get("api_calls"), calls),
                Finding(f"{who} the user id {{}}", row.get("user_id"), person.id if calls else row.get("user_id")),
            ]
        others = [row for row in rows.values() if row.get("credits_used") or row.get("api_calls")]
        findings.append(Finding("the breakdown shows usage of {} others", len(others), 0))
        agree(findings, lambda: diagnosis.of_organization(self.target, organization))

    def one_call(self, answer: Answer, tokens: int, credits: int) -> None:
        """Require that a person has exactly one counted call, this answer's, with its tokens and credits (T6)."""
        moved = self._drift([answer])
        tokens = tokens if self.target.provider_is_exact else answer.reported_tokens or 0
        rows = self.target.unicorn.calls(answer.person.id)
        found = [(str(r["request_id"]), r["tokens"], r["credits"], r["byok"], r["status"]) for r in rows]
        agree(
            [
                Finding(
                    "the counted calls are {} (usage_tracking)",
                    found,
                    [(answer.request_id, tokens, credits - moved, False, 200)],
                )
            ],
            lambda: self._story(answer.person),
        )

    def provider_calls(self, person: Person, own_key: int, platform_key: int) -> None:
        """Require how often the provider was called for a person, and with which key."""
        seen = self.target.provider.calls(person.name)
        prints = diagnosis.own_fingerprints(person)
        own = sum(c.key_fingerprint in prints for c in seen)
        platform = sum(c.key_fingerprint == self.target.settings.platform_key_fingerprint for c in seen)
        agree(
            [
                Finding(f"the provider was called {{}} times with the own key of {person.alias}", own, own_key),
                Finding(
                    f"the provider was called {{}} times with the platform's key for {person.alias}",
                    platform,
                    platform_key,
                ),
                Finding(
                    f"the provider was called {{}} times for {person.alias}",
                    len(seen),
                    own_key + platform_key,
                ),
            ],
            lambda: self._story(person),
        )

    def provider_total(self, person: Person, expected: int) -> None:
        """Require how often the provider was called for a person, whichever key paid."""
        agree(
            [
                Finding(
                    f"the provider was called {{}} times for {person.alias}",
                    len(self.target.provider.calls(person.name)),
                    expected,
                )
            ],
            lambda: self._story(person),
        )

    def nothing_held(self, person: Person) -> None:
        """Require that no reservation of a person is left: every column of theirs that holds credits is at 0."""
        held = self.target.unicorn.reserved_credits(person.id, person.email)
        if held is None:
            raise NotTestableError(
                "unicorn_db has no column that shows reservations", "name such a column '..._reserved'"
            )
        agree(
            [Finding(f"{person.alias} has {{}} credits held in unicorn_db", held, 0)],
            lambda: self._story(person),
        )

    def exact(self, answer: Answer) -> None:
        """Require that a provider that announces its usage reported exactly the tokens of the feature."""
        if self.target.provider_is_exact:
            agree(
                [Finding("the provider reported {} tokens", answer.reported_tokens, answer.request.tokens)],
                lambda: self._story(answer.person),
            )

    def stated(self, answer: Answer, cost: int, left: int) -> None:
        """Require what an answer itself says of its cost and of what the subject has left."""
        moved = self._drift([answer])
        fields, who = answer.fields, f"{answer.person.alias} reads in the answer that"
        agree(
            [
                Finding(f"{who} it cost {{}} credits", fields.get("cost_credits"), cost - moved),
                Finding(f"{who} {{}} credits are left", fields.get("credits_remaining"), left + moved),
                Finding(f"{who} their own key paid: {{}}", fields.get("byok_used"), False),
            ],
            lambda: self._story(answer.person),
        )

    def spent(self, person: Person, expected: int) -> None:
        """Require the credits that the usage page shows for this period, and when the period begins and ends."""
        expected -= self._drift(a for a in person.answers if self._charge_of(a))
        usage = self._fields(self.target.ops_center.usage(person.token))
        agree(
            [
                Finding(
                    f"the usage page of {person.alias} shows {{}} credits",
                    usage.get("credits_used"),
                    expected,
                ),
                Finding(
                    "the period begins on {}",
                    str(usage.get("period_start", ""))[:10],
                    period.start().date().isoformat(),
                ),
                Finding(
                    "the quota starts anew on {}",
                    str(usage.get("reset_date", ""))[:10],
                    period.reset().date().isoformat(),
                ),
            ],
            lambda: self._story(person),
        )

    def history(self, person: Person, expected: Sequence[HistoryEntry]) -> None:
        """Require a person's history, the latest first."""
        reply = self.target.ops_center.history(person.token)
        items = objects(self._fields(reply).get("items"))
        found = [HistoryEntry._make(map(item.get, ("model", "tokens", "credits", "byok"))) for item in items]
        answers = [a for a in reversed(person.answers) if a.reply.status == 200]
        expected = [self._measured(entry, a) for entry, a in zip_longest(expected, answers) if entry]
        agree(
            [
                Finding(f"the history of {person.alias} reads {{}}", found, expected),
                Finding("the history says that it has {} entries", reply.body.get("total"), len(expected)),
                Finding(
                    "the history's requests are {}",
                    [i.get("request_id") for i in items],
                    [a.request_id for a in answers],
                ),
            ],
            lambda: self._story(person),
        )

    def page(self, person: Person, reply: Reply, tokens: int, credits: int) -> None:
        """Require that every entry of a history's page is a person's own answered request of this size and charge."""
        own = {a.request_id: a for a in person.answers}
        items = objects(reply.body.get("items"))
        holds(bool(items), f"the page of {person.alias}'s history is empty: {reply.text[:300]}")
        findings = []
        for item in items:
            answer = own.get(str(item.get("request_id")))
            wanted = self._measured(HistoryEntry(str(item.get("model")), tokens, credits, False), answer)
            what = f"the entry {str(item.get('request_id'))[:4]} of {person.alias}'s history"
            findings += [
                Finding(f"{what} is a request of theirs: {{}}", answer is not None, True),
                Finding(f"{what} has {{}} tokens", item.get("tokens"), wanted.tokens),
                Finding(f"{what} cost {{}} credits", item.get("credits"), wanted.credits),
                Finding(f"{what} has the status {{}}", item.get("status"), 200),
                Finding(
                    f"{what} says in UTC when it was: {{}}", response_shapes.is_recent(item.get("timestamp")), True
                ),
            ]
        agree(findings, lambda: f"the page reads {reply.text[:300]}")

    def priced(self, model: str, tokens: int, credits: int) -> None:
        """Require that by the feature's own price list a request costs what the feature says it does."""
        cost = self._cast.prices.charge(model, tokens)
        agree(
            [Finding(f"{tokens:,} tokens of {model} cost {{}} by the feature's prices", cost, credits)],
        )

    def _story(self, person: Person) -> str:
        """What the systems recorded, and where the provider counted otherwise than the feature announces."""
        return "; ".join([diagnosis.of_person(self.target, person), *self._counted_otherwise.values()])

    def _measured(self, entry: HistoryEntry, answer: Answer | None) -> HistoryEntry:
        """An entry of a history by the tokens that the provider reported, where it counts its own."""
        if self.target.provider_is_exact or answer is None:
            return entry
        moved = self._drift([answer])
        return entry._replace(tokens=answer.reported_tokens or 0, credits=entry.credits - moved)

    def _drift(self, answers: Iterable[Answer]) -> int:
        if self.target.provider_is_exact:
            return 0
        return sum(self._difference(a) for a in answers if a.reply.status == 200 and not a.request.own_key)

    def _difference(self, answer: Answer) -> int:
        if answer.reported_tokens is None:
            raise NotTestableError(
                "the provider counts its own tokens and this answer was left before it told them",
                "let the target use a provider whose usage is announced, and set PROVIDER_URL",
            )
        prices, model = self._cast.prices, answer.request.model
        announced, due = (prices.charge(model, n) for n in (answer.request.tokens, answer.reported_tokens))
        if answer.reported_tokens != answer.request.tokens and answer.request_id not in self._counted_otherwise:
            told = (
                f"the provider reported {answer.reported_tokens:,} tokens for request {answer.request_id[:4]} "
                f"where the feature announces {answer.request.tokens:,}, "
                f"so that {due:,} credits are due instead of {announced:,}"
            )
            self._counted_otherwise[answer.request_id] = told
            evidence.attach_text("The provider's own count", told)
        return announced - due

    def _moved(self, amounts: list[int], person: Person) -> list[int]:
        if self.target.provider_is_exact:
            return amounts
        answers = [a for a in person.answers if self._charge_of(a)]
        if len(amounts) != len(answers):
            return amounts
        return [amount - self._difference(answer) for amount, answer in zip(amounts, answers, strict=True)]

    def _usage_rows(self, person: Person) -> list[Row]:
        rows = self.target.unicorn.movements(user_id=person.id)
        return [r for r in rows if r["transaction_type"] == "usage"]

    def _charge_of(self, answer: Answer) -> Row | None:
        """The row that charges an answer; a repetition under the same idempotency key has none."""
        rows = self._usage_rows(answer.person)
        return next((r for r in rows if str(r["request_id"]) == answer.request_id), None)

    def _paid_by(self, answer: Answer, organization: Organization | None) -> bool:
        """Whether an answer was charged to an organisation, or with None to the person's own purse."""
        row = self._charge_of(answer)
        payer = organization.id if organization else None
        return row is not None and (str(row["org_id"]) if row["org_id"] else None) == payer

    def _answers_paid_by(self, organization: Organization) -> Iterator[Answer]:
        people = (organization.admin, *organization.members)
        return (a for p in people for a in p.answers if self._paid_by(a, organization))

    def _member_row(self, person: Person, organization: Organization) -> Row:
        rows = self.target.unicorn.members(organization.id)
        found = next((r for r in rows if r["user_email"] == person.email), None)
        return found or {"allocated_credits": 0, "used_credits": 0}

    def _balance(self, person: Person) -> dict[str, Any]:
        return self._fields(self.target.ops_center.balance(person.token))

    def _fields(self, reply: Reply) -> dict[str, Any]:
        return self._fields_or_fail(reply, 200)

    def _fields_or_fail(self, reply: Reply, status: int) -> dict[str, Any]:
        holds(
            reply.status == status,
            f"Ops-Center answered {reply.status} where {status} is due: {reply.text[:200]}",
        )
        return reply.body


def _credits(charges: list[tuple[str, int]]) -> list[int]:
    return sorted(credits for _, credits in charges)
