"""Events of a subscription, each accepted once for its `transaction_id`."""

import contextlib
from datetime import UTC, datetime
from typing import Any, LiteralString

from fastapi import Request
from psycopg.types.json import Jsonb
from starlette.responses import JSONResponse, Response

from .context import body_of, lago, root_of
from .database import Connection, Row
from .errors import INVALID_FORMAT, VALUE_ALREADY_EXIST, FieldErrors, invalid, not_found, unprocessable
from .paging import Page
from .routing import make_router
from .values import iso, iso_ms, mandatory_text, utc_now

LARGEST_BATCH = 100

_COLUMNS: LiteralString = "organization_id, transaction_id, external_subscription_id, code, timestamp, properties"
_INSERT: LiteralString = (
    f"insert into events ({_COLUMNS}) values (%s, %s, %s, %s, %s, %s) on conflict do nothing returning *"
)
# The order is fixed, so that two batches with the same events wait for each other and do not deadlock.
_INSERT_ALL: LiteralString = (
    f"insert into events ({_COLUMNS}) select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[],"
    " %s::timestamp[], %s::jsonb[]) as batch (organization, transaction, subscription)"
    " order by subscription, transaction on conflict do nothing returning *"
)

router = make_router()


@router.post("/events")
async def create(request: Request) -> Response:
    """Accept an event; refuse with 422 an event that the same subscription has already.

    The code and the subscription need not exist: Lago looks at them only when it counts usage.
    """
    errors = FieldErrors()
    values = _values(request, await root_of(request, "event"), errors)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        event = await (await connection.execute(_INSERT, values)).fetchone()
    if event is None:
        raise invalid(transaction_id=VALUE_ALREADY_EXIST)
    return JSONResponse({"event": to_json(event)})


@router.post("/events/batch")
async def create_batch(request: Request) -> Response:
    """Accept up to 100 events, all or none; errors are listed by the event's index in the batch."""
    batch = (await body_of(request)).get("events")
    if not isinstance(batch, list) or not batch:
        raise invalid(events="no_events")
    if len(batch) > LARGEST_BATCH:
        raise invalid(events="too_many_events")
    wrong: dict[str, Any] = {}
    rows = []
    for place, params in enumerate(batch):
        errors = FieldErrors()
        rows.append(_values(request, params if isinstance(params, dict) else {}, errors))
        if errors.details():
            wrong[str(place)] = errors.details()
    if wrong:
        raise unprocessable(wrong)
    async with lago(request).pool.connection() as connection, connection.transaction():
        events = await _insert_all(connection, rows)
    return JSONResponse({"events": [to_json(event) for event in events]})


@router.get("/events")
async def index(request: Request) -> Response:
    """List the events, newest first, of the subscription in `external_subscription_id` if named."""
    query: LiteralString = "select * from events where organization_id = %(organization)s"
    params: dict[str, Any] = {"organization": lago(request).organization}
    if "external_subscription_id" in request.query_params:
        query += " and external_subscription_id = %(subscription)s"
        params["subscription"] = request.query_params["external_subscription_id"]
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(connection, query, params)
    return JSONResponse({"events": [to_json(row) for row in rows], "meta": meta})


@router.get("/events/{transaction_id:dotted}")
async def show(request: Request) -> Response:
    """Show one event, by its `transaction_id`."""
    async with lago(request).pool.connection() as connection:
        cursor = await connection.execute(
            "select * from events where organization_id = %s and transaction_id = %s order by created_at limit 1",
            (lago(request).organization, request.path_params["transaction_id"]),
        )
        event = await cursor.fetchone()
    if event is None:
        raise not_found("event")
    return JSONResponse({"event": to_json(event)})


async def _insert_all(connection: Connection, batch: list[tuple[Any, ...]]) -> list[Row]:
    """Insert a batch inside a transaction; raise 422 for the events that are there already."""
    cursor = await connection.execute(_INSERT_ALL, tuple(map(list, zip(*batch, strict=True))))
    inserted = {_identity(row): row for row in await cursor.fetchall()}
    events, wrong = [], {}
    for place, (_, transaction_id, external_subscription_id, *_rest) in enumerate(batch):
        event = inserted.pop((external_subscription_id, transaction_id), None)
        if event is None:
            wrong[str(place)] = {"transaction_id": [VALUE_ALREADY_EXIST]}
        else:
            events.append(event)
    if wrong:
        raise unprocessable(wrong)
    return events


def _identity(row: Row) -> tuple[str, str]:
    """Return what identifies an event within the organisation."""
    return row["external_subscription_id"], row["transaction_id"]


def _values(request: Request, params: dict[str, Any], errors: FieldErrors) -> tuple[Any, ...]:
    """Return the column values of an event, in the order of the insert; add what is wrong to `errors`."""
    properties = params.get("properties")
    return (
        lago(request).organization,
        mandatory_text(params, "transaction_id", errors),
        mandatory_text(params, "external_subscription_id", errors),
        mandatory_text(params, "code", errors),
        _time(params.get("timestamp"), errors),
        Jsonb(properties if isinstance(properties, dict) else {}),
    )


def _time(value: object, errors: FieldErrors) -> datetime:
    """Return Unix seconds (a number or its text, fractions allowed) as a time; now if absent."""
    if value is None:
        return utc_now()
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(float(value), UTC).replace(tzinfo=None)
    errors.add("timestamp", INVALID_FORMAT)
    return utc_now()


def to_json(row: Row) -> dict[str, Any]:
    """Return an event as the API shows one; Lago finds its customer and subscription only when it counts usage."""
    return {
        "lago_id": str(row["id"]),
        "transaction_id": row["transaction_id"],
        "lago_customer_id": None,
        "code": row["code"],
        "timestamp": iso_ms(row["timestamp"]),
        "precise_total_amount_cents": None,
        "properties": row["properties"],
        "lago_subscription_id": None,
        "external_subscription_id": row["external_subscription_id"],
        "created_at": iso(row["created_at"]),
    }
