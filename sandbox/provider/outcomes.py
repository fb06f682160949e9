"""The outcomes of a call in the journal, and the exception for a refusal."""

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a call."""

    ANSWERED = "answered"
    BAD_REQUEST = "bad_request"
    REFUSED_KEY = "refused_key"
    OUT_OF_MONEY = "out_of_money"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    SLOW = "slow"
    """The caller had to wait. Without a status, the caller left before the answer."""
    BROKEN_STREAM = "broken_stream"
    CLIENT_LEFT = "client_left"
    """The reader left in the middle of a stream, before the usage was reported."""


class RefusedError(Exception):
    """A call is refused before an answer begins; the dialect chooses the status and the format."""

    def __init__(
        self,
        outcome: Outcome,
        message: str = "",
        param: str | None = None,
        *,
        missing_key: bool = False,
        unknown_model: bool = False,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        """A message; empty for the default one of the outcome."""
        self.param = param
        """The wrong parameter of the body, as OpenAI reports it."""
        self.missing_key = missing_key
        """The request has no key."""
        self.unknown_model = unknown_model
        """The body is valid, but the provider does not offer the model."""
