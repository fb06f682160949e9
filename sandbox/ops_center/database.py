"""The database unicorn_db: pooled connections, short transactions, and a 503 while PostgreSQL is away."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from sandbox.ops_center.problems import ProblemError, UnavailableError

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]

CONNECTIONS = 20
"""How many units of work use PostgreSQL at the same time.

The others wait for their turn, which says nothing about PostgreSQL.
"""
WAIT_SECONDS = 2.0
"""How long a unit of work waits for its connection; it waits only if PostgreSQL has closed it."""
START_SECONDS = 10.0
"""How long the start waits for PostgreSQL."""
DEADLINE_SECONDS = 5.0
"""How long a unit of work on the database may take."""
RETRY_SECONDS = 0.5
"""How long nobody waits for PostgreSQL after it gave no connection."""

log = logging.getLogger("ops_center")


async def _configure(db: Connection) -> None:
    await db.execute("SET timezone = 'UTC'; SET lock_timeout = '4s'; SET statement_timeout = '4s'")


def _script(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()


class Database:
    """The pool of connections. Work has a deadline, and raises `UnavailableError` while PostgreSQL is away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = AsyncConnectionPool(
            url,
            connection_class=psycopg.AsyncConnection[Row],
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 2,
                "application_name": "ops-center",
            },
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            timeout=WAIT_SECONDS,
            reconnect_timeout=WAIT_SECONDS,
            configure=_configure,
            open=False,
        )
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._rest_until = 0.0
        self._later: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect and create missing tables. Raises psycopg's errors when PostgreSQL can't be reached."""
        await self._pool.open(wait=True, timeout=START_SECONDS)
        self._presence = await psycopg.AsyncConnection[Row].connect(
            self._url, autocommit=True, row_factory=dict_row, connect_timeout=2
        )
        async with self.transaction() as db:
            await db.execute("SELECT pg_advisory_xact_lock(hashtextextended('ops-center schema', 0))")
            await db.execute(_script("schema.sql"))
            if await self._is_alone():
                await db.execute(_script("recovery.sql"))

    async def _is_alone(self) -> bool:
        """Return whether no other Ops-Center uses these tables; reserved credits are then left over from a crash.

        The lock ends with its connection, so also when the process is killed.
        """
        found = await self._presence.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('ops-center on ' || current_schema(), 0)) AS alone"
        )
        row = await found.fetchone()
        return bool(row and row["alone"])

    async def close(self) -> None:
        """Cancel delayed work and disconnect."""
        for task in self._later:
            task.cancel()
        await self._presence.close()
        await self._pool.close(timeout=2)

    @asynccontextmanager
    async def connection(self, seconds: float = DEADLINE_SECONDS) -> AsyncIterator[Connection]:
        """Open a connection; each statement is a transaction of its own, and the work ends after so many seconds."""
        self._require_no_rest()
        try:
            async with self._turns:
                self._require_no_rest()
                db = await self._living()
                late = asyncio.get_running_loop().call_later(seconds, self._hang_up, db)
                try:
                    yield db
                finally:
                    late.cancel()
                    await self._pool.putconn(db)
        except psycopg.errors.NumericValueOutOfRange as error:
            raise ProblemError(422, "amount_too_large", "A balance can't grow beyond 2,147,483,647 credits.") from error
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
            log.warning("PostgreSQL: %s", type(error).__name__)
            if isinstance(error, PoolTimeout):
                self._rest_until = time.monotonic() + RETRY_SECONDS
            raise UnavailableError("The database") from error

    def _require_no_rest(self) -> None:
        if time.monotonic() < self._rest_until:
            raise UnavailableError("The database")

    def _hang_up(self, db: Connection) -> None:
        """End a connection whose work takes too long. A cancelled query would first wait for PostgreSQL's answer."""
        self._rest_until = time.monotonic() + RETRY_SECONDS
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(db.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)

    async def _living(self) -> Connection:
        """Return a connection that PostgreSQL has not closed; the pool replaces closed ones."""
        while True:
            db = await self._pool.getconn()
            try:
                db.pgconn.consume_input()
            except psycopg.OperationalError:
                await self._pool.putconn(db)
            else:
                return db

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Open a connection with one transaction for the whole block."""
        async with self.connection() as db, db.transaction():
            yield db

    async def certainly(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        """Do `work` in a transaction: now, or as soon as PostgreSQL is back.

        `work` must be harmless when done twice.
        """
        try:
            async with self.transaction() as db:
                await work(db)
        except UnavailableError:
            self.later(work)

    def later(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        """Do `work` in a transaction in the background, as soon as PostgreSQL is back.

        `work` must be harmless when done twice.
        """
        task = asyncio.create_task(self._until_done(work))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _until_done(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                async with self.transaction() as db:
                    await work(db)
            except UnavailableError:
                continue
            return
