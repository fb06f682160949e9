"""The systems that an Ops-Center needs, opened and closed together."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import Depends, Request

from sandbox.ops_center import lago_events
from sandbox.ops_center.cache import Cache
from sandbox.ops_center.database import Database
from sandbox.ops_center.lago import Lago
from sandbox.ops_center.litellm import LiteLLM
from sandbox.ops_center.settings import Settings
from sandbox.ops_center.tokens import KeySet

CLOSING_SECONDS = 10.0


class Services:
    """What every endpoint can reach: settings, PostgreSQL, Redis, Keycloak's keys, LiteLLM, Lago.

    Attributes:
        first_pages: PostgreSQL's snapshot at the first page of a history, by user and sign-in.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.http = httpx.AsyncClient(limits=httpx.Limits(max_connections=None, keepalive_expiry=4.0), trust_env=False)
        self.database = Database(settings.database_url.get_secret_value())
        self.cache = Cache(settings.redis_url.get_secret_value())
        self.keys = KeySet(self.http, settings)
        self.litellm = LiteLLM(self.http, settings)
        self.lago = Lago(self.http, settings)
        self.outbox = lago_events.Outbox(self.database, self.lago)
        self.first_pages: dict[tuple[UUID, str], str] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect to the database, learn the realm's keys, and start sending events to Lago."""
        await self.database.open()
        await self.keys.open()
        self.outbox.open()

    async def close(self) -> None:
        """Wait for running calls, then disconnect."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSING_SECONDS)
        await self.outbox.close()
        await self.http.aclose()
        await self.cache.close()
        await self.database.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` to its end, even if the client of the request goes away."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _of_request(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Used = Annotated[Services, Depends(_of_request)]
"""The parameter type with which an endpoint gets the services."""
