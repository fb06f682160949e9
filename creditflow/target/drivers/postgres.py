"""PostgreSQL: `unicorn_db` and Lago's database, read for checks; and the few statements by which the suite writes.

Checks go through read-only sessions. Everything that the suite writes by SQL is in `Grants`, and touches only rows of
people and organisations that the suite itself made.
"""

from __future__ import annotations

import select
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extras import RealDictCursor, execute_values

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.naming import (
    APPLICATION,
    EMAIL_OF_A_RUN,
    MARK,
    MARK_OF_A_RUN,
    OF_A_RUN,
    RUN,
    made_by_a_run,
    name_of,
    run_of_session,
)
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers.record import Note, unnoted
from creditflow.target.drivers.request_timeout import LateError, Patience

Row = dict[str, Any]

PLACED = f"placed {MARK}"
"""The endpoint of calls that nobody made: they are there to count."""


class Database:
    """One database of the target.

    Args:
        name: as failures name it.
        url: `postgresql://user:password@host:port/database`.
        timeout_s: deadline of the connection and of every statement, in seconds.
        read_only: open sessions in which PostgreSQL refuses every write.
    """

    def __init__(self, name: str, url: str, timeout_s: float, read_only: bool) -> None:
        parts = urlsplit(url)
        self.name, self.address = name, f"{parts.hostname}:{parts.port or 5432}{parts.path}"
        self._url, self._timeout_s, self._read_only = url, timeout_s, read_only
        self._patience = Patience(timeout_s)
        self._connection: Any = None
        self._lock = threading.RLock()

    def rows(self, statement: str | sql.Composable, *values: Any) -> list[Row]:
        """The rows that a statement brings, as dictionaries by column; values by place, or one mapping by name.

        Raises:
            ServiceUnavailableError: the database can't be reached or refuses the statement.
        """
        with self._asking():
            try:
                with self._open().cursor(cursor_factory=RealDictCursor) as cursor:
                    by_name = values[0] if values and isinstance(values[0], Mapping) else None
                    cursor.execute(statement, by_name or values or None)
                    return [dict(row) for row in cursor.fetchall()] if cursor.description else []
            except (psycopg2.Error, UnicodeDecodeError) as error:
                raise self._away(error) from None

    def transaction(self, statements: Iterable[tuple[str | sql.Composable, Sequence[Any]]]) -> None:
        """Carry out statements together or not at all."""
        with self._asking():
            try:
                connection = self._open()
                with connection.cursor() as cursor:
                    cursor.execute("BEGIN")
                    for statement, values in statements:
                        cursor.execute(statement, values)
                    cursor.execute("COMMIT")
            except (psycopg2.Error, UnicodeDecodeError) as error:
                self.close()
                raise self._away(error) from None
            except BaseException:
                self.close()  # interrupted half-way: what was begun must neither stay open nor be carried on
                raise

    def insert_many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        """Insert many rows in one go; the statement carries `VALUES %s`."""
        with self._asking():
            try:
                with self._open().cursor() as cursor:
                    execute_values(cursor, statement, values, page_size=1000)
            except (psycopg2.Error, UnicodeDecodeError) as error:
                raise self._away(error) from None

    def columns(self) -> dict[str, set[str]]:
        """Every table of the public schema with the names of its columns."""
        found: dict[str, set[str]] = {}
        for row in self.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ):
            found.setdefault(row["table_name"], set()).add(row["column_name"])
        return found

    def tables_holding(self, texts: Sequence[str]) -> list[str]:
        """The tables of which some row, written as text, contains one of the texts in any of its columns."""
        holding = []
        for table in sorted(self.columns()):
            query = sql.SQL("SELECT 1 AS found FROM {} AS t WHERE t::text LIKE ANY(%s) LIMIT 1").format(
                sql.Identifier(table)
            )
            patterns = ["%" + t.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for t in texts]
            if self.rows(query, patterns):
                holding.append(table)
        return holding

    def writes(self, tables: Sequence[str]) -> bool:
        """Whether this session may insert into and delete from all of these tables."""
        if self.rows("SHOW transaction_read_only")[0]["transaction_read_only"] != "off":
            return False
        statement = "SELECT has_table_privilege(%s, 'INSERT') AND has_table_privilege(%s, 'DELETE') AS may"
        return all(self.rows(statement, f"public.{table}", f"public.{table}")[0]["may"] for table in tables)

    def refusal_of_a_table(self, name: str) -> str:
        """What PostgreSQL says when a table is to be made; empty where it is let, and then it is taken back."""
        try:
            self.transaction([(sql.SQL("CREATE TABLE {} ()").format(sql.Identifier(name)), ()), ("ROLLBACK", ())])
        except ServiceUnavailableError as refused:
            return str(refused)
        return ""

    def close(self) -> None:
        """Close the connection; the next question opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """One question at a time, within the deadline; whoever waits for its turn has one too."""
        with waits.on("PostgreSQL"):
            seconds = self._patience.seconds
            if not self._lock.acquire(timeout=seconds):
                what = f"has not answered an earlier question within {seconds:g} s"
                raise ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, what)
            try:
                with self._patience.of_postgresql():
                    yield
            finally:
                self._lock.release()

    def _open(self) -> Any:
        if self._connection is not None and not self._connection.closed and _has_something_to_read(self._connection):
            self.close()  # the server said goodbye while nothing was asked
        if self._connection is None or self._connection.closed:
            milliseconds = round(self._timeout_s * 1000)
            options = f"-c statement_timeout={milliseconds} -c timezone=UTC"
            if self._read_only:
                options += " -c default_transaction_read_only=on"
            self._connection = psycopg2.connect(
                self._url,
                connect_timeout=max(2, round(self._timeout_s)),
                options=options,
                application_name=APPLICATION,
            )
            self._connection.autocommit = True
        return self._connection

    def _away(self, error: psycopg2.Error | UnicodeDecodeError) -> ServiceUnavailableError:
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError | UnicodeDecodeError):
            self.close()
        if isinstance(error, UnicodeDecodeError):  # what the server says is first of all a text
            what = "answers with something else than PostgreSQL does"
            return ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, what)
        if isinstance(error, LateError):
            return ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, str(error))
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, f"said: {reason}")


def _has_something_to_read(connection: Any) -> bool:
    """Whether a server has spoken that was not asked: it ended the session, or is about to."""
    return bool(select.select([connection.fileno()], [], [], 0)[0])


_ACCOUNTS = " UNION ALL ".join(
    f"SELECT '{table}' AS source, to_jsonb(t) AS row FROM {table} t WHERE {whose}"
    for table, whose in {
        "user_credits": "user_id = ANY(%(users)s::uuid[])",
        "credit_transactions": "user_id = ANY(%(users)s::uuid[]) OR org_id = ANY(%(organizations)s::uuid[])",
        "usage_tracking": "user_id = ANY(%(users)s::uuid[])",
        "organization_credits": "org_id = ANY(%(organizations)s::uuid[])",
        "organization_members": "org_id = ANY(%(organizations)s::uuid[]) OR user_email = ANY(%(emails)s)",
    }.items()
)


class UnicornDb:
    """What `unicorn_db` records of one person or organisation, as the contract's section "Tables" lays it out."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def purse(self, user_id: str) -> Row | None:
        """The row of `user_credits`: `credits_remaining`, `credits_allocated`; None without one."""
        rows = self.database.rows("SELECT * FROM user_credits WHERE user_id = %s", user_id)
        return rows[0] if rows else None

    def held(self, user_id: str, email: str) -> int | None:
        """The credits that are reserved for a person's requests, in their purse and their allocations.

        None where no column of `user_credits` or `organization_members` shows reservations.
        """
        columns = self.database.columns()
        found = []
        for table, key, value in (
            ("user_credits", "user_id", user_id),
            ("organization_members", "user_email", email),
        ):
            for column in sorted(c for c in columns.get(table, ()) if "reserved" in c):
                query = sql.SQL("SELECT coalesce(sum({}), 0)::integer AS held FROM {} WHERE {}::text = %s").format(
                    sql.Identifier(column), sql.Identifier(table), sql.Identifier(key)
                )
                found.append(self.database.rows(query, value)[0]["held"])
        return sum(found) if found else None

    def movements(self, *, user_id: str | None = None, org_id: str | None = None) -> list[Row]:
        """Rows of `credit_transactions` of a person, an organisation or both, oldest first."""
        return self.database.rows(
            "SELECT * FROM credit_transactions WHERE (%s::uuid IS NULL OR user_id = %s::uuid) "
            "AND (%s::uuid IS NULL OR org_id = %s::uuid) ORDER BY created_at, id",
            user_id, user_id, org_id, org_id,
        )  # fmt: skip

    def calls(self, user_id: str, since: datetime | None = None) -> list[Row]:
        """Rows of `usage_tracking` of a person, oldest first; from a moment (UTC) on where one is given."""
        return self.database.rows(
            "SELECT * FROM usage_tracking WHERE user_id = %s "
            "AND (%s::timestamp IS NULL OR created_at >= %s::timestamp) ORDER BY created_at, id",
            user_id, since, since,
        )  # fmt: skip

    def organization(self, org_id: str) -> Row | None:
        """The row of `organizations`; None without one."""
        rows = self.database.rows("SELECT * FROM organizations WHERE id = %s", org_id)
        return rows[0] if rows else None

    def organization_credits(self, org_id: str) -> Row | None:
        """The row of `organization_credits`: `total_credits`, `allocated_credits`; None without one."""
        rows = self.database.rows("SELECT * FROM organization_credits WHERE org_id = %s", org_id)
        return rows[0] if rows else None

    def organizations_of(self, email: str) -> list[str]:
        """The ids of the organisations of which somebody is an admin."""
        rows = self.database.rows(
            "SELECT org_id FROM organization_members WHERE user_email = %s AND role = 'admin'", email
        )
        return [str(row["org_id"]) for row in rows]

    def members(self, org_id: str) -> list[Row]:
        """The rows of `organization_members` of an organisation, by e-mail."""
        return self.database.rows("SELECT * FROM organization_members WHERE org_id = %s ORDER BY user_email", org_id)

    def accounts_of(self, people: Mapping[str, str], organizations: Sequence[str]) -> dict[str, list[Row]]:
        """Every row that keeps the credits or calls of some people and organisations, by table.

        Args:
            people: their e-mails by user id.
            organizations: ids.

        Returns:
            the rows of `user_credits`, `credit_transactions`, `usage_tracking`, `organization_credits` and
            `organization_members`, all read at one moment; ids as texts.
        """
        mine = {"users": list(people), "emails": list(people.values()), "organizations": list(organizations)}
        found: dict[str, list[Row]] = {}
        for row in self.database.rows(_ACCOUNTS, mine):
            found.setdefault(row["source"], []).append(row["row"])
        return found

    def everything(self) -> list[Row]:
        """Every row of every table as a text (`row`), with its table (`source`)."""
        return self.database.rows(self._everything)

    @cached_property
    def _everything(self) -> sql.Composable:
        each = sql.SQL("SELECT {} AS source, t::text AS row FROM {} t")
        return sql.SQL(" UNION ALL ").join(
            each.format(sql.Literal(table), sql.Identifier(table)) for table in sorted(self.database.columns())
        )

    def runs(self) -> set[str]:
        """The runs of the suite that have sessions on the server now."""
        rows = self.database.rows("SELECT DISTINCT application_name AS name FROM pg_stat_activity")
        return {run for row in rows if (run := run_of_session(row["name"] or ""))}

    def marked(self) -> dict[str, str]:
        """By user id the marks of the rows that runs of the suite have written."""
        rows = self.database.rows(
            "SELECT user_id::text AS user_id, description AS mark FROM credit_transactions "
            "WHERE description ~ %(mark)s "
            "UNION SELECT user_id::text, endpoint FROM usage_tracking WHERE endpoint ~ %(mark)s",
            {"mark": MARK_OF_A_RUN},
        )
        return {row["user_id"]: row["mark"] for row in rows if row["user_id"]}

    def members_of_runs(self) -> list[Row]:
        """Every member of the organisations in which somebody has the e-mail of a run: `org_id`, `user_email`, `role`.

        With each the `name` of the organisation.
        """
        return self.database.rows(
            "SELECT m.org_id::text AS org_id, m.user_email, m.role, o.name FROM organization_members m "
            "LEFT JOIN organizations o ON o.id = m.org_id WHERE m.org_id IN "
            "(SELECT org_id FROM organization_members WHERE user_email ~ %s) ORDER BY m.org_id, m.user_email",
            EMAIL_OF_A_RUN,
        )

    def kept_of(self, column: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids some row has in a column (`user_id`, `org_id`) of whatever table has such a column."""
        tables = [table for table, columns in sorted(self.database.columns().items()) if column in columns]
        each = sql.SQL("SELECT {0}::text AS id FROM {1} WHERE {0}::text = ANY(%(ids)s)")
        query = sql.SQL(" UNION ").join(each.format(sql.Identifier(column), sql.Identifier(table)) for table in tables)
        return {row["id"] for row in self.database.rows(query, {"ids": list(ids)})} if tables and ids else set()

    def others(self, run: str) -> bool:
        """Whether other runs of the suite have sessions on the server."""
        rows = self.database.rows(
            "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'credit-flow %%' "
            "AND application_name NOT LIKE '%%' || %s LIMIT 1",
            run,
        )
        return bool(rows)

    def keys(self, user_id: str) -> list[Row]:
        """The rows of `user_byok_keys` of a person."""
        return self.database.rows("SELECT * FROM user_byok_keys WHERE user_id = %s ORDER BY provider", user_id)


class LagoDb:
    """What Lago's database records of one customer; statuses are Lago's integers."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def customers(self, external_id: str) -> list[Row]:
        """The rows of `customers` that are not removed, by the customer's external id."""
        return self.database.rows("SELECT * FROM customers WHERE external_id = %s AND deleted_at IS NULL", external_id)

    def subscriptions(self, external_id: str) -> list[Row]:
        """The rows of `subscriptions` of a customer, each with its plan's code, oldest first."""
        return self.database.rows(
            "SELECT s.*, p.code AS plan_code FROM subscriptions s JOIN customers c ON c.id = s.customer_id "
            "JOIN plans p ON p.id = s.plan_id WHERE c.external_id = %s AND c.deleted_at IS NULL ORDER BY s.created_at",
            external_id,
        )

    def events(self, subscriptions: Sequence[str], transactions: Sequence[str]) -> list[Row]:
        """The rows of `events` of some subscriptions, or of some transaction ids whichever they name."""
        return self.database.rows(
            "SELECT transaction_id, external_subscription_id FROM events "
            "WHERE external_subscription_id = ANY(%s) OR transaction_id = ANY(%s)",
            list(subscriptions), list(transactions),
        )  # fmt: skip

    def changes(self, seconds: float, run: str) -> list[Row]:
        """Customers, subscriptions, invoices and events that were lately made or changed, as texts (`row`).

        What carries the name of a run is left out, but not the events of this run; of an event the text ends with its
        transaction id.

        Args:
            seconds: since how long, by the server's clock.
            run: the name of this run.
        """
        return self.database.rows(
            "WITH lately AS (SELECT LOCALTIMESTAMP - %(seconds)s * interval '1 second' AS since) "
            "SELECT 'customers' AS source, external_id AS row FROM customers, lately "
            "WHERE updated_at >= since AND name !~ %(names)s "
            "UNION ALL SELECT 'subscriptions', external_id FROM subscriptions, lately "
            "WHERE updated_at >= since AND external_id !~ %(names)s "
            "UNION ALL SELECT 'invoices', c.external_id || ' ' || i.id FROM invoices i "
            "JOIN customers c ON c.id = i.customer_id, lately WHERE i.updated_at >= since AND c.name !~ %(names)s "
            "UNION ALL SELECT 'events', external_subscription_id || ' ' || transaction_id FROM events, lately "
            "WHERE created_at >= since "
            "AND (external_subscription_id !~ %(names)s OR external_subscription_id ~ %(run)s)",
            {"seconds": seconds, "names": OF_A_RUN, "run": f"^{run}-"},
        )

    def invoices(self, external_id: str) -> list[Row]:
        """The rows of `invoices` of a customer, oldest first."""
        return self.database.rows(
            "SELECT i.* FROM invoices i JOIN customers c ON c.id = i.customer_id "
            "WHERE c.external_id = %s AND c.deleted_at IS NULL ORDER BY i.created_at",
            external_id,
        )


class NotOwnedError(Exception):
    """Rows were to be written that belong to nobody whom a run of the suite made."""


class Made:
    """The ids of those whose rows may be written: the people and organisations that this run made.

    Of an earlier run's nothing but the removal of their rows is allowed. Every id is told with the name that it has in
    the systems, which has to be a run's.
    """

    def __init__(self) -> None:
        self._own: set[str] = set()
        self._earlier: set[str] = set()

    def own(self, id_: str, name: str) -> None:
        """Tell that this run made a person or an organisation of this name.

        Raises:
            NotOwnedError: the name is not one that this run gives.
        """
        if not name.startswith(f"{RUN}-"):
            raise NotOwnedError(f"'{name}' is no name that the run {RUN} gives, so that rows of {id_} are not its own.")
        self._own.add(id_)

    def earlier(self, id_: str, name: str) -> None:
        """Tell that an earlier run made a person or an organisation of this name, so that their rows may be removed.

        Raises:
            NotOwnedError: the name is not one that any run gives.
        """
        if not made_by_a_run(name):
            raise NotOwnedError(
                f"'{name}' is no name that a run of the suite gives, so that rows of {id_} are not removed."
            )
        self._earlier.add(id_)

    def require(self, id_: str, removal: bool = False) -> None:
        """Make sure that rows of an id may be written, or be removed.

        Raises:
            NotOwnedError: they may not.
        """
        if id_ not in self._own and not (removal and id_ in self._earlier):
            raise NotOwnedError(
                f"the id {id_} is of nobody whom the run {RUN} made, so that no row of it is "
                f"{'removed' if removal else 'written'}: tell `Target.made` of it when it is made."
            )


class Grants:
    """Every statement by which the suite writes to `unicorn_db`, because the plan names no endpoint for it.

    Args:
        database: opened for writing.
        made: whose rows may be written; every method raises `NotOwnedError` for anybody else.
        note: told of what was written.
    """

    def __init__(self, database: Database, made: Made, note: Note = unnoted) -> None:
        self.database, self._made, self._note = database, made, note

    def grant(self, user_id: str, credits: int, tier: str) -> None:
        """Give a person credits: a row of `user_credits` and one of `credit_transactions`, in one transaction."""
        self._made.require(user_id)
        self.database.transaction(
            [
                (
                    "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated, tier, updated_at) "
                    "VALUES (%s, %s, %s, %s, now()) ON CONFLICT (user_id) DO UPDATE SET "
                    "credits_remaining = user_credits.credits_remaining + excluded.credits_remaining, "
                    "credits_allocated = user_credits.credits_allocated + excluded.credits_allocated, "
                    "updated_at = now()",
                    (user_id, credits, credits, tier),
                ),
                (
                    "INSERT INTO credit_transactions (id, user_id, amount, transaction_type, description) "
                    "VALUES (%s, %s, %s, 'grant', %s)",
                    (str(uuid.uuid4()), user_id, credits, f"granted {MARK}"),
                ),
            ]
        )
        self._note("grant", None, None, user_id=user_id, credits=credits)

    def place_calls(self, user_id: str, count: int, at: datetime) -> None:
        """Record calls that a person made at a moment (UTC) with their own key, so that they count and cost nothing."""
        self._made.require(user_id)
        self.database.insert_many(
            "INSERT INTO usage_tracking "
            "(id, user_id, request_id, endpoint, model, tokens, credits, byok, status, created_at) VALUES %s",
            [
                (str(uuid.uuid4()), user_id, str(uuid.uuid4()), PLACED,
                 "openai/gpt-3.5-turbo", 100, 0, True, 200, at)
                for _ in range(count)
            ],
        )  # fmt: skip
        self._note("place_calls", None, None, user_id=user_id, count=count, at=at)

    def remove_person(self, user_id: str) -> None:
        """Remove a person's rows from every table that has a `user_id` column."""
        self._remove("user_id", user_id)

    def remove_organization(self, org_id: str) -> None:
        """Remove an organisation from every table that has an `org_id` column, and from `organizations`.

        Raises:
            NotOwnedError: no run made it, or the organisation of this id has a name that no run gives: the answer that
                brought the id was then wrong.
        """
        self._made.require(org_id, removal=True)
        for row in self.database.rows("SELECT name FROM organizations WHERE id::text = %s", org_id):
            if not made_by_a_run(row["name"]):
                raise NotOwnedError(
                    f"the organisation {org_id} is called '{row['name']}', as no run calls one, "
                    f"so that nothing of it is removed: see how its id came to be taken for that of a run's."
                )
        self._remove("org_id", org_id, last=("organizations", "id"))

    def remove_member(self, email: str) -> None:
        """Remove somebody whom a run made from every organisation.

        Raises:
            NotOwnedError: no run gives that e-mail to anybody.
        """
        if not name_of(email):
            raise NotOwnedError(
                f"'{email}' is no e-mail that a run of the suite gives, so that no membership is removed."
            )
        self.database.transaction([("DELETE FROM organization_members WHERE user_email = %s", (email,))])

    def _remove(self, column: str, value: str, last: tuple[str, str] | None = None) -> None:
        self._made.require(value, removal=True)
        places = [(table, column) for table, columns in self._columns.items() if column in columns]
        statement = sql.SQL("DELETE FROM {} WHERE {}::text = %s")
        self.database.transaction(
            (statement.format(sql.Identifier(table), sql.Identifier(its)), (value,))
            for table, its in [*places, *([last] if last else [])]
        )

    @cached_property
    def _columns(self) -> dict[str, set[str]]:
        return self.database.columns()
