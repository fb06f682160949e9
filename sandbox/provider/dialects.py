"""The formats of the two providers: completions, streams and errors, after their API references.

OpenRouter: https://openrouter.ai/docs/api-reference. OpenAI: https://platform.openai.com/docs/api-reference/chat.
"""

import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fastapi.responses import JSONResponse

from sandbox.provider.accounts import Provider
from sandbox.provider.answers import Answer
from sandbox.provider.outcomes import Outcome, RefusedError
from sandbox.provider.usage import NANO_DOLLARS, Usage, dollars

RETRY_AFTER_SECONDS = 7

END = b"data: [DONE]\n\n"
"""The end of a whole stream."""

_MAKERS = {"openai": "OpenAI", "anthropic": "Anthropic"}

Json = dict[str, Any]


class AsciiJSON(JSONResponse):
    """JSON in ASCII, because a caller's text may contain half a surrogate pair."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content).encode()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as an HTTP answer."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


class Dialect(ABC):
    """The format of one provider."""

    provider: ClassVar[Provider]
    id_prefix: ClassVar[str]

    def new_id(self) -> str:
        """Return an id for a call in the provider's format, for the completion and the journal."""
        return self.id_prefix + secrets.token_hex(12)

    @abstractmethod
    def priced_as(self, model: str) -> str | None:
        """Return OpenRouter's name of a model, which has a price, or None when this provider does not offer it."""

    @abstractmethod
    def unknown_model(self, model: str) -> RefusedError:
        """Return the refusal of an unknown model."""

    @abstractmethod
    def refusal(self, refused: RefusedError) -> Refusal:
        """Return the status, body and headers of a refusal."""

    @abstractmethod
    def headers(self, answer: Answer) -> dict[str, str]:
        """Return the provider's own headers of an answer."""

    @abstractmethod
    def usage(self, usage: Usage, model: str) -> Json:
        """Return the usage field."""

    def completion(self, answer: Answer) -> Json:
        """Return the whole answer."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        return self._head(answer, "chat.completion") | {
            "choices": [self._choice("message", message, answer.finish_reason, i) for i in range(answer.count)],
            "usage": self.usage(answer.usage, answer.model),
        }

    def events(self, answer: Answer) -> list[bytes]:
        """Return the events of a stream before its ending."""
        texts = answer.pieces()
        deltas: list[Json] = [{"role": "assistant", "content": texts[0]}]
        deltas += ({"content": text} for text in texts[1:])
        return [
            self._chunk(answer, [self._choice("delta", delta, None, index)])
            for delta in deltas
            for index in range(answer.count)
        ]

    def ending(self, answer: Answer, *, with_usage: bool) -> bytes:
        """Return the end of a stream: the finish reason, the usage in a chunk without choices, and ``[DONE]``."""
        events = b"".join(
            self._chunk(answer, [self._choice("delta", {}, answer.finish_reason, index)])
            for index in range(answer.count)
        )
        if with_usage:
            events += self._chunk(answer, [], usage=self.usage(answer.usage, answer.model))
        return events + END

    @abstractmethod
    def break_off(self, answer: Answer) -> bytes:
        """Return the error that ends a stream in the middle, without usage and ``[DONE]``."""

    @abstractmethod
    def _head(self, answer: Answer, kind: str) -> Json: ...

    def _choice(self, part: str, content: Json, finish_reason: str | None, index: int = 0) -> Json:
        return {"index": index, part: content, "logprobs": None, "finish_reason": finish_reason}

    def _chunk(self, answer: Answer, choices: list[Json], **more: Any) -> bytes:
        return _event(self._head(answer, "chat.completion.chunk") | {"choices": choices} | more)


class OpenRouter(Dialect):
    """OpenRouter: models by maker and name, usage with its cost in every answer, comments in streams."""

    provider = "openrouter"
    id_prefix = "gen-"

    _refusals: ClassVar[dict[Outcome, tuple[int, str]]] = {
        Outcome.BAD_REQUEST: (400, "Bad request"),
        Outcome.REFUSED_KEY: (401, "User not found."),
        Outcome.OUT_OF_MONEY: (
            402,
            "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        ),
        Outcome.RATE_LIMITED: (429, "Rate limit exceeded"),
        Outcome.SERVER_ERROR: (500, "Internal Server Error"),
        Outcome.BROKEN_STREAM: (502, "Provider returned error"),
    }

    def priced_as(self, model: str) -> str | None:
        """Return the same name."""
        return model if model in NANO_DOLLARS else None

    def unknown_model(self, model: str) -> RefusedError:
        """Return a bad request."""
        return RefusedError(Outcome.BAD_REQUEST, f"{model} is not a valid model ID")

    def refusal(self, refused: RefusedError) -> Refusal:
        """Return ``{"error": {"code": status, "message": ..., "metadata": ...}}``."""
        status, message = self._refusals[refused.outcome]
        if refused.missing_key:
            message = "No auth credentials found"
        error: Json = {"message": refused.message or message, "code": status}
        headers: dict[str, str] = {}
        if refused.outcome is Outcome.OUT_OF_MONEY:
            error["metadata"] = {"limit_source": "openrouter_credits"}
        elif refused.outcome is Outcome.RATE_LIMITED:
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            reset = int((time.time() + RETRY_AFTER_SECONDS) * 1000)
            limits = {"Limit": "20", "Remaining": "0", "Reset": str(reset)}
            error["metadata"] = {"headers": {f"X-RateLimit-{name}": value for name, value in limits.items()}}
        return Refusal(status, {"error": error}, headers)

    def headers(self, answer: Answer) -> dict[str, str]:
        """Return the id of the generation."""
        return {"X-Generation-Id": answer.id}

    def usage(self, usage: Usage, model: str) -> Json:
        """Return the tokens, and the cost in US dollars."""
        cost = dollars(usage.cost(model))
        return {
            **_tokens(usage),
            "cost": cost,
            "is_byok": False,
            "prompt_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": 0,
                "audio_tokens": 0,
            },
            "cost_details": {"upstream_inference_cost": cost},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }

    def events(self, answer: Answer) -> list[bytes]:
        """Return the events, after a comment that asks the reader to wait."""
        first, *rest = super().events(answer)
        return [b": OPENROUTER PROCESSING\n\n" + first, *rest]

    def ending(self, answer: Answer, *, with_usage: bool) -> bytes:
        """Return the end of a stream, always with usage."""
        return super().ending(answer, with_usage=True)

    def break_off(self, answer: Answer) -> bytes:
        """Return a chunk with an error and the finish reason ``error``."""
        error = {"code": 502, "message": "Provider disconnected unexpectedly"}
        return self._chunk(answer, [self._choice("delta", {"content": ""}, "error")], error=error)

    def _head(self, answer: Answer, kind: str) -> Json:
        return {
            "id": answer.id,
            "provider": _MAKERS[answer.model.split("/")[0]],
            "model": answer.model,
            "object": kind,
            "created": answer.created,
        }

    def _choice(self, part: str, content: Json, finish_reason: str | None, index: int = 0) -> Json:
        return super()._choice(part, content, finish_reason, index) | {"native_finish_reason": finish_reason}


class OpenAI(Dialect):
    """OpenAI: models by name, usage in a stream only for those who ask, errors with type and code."""

    provider = "openai"
    id_prefix = "chatcmpl-"

    _refusals: ClassVar[dict[Outcome, tuple[int, str, str, str | None]]] = {
        Outcome.BAD_REQUEST: (400, "invalid_request_error", "Bad request", None),
        Outcome.REFUSED_KEY: (
            401,
            "invalid_request_error",
            "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
            "invalid_api_key",
        ),
        Outcome.OUT_OF_MONEY: (
            429,
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
        ),
        Outcome.RATE_LIMITED: (429, "requests", "Rate limit reached for requests", "rate_limit_exceeded"),
        Outcome.SERVER_ERROR: (
            500,
            "server_error",
            "The server had an error while processing your request. Sorry about that!",
            None,
        ),
        Outcome.BROKEN_STREAM: (502, "server_error", "Bad gateway.", None),
    }

    def priced_as(self, model: str) -> str | None:
        """Return the name with OpenRouter's prefix ``openai/``."""
        name = f"openai/{model}"
        return name if name in NANO_DOLLARS else None

    def unknown_model(self, model: str) -> RefusedError:
        """Return a 404 with its own code."""
        message = f"The model `{model}` does not exist or you do not have access to it."
        return RefusedError(Outcome.BAD_REQUEST, message, "model", unknown_model=True)

    def refusal(self, refused: RefusedError) -> Refusal:
        """Return ``{"error": {"message", "type", "param", "code"}}``; an empty account is a 429 here."""
        status, kind, message, code = self._refusals[refused.outcome]
        if refused.missing_key:
            message, code = "You didn't provide an API key. Send it as a bearer token.", None
        if refused.unknown_model:
            status, code = 404, "model_not_found"
        headers: dict[str, str] = {"x-request-id": f"req_{secrets.token_hex(16)}"}
        if refused.outcome is Outcome.RATE_LIMITED:
            headers |= {
                "Retry-After": str(RETRY_AFTER_SECONDS),
                "x-ratelimit-limit-requests": "20",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": f"{RETRY_AFTER_SECONDS}s",
            }
        error = {"message": refused.message or message, "type": kind, "param": refused.param, "code": code}
        return Refusal(status, {"error": error}, headers)

    def headers(self, answer: Answer) -> dict[str, str]:
        """Return the id of the request."""
        return {"x-request-id": f"req_{answer.id.removeprefix(self.id_prefix)}"}

    def usage(self, usage: Usage, model: str) -> Json:
        """Return the tokens; OpenAI reports no cost."""
        return {
            **_tokens(usage),
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0},
        }

    def break_off(self, answer: Answer) -> bytes:
        """Return an event with only an error."""
        return _event(self.refusal(RefusedError(Outcome.SERVER_ERROR)).body)

    def _head(self, answer: Answer, kind: str) -> Json:
        return {
            "id": answer.id,
            "object": kind,
            "created": answer.created,
            "model": answer.model,
            "system_fingerprint": "fp_stand_in",
        }


def _tokens(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def _event(content: Json) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(content).encode() + b"\n\n"
