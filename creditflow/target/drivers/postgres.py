"""One connection to a PostgreSQL database, with a deadline for each statement, and read-only where checks use it.

`unicorn_db` and `lago_db` beside this module read; `grants` writes.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.naming import APPLICATION
from creditflow.core.wait_statistics import waits
from creditflow.target.drivers.request_timeout import PostgresTimeoutError, RequestTimeout

Row = dict[str, Any]


class Database:
    """One database of the target.

    Args:
        name: as error messages name it.
        url: `postgresql://user:password@host:port/database`.
        timeout_s: the deadline of the connection and of each statement, in seconds.
        read_only: open sessions in which PostgreSQL refuses each write.
    """

    def __init__(self, name: str, url: str, timeout_s: float, read_only: bool) -> None:
        parts = urlsplit(url)
        self.name, self.address = name, f"{parts.hostname}:{parts.port or 5432}{parts.path}"
        self._url, self._timeout_s, self._read_only = url, timeout_s, read_only
        self._timeout = RequestTimeout(timeout_s)
        self._connection: Any = None
        self._lock = threading.RLock()

    def rows(self, statement: str | sql.Composable, *values: Any) -> list[Row]:
        """Run a statement and return its rows, each a dictionary by column.

        Args:
            statement: with `%s` or `%(name)s` in the place of each value.
            values: in order, or one mapping by name.

        Raises:
            ServiceUnavailableError: the database can't be reached, or refuses the statement.
        """
        with self._turn():
            try:
                with self._open().cursor() as cursor:
                    by_name = values[0] if values and isinstance(values[0], Mapping) else None
                    cursor.execute(statement, by_name or values or None)
                    names = [column.name for column in cursor.description or ()]
                    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
            except (psycopg2.Error, UnicodeDecodeError) as error:
                raise self._unavailable(error) from None

    def transaction(self, statements: Iterable[tuple[str | sql.Composable, Sequence[Any] | Mapping[str, Any]]]) -> None:
        """Run statements in one message, which PostgreSQL makes one transaction.

        Raises:
            ServiceUnavailableError: the database can't be reached, or refuses a statement; nothing was changed then.
        """
        with self._turn():
            try:
                connection = self._open()
                with connection.cursor() as cursor:
                    cursor.execute(b"; ".join(cursor.mogrify(statement, values) for statement, values in statements))
            except (psycopg2.Error, UnicodeDecodeError) as error:
                self.close()
                raise self._unavailable(error) from None
            except BaseException:
                self.close()  # an interrupted transaction must neither stay open nor continue
                raise

    def columns(self) -> dict[str, set[str]]:
        """Return the column names of each table in the public schema."""
        found: dict[str, set[str]] = {}
        for row in self.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ):
            found.setdefault(row["table_name"], set()).add(row["column_name"])
        return found

    def tables_containing(self, texts: Sequence[str]) -> list[str]:
        """Return the tables that have a row with one of the texts in any of its columns."""
        containing = []
        for table in sorted(self.columns()):
            query = sql.SQL("SELECT 1 AS found FROM {} AS t WHERE t::text LIKE ANY(%s) LIMIT 1").format(
                sql.Identifier(table)
            )
            patterns = ["%" + t.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for t in texts]
            if self.rows(query, patterns):
                containing.append(table)
        return containing

    def can_write(self, tables: Sequence[str]) -> bool:
        """Return whether this session may insert into and delete from all of these tables."""
        if self.rows("SHOW transaction_read_only")[0]["transaction_read_only"] != "off":
            return False
        statement = "SELECT has_table_privilege(%s, 'INSERT') AND has_table_privilege(%s, 'DELETE') AS may"
        return all(self.rows(statement, f"public.{table}", f"public.{table}")[0]["may"] for table in tables)

    def begin_in_worker(self) -> None:
        """Leave the connection to the process of the run; the next statement opens another one."""
        self._connection, self._lock = None, threading.RLock()

    def close(self) -> None:
        """Close the connection; the next statement opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for earlier statements to end, then limit the next one to the deadline; the wait has a deadline too."""
        with waits.on("PostgreSQL"):
            seconds = self._timeout.seconds
            if not self._lock.acquire(timeout=seconds):
                what = f"has not answered an earlier query within {seconds:g} s"
                raise ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, what)
            try:
                with self._timeout.postgresql():
                    yield
            finally:
                self._lock.release()

    def _open(self) -> Any:
        if self._connection is not None and not self._connection.closed and _has_unread_data(self._connection):
            self.close()  # the server ended the session while it was idle
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

    def _unavailable(self, error: psycopg2.Error | UnicodeDecodeError) -> ServiceUnavailableError:
        if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError | UnicodeDecodeError):
            self.close()
        if isinstance(error, UnicodeDecodeError):
            what = "does not answer as PostgreSQL does"
            return ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, what)
        if isinstance(error, PostgresTimeoutError):
            return ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, str(error))
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return ServiceUnavailableError(f"PostgreSQL ({self.name})", self.address, f"answered: {reason}")


def _has_unread_data(connection: Any) -> bool:
    """Return whether the server sent something without a query: it has ended the session, or is about to."""
    return bool(select.select([connection.fileno()], [], [], 0)[0])
