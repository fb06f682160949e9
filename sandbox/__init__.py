"""The sandbox: a whole deployment of Ops-Center on one machine, with real parts where possible.

`start()` returns a running sandbox. Importing the package alone costs nothing: `start()` imports the rest.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.handle import Sandbox


def start(keep: bool = False, report: Callable[[str], None] = lambda line: None) -> "Sandbox":
    """Return the running sandbox, or start one and wait until all its services are healthy.

    Without `keep` the sandbox ends with the last process that uses it, even if that process is killed. `report` gets
    a line at each step. Raises `sandbox.errors.SandboxError` when the sandbox does not come up; then nothing is left
    running.
    """
    from sandbox.handle import start as start_sandbox  # noqa: PLC0415 - needed only for a start

    return start_sandbox(keep, report)


def described() -> dict[str, str] | None:
    """Return the target description of the running sandbox, healthy or not; None when none is up.

    Raises `sandbox.errors.SandboxError` when its state can't be read.
    """
    from sandbox.settings import sandbox_settings  # noqa: PLC0415
    from sandbox.state import State  # noqa: PLC0415

    settings = sandbox_settings()
    state = State.read(settings)
    if state is None or not state.is_up() or not settings.target.is_file():
        return None
    target: dict[str, str] = json.loads(settings.target.read_text())
    return target


def kill(service: str) -> None:
    """Kill a service of the running sandbox, which stays away until `restart`.

    Raises `sandbox.errors.SandboxError` when there is no such service or no sandbox.
    """
    from sandbox import handle  # noqa: PLC0415
    from sandbox.settings import sandbox_settings  # noqa: PLC0415

    handle.kill(sandbox_settings(), service)


def restart(service: str) -> None:
    """Restart a service of the running sandbox, and wait until it is healthy; a fault in it stays switched on.

    Raises `sandbox.errors.SandboxError` when there is no such service or no sandbox, or when it does not come up.
    """
    from sandbox import handle  # noqa: PLC0415
    from sandbox.settings import sandbox_settings  # noqa: PLC0415

    handle.restart(sandbox_settings(), service, None)


def fail(service: str, way: str) -> None:
    """Make a service of the running sandbox fail for Ops-Center alone, in a way of `sandbox.gates`.

    With an empty way the service works again. Raises `sandbox.errors.SandboxError` when that is not possible.
    """
    from sandbox import handle  # noqa: PLC0415
    from sandbox.settings import sandbox_settings  # noqa: PLC0415

    handle.fail(sandbox_settings(), service, way)


def heal() -> None:
    """End every failure that `fail` made; do nothing if there was none.

    Raises `sandbox.errors.SandboxError` when there is no sandbox, or when Ops-Center does not come up.
    """
    from sandbox import handle  # noqa: PLC0415
    from sandbox.settings import sandbox_settings  # noqa: PLC0415

    handle.heal(sandbox_settings())
