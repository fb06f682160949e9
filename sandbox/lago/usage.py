"""The current usage of a subscription: its events of the running period, counted by the plan's charges."""

from decimal import Decimal
from typing import Any, LiteralString

from fastapi import Request
from starlette.responses import JSONResponse, Response

from . import customers
from .billable_metrics import AGGREGATIONS
from .context import lago
from .database import Connection, Row
from .errors import not_allowed
from .periods import Period, current_period
from .plans import CHARGE_MODELS, charge_amount_cents
from .routing import make_router
from .values import decimal_text, iso, iso_date, last_second, midnight

# A property that is no number adds nothing, as in Lago, whose sums skip such events.
_NUMBER: LiteralString = (
    "case when properties ->> %(field)s ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?$'"
    " then (properties ->> %(field)s)::numeric end"
)
_UNITS: dict[str, LiteralString] = {
    "count_agg": "count(*)",
    "sum_agg": f"coalesce(sum({_NUMBER}), 0)",
    "max_agg": f"coalesce(max({_NUMBER}), 0)",
    "unique_count_agg": "count(distinct properties ->> %(field)s)",
}

router = make_router()


@router.get("/customers/{external_id:undotted}/current_usage")
async def current_usage(request: Request) -> Response:
    """What a subscription used in its running period; 405 `no_active_subscription` without one."""
    async with lago(request).pool.connection() as connection:
        customer = await customers.find(request, connection, request.path_params["external_id"])
        cursor = await connection.execute(
            "select s.*, p.interval, p.amount_currency from subscriptions s join plans p on p.id = s.plan_id"
            " where s.customer_id = %s and s.external_id = %s and s.status = 1",
            (customer["id"], request.query_params.get("external_subscription_id")),
        )
        subscription = await cursor.fetchone()
        if subscription is None:
            raise not_allowed("no_active_subscription")
        cursor = await connection.execute(
            "select c.id as charge_id, c.charge_model, c.invoice_display_name, c.properties, m.id,"
            " m.name, m.code,"
            " m.aggregation_type, m.field_name from charges c join billable_metrics m on m.id ="
            " c.billable_metric_id"
            " where c.plan_id = %s and c.deleted_at is null order by lower(m.name), c.id",
            (subscription["plan_id"],),
        )
        period = current_period(subscription)
        charges = [await _charge_usage(connection, subscription, charge, period) for charge in await cursor.fetchall()]
    amount_cents = sum(charge["amount_cents"] for charge in charges)
    return JSONResponse(
        {
            "customer_usage": {
                "from_datetime": iso(max(midnight(period.first), subscription["started_at"])),
                "to_datetime": iso(last_second(period.last)),
                "issuing_date": iso_date(period.last),
                "lago_invoice_id": None,
                "currency": subscription["amount_currency"],
                "amount_cents": amount_cents,
                "taxes_amount_cents": 0,
                "total_amount_cents": amount_cents,
                "charges_usage": charges,
            }
        }
    )


async def _charge_usage(connection: Connection, subscription: Row, charge: Row, period: Period) -> dict[str, Any]:
    """What one charge comes to."""
    aggregation = AGGREGATIONS[charge["aggregation_type"]]
    cursor = await connection.execute(
        f"select count(*) as events_count, {_UNITS[aggregation]}::numeric as units from events"
        " where organization_id = %(organization)s and external_subscription_id = %(subscription)s"
        " and code = %(code)s and timestamp >= %(first)s and timestamp < %(next_first)s",
        {
            "organization": subscription["organization_id"],
            "subscription": subscription["external_id"],
            "code": charge["code"],
            "field": charge["field_name"],
            # Lago keeps a started_at to the millisecond and counts an event of that same second.
            "first": max(midnight(period.first), subscription["started_at"].replace(microsecond=0)),
            "next_first": midnight(period.next_first),
        },
    )
    counted = await cursor.fetchone()
    units: Decimal = counted["units"] if counted else Decimal(0)
    return {
        "units": decimal_text(units),
        "total_aggregated_units": decimal_text(units),
        "events_count": counted["events_count"] if counted else 0,
        "amount_cents": charge_amount_cents(charge["properties"], units),
        "amount_currency": subscription["amount_currency"],
        "charge": {
            "lago_id": str(charge["charge_id"]),
            "charge_model": CHARGE_MODELS[charge["charge_model"]],
            "invoice_display_name": charge["invoice_display_name"],
        },
        "billable_metric": {
            "lago_id": str(charge["id"]),
            "name": charge["name"],
            "code": charge["code"],
            "aggregation_type": aggregation,
        },
        "filters": [],
        "grouped_usage": [],
    }
