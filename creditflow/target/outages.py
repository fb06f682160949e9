"""Outages: services of the target that fail because a scenario wants it, and work again (plan items N4 and R6)."""

from __future__ import annotations

import shlex
import subprocess

from creditflow.core.errors import ExpectedError, NotTestableError
from creditflow.core.redaction import redactor
from creditflow.target import sandbox_launcher
from creditflow.target.drivers.record import Recorder
from creditflow.target.settings import Settings, listed

AWAY, PAUSED = "away", "paused"
WAYS = {
    AWAY: ("killed", "STOP", "START"),
    PAUSED: ("paused", "PAUSE", "RESUME"),
    "refusing": ("killed", "", ""),
    "failing": ("500", "", ""),
    "late": ("slow", "", ""),
}
"""The ways of failing: for each its name in the sandbox, and the commands of a deployment that begin and end it.

- away: the service is killed.
- paused: connections are accepted, and nothing is answered.
- refusing: connections are refused.
- failing: every answer is an error.
- late: every answer comes 10 seconds late.

In the sandbox all but the first concern Ops-Center alone; the suite still reaches the service.
"""

LONGEST_COMMAND_S = 120.0
"""The deadline of a command that stops or starts a service, in seconds."""


class OutageError(ExpectedError):
    """A service could not be taken away or brought back; the message names the command and the reason."""


class Outages:
    """Makes services fail, and lets them work again.

    In the sandbox a service is killed and restarted, or fails for Ops-Center alone. On a named deployment the commands
    of the settings are run, if `ALLOW_CHAOS` names its host.

    Args:
        settings: the addresses of the target, and the commands.
        record: takes the operations `service_away` and `service_back`.

    Attributes:
        happened: whether a service failed since this was last set to False.
    """

    def __init__(self, settings: Settings, record: Recorder) -> None:
        self._settings, self._record = settings, record
        self._back: set[tuple[str, str]] = set()
        self._behind_gates = False
        self.happened = False

    def require_possible(self, service: str, way: str = AWAY) -> None:
        """Require that a service can fail in a way, and be brought back.

        Raises:
            NotTestableError: this target has no command for it, or does not allow it.
        """
        if not self._is_sandbox():
            _, begins, ends = WAYS[way]
            self._command(begins, service, way)
            self._command(ends, service, way)

    def require_allowed(self) -> None:
        """Require that a run may change what all users of the target need.

        Raises:
            NotTestableError: `ALLOW_CHAOS` does not name the host of a named deployment.
        """
        if not self._is_sandbox():
            self._require_host()

    def begin(self, service: str, way: str = AWAY) -> None:
        """Make a service fail, such as "Redis" or "PostgreSQL".

        Raises:
            NotTestableError: this target has no command for it, or does not allow it.
            OutageError: the command failed.
        """
        in_sandbox, begins, _ = WAYS[way]
        on_sandbox = self._is_sandbox()
        command = "" if on_sandbox else self._command(begins, service, way)
        self._record("service_away", None, None, service=service)
        self._back.discard((service, way))
        self.happened = True
        if not on_sandbox:
            _run(_setting(begins, service), command)
        elif way == AWAY:
            sandbox_launcher.kill(_in_sandbox(service))
        else:
            self._behind_gates = True
            sandbox_launcher.fail(_in_sandbox(service), in_sandbox)

    def end(self, service: str, way: str = AWAY) -> bool:
        """Bring a service back, also if another run made it fail; return False if it is back already.

        Raises:
            OutageError: the command failed.
            ExpectedError: the service of the sandbox does not come up.
        """
        if (service, way) in self._back:
            return False
        ends = WAYS[way][2]
        if not self._is_sandbox():
            _run(_setting(ends, service), self._command(ends, service, way))
        elif way == AWAY:
            sandbox_launcher.restart(_in_sandbox(service))
        else:
            sandbox_launcher.fail(_in_sandbox(service), "")
        self._back.add((service, way))
        self._record("service_back", None, None, service=service)
        return True

    def close(self, *, of_others: bool = False) -> None:
        """Leave the sandbox as it was before the first failure; do nothing on a named deployment.

        Args:
            of_others: also if another run made the services fail.
        """
        if self._behind_gates or (of_others and self._is_sandbox()):
            self._behind_gates = False
            sandbox_launcher.heal()

    def _require_host(self) -> None:
        host = self._settings.host
        if host not in listed(self._settings.allow_chaos):
            raise NotTestableError(
                f"a run may not take services of {host} away", f"set ALLOW_CHAOS={host} if nobody else needs it"
            )

    def _is_sandbox(self) -> bool:
        running = sandbox_launcher.running()
        return running is not None and running.get("OPS_CENTER_URL") == self._settings.ops_center_url

    def _command(self, what: str, service: str, way: str) -> str:
        host = self._settings.host
        setting = _setting(what, service)
        command: str | None = getattr(self._settings, setting.lower(), None)
        if command is None:
            raise NotTestableError(f"no command can make {service} on {host} fail like this ({way})", "use the sandbox")
        self._require_host()
        if not command:
            raise NotTestableError(f"nothing says how to {what.lower()} {service} on {host}", f"set {setting}")
        return command


def _setting(what: str, service: str) -> str:
    return f"CHAOS_{what}_{service.upper().replace('-', '_').replace(' ', '_')}"


def _in_sandbox(service: str) -> str:
    return service.lower().removeprefix("the ")


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
