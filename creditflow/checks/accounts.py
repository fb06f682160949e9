"""Every check of a scenario's accounts in one place, for the steps."""

from __future__ import annotations

from creditflow.checks.organization_account import OrganizationAccount
from creditflow.checks.person_account import HistoryEntry, PersonAccount
from creditflow.checks.provider_usage import ProviderUsage

__all__ = ["Accounts", "HistoryEntry"]


class Accounts(PersonAccount, OrganizationAccount, ProviderUsage):
    """The checks of people, organisations and the provider on one target.

    Each takes the expected figure from the feature and requires it of the API and of the tables alike. A failure
    adds what the systems recorded (`creditflow.checks.diagnosis`).
    """
