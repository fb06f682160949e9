"""Starts the sandbox for a run that names no deployment; the only module of `creditflow` that imports `sandbox`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from creditflow.core.errors import CannotRunError, ExpectedError


def start(add_finalizer: Callable[[Callable[[], object]], object], report: Callable[[str], None]) -> Mapping[str, str]:
    """Start the sandbox, or use the running one, and return its settings, by environment name.

    Args:
        add_finalizer: takes the function that stops the sandbox, unless it is kept or others use it.
        report: receives a line for each step of the start.

    Raises:
        CannotRunError: the sandbox does not start; the message names the service and what to do.
    """
    import sandbox  # noqa: PLC0415 - needed only if no deployment is named
    from sandbox.errors import SandboxError  # noqa: PLC0415

    try:
        started = sandbox.start(report=report)
    except ModuleNotFoundError as missing:
        raise CannotRunError(
            f"OPS_CENTER_URL names no deployment, and the package {missing.name} of the sandbox is not installed: "
            "run `pip install -r requirements.txt` in the project's folder, or set OPS_CENTER_URL."
        ) from None
    except SandboxError as error:
        raise CannotRunError(str(error)) from None
    add_finalizer(started.stop)
    return started.settings


def running() -> Mapping[str, str] | None:
    """Return the settings of the running sandbox, by environment name, or None; some of its services may be down.

    Raises:
        CannotRunError: the sandbox's own state can't be read.
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


def kill(service: str) -> None:
    """Kill a service of the running sandbox.

    Raises:
        ExpectedError: it can't be killed.
    """
    _act("kill", service)


def restart(service: str) -> None:
    """Restart a service of the running sandbox, and wait until it is healthy.

    Raises:
        ExpectedError: it does not come up.
    """
    _act("restart", service)


def fail(service: str, way: str) -> None:
    """Make a service of the running sandbox fail for Ops-Center alone, or work again if the way is empty.

    Raises:
        ExpectedError: that is not possible.
    """
    _act("fail", service, way)


def heal() -> None:
    """End every failure that `fail` made.

    Raises:
        ExpectedError: Ops-Center does not come up.
    """
    _act("heal")


def _act(function: str, *arguments: str) -> None:
    import sandbox  # noqa: PLC0415
    from sandbox.errors import SandboxError  # noqa: PLC0415

    try:
        getattr(sandbox, function)(*arguments)
    except SandboxError as error:
        raise ExpectedError(str(error)) from None
