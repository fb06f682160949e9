"""Plans: what a subscription costs a period, and which metrics it is charged for."""

from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from fastapi import Request
from psycopg.types.json import Jsonb
from starlette.responses import JSONResponse, Response

from . import jobs, lifecycle
from .context import lago, root_of
from .database import Connection, Row
from .errors import (
    VALUE_ALREADY_EXIST,
    VALUE_IS_INVALID,
    VALUE_IS_MANDATORY,
    FieldErrors,
    invalid,
    not_found,
    unprocessable,
)
from .paging import Page
from .periods import INTERVALS
from .routing import make_router
from .values import choice, credit_amount, currency, iso, mandatory_text, text, whole_number

CHARGE_MODELS = ("standard",)
"""The charge models that the stand-in computes: units times an amount."""

DELETE_PLAN = "delete_plan"

_WITH_CHARGES: LiteralString = (
    "select p.*, (select coalesce(jsonb_agg(jsonb_build_object("
    "'lago_id', c.id, 'lago_billable_metric_id', m.id, 'billable_metric_code', m.code, 'created_at',"
    " c.created_at,"
    " 'charge_model', c.charge_model, 'invoice_display_name', c.invoice_display_name, 'properties',"
    " c.properties)"
    " order by c.created_at, c.id), '[]') from charges c join billable_metrics m on m.id ="
    " c.billable_metric_id"
    " where c.plan_id = p.id and c.deleted_at is null) as charges from plans p"
    " where p.organization_id = %(organization)s and p.deleted_at is null and p.parent_id is null"
)

router = make_router()


@router.post("/plans")
async def create(request: Request) -> Response:
    """Make a plan with its charges."""
    params = await root_of(request, "plan")
    errors = FieldErrors()
    values = {
        "organization": lago(request).organization,
        "name": mandatory_text(params, "name", errors),
        "code": mandatory_text(params, "code", errors),
        "invoice_display_name": text(params, "invoice_display_name"),
        "description": text(params, "description"),
        "interval": choice("interval", mandatory_text(params, "interval", errors) or None, INTERVALS, errors),
        "amount_cents": whole_number(params, "amount_cents", errors),
        "amount_currency": currency(params, "amount_currency", errors),
        "trial_period": _days(params, errors),
        "pay_in_advance": params.get("pay_in_advance") is True,
        "bill_charges_monthly": params.get("bill_charges_monthly"),
    }
    for name in ("amount_cents", "amount_currency"):
        if params.get(name) is None:
            errors.add(name, VALUE_IS_MANDATORY)
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        async with connection.transaction():
            cursor = await connection.execute(
                "insert into plans (organization_id, name, code, invoice_display_name, description, interval,"
                " amount_cents, amount_currency, trial_period, pay_in_advance, bill_charges_monthly)"
                " values (%(organization)s, %(name)s, %(code)s, %(invoice_display_name)s, %(description)s,"
                " %(interval)s, %(amount_cents)s, %(amount_currency)s, %(trial_period)s, %(pay_in_advance)s,"
                " %(bill_charges_monthly)s) on conflict do nothing returning id",
                values,
            )
            plan = await cursor.fetchone()
            if plan is None:
                raise invalid(code=VALUE_ALREADY_EXIST)
            await _set_charges(request, connection, plan["id"], params.get("charges"))
        return await _answer(request, connection, str(values["code"]))


@router.get("/plans")
async def index(request: Request) -> Response:
    """The plans, newest first."""
    async with lago(request).pool.connection() as connection:
        rows, meta = await Page.of(request).select(
            connection, _WITH_CHARGES, {"organization": lago(request).organization}
        )
    return JSONResponse({"plans": [to_json(row) for row in rows], "meta": meta})


@router.get("/plans/{code:rest}")
async def show(request: Request) -> Response:
    """One plan, by its code."""
    async with lago(request).pool.connection() as connection:
        return await _answer(request, connection, request.path_params["code"])


@router.put("/plans/{code:rest}")
async def update(request: Request) -> Response:
    """Change a plan; its interval, currency and mode of payment only while nobody subscribes to it."""
    params = await root_of(request, "plan")
    errors = FieldErrors()
    values = {
        "name": text(params, "name"),
        "invoice_display_name": text(params, "invoice_display_name"),
        "description": text(params, "description"),
        "amount_cents": whole_number(params, "amount_cents", errors),
        "interval": choice("interval", text(params, "interval"), INTERVALS, errors),
        "amount_currency": currency(params, "amount_currency", errors),
        "pay_in_advance": params.get("pay_in_advance"),
    }
    errors.raise_if_any()
    async with lago(request).pool.connection() as connection:
        async with connection.transaction():
            plan = await find(request, connection, request.path_params["code"])
            await connection.execute(
                "update plans set name = coalesce(%(name)s, name),"
                " invoice_display_name = coalesce(%(invoice_display_name)s, invoice_display_name),"
                " description = coalesce(%(description)s, description),"
                " amount_cents = coalesce(%(amount_cents)s, amount_cents), updated_at = now() where"
                " id = %(id)s",
                values | {"id": plan["id"]},
            )
            await connection.execute(
                "update plans set interval = coalesce(%(interval)s, interval),"
                " amount_currency = coalesce(%(amount_currency)s, amount_currency),"
                " pay_in_advance = coalesce(%(pay_in_advance)s, pay_in_advance)"
                " where id = %(id)s and not exists (select 1 from subscriptions where plan_id = %(id)s)",
                values | {"id": plan["id"]},
            )
            if params.get("charges") is not None:
                await connection.execute(
                    "update charges set deleted_at = now() where plan_id = %s and deleted_at is null",
                    (plan["id"],),
                )
                await _set_charges(request, connection, plan["id"], params["charges"])
        return await _answer(request, connection, plan["code"])


