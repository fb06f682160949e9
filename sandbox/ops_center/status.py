"""The status of the Ops-Center and of the systems that it needs: the only endpoint without a token."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter

from sandbox.ops_center import quota
from sandbox.ops_center.services import Services, Used

DEADLINE_SECONDS = 2.0
DATABASE_SECONDS = 1.5
"""The deadline of the query; an interrupted query would end later than the deadline of all checks."""

router = APIRouter(prefix="/system")


@router.get("/status")
async def status(services: Used) -> dict[str, Any]:
    """Report each service as up or down; all are asked at once."""
    settings = services.settings
    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "postgresql": lambda: _database_answers(services),
        "redis": lambda: quota.restore(services.cache),
        "keycloak": lambda: _answers(services, settings.realm_url),
        "litellm": lambda: _answers(services, f"{settings.litellm_url}/health/liveliness"),
        "lago": services.lago.ping,
    }
    states = await asyncio.gather(*(_state(check) for check in checks.values()))
    found = dict(zip(checks, states, strict=True))
    return {"status": "up" if set(states) == {"up"} else "degraded", "services": found}


async def _state(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await check()
    except Exception:
        return "down"
    return "up"


async def _answers(services: Services, url: str) -> None:
    (await services.http.get(url, timeout=DEADLINE_SECONDS)).raise_for_status()


async def _database_answers(services: Services) -> None:
    async with services.database.connection(DATABASE_SECONDS) as db:
        await db.execute("SELECT 1")
