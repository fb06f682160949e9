"""The current usage of a subscription: its events of the current period, counted for each charge of its plan."""

from typing import Any

from fastapi import Request
from starlette.responses import JSONResponse, Response

from . import customers
from .context import lago
from .database import Connection, Row
from .errors import not_allowed
from .periods import Period, current_period
from .routing import make_router
from .values import decimal_text, iso, iso_date, last_second, midnight

router = make_router()


@router.get("/customers/{external_id:undotted}/current_usage")
async def current_usage(request: Request) -> Response:
    """Show what a subscription used in the current period; answer 405 `no_active_subscription` without one."""
    async with lago(request).pool.connection() as connection:
        customer = await customers.find(request, connection, request.path_params["external_id"])
        cursor = await connection.execute(
            "select s.*, p.amount_currency from subscriptions s join plans p on p.id = s.plan_id"
            " where s.customer_id = %s and s.external_id = %s and s.status = 1",
            (customer["id"], request.query_params.get("external_subscription_id")),
        )
        subscription = await cursor.fetchone()
        if subscription is None:
            raise not_allowed("no_active_subscription")
        cursor = await connection.execute(
            "select c.id as charge_id, m.id, m.name, m.code from charges c"
            " join billable_metrics m on m.id = c.billable_metric_id where c.plan_id = %s",
            (subscription["plan_id"],),
        )
        period = current_period(subscription)
        charges = [await _charge_usage(connection, subscription, charge, period) for charge in await cursor.fetchall()]
    return JSONResponse(
        {
            "customer_usage": {
                "from_datetime": iso(max(midnight(period.first), subscription["started_at"])),
                "to_datetime": iso(last_second(period.last)),
                "issuing_date": iso_date(period.last),
                "lago_invoice_id": None,
                "currency": subscription["amount_currency"],
                "amount_cents": 0,
                "taxes_amount_cents": 0,
                "total_amount_cents": 0,
                "charges_usage": charges,
            }
        }
    )


async def _charge_usage(connection: Connection, subscription: Row, charge: Row, period: Period) -> dict[str, Any]:
    """Return the usage of one charge: it counts events, and an event costs nothing."""
    cursor = await connection.execute(
        "select count(*)::numeric as units from events"
        " where organization_id = %(organization)s and external_subscription_id = %(subscription)s"
        " and code = %(code)s and timestamp >= %(first)s and timestamp < %(next_first)s",
        {
            "organization": subscription["organization_id"],
            "subscription": subscription["external_id"],
            "code": charge["code"],
            # Lago stores a started_at to the millisecond and counts an event of that same second.
            "first": max(midnight(period.first), subscription["started_at"].replace(microsecond=0)),
            "next_first": midnight(period.next_first),
        },
    )
    counted = await cursor.fetchone()
    assert counted is not None
    return {
        "units": decimal_text(counted["units"]),
        "total_aggregated_units": decimal_text(counted["units"]),
        "events_count": int(counted["units"]),
        "amount_cents": 0,
        "amount_currency": subscription["amount_currency"],
        "charge": {
            "lago_id": str(charge["charge_id"]),
            "charge_model": "standard",
            "invoice_display_name": None,
        },
        "billable_metric": {
            "lago_id": str(charge["id"]),
            "name": charge["name"],
            "code": charge["code"],
            "aggregation_type": "count_agg",
        },
        "filters": [],
        "grouped_usage": [],
    }