@router.delete("/plans/{code:rest}")
async def destroy(request: Request) -> Response:
    """Mark a plan for deletion; a job ends its subscriptions and removes it softly."""
    async with lago(request).pool.connection() as connection:
        async with connection.transaction():
            plan = await find(request, connection, request.path_params["code"])
            await connection.execute("update plans set pending_deletion = true where id = %s", (plan["id"],))
            await lago(request).jobs.put(connection, DELETE_PLAN, {"plan_id": str(plan["id"])})
        return await _answer(request, connection, plan["code"])


async def find(request: Request, connection: Connection, code: str | None) -> Row:
    """The plan with this code; raises 404 `plan_not_found`."""
    cursor = await connection.execute(
        "select * from plans where organization_id = %s and code = %s and deleted_at is null and parent_id is null",
        (lago(request).organization, code),
    )
    plan = await cursor.fetchone()
    if plan is None:
        raise not_found("plan")
    return plan


async def delete_plan(connection: Connection, payload: dict[str, Any]) -> None:
    """Job: end the subscriptions of a plan that was deleted, and remove it."""
    await lifecycle.end_all(connection, "plan_id", payload["plan_id"])
    await connection.execute("update plans set deleted_at = now() where id = %s", (payload["plan_id"],))


JOBS: dict[str, jobs.Handler] = {DELETE_PLAN: delete_plan}


async def _answer(request: Request, connection: Connection, code: str) -> Response:
    cursor = await connection.execute(
        f"{_WITH_CHARGES} and p.code = %(code)s", {"organization": lago(request).organization, "code": code}
    )
    plan = await cursor.fetchone()
    if plan is None:
        raise not_found("plan")
    return JSONResponse({"plan": to_json(plan)})


def _days(params: dict[str, Any], errors: FieldErrors) -> float | None:
    """The length of the trial in days, which Lago keeps but the stand-in does not act on."""
    value = params.get("trial_period")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 100_000:
        errors.add("trial_period", VALUE_IS_INVALID)
        return None
    return float(value)


async def _set_charges(request: Request, connection: Connection, plan_id: UUID, charges: object) -> None:
    """Write a plan's charges; raises 404 for an unknown metric, 422 for a model that is not computed."""
    for charge in charges if isinstance(charges, list) else []:
        if not isinstance(charge, dict) or charge.get("charge_model") not in CHARGE_MODELS:
            raise invalid(charge_model=VALUE_IS_INVALID)
        properties = charge.get("properties") or {}
        errors = FieldErrors()
        amount = credit_amount(properties, "amount", errors)
        if amount is None:
            raise unprocessable({"properties": ["invalid_amount"]})
        cursor = await connection.execute(
            "insert into charges (organization_id, plan_id, billable_metric_id, properties,"
            " invoice_display_name)"
            " select organization_id, %s, id, %s, %s from billable_metrics"
            " where organization_id = %s and id::text = %s and deleted_at is null returning id",
            (
                plan_id,
                Jsonb({"amount": properties["amount"]}),
                text(charge, "invoice_display_name"),
                lago(request).organization,
                str(charge.get("billable_metric_id")),
            ),
        )
        if await cursor.fetchone() is None:
            raise not_found("billable_metrics")


def charge_amount_cents(properties: dict[str, Any], units: Decimal) -> int:
    """What `units` cost by the standard model, in cents, half rounded up."""
    return int(Decimal(str(properties.get("amount", "0"))) * units * 100 + Decimal("0.5"))


def to_json(row: Row) -> dict[str, Any]:
    """A plan as the API shows one; `row` has its charges."""
    return {
        "lago_id": str(row["id"]),
        "name": row["name"],
        "invoice_display_name": row["invoice_display_name"],
        "created_at": iso(row["created_at"]),
        "code": row["code"],
        "interval": INTERVALS[row["interval"]],
        "description": row["description"],
        "amount_cents": row["amount_cents"],
        "amount_currency": row["amount_currency"],
        "trial_period": row["trial_period"],
        "pay_in_advance": row["pay_in_advance"],
        "bill_charges_monthly": row["bill_charges_monthly"],
        "parent_id": None if row["parent_id"] is None else str(row["parent_id"]),
        "pending_deletion": row["pending_deletion"],
        # Lago answers 0 for these since it stopped counting them.
        "customers_count": 0,
        "active_subscriptions_count": 0,
        "draft_invoices_count": 0,
        "charges": [_charge_to_json(charge) for charge in row["charges"]],
        "fixed_charges": [],
        "usage_thresholds": [],
        "taxes": [],
    }


def _charge_to_json(charge: dict[str, Any]) -> dict[str, Any]:
    return {
        **charge,
        "created_at": charge["created_at"].partition(".")[0] + "Z",
        "charge_model": CHARGE_MODELS[charge["charge_model"]],
        "pay_in_advance": False,
        "invoiceable": True,
        "prorated": False,
        "regroup_paid_fees": None,
        "min_amount_cents": 0,
        "filters": [],
        "taxes": [],
    }
