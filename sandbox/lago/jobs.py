"""Work that happens after the answer, as in Lago's Sidekiq: invoices, terminations and smaller plans that begin.

A job is a row. The transaction that causes the job writes it, and the transaction that does the job deletes it.
No job is lost when the process or the database stops, and no job is done twice. It becomes due as soon as the real time
or the sandbox's clock has reached its time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from .database import Connection, Pool
from .values import utc_now

log = logging.getLogger(__name__)

_BEAT_SECONDS = 0.1
_BEAT_SECONDS_WITHOUT_DATABASE = 1.0
_FIRST_RETRY = timedelta(seconds=1)

Handler = Callable[[Connection, dict[str, Any]], Awaitable[None]]
"""Does one job's work inside the given connection's transaction."""


@dataclass(frozen=True)
class JobQueue:
    """The table of jobs; each becomes due after `delay`."""

    delay: timedelta

    async def put(self, connection: Connection, kind: str, payload: dict[str, str], at: datetime | None = None) -> None:
        """Write a job, in the transaction of its cause; it becomes due at a time (UTC), or after the delay."""
        await connection.execute(
            "insert into jobs (kind, payload, run_at) values (%s, %s, coalesce(%s, now()::timestamp + %s))",
            (kind, Jsonb(payload), at, self.delay),
        )


class JobRunner:
    """Does the due jobs, one after the other, until it is cancelled."""

    def __init__(self, pool: Pool, handlers: dict[str, Handler]) -> None:
        self._pool = pool
        self._handlers = handlers

    async def run(self) -> None:
        """Look for due jobs ten times a second, and wait for a database that is away."""
        while True:
            pause = _BEAT_SECONDS
            try:
                while await self._run_one():
                    pass
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("The jobs wait for PostgreSQL: %s", type(error).__name__)
                pause = _BEAT_SECONDS_WITHOUT_DATABASE
            await asyncio.sleep(pause)

    async def _run_one(self) -> bool:
        """Do the job that is due first; return whether there was one."""
        async with self._pool.connection() as connection:
            job: dict[str, Any] | None = None
            try:
                async with connection.transaction():
                    cursor = await connection.execute(
                        "select id, kind, payload, attempts from jobs where run_at <= greatest(now()::timestamp, %s)"
                        " order by run_at, id limit 1 for update skip locked",
                        (utc_now(),),
                    )
                    job = await cursor.fetchone()
                    if job is None:
                        return False
                    await self._handlers[job["kind"]](connection, job["payload"])
                    await connection.execute("delete from jobs where id = %s", (job["id"],))
            except psycopg.OperationalError:
                raise
            except Exception as error:
                if job is None:
                    raise
                log.exception("Job %s (%s) failed and will be tried again", job["id"], job["kind"])
                await connection.execute(
                    "update jobs set attempts = attempts + 1, last_error = %s, run_at = now() + %s where id = %s",
                    (repr(error), _FIRST_RETRY * 2 ** min(job["attempts"], 8), job["id"]),
                )
        return True
