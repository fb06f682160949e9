"""The suite's own errors. Each message is one sentence for the reader of the report."""

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
"""The setting that contains the address of each service."""


class ExpectedError(Exception):
    """An expected error whose message is complete; reports leave out the traceback."""


class ServiceUnavailableError(ExpectedError):
    """A system of the target does not answer, or its answer can't be read.

    Args:
        service: its name, such as "Keycloak" or "PostgreSQL (lago)".
        address: its address.
        what: what happened, in words that follow "Keycloak at http://...".
        cure: what to try next. The default is to start it, read its log, or correct its setting.
    """

    def __init__(self, service: str, address: str, what: str, cure: str = "") -> None:
        self.service, self.address, self.what = service, address, what
        setting = _SETTINGS.get(service, "the setting with its address")
        super().__init__(
            f"{service} at {address} {what}: {cure or f'start it, look into its log, or correct {setting}'}."
        )


class EndpointMissingError(ExpectedError):
    """The target's Ops-Center lacks an endpoint of the plan, so what needs the endpoint can't be judged."""

    def __init__(self, method: str, path: str, number: str, answer: str) -> None:
        super().__init__(f"This Ops-Center has no {method} {path} ({number} of the plan): it answered {answer}.")


class NotTestableError(AssertionError):
    """The target can't show what the scenario asks for; the message says what would make it testable."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"Not testable here: {what}. To make it testable: {cure}.")


class NothingCheckedError(Exception):
    """A step that states an outcome compared nothing; the message names the step and what to do."""


class CannotRunError(Exception):
    """The run can't begin, because of a setting, service or table; the message says what is wrong and what to do."""

    exit_status = 2


class TooBusyError(ExpectedError):
    """The machine is too busy to judge a limit of time; the message has the figures."""
