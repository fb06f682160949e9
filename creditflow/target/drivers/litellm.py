"""LiteLLM: its health, its models, and requests that bypass Ops-Center."""

from __future__ import annotations

from typing import Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.ceiling import Ceiling
from creditflow.target.drivers.http import Http, Reply, objects
from creditflow.target.drivers.record import Recorder, record_nothing

_PAGES = ("/model/info", "/credentials")
"""Where LiteLLM shows the parameters of its models, and the credentials that it keeps."""


class LiteLLM:
    """The LiteLLM proxy as an operator sees it; people send their requests to Ops-Center.

    Args:
        url: its address.
        key: the master key.
        timeout_s: the deadline of each request, in seconds.
        record: receives each LLM request.
        ceiling: counts each LLM request, and may forbid it.
    """

    def __init__(
        self, url: str, key: str, timeout_s: float, record: Recorder = record_nothing, ceiling: Ceiling | None = None
    ) -> None:
        self.http = Http("LiteLLM", url, timeout_s)
        self._key, self._record, self._ceiling = key, record, ceiling

    def alive(self) -> bool:
        """Return whether the proxy reports that it is ready."""
        return self.http.send("GET", "/health/readiness").status == 200

    def models(self) -> list[str]:
        """Return the names of the models that the proxy serves; none if it refuses the key.

        Raises:
            ServiceUnavailableError: it does not answer, or answers with a status of 500 or more.
        """
        reply = self.http.send("GET", "/v1/models", token=self._key)
        if reply.status >= 500:
            raise self.http.unavailable("GET", "/v1/models", f"answered {reply.status}")
        return [str(model["id"]) for model in objects(reply.body.get("data")) if "id" in model]

    def chat(self, body: Any) -> int:
        """Send an LLM request with the platform's key, bypassing Ops-Center, and return the HTTP status."""

        def send() -> Reply:
            return self.http.send("POST", "/v1/chat/completions", token=self._key, body=body)

        reply = self._ceiling.send(body, send) if self._ceiling else send()
        self._record("chat_past_ops_center", None, reply, body=body)
        return reply.status

    def version(self) -> str:
        """Return the proxy's version, or an empty text if it does not report it."""
        reply = self.http.send("GET", "/health/readiness/details", token=self._key)
        return str(reply.body.get("litellm_version", ""))

    def pages(self) -> dict[str, str]:
        """Return the pages on which the proxy lists its models and credentials, by path, as far as it has them.

        Raises:
            ServiceUnavailableError: it has none of them.
        """
        replies = {path: self.http.send("GET", path, token=self._key) for path in _PAGES}
        found = {path: reply.text for path, reply in replies.items() if reply.status == 200}
        if not found:
            cure = "correct LITELLM_MASTER_KEY"
            raise ServiceUnavailableError("LiteLLM", self.http.url, f"shows none of {', '.join(_PAGES)}", cure)
        return found
