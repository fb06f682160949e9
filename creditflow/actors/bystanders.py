"""Bystanders: an individual and an organisation of whom no scenario speaks, so that none of them may ever change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from creditflow.actors.cast import Cast
from creditflow.cleanup.cleanup import Cleanup
from creditflow.cleanup.journal import Journal
from creditflow.core.errors import EndpointMissingError
from creditflow.target.drivers.record import RecordedRequest
from creditflow.target.target import Target


@dataclass(frozen=True)
class Bystanders:
    """People who are there during the whole run and do nothing.

    Attributes:
        cast: the people and their organisation.
        entries: the record of how they were made.
    """

    cast: Cast
    entries: tuple[RecordedRequest, ...]

    @classmethod
    def make(
        cls,
        target: Target,
        owe: Callable[[Callable[[], object]], object],
        learn: Callable[[str], None],
        journal: Journal | None = None,
        tell: Callable[[str], None] = print,
    ) -> Bystanders:
        """Make an individual with credits, and an organisation whose admin has an allocation.

        A target on which nobody can be granted credits has bystanders without, and one whose Lago is not named has
        bystanders without a subscription. Where no organisation can be made, or it can't have credits, they have none,
        which is told: scenarios that need one are red themselves.

        Args:
            target: where they live.
            owe: takes what removes them again.
            learn: told every secret that is made.
            journal: where they are written before they are made.
            tell: shows the reader a line.
        """
        cleanup = Cleanup(journal)
        owe(cleanup.carry_out)
        target.record.take()
        cast = Cast(target, cleanup, learn)
        credits = 1_000 if target.has("UNICORN_DB_URL") else 0
        with_lago = target.has("LAGO_API_URL")
        cast.person("bystander", "professional" if with_lago else "", credits)
        admin = cast.person("second bystander", "platform" if with_lago else "")
        try:
            organization = cast.organization("the bystanders' organisation", admin, credits=1_000)
            target.ops_center.allocate(admin.token, organization.id, admin.email, 100)
        except (EndpointMissingError, AssertionError) as why:
            tell(f"The bystanders have no organisation with credits: {why}")
        return cls(cast, tuple(target.record.take()))
