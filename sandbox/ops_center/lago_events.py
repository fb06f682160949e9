"""Billing events: one for each counted call, kept in an outbox until Lago has it (contract, "Lago")."""

import asyncio
import contextlib
import logging
from datetime import UTC
from typing import Any
from uuid import UUID

from sandbox.ops_center import tiers
from sandbox.ops_center.database import Connection, Database, Row
from sandbox.ops_center.lago import Lago, LagoError
from sandbox.ops_center.problems import UnavailableError

CODE = "llm_requests"
"""Lago's billable metric."""
BATCH = 100
"""How many events Lago takes at once."""
IDLE_SECONDS = 5.0
GATHERING_SECONDS = 0.01
"""How long new events are collected before they are sent."""
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 4.0

log = logging.getLogger("ops_center")


async def keep(db: Connection, request_id: UUID) -> None:
    """Put the event of a finished call into the outbox, in the caller's transaction."""
    await db.execute(
        """INSERT INTO lago_events (request_id, user_id, subscription_id, model, tokens, credits, byok, happened_at)
           SELECT u.request_id, u.user_id,
                  CASE WHEN t.user_id IS NOT NULL THEN COALESCE(t.subscription_id, u.user_id::text) END,
                  u.model, u.tokens, u.credits, u.byok, u.created_at
           FROM usage_tracking u LEFT JOIN known_tiers t USING (user_id)
           WHERE u.request_id = %s""",
        (request_id,),
    )


def event(row: Row) -> dict[str, Any]:
    """Return an outbox row as an event for Lago, which refuses a second event with the same `transaction_id`."""
    return {
        "transaction_id": str(row["request_id"]),
        "external_subscription_id": row["subscription_id"],
        "code": CODE,
        "timestamp": int(row["happened_at"].replace(tzinfo=UTC).timestamp()),
        "properties": {name: row[name] for name in ("model", "tokens", "credits", "byok")},
    }


class Outbox:
    """Sends the events of the outbox in the background, until Lago has accepted them."""

    def __init__(self, database: Database, lago: Lago) -> None:
        self._database = database
        self._lago = lago
        self._new_events = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start sending."""
        self._sender = asyncio.create_task(self._send_for_ever())

    async def close(self) -> None:
        """Stop sending; the other events stay in the outbox."""
        if self._sender:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender

    def wake(self) -> None:
        """Send new events now."""
        self._new_events.set()

    async def _send_for_ever(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            self._new_events.clear()
            try:
                more = await self._send_due()
            except (LagoError, UnavailableError):
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._new_events.wait(), IDLE_SECONDS)
                await asyncio.sleep(GATHERING_SECONDS)

    async def _send_due(self) -> bool:
        """Send the due events; return whether there may be more."""
        async with self._database.connection() as db:
            found = await db.execute(
                "SELECT * FROM lago_events WHERE due_at <= LOCALTIMESTAMP ORDER BY due_at LIMIT %s", (BATCH,)
            )
            rows = await found.fetchall()
        for row in rows:
            if row["subscription_id"] is None:
                await self._find_subscription(row)
        if rows and await self._lago.send([event(row) for row in rows]):
            await self._forget(rows)
        else:
            for row in rows:
                await self._send_alone(row)
        return len(rows) == BATCH

    async def _find_subscription(self, row: Row) -> None:
        """Find the subscription of a user who was not known when they sent the request, because Lago was away.

        Raises `LagoError`.
        """
        found = tiers.best(await self._lago.active_subscriptions(row["user_id"]))
        row["subscription_id"] = found.external_id if found else str(row["user_id"])

    async def _send_alone(self, row: Row) -> None:
        if await self._lago.send([event(row)]):
            await self._forget([row])
            return
        log.warning("Lago refuses the event of request %s; it is sent again in a minute", row["request_id"])
        async with self._database.connection() as db:
            await db.execute(
                "UPDATE lago_events SET due_at = LOCALTIMESTAMP + interval '1 minute' WHERE request_id = %s",
                (row["request_id"],),
            )

    async def _forget(self, rows: list[Row]) -> None:
        async with self._database.connection() as db:
            await db.execute(
                "DELETE FROM lago_events WHERE request_id = ANY(%s)", ([row["request_id"] for row in rows],)
            )
