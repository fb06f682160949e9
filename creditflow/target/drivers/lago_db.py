"""Reads Lago's database for the checks and the audit."""

from __future__ import annotations

from collections.abc import Sequence

from creditflow.core.naming import OF_A_RUN
from creditflow.target.drivers.postgres import Database, Row


class LagoDb:
    """The tables of Lago's database. A status is one of Lago's integers."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def customers(self, external_id: str) -> list[Row]:
        """Return the rows of `customers` with this external id that are not deleted."""
        return self.database.rows("SELECT * FROM customers WHERE external_id = %s AND deleted_at IS NULL", external_id)

    def subscriptions(self, external_id: str) -> list[Row]:
        """Return a customer's rows of `subscriptions`, each with its `plan_code`, oldest first."""
        return self.database.rows(
            "SELECT s.*, p.code AS plan_code FROM subscriptions s JOIN customers c ON c.id = s.customer_id "
            "JOIN plans p ON p.id = s.plan_id WHERE c.external_id = %s AND c.deleted_at IS NULL ORDER BY s.created_at",
            external_id,
        )

    def events(self, subscriptions: Sequence[str], transactions: Sequence[str]) -> list[Row]:
        """Return the rows of `events` that have one of these subscriptions or one of these transaction ids."""
        return self.database.rows(
            "SELECT transaction_id, external_subscription_id FROM events "
            "WHERE external_subscription_id = ANY(%s) OR transaction_id = ANY(%s)",
            list(subscriptions), list(transactions),
        )  # fmt: skip

    def changes(self, since: str, run: str) -> tuple[list[Row], str]:
        """Return customers, subscriptions, invoices and events that were created or changed, and the present time.

        Each has its table (`source`) and a text (`row`); an event's text ends with its transaction id. Rows with the
        name of any run are left out, except the events of this run.

        Args:
            since: the time of the last look, by the server's clock; empty for the first look. The second before it is
                read again, because a row may appear after its date.
            run: the name of this run.
        """
        begin = "coalesce(%(since)s::timestamp, LOCALTIMESTAMP) - interval '1 second'"
        rows = self.database.rows(
            "SELECT 'now' AS source, LOCALTIMESTAMP::text AS row "
            "UNION ALL SELECT 'customers', external_id FROM customers "
            f"WHERE updated_at >= {begin} AND name !~ %(names)s "
            "UNION ALL SELECT 'subscriptions', external_id FROM subscriptions "
            f"WHERE updated_at >= {begin} AND external_id !~ %(names)s "
            "UNION ALL SELECT 'invoices', c.external_id || ' ' || i.id FROM invoices i "
            f"JOIN customers c ON c.id = i.customer_id WHERE i.updated_at >= {begin} AND c.name !~ %(names)s "
            "UNION ALL SELECT 'events', external_subscription_id || ' ' || transaction_id FROM events "
            f"WHERE created_at >= {begin} "
            "AND (external_subscription_id !~ %(names)s OR external_subscription_id ~ %(run)s)",
            {"since": since or None, "names": OF_A_RUN, "run": f"^{run}-"},
        )
        return [row for row in rows if row["source"] != "now"], next(r["row"] for r in rows if r["source"] == "now")

    def invoices(self, external_id: str) -> list[Row]:
        """Return a customer's rows of `invoices`, oldest first."""
        return self.database.rows(
            "SELECT i.* FROM invoices i JOIN customers c ON c.id = i.customer_id "
            "WHERE c.external_id = %s AND c.deleted_at IS NULL ORDER BY i.created_at",
            external_id,
        )
