"""Outages: services of the target that a scenario takes away and brings back (plan items N4 and R6)."""

from __future__ import annotations

import shlex
import subprocess
from urllib.parse import urlsplit

from creditflow.core.errors import ExpectedError, NotTestableError
from creditflow.core.redaction import redactor
from creditflow.target import sandbox_launcher
from creditflow.target.drivers.record import Recorder
from creditflow.target.settings import Settings, listed

LONGEST_COMMAND_S = 120.0
"""The deadline of a command that stops or starts a service, in seconds."""


class OutageError(ExpectedError):
    """A service could not be taken away or brought back; the message names the command and the reason."""


class Outages:
    """Takes services away and brings them back.

    A service of the sandbox is killed and restarted. On a named deployment the commands of the settings are run, if
    `ALLOW_CHAOS` names its host.

    Args:
        settings: the addresses of the target, and the commands.
        record: takes the operations `service_away` and `service_back`.

    Attributes:
        happened: whether a service was away since this was last set to False.
    """

    def __init__(self, settings: Settings, record: Recorder) -> None:
        self._settings, self._record = settings, record
        self._back: set[str] = set()
        self.happened = False

    def require_possible(self, service: str) -> None:
        """Require that a service can be taken away and brought back.

        Raises:
            NotTestableError: this target has no command for it, or does not allow it.
        """
        if not self._is_sandbox():
            self._command("STOP", service)
            self._command("START", service)

    def begin(self, service: str) -> None:
        """Take a service away, such as "Redis" or "PostgreSQL".

        Raises:
            NotTestableError: this target has no command for it, or does not allow it.
            OutageError: the command failed.
        """
        on_sandbox = self._is_sandbox()
        command = "" if on_sandbox else self._command("STOP", service)
        self._record("service_away", None, None, service=service)
        self._back.discard(service)
        self.happened = True
        if on_sandbox:
            sandbox_launcher.kill(service.lower())
        else:
            _run(f"CHAOS_STOP_{service.upper()}", command)

    def end(self, service: str) -> None:
        """Bring a service back, also one that another run took away; a service that is back stays as it is.

        Raises:
            OutageError: the command failed, or the service does not come up.
        """
        if service in self._back:
            return
        if self._is_sandbox():
            sandbox_launcher.restart(service.lower())
        else:
            _run(f"CHAOS_START_{service.upper()}", self._command("START", service))
        self._back.add(service)
        self._record("service_back", None, None, service=service)

    def _is_sandbox(self) -> bool:
        running = sandbox_launcher.running()
        return running is not None and running.get("OPS_CENTER_URL") == self._settings.ops_center_url

    def _command(self, what: str, service: str) -> str:
        host = urlsplit(self._settings.ops_center_url).hostname or ""
        if host not in listed(self._settings.allow_chaos):
            raise NotTestableError(
                f"a run may not take services of {host} away", f"set ALLOW_CHAOS={host} if nobody else needs it"
            )
        setting = f"CHAOS_{what}_{service.upper()}"
        command: str = getattr(self._settings, setting.lower())
        if not command:
            raise NotTestableError(f"nothing says how to {what.lower()} {service} on {host}", f"set {setting}")
        return command


def _run(setting: str, command: str) -> None:
    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, timeout=LONGEST_COMMAND_S, check=False
        )
    except (OSError, ValueError) as error:
        raise OutageError(f"The command in {setting} can't be run: {error}. Correct it.") from None
    except subprocess.TimeoutExpired:
        raise OutageError(f"The command in {setting} did not end within {LONGEST_COMMAND_S:g} s.") from None
    if done.returncode:
        lines = redactor.clean(done.stderr or done.stdout).split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
        raise OutageError(f"The command in {setting} ended with status {done.returncode}: {last[:200]}")
