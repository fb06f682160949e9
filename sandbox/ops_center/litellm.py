"""LiteLLM, which sends requests to the provider, and the meaning of its refusals for the user."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

import httpx
from httpx_sse import EventSource

from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.settings import Settings

CALLS = 64
"""How many requests LiteLLM has at the same time.

The others wait here for their turn, so that the deadline of a call counts LiteLLM's work and not its queue.
"""


class NotSentError(Exception):
    """LiteLLM could not be reached, so the provider did not get the request."""


class LiteLLM:
    """The client of one LiteLLM proxy."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._url = f"{settings.litellm_url}/v1/chat/completions"
        self._headers = {
            "Authorization": f"Bearer {settings.litellm_key.get_secret_value()}",
            "x-litellm-num-retries": "0",
        }
        self._deadline = settings.litellm_seconds
        self._turns = asyncio.Semaphore(CALLS)

    async def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the provider's whole answer. Raises `NotSentError`, or the `ProblemError` for the user."""
        async with self._sent(body) as answer:
            completion: Any = json.loads(await answer.aread())
        if not isinstance(completion, dict) or "error" in completion or total_tokens(completion) is None:
            raise provider_error()
        return completion

    @asynccontextmanager
    async def stream(self, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Stream the provider's events; the body asks for a stream.

        Raises `NotSentError`, or the `ProblemError` for the user.
        """
        async with self._sent(body) as answer:
            yield _events(answer)

    @asynccontextmanager
    async def _sent(self, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        whole = None if body.get("stream") else self._deadline
        with _errors_explained():
            async with (
                self._turns,
                asyncio.timeout(whole),
                self._http.stream(
                    "POST", self._url, json=body, headers=self._headers, timeout=self._deadline
                ) as answer,
            ):
                if not answer.is_success:
                    raise refused(answer.status_code, own_key="api_key" in body)
                yield answer


@contextmanager
def _errors_explained() -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NotSentError from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise provider_timeout() from error
    except (httpx.HTTPError, ValueError) as error:
        raise provider_error() from error


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    answer.encoding = "utf-8-sig"
    with _errors_explained():
        async with aclosing(EventSource(answer).aiter_sse()) as events:
            async for event in events:
                if event.data == "[DONE]":
                    return
                if not event.data:
                    continue
                content = json.loads(event.data)
                if "error" in content:
                    break
                yield content
    raise provider_error()


def total_tokens(answer: dict[str, Any]) -> int | None:
    """Return the tokens of prompt and answer together that the provider reports; None without a report."""
    tokens = (answer.get("usage") or {}).get("total_tokens")
    return tokens if isinstance(tokens, int) else None


def refused(status: int, *, own_key: bool) -> ProblemError:
    """Return the problem for the user when LiteLLM refuses."""
    if status == 401 and own_key:
        return invalid_key()
    if status in (408, 504):
        return provider_timeout()
    if status in (400, 422):
        return provider_error("The provider does not take the request as it is. Change its parameters.")
    if own_key and status == 402:
        return provider_error("The account of your own key has no money left. Add some at the provider.")
    if own_key and status == 429:
        return provider_error(
            "The account of your own key is rate-limited or has no money left. Wait, or add money at the provider."
        )
    return provider_error()


def invalid_key() -> ProblemError:
    """Return a 401: the provider refused the user's own key."""
    return ProblemError(
        401,
        "invalid_byok_key",
        "The provider refused your own API key. Store a working one with POST /api/v1/settings/byok-keys, "
        "or send the request without X-Use-BYOK to use platform credits.",
    )


def provider_error(detail: str = "The provider could not answer. Try again in a moment.") -> ProblemError:
    """Return a 502: the provider or the connection to it failed; nothing was charged."""
    return ProblemError(502, "provider_error", f"{detail} Nothing was charged.")


def provider_timeout() -> ProblemError:
    """Return a 504: the provider took too long; nothing was charged."""
    return ProblemError(
        504, "provider_timeout", "The provider took too long. Try again in a moment. Nothing was charged."
    )
