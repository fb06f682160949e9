"""The stand-in's PostgreSQL: the pool, the schema and the rows that the first request needs."""

import asyncio
from pathlib import Path
from typing import Any, LiteralString, cast
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Row = DictRow
Connection = AsyncConnection[Row]
Pool = AsyncConnectionPool[Connection]

_START_LOCK = 0x1A60
_START_SECONDS = 30
_SCHEMA = Path(__file__).with_name("schema.sql")


def make_pool(url: str) -> Pool:
    """Return a pool that is not open yet; its connections autocommit outside of explicit transactions.

    A request waits up to 2 s for a connection (`psycopg_pool.PoolTimeout`), and a statement may take 10 s. While
    the database is away, each request tries again: the pool is back as soon as the database is.
    """
    return AsyncConnectionPool(
        url,
        min_size=2,
        max_size=8,
        timeout=2,
        reconnect_timeout=3,
        open=False,
        connection_class=AsyncConnection[Row],
        kwargs={"autocommit": True, "row_factory": dict_row},
        configure=_configure,
    )


async def _configure(connection: Connection) -> None:
    """Set the session's time zone to UTC, because the columns have none."""
    await connection.execute("set timezone to 'UTC'")
    await connection.execute("set statement_timeout to '10s'")


async def prepare(pool: Pool, api_key: str) -> tuple[UUID, UUID]:
    """Create missing tables and the one organisation, and set its API key; a lock keeps other processes out.

    Returns the ids of the organisation and of its billing entity.
    """
    async with pool.connection(timeout=_START_SECONDS) as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(%s)", (_START_LOCK,))
        schema = await asyncio.to_thread(_SCHEMA.read_text, "utf-8")
        await connection.execute(schema)
        organization = await _insert_or_find(
            connection,
            "insert into organizations (name) values ('Sandbox') on conflict do nothing",
            "select id from organizations where name = 'Sandbox'",
            {},
        )
        billing_entity = await _insert_or_find(
            connection,
            "insert into billing_entities (organization_id, code, name)"
            " values (%(organization)s, 'sandbox', 'Sandbox') on conflict do nothing",
            "select id from billing_entities where organization_id = %(organization)s and code = 'sandbox'",
            {"organization": organization},
        )
        await connection.execute(
            "insert into api_keys (organization_id, name, value) values (%s, 'platform', %s)"
            " on conflict (organization_id, name) do update set value = excluded.value, expires_at = null",
            (organization, api_key),
        )
    return organization, billing_entity


async def _insert_or_find(
    connection: Connection, insert: LiteralString, find: LiteralString, params: dict[str, Any]
) -> UUID:
    await connection.execute(insert, params)
    row = await (await connection.execute(find, params)).fetchone()
    if row is None:
        raise RuntimeError("PostgreSQL did not keep a row that was just inserted; look at its log.")
    return cast(UUID, row["id"])
