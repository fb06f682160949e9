"""What can keep a scenario from a verdict, each told in one sentence for the reader of the report."""

from __future__ import annotations


class ServiceAway(Exception):  # noqa: N818 - a state of the target, named as the contract names it
    """A system of the target does not answer, or answers so that nothing can be read from it."""

    def __init__(self, service: str, address: str, what: str) -> None:
        self.service, self.address = service, address
        super().__init__(f"{service} at {address} {what}. See `make doctor` for what to try next.")


class NotTestableHere(AssertionError):  # noqa: N818 - a verdict of its own kind: red, never green
    """The target can't show what the scenario asks for; the sentence says what would make it testable."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"Not testable here: {what}. To make it testable: {cure}.")


class CannotRun(Exception):  # noqa: N818 - what the exception says is why nothing was judged
    """The run can't begin: a setting, a missing service or table; the sentence says what, where and what to do."""

    exit_status = 2
