"""How a call can end: the words that the journal uses, and the refusal that carries one of them."""

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a call."""

    ANSWERED = "answered"
    BAD_REQUEST = "bad_request"
    REFUSED_KEY = "refused_key"
    OUT_OF_MONEY = "out_of_money"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    SLOW = "slow"
    """Made to wait. Without a status the caller left before the answer came."""
    BROKEN_STREAM = "broken_stream"
    CLIENT_LEFT = "client_left"
    """The reader went away in the middle of a stream, before usage was reported."""


class RefusedError(Exception):
    """A call is refused before an answer begins; the provider's own shape and status are its dialect's."""

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
        """A sentence, where the outcome alone does not say enough."""
        self.param = param
        """The body's parameter at fault, as OpenAI reports it."""
        self.missing_key = missing_key
        """No key was sent at all."""
        self.unknown_model = unknown_model
        """The body is sound, but the provider has no such model."""
