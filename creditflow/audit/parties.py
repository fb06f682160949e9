"""The people and organisations that are audited, and what was done to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from creditflow.actors.bystanders import Bystanders
from creditflow.actors.cast import Cast
from creditflow.actors.people import Organization, Person
from creditflow.audit.history import History, Names, acts, read
from creditflow.core import prices
from creditflow.target.drivers.record import RecordedRequest
from creditflow.target.target import Target


@dataclass(frozen=True)
class Parties:
    """The people and organisations that are audited.

    Attributes:
        cast: the people and organisations of the scenario.
        people: they and the bystanders.
        organizations: those of the scenario and of the bystanders.
        before: the record of what was done to the bystanders.
    """

    cast: Cast
    people: tuple[Person, ...]
    organizations: tuple[Organization, ...]
    before: tuple[RecordedRequest, ...]

    @classmethod
    def of(cls, cast: Cast, bystanders: Bystanders | None) -> Parties:
        """Return the cast of a scenario together with the bystanders of the run."""
        if bystanders is None:
            return cls(cast, tuple(cast.people), tuple(cast.organizations), ())
        others = bystanders.cast
        return cls(
            cast, (*cast.people, *others.people), (*cast.organizations, *others.organizations), bystanders.entries
        )


def history_of(target: Target, parties: Parties, entries: Iterable[RecordedRequest]) -> History:
    """Return what was done to these people and organisations, with the prices of the scenario's feature."""
    names = Names({p.email: p.id for p in parties.people}, {p.name: p.id for p in parties.people})
    stated = parties.cast.prices
    rates = stated.credits if stated else prices.PLAN
    done = [*parties.before, *entries]
    return History(
        people={p.id: p.alias for p in parties.people},
        subscriptions={p.id: p.subscription for p in parties.people if p.plan},
        operations=read(done, names, target.provider_is_exact),
        prices={prices.MODELS[model]: rate for model, rate in rates.items()},
        acts=acts(done, names, target.provider_is_exact),
        exact=target.provider_is_exact,
    )
