"""Bystanders: a person and an organisation that no scenario uses, so nothing about them may change."""

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
    """People and an organisation that exist during the whole run and do nothing.

    Attributes:
        cast: the people and the organisation.
        entries: the record of their creation.
    """

    cast: Cast
    entries: tuple[RecordedRequest, ...]

    @classmethod
    def make(
        cls,
        target: Target,
        add_finalizer: Callable[[Callable[[], object]], object],
        learn: Callable[[str], None],
        journal: Journal | None = None,
        report: Callable[[str], None] = print,
    ) -> Bystanders:
        """Create an individual with credits, and an organisation with an allocation for its admin.

        Without `UNICORN_DB_URL` the individual has no credits, and without `LAGO_API_URL` nobody has a subscription. If
        the organisation can't be created or can't get credits, this is reported; it is no error, because the scenarios
        about organisations will be red.

        Args:
            target: the deployment.
            add_finalizer: takes the function that removes the bystanders.
            learn: receives each new secret.
            journal: the clean-up journal.
            report: receives a line for the reader.
        """
        cleanup = Cleanup(journal)
        add_finalizer(cleanup.carry_out)
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
            report(f"The bystanders have no organisation with credits: {why}")
        return cls(cast, tuple(target.record.take()))
