"""Billable metrics: which events are counted, and how."""

from typing import Any, LiteralString

from fastapi import Request
from starlette.responses import JSONResponse, Response

from .context import lago, root_of
from .database import Connection, Row
from .errors import VALUE_ALREADY_EXIST, VALUE_IS_MANDATORY, FieldErrors, invalid, not_found
from .paging import Page
from .routing import make_router
from .values import choice, iso, mandatory_text, text

AGGREGATIONS = ("count_agg", "sum_agg", "max_agg", "unique_count_agg")
"""The aggregations that the stand-in computes, in the order of Lago's enum."""

COUNT = AGGREGATIONS.index("count_agg")

router = make_router()


@router.post("/billable_metrics")
async def create(request: Request) -> Response:
    """Make a metric."""
    params = await root_of(request, "billable_metric")
    errors = FieldErrors()
    values: dict[str, Any] = {
        "organization": lago(request).organization,
        "name": mandatory_text(params, "name", errors),
        "code": mandatory_text(params, "code", errors),
        "description": text(params, "description"),
        "field_name": text(params, "field_name"),
        "recurring": params.get("recurring") is True,
        "aggregation": choice(
            "aggregation_type",
            mandatory_text(params, "aggregation_type", errors) or None,
            AGGREGATIONS,
            errors,
        ),
    }
    if values["aggregation"] not in (None, COUNT) and values["field_name"] is None:
        errors.add("field_name", VALUE_IS_MANDATORY)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        cursor = await connection.execute(
            "insert into billable_metrics"
            " (organization_id, name, code, description, field_name, recurring, aggregation_type)"
            " values (%(organization)s, %(name)s, %(code)s, %(description)s, %(field_name)s, %(recurring)s,"
            " %(aggregation)s) on conflict do nothing returning *",
            values,
        )
        metric = await cursor.fetchone()
    if metric is None:
        raise invalid(code=VALUE_ALREADY_EXIST)
    return JSONResponse({"billable_metric": to_json(metric)})


@router.get("/billable_metrics")
async def index(request: Request) -> Response:
    """The metrics, newest first."""
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(
            connection,
            "select * from billable_metrics where organization_id = %(organization)s and deleted_at is null",
            {"organization": lago(request).organization},
        )
    return JSONResponse({"billable_metrics": [to_json(row) for row in rows], "meta": meta})


@router.get("/billable_metrics/{code:dotted}")
async def show(request: Request) -> Response:
    """One metric, by its code."""
    async with lago(request).pool.connection() as connection:
        metric = await _returning(request, connection, "select * from billable_metrics where {found}", {})
    return JSONResponse({"billable_metric": to_json(metric)})


@router.put("/billable_metrics/{code:dotted}")
async def update(request: Request) -> Response:
    """Change a metric's name and description; what it counts stays as it is."""
    params = await root_of(request, "billable_metric")
    async with lago(request).pool.connection() as connection:
        metric = await _returning(
            request,
            connection,
            "update billable_metrics set name = coalesce(%(name)s, name),"
            " description = coalesce(%(description)s, description), updated_at = now() where {found}"
            " returning *",
            {"name": text(params, "name"), "description": text(params, "description")},
        )
    return JSONResponse({"billable_metric": to_json(metric)})


@router.delete("/billable_metrics/{code:dotted}")
async def destroy(request: Request) -> Response:
    """Remove a metric softly, with the charges that stand on it."""
    async with lago(request).pool.connection() as connection, connection.transaction():
        metric = await _returning(
            request,
            connection,
            "update billable_metrics set deleted_at = now() where {found} returning *",
            {},
        )
        await connection.execute(
            "update charges set deleted_at = now() where billable_metric_id = %s and deleted_at is null",
            (metric["id"],),
        )
    return JSONResponse({"billable_metric": to_json(metric)})


async def _returning(request: Request, connection: Connection, statement: LiteralString, params: dict[str, Any]) -> Row:
    """The row that a statement on the metric named in the path returns; raises 404 when there is none."""
    found = "organization_id = %(organization)s and code = %(code)s and deleted_at is null"
    identity = {"organization": lago(request).organization, "code": request.path_params["code"]}
    cursor = await connection.execute(statement.replace("{found}", found), params | identity)
    metric = await cursor.fetchone()
    if metric is None:
        raise not_found("billable_metric")
    return metric


def to_json(row: Row) -> dict[str, Any]:
    """A metric as the API shows one."""
    return {
        "lago_id": str(row["id"]),
        "name": row["name"],
        "code": row["code"],
        "description": row["description"],
        "aggregation_type": AGGREGATIONS[row["aggregation_type"]],
        "weighted_interval": None,
        "recurring": row["recurring"],
        "rounding_function": row["rounding_function"],
        "rounding_precision": row["rounding_precision"],
        "created_at": iso(row["created_at"]),
        "field_name": row["field_name"],
        "expression": None,
        "filters": [],
    }
