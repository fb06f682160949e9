"""What the platform needs in a new Lago: its plans, and the metric of its events."""

from uuid import UUID

from .database import Pool

METRIC = "llm_requests"
PLANS = {"trial": 0, "starter": 1_900, "professional": 4_900, "platform": 9_900, "enterprise": 49_900}
"""The monthly price of each plan of the platform, in US cents; a request costs nothing on top."""


async def seed(pool: Pool, organization: UUID) -> None:
    """Create the platform's plans and its metric where they are missing."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(
            "insert into billable_metrics (organization_id, name, code, description, aggregation_type)"
            " values (%s, 'LLM requests', %s, 'One event for each request that a provider received', 0)"
            " on conflict do nothing",
            (organization, METRIC),
        )
        for code, amount_cents in PLANS.items():
            await connection.execute(
                "with plan as (insert into plans (organization_id, name, code, interval, amount_cents,"
                " amount_currency, pay_in_advance) values (%(organization)s, %(name)s, %(code)s, 1,"
                " %(amount)s,"
                " 'USD', true) on conflict do nothing returning id)"
                " insert into charges (organization_id, plan_id, billable_metric_id, properties)"
                """ select %(organization)s, plan.id, m.id, '{"amount": "0"}' from plan, billable_metrics m"""
                " where m.organization_id = %(organization)s and m.code = %(metric)s",
                {
                    "organization": organization,
                    "name": code.capitalize(),
                    "code": code,
                    "amount": amount_cents,
                    "metric": METRIC,
                },
            )
