"""The sandbox as the suite uses it where no deployment is named; nothing else here knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from creditflow.core.errors import CannotRunError


def start(owe: Callable[[Callable[[], object]], object], tell: Callable[[str], None]) -> Mapping[str, str]:
    """Start the sandbox, or take the one that is up; its description in the settings' names.

    Args:
        owe: takes what ends it again, unless it is kept or others need it.
        tell: shows the reader how far it is.

    Raises:
        CannotRunError: it does not start, with the service and the cure.
    """
    import sandbox  # noqa: PLC0415 - needed only where no deployment is named
    from sandbox.errors import SandboxError  # noqa: PLC0415

    try:
        started = sandbox.start(report=tell)
    except ModuleNotFoundError as missing:
        raise CannotRunError(
            f"OPS_CENTER_URL names no deployment, and the package {missing.name} of the sandbox is not installed: "
            "run `pip install -r requirements.txt` in the project's folder, or set OPS_CENTER_URL."
        ) from None
    except SandboxError as error:
        raise CannotRunError(str(error)) from None
    owe(started.stop)
    return started.settings


def running() -> Mapping[str, str] | None:
    """The description of the sandbox that is up, whole or not, in the settings' names; None when there is none.

    Raises:
        CannotRunError: what is known of it can't be read.
    """
    try:
        from sandbox import described  # noqa: PLC0415
        from sandbox.errors import SandboxError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return described()
    except SandboxError as error:
        raise CannotRunError(str(error)) from None
