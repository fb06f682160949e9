"""What can keep a scenario from a verdict, each told in one sentence for the reader of the report."""

from __future__ import annotations

_SETTINGS = {
    "Ops-Center": "OPS_CENTER_URL",
    "Keycloak": "KEYCLOAK_URL",
    "PostgreSQL (unicorn_db)": "UNICORN_DB_URL and UNICORN_DB_READ_URL",
    "PostgreSQL (lago)": "LAGO_DB_READ_URL",
    "Redis": "REDIS_URL",
    "Lago": "LAGO_API_URL",
    "LiteLLM": "LITELLM_URL",
    "The provider stand-in": "PROVIDER_URL",
}
"""The setting that names a service."""


class ExpectedError(Exception):
    """What its sentence says is all that a reader needs: where in the suite it was found out tells nothing more."""


class ServiceUnavailableError(ExpectedError):
    """A system of the target does not answer, or answers so that nothing can be read from it.

    Args:
        service: its name, such as "Keycloak" or "PostgreSQL (lago)".
        address: where it was asked.
        what: what happened, in words that follow "Keycloak at http://...".
        cure: what to try next; by default to start it, look into its log or correct the setting that names it.
    """

    def __init__(self, service: str, address: str, what: str, cure: str = "") -> None:
        self.service, self.address, self.what = service, address, what
        setting = _SETTINGS.get(service, "the setting that names it")
        super().__init__(
            f"{service} at {address} {what}: {cure or f'start it, look into its log, or correct {setting}'}."
        )


class EndpointMissingError(ExpectedError):
    """The target's Ops-Center does not have an endpoint of the plan, so that what needs it can't be judged."""

    def __init__(self, method: str, path: str, number: str, said: str) -> None:
        super().__init__(f"This Ops-Center has no {method} {path} ({number} of the plan): it answered {said}.")


class NotTestableError(AssertionError):
    """The target can't show what the scenario asks for; the sentence says what would make it testable."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"Not testable here: {what}. To make it testable: {cure}.")


class NothingCheckedError(Exception):
    """A step that states an outcome compared nothing; the sentence says which, and what to do."""


class CannotRunError(Exception):
    """The run can't begin: a setting, a missing service or table; the sentence says what, where and what to do."""

    exit_status = 2
