"""The sandbox's settings (four environment variables) and its folders."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

PROJECT = Path(__file__).resolve().parent.parent
"""The project's root, in which the services run, so that their modules are found."""

SERVICES = ("litellm", "keycloak", "postgresql", "redis", "provider", "lago", "ops-center")
"""Every service, the slowest to start first."""


@dataclass(frozen=True)
class SandboxSettings:
    """The settings of one sandbox.

    - `SANDBOX_HOME`: the folder of all state, `.sandbox` in the project by default.
    - `SANDBOX_PREPARED`: the folder of the prepared pieces, `SANDBOX_HOME` by default; sandboxes can share it.
    - `SANDBOX_PORTS`: ports to use, such as `keycloak=8080,ops-center=8000`; the others are free ones.
    - `SANDBOX_ONLY`: the services to start, such as `postgresql,redis`; all of them by default.
    """

    home: Path
    prepared: Path
    ports: Mapping[str, int]
    only: tuple[str, ...]

    @property
    def run(self) -> Path:
        """The state of the running sandbox; each start removes the last one's."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """The logs of the services, of the running sandbox or of the last one."""
        return self.run / "log"

    @property
    def target(self) -> Path:
        """The target description of the running sandbox; it exists only while everything is up."""
        return self.run / "target.json"

    @property
    def state(self) -> Path:
        """The processes, ports, logs and start times of the running sandbox."""
        return self.run / "state.json"

    @property
    def secrets(self) -> Path:
        """The generated secrets, in the folder of the pieces that were made with them."""
        return self.prepared / "secrets.json"

    def environment(self) -> dict[str, str]:
        """Return these settings as environment variables."""
        return {
            "SANDBOX_HOME": str(self.home),
            "SANDBOX_PREPARED": str(self.prepared),
            "SANDBOX_PORTS": ",".join(f"{name}={port}" for name, port in self.ports.items()),
            "SANDBOX_ONLY": ",".join(self.only),
        }


def sandbox_settings(environment: Mapping[str, str] | None = None) -> SandboxSettings:
    """Read the settings from the environment.

    Raises `SandboxError` for a wrong port or an unknown service.
    """
    values = os.environ if environment is None else environment
    home = Path(values.get("SANDBOX_HOME") or PROJECT / ".sandbox").absolute()
    return SandboxSettings(
        home=home,
        prepared=Path(values.get("SANDBOX_PREPARED") or home).absolute(),
        ports=_ports(values.get("SANDBOX_PORTS", "")),
        only=_only(values.get("SANDBOX_ONLY", "")),
    )


def _ports(text: str) -> dict[str, int]:
    ports: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, port = (part.strip() for part in item.partition("="))
        _known(name, "SANDBOX_PORTS")
        if not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise SandboxError(
                f"SANDBOX_PORTS gives {name} the port {port or '(none)'!r}: "
                f"write it as in {name}=8080, with 1 to 65535."
            )
        if int(port) in ports.values():
            raise SandboxError(f"SANDBOX_PORTS gives port {port} to two services: each needs one of its own.")
        ports[name] = int(port)
    return ports


def _only(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        _known(name, "SANDBOX_ONLY")
    return tuple(name for name in SERVICES if not names or name in names)


def _known(name: str, setting: str) -> None:
    if name not in SERVICES:
        raise SandboxError(f"{setting} names {name!r}, which is not a service: use {', '.join(sorted(SERVICES))}.")


def service_environment() -> dict[str, str]:
    """Return the part of the caller's environment for a service: what it needs to run, and nothing else.

    The caller's proxy, `JAVA_OPTS` or provider key must not reach the services.
    """
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
    own = {name: value for name, value in os.environ.items() if name in kept or name.startswith("SANDBOX_")}
    own.pop("SANDBOX_FAULT", None)  # a fault is switched on in one service, by its restart
    return own | {
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
    }
