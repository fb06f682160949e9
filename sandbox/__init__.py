"""The sandbox: a whole deployment of Ops-Center on one machine, real parts wherever they can be had.

`start()` gives its caller a running one. Nothing else is imported before that: the package alone costs
nothing.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.handle import Sandbox


def start(keep: bool = False, report: Callable[[str], None] = lambda line: None) -> "Sandbox":
    """Take the sandbox that is running, else start one, and return it when all its services are healthy.

    Without `keep` it ends with the last process that started or took it, however that one ends. `report` gets
    a line at each step. Raises `sandbox.errors.SandboxError` when it does not come up; nothing is left
    running then.
    """
    from sandbox.handle import start as start_sandbox  # noqa: PLC0415 - only who starts one pays for it

    return start_sandbox(keep, report)


def described() -> dict[str, str] | None:
    """Return the description of the running sandbox without touching it, whole or not; None when none is up.

    Raises `sandbox.errors.SandboxError` when what it wrote about itself can't be read.
    """
    from sandbox.settings import sandbox_settings  # noqa: PLC0415
    from sandbox.state import State  # noqa: PLC0415

    settings = sandbox_settings()
    state = State.read(settings)
    if state is None or not state.is_up() or not settings.target.is_file():
        return None
    target: dict[str, str] = json.loads(settings.target.read_text())
    return target
