"""LiteLLM: whether the proxy is alive and which models it serves."""

from __future__ import annotations

from typing import Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.target.ceiling import Meter, Unmetered
from creditflow.target.drivers.http import Http, objects
from creditflow.target.drivers.record import Note, unnoted


class LiteLLM:
    """The LiteLLM proxy as an operator sees it; requests of people go through Ops-Center."""

    def __init__(self, url: str, key: str, timeout_s: float, note: Note = unnoted, meter: Meter | None = None) -> None:
        self.http = Http("LiteLLM", url, timeout_s)
        self._key, self._note, self._meter = key, note, meter or Unmetered()

    def alive(self) -> bool:
        """Whether the proxy says that it is ready."""
        return self.http.send("GET", "/health/readiness").status == 200

    def models(self) -> list[str]:
        """The names of the models that the proxy serves; empty when the key is refused.

        Raises:
            ServiceUnavailableError: it does not answer, or with an error of its own.
        """
        reply = self.http.send("GET", "/v1/models", token=self._key)
        if reply.status >= 500:
            raise ServiceUnavailableError("LiteLLM", self.http.url, f"answered {reply.status} (GET /v1/models)")
        return [str(model["id"]) for model in objects(reply.body.get("data")) if "id" in model]

    def chat(self, body: Any) -> int:
        """Ask a model past Ops-Center, on the platform's key; the HTTP status."""
        self._meter.ask(body)
        reply = self.http.send("POST", "/v1/chat/completions", token=self._key, body=body)
        self._meter.answered(body, reply)
        self._note("chat_past_ops_center", None, reply, body=body)
        return reply.status

    def version(self) -> str:
        """The proxy's version, or an empty string where it does not tell."""
        reply = self.http.send("GET", "/health/readiness/details", token=self._key)
        return str(reply.body.get("litellm_version", ""))
