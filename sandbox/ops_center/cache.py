"""Redis, which may be away at any time: every caller handles `CacheError`."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

TIMEOUT_SECONDS = 2.0
REST_SECONDS = 1.0
"""How long Redis is not asked after it did not answer, so that not every request waits for it."""

log = logging.getLogger("ops_center")


class CacheError(Exception):
    """Redis did not answer."""


class Cache:
    """The connection to Redis."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            # With these notifications the pool would hand out idle connections that Redis has closed.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._rest_until = 0.0
        self._renewing = asyncio.Lock()
        self._failures = 0
        self._failures_cured: int | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether counters may be wrong: true from the start and after every failure, until `renew`."""
        return self._failures != self._failures_cured

    def doubt(self) -> None:
        """Note that a counter may be wrong."""
        self._failures += 1

    async def renew(self, pattern: str) -> None:
        """Remove every counter that matches while one may be wrong. Raises `CacheError`."""
        async with self._renewing:
            if self.in_doubt:
                failures = self._failures
                await self._asked(lambda: self._remove(pattern))
                self._failures_cured = failures

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def ping(self) -> None:
        """Ping Redis. Raises `CacheError`."""
        await self._asked(self._redis.ping)

    async def get(self, key: str) -> str | None:
        """Return the stored value. Raises `CacheError`."""
        return cast(str | None, await self._asked(lambda: self._redis.get(key)))

    async def put(self, key: str, value: str, seconds: int) -> None:
        """Store a value for so many seconds. Raises `CacheError`."""
        await self._asked(lambda: self._redis.set(key, value, ex=seconds))

    async def run(self, script: str, key: str, *arguments: int | str) -> Any:
        """Run a Lua script on one key, atomically. Raises `CacheError`."""
        return await self._asked(lambda: self._redis.eval(script, 1, key, *map(str, arguments)))

    async def _remove(self, pattern: str) -> None:
        keys = [key async for key in self._redis.scan_iter(pattern, count=1000)]
        if keys:
            await self._redis.unlink(*keys)

    async def _asked(self, ask: Callable[[], Any]) -> Any:
        if time.monotonic() < self._rest_until:
            raise CacheError
        try:
            return await ask()
        except (RedisError, OSError, RuntimeError) as error:  # uvloop: a RuntimeError if the connection has just closed
            self.doubt()
            self._rest_until = time.monotonic() + REST_SECONDS
            log.warning("Redis: %s", type(error).__name__)
            raise CacheError from error
