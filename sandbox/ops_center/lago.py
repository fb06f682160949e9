"""The part of Lago's API that the Ops-Center uses: active subscriptions and events."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from sandbox.ops_center.settings import Settings

DEADLINE_SECONDS = 2.0
REST_SECONDS = 3.0
"""How long Lago is not asked for subscriptions after it did not answer."""


class LagoError(Exception):
    """Lago did not answer, or not as expected."""


@dataclass(frozen=True)
class Subscription:
    """An active subscription: its external_id and its plan's code."""

    external_id: str
    plan_code: str


class Lago:
    """The client of one Lago."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._health_url, self._url = f"{settings.lago_url}/health", f"{settings.lago_url}/api/v1"
        self._headers = {"Authorization": f"Bearer {settings.lago_key.get_secret_value()}"}
        self._rest_until = 0.0

    async def ping(self) -> None:
        """Ask Lago how it is, and use it again if it is well. Raises httpx.HTTPError."""
        (await self._http.get(self._health_url, timeout=DEADLINE_SECONDS)).raise_for_status()
        self._rest_until = 0.0

    async def active_subscriptions(self, user_id: UUID) -> list[Subscription]:
        """Return a customer's active subscriptions, none for an unknown customer. Raises `LagoError`."""
        if time.monotonic() < self._rest_until:
            raise LagoError
        try:
            answer = await self._http.get(
                f"{self._url}/subscriptions",
                params={"external_customer_id": str(user_id)},
                headers=self._headers,
                timeout=DEADLINE_SECONDS,
            )
            if answer.status_code == 404:
                return []
            found = answer.raise_for_status().json()["subscriptions"]
            return [Subscription(each["external_id"], each["plan_code"]) for each in found]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            self._rest_until = time.monotonic() + REST_SECONDS
            raise LagoError from error

    async def send(self, events: list[dict[str, Any]]) -> bool:
        """Send up to 100 events; return whether Lago has them all now, or refuses one. Raises `LagoError`."""
        try:
            answer = await self._http.post(
                f"{self._url}/events/batch",
                json={"events": events},
                headers=self._headers,
                timeout=DEADLINE_SECONDS,
            )
        except httpx.HTTPError as error:
            raise LagoError from error
        if answer.status_code >= 500:
            raise LagoError
        return answer.is_success or (len(events) == 1 and _had_it_already(answer))


def _had_it_already(answer: httpx.Response) -> bool:
    return answer.status_code == 422 and "value_already_exist" in answer.text
