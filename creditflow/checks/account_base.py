"""What the checks of accounts share: reading an answer, the price of a real provider's tokens, and the diagnosis.

A provider stand-in uses exactly the tokens that the feature announces. A real provider counts its own tokens: there
the expected figure is the feature's, plus the difference between the price of the announced and of the reported
tokens, both by the feature's prices. A failure then names both counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import Answer
from creditflow.actors.people import Organization, Person
from creditflow.checks import diagnosis
from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.core.expect import holds
from creditflow.reporting import evidence
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.postgres import Row
from creditflow.target.target import Target

API = "the API"
MOVEMENTS = "unicorn_db (credit_transactions)"
CALLS = "unicorn_db (usage_tracking)"
MEMBERS = "unicorn_db (organization_members)"
POOLS = "unicorn_db (organization_credits)"


def readable(target: Target, reply: Reply) -> Reply:
    """Return a reply of Ops-Center from which figures can be read.

    Raises:
        ServiceUnavailableError: Ops-Center answered with an error of its own (5xx), so that nothing can be judged.
    """
    if reply.status >= 500:
        raise ServiceUnavailableError(
            "Ops-Center", target.ops_center.http.url, f"answered {reply.status} where figures are expected"
        )
    return reply


class AccountBase:
    """The accounts of a scenario's people and organisations.

    Args:
        target: the systems to read.
        cast: the scenario's people, with the prices of its feature.
    """

    def __init__(self, target: Target, cast: Cast) -> None:
        self.target, self._cast = target, cast
        self._other_counts: dict[str, str] = {}

    def _price_difference(self, answers: Iterable[Answer]) -> int:
        """Return by how many credits the announced tokens of these answers cost more than the reported ones.

        Raises:
            NotTestableError: the provider reported no tokens.
        """
        if self.target.provider_is_exact:
            return 0
        difference = 0
        for answer in answers:
            request, reported, prices = answer.request, answer.reported_tokens, self._cast.prices
            if answer.reply.status != 200 or request.own_key:
                continue
            if reported is None:
                raise NotTestableError(
                    "the provider counts its own tokens, and this answer was left before they were reported",
                    "let the target use a provider whose usage is announced, and set PROVIDER_URL",
                )
            announced, due = prices.charge(request.model, request.tokens), prices.charge(request.model, reported)
            difference += announced - due
            if reported != request.tokens and answer.request_id not in self._other_counts:
                sentence = (
                    f"the provider reported {reported:,} tokens for request {answer.request_id[:4]} "
                    f"where the feature announces {request.tokens:,}, "
                    f"so that {due:,} credits are due instead of {announced:,}"
                )
                self._other_counts[answer.request_id] = sentence
                evidence.attach_text("The provider's own count", sentence)
        return difference

    def _charges(self, person: Person) -> list[Row]:
        rows = self.target.unicorn.movements(user_id=person.id)
        return [row for row in rows if row["transaction_type"] == "usage"]

    def _charged(self, person: Person) -> Iterator[tuple[Answer, Row]]:
        """Iterate over a person's charged answers; a repetition under the same idempotency key is none of them."""
        charges = {str(row["request_id"]): row for row in self._charges(person)}
        for answer in person.answers:
            if answer.request_id in charges:
                yield answer, charges[answer.request_id]

    def _paid_by(self, person: Person, organization: Organization | None) -> Iterator[Answer]:
        """Iterate over a person's answers that an organisation paid, or with None the person's own credits."""
        payer = organization.id if organization else ""
        for answer, row in self._charged(person):
            if str(row["org_id"] or "") == payer:
                yield answer

    def _expected_charges(self, person: Person, amounts: list[int]) -> list[int]:
        """Return the feature's charges, each with the price difference of its answer."""
        if self.target.provider_is_exact:
            return amounts
        charged = [answer for answer, _ in self._charged(person)]
        if len(amounts) != len(charged):
            return amounts
        return [amount - self._price_difference([answer]) for amount, answer in zip(amounts, charged, strict=True)]

    def _fields(self, reply: Reply) -> dict[str, Any]:
        """Return the fields of an answer that has to be 200."""
        status = readable(self.target, reply).status
        holds(status == 200, f"Ops-Center answered {status}, expected 200: {reply.text[:200]}")
        return reply.body

    def _recorded(self, person: Person) -> Callable[[], str]:
        """Return a function that reads what the systems recorded about a person."""
        return lambda: "; ".join([diagnosis.of_person(self.target, person), *self._other_counts.values()])

    def _recorded_of(self, organization: Organization) -> Callable[[], str]:
        """Return a function that reads what the systems recorded about an organisation."""
        return lambda: diagnosis.of_organization(self.target, organization)
