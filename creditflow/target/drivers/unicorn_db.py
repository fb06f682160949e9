"""Reads `unicorn_db` for the checks, the audit and the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from psycopg2 import sql

from creditflow.core.naming import EMAIL_OF_A_RUN, MARK_OF_A_RUN, run_of_session
from creditflow.target.drivers.grants import PLACED
from creditflow.target.drivers.postgres import Database, Row

_ACCOUNTS = " UNION ALL ".join(
    f"SELECT '{table}' AS source, to_jsonb(t) AS row FROM {table} t WHERE {condition}"
    for table, condition in {
        "user_credits": "user_id = ANY(%(users)s::uuid[])",
        "credit_transactions": "user_id = ANY(%(users)s::uuid[]) OR org_id = ANY(%(organizations)s::uuid[])",
        "usage_tracking": "user_id = ANY(%(users)s::uuid[]) AND endpoint IS DISTINCT FROM %(placed)s",
        "organization_credits": "org_id = ANY(%(organizations)s::uuid[])",
        "organization_members": "org_id = ANY(%(organizations)s::uuid[]) OR user_email = ANY(%(emails)s)",
    }.items()
) + (
    " UNION ALL SELECT 'placed calls', jsonb_build_object('user_id', user_id, 'calls', count(*)) FROM usage_tracking "
    "WHERE user_id = ANY(%(users)s::uuid[]) AND endpoint = %(placed)s AND created_at >= %(since)s GROUP BY user_id"
)


class UnicornDb:
    """The tables of `unicorn_db` (contract, section "Tables"). Ids are texts, times are UTC."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def user_credits(self, user_id: str) -> Row | None:
        """Return the row of `user_credits` with `credits_remaining` and `credits_allocated`, or None."""
        rows = self.database.rows("SELECT * FROM user_credits WHERE user_id = %s", user_id)
        return rows[0] if rows else None

    def reserved_credits(self, user_id: str, email: str) -> int | None:
        """Return the credits reserved for a person's requests, from their own credits and their allocations.

        Return None if no column of `user_credits` or `organization_members` shows reservations.
        """
        columns = self.database.columns()
        found = []
        for table, key, value in (
            ("user_credits", "user_id", user_id),
            ("organization_members", "user_email", email),
        ):
            for column in sorted(c for c in columns.get(table, ()) if "reserved" in c):
                query = sql.SQL("SELECT coalesce(sum({}), 0)::integer AS reserved FROM {} WHERE {}::text = %s").format(
                    sql.Identifier(column), sql.Identifier(table), sql.Identifier(key)
                )
                found.append(self.database.rows(query, value)[0]["reserved"])
        return sum(found) if found else None

    def movements(self, *, user_id: str | None = None, org_id: str | None = None) -> list[Row]:
        """Return the rows of `credit_transactions` of a person, an organisation or both, oldest first."""
        return self.database.rows(
            "SELECT * FROM credit_transactions WHERE (%s::uuid IS NULL OR user_id = %s::uuid) "
            "AND (%s::uuid IS NULL OR org_id = %s::uuid) ORDER BY created_at, id",
            user_id, user_id, org_id, org_id,
        )  # fmt: skip

    def calls(self, user_id: str) -> list[Row]:
        """Return a person's rows of `usage_tracking`, oldest first."""
        return self.database.rows("SELECT * FROM usage_tracking WHERE user_id = %s ORDER BY created_at, id", user_id)

    def charged_calls(self, user_id: str) -> list[Row]:
        """Return a person's rows of `usage_tracking` that cost credits."""
        return self.database.rows("SELECT * FROM usage_tracking WHERE user_id = %s AND credits <> 0", user_id)

    def number_of_calls(self, user_id: str, since: datetime | None = None) -> int:
        """Count a person's rows of `usage_tracking`; if `since` (UTC) is given, from then on."""
        rows = self.database.rows(
            "SELECT count(*) AS calls FROM usage_tracking WHERE user_id = %s "
            "AND (%s::timestamp IS NULL OR created_at >= %s::timestamp)",
            user_id, since, since,
        )  # fmt: skip
        return int(rows[0]["calls"])

    def organization(self, org_id: str) -> Row | None:
        """Return the row of `organizations`, or None."""
        rows = self.database.rows("SELECT * FROM organizations WHERE id = %s", org_id)
        return rows[0] if rows else None

    def organization_credits(self, org_id: str) -> Row | None:
        """Return the row of `organization_credits` with `total_credits` and `allocated_credits`, or None."""
        rows = self.database.rows("SELECT * FROM organization_credits WHERE org_id = %s", org_id)
        return rows[0] if rows else None

    def organizations_of(self, email: str) -> list[str]:
        """Return the ids of the organisations that have this person as an admin."""
        rows = self.database.rows(
            "SELECT org_id FROM organization_members WHERE user_email = %s AND role = 'admin'", email
        )
        return [str(row["org_id"]) for row in rows]

    def members(self, org_id: str) -> list[Row]:
        """Return an organisation's rows of `organization_members`, in the order of the e-mails."""
        return self.database.rows("SELECT * FROM organization_members WHERE org_id = %s ORDER BY user_email", org_id)

    def accounts_of(
        self, people: Mapping[str, str], organizations: Sequence[str], since: datetime
    ) -> dict[str, list[Row]]:
        """Return all rows about the credits and calls of some people and organisations.

        Args:
            people: their e-mails by user id.
            organizations: their ids.
            since: from when on calls that the suite placed are counted (UTC).

        Returns:
            by table, the rows of `user_credits`, `credit_transactions`, `usage_tracking`, `organization_credits` and
            `organization_members`; of calls that the suite placed only their number, as the `calls` of a `user_id` in
            the `placed calls`. All are read at the same moment.
        """
        values: dict[str, object] = {"users": list(people), "emails": list(people.values()), "placed": PLACED}
        values |= {"organizations": list(organizations), "since": since}
        found: dict[str, list[Row]] = {}
        for row in self.database.rows(_ACCOUNTS, values):
            found.setdefault(row["source"], []).append(row["row"])
        return found

    def everything(self) -> list[Row]:
        """Return each row of each table as a text (`row`), with the table's name (`source`)."""
        return self.database.rows(self._everything)

    @cached_property
    def _everything(self) -> sql.Composable:
        each = sql.SQL("SELECT {} AS source, t::text AS row FROM {} t")
        return sql.SQL(" UNION ALL ").join(
            each.format(sql.Literal(table), sql.Identifier(table)) for table in sorted(self.database.columns())
        )

    def runs(self) -> set[str]:
        """Return the runs of the suite that have sessions on the server now."""
        rows = self.database.rows("SELECT DISTINCT application_name AS name FROM pg_stat_activity")
        return {run for row in rows if (run := run_of_session(row["name"] or ""))}

    def marks(self) -> dict[str, str]:
        """Return, by user id, the mark of a run that the person's credit transactions or calls have."""
        rows = self.database.rows(
            "SELECT user_id::text AS user_id, description AS mark FROM credit_transactions "
            "WHERE description ~ %(mark)s "
            "UNION SELECT user_id::text, endpoint FROM usage_tracking WHERE endpoint ~ %(mark)s",
            {"mark": MARK_OF_A_RUN},
        )
        return {row["user_id"]: row["mark"] for row in rows if row["user_id"]}

    def members_of_runs(self) -> list[Row]:
        """Return all members of the organisations that have a member made by any run.

        Each row has `org_id`, `user_email`, `role` and the `name` of the organisation.
        """
        return self.database.rows(
            "SELECT m.org_id::text AS org_id, m.user_email, m.role, o.name FROM organization_members m "
            "LEFT JOIN organizations o ON o.id = m.org_id WHERE m.org_id IN "
            "(SELECT org_id FROM organization_members WHERE user_email ~ %s) ORDER BY m.org_id, m.user_email",
            EMAIL_OF_A_RUN,
        )

    def ids_with_rows(self, column: str, ids: Sequence[str]) -> set[str]:
        """Return the ids that any table has in a column of this name (`user_id`, `org_id`)."""
        tables = [table for table, columns in sorted(self.database.columns().items()) if column in columns]
        each = sql.SQL("SELECT {0}::text AS id FROM {1} WHERE {0}::text = ANY(%(ids)s)")
        query = sql.SQL(" UNION ").join(each.format(sql.Identifier(column), sql.Identifier(table)) for table in tables)
        return {row["id"] for row in self.database.rows(query, {"ids": list(ids)})} if tables and ids else set()

    def has_other_runs(self, run: str) -> bool:
        """Return whether other runs of the suite have sessions on the server."""
        rows = self.database.rows(
            "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'credit-flow %%' "
            "AND application_name NOT LIKE '%%' || %s LIMIT 1",
            run,
        )
        return bool(rows)

    def keys(self, user_id: str) -> list[Row]:
        """Return a person's rows of `user_byok_keys`."""
        return self.database.rows("SELECT * FROM user_byok_keys WHERE user_id = %s ORDER BY provider", user_id)
