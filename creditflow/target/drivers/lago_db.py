"""Reads Lago's database for the checks and the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

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

    def now(self) -> datetime:
        """Return the time of the server's clock, in the form of the tables' dates."""
        now: datetime = self.database.rows("SELECT LOCALTIMESTAMP AS now")[0]["now"]
        return now

    def changes(self, since: datetime, run: str) -> list[Row]:
        """Return customers, subscriptions, invoices and events that were created or changed since a time.

        Each has its table (`source`) and a text (`row`); an event's text ends with its transaction id. Rows with the
        name of any run are left out, except the events of this run.

        Args:
            since: the time, by the server's clock.
            run: the name of this run.
        """
        return self.database.rows(
            "SELECT 'customers' AS source, external_id AS row FROM customers "
            "WHERE updated_at >= %(since)s AND name !~ %(names)s "
            "UNION ALL SELECT 'subscriptions', external_id FROM subscriptions "
            "WHERE updated_at >= %(since)s AND external_id !~ %(names)s "
            "UNION ALL SELECT 'invoices', c.external_id || ' ' || i.id FROM invoices i "
            "JOIN customers c ON c.id = i.customer_id WHERE i.updated_at >= %(since)s AND c.name !~ %(names)s "
            "UNION ALL SELECT 'events', external_subscription_id || ' ' || transaction_id FROM events "
            "WHERE created_at >= %(since)s "
            "AND (external_subscription_id !~ %(names)s OR external_subscription_id ~ %(run)s)",
            {"since": since, "names": OF_A_RUN, "run": f"^{run}-"},
        )

    def invoices(self, external_id: str) -> list[Row]:
        """Return a customer's rows of `invoices`, oldest first."""
        return self.database.rows(
            "SELECT i.* FROM invoices i JOIN customers c ON c.id = i.customer_id "
            "WHERE c.external_id = %s AND c.deleted_at IS NULL ORDER BY i.created_at",
            external_id,
        )
