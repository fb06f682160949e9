"""Turns what would end the process or a thread early into an error that every output reports.

`sys.exit`, a cancelled task and a `KeyboardInterrupt` without a signal pass every `except Exception`. Without this
module such a run would skip the clean-up, leave scenarios out of the report, and could exit with status 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from creditflow.core.interruption import interruption
from creditflow.core.run_limits import Alarm


class ContainedExitError(Exception):
    """A step, hook, clean-up or formatter tried to end the process; the message names it and how."""


class ProcessExit(BaseException):
    """Raised in place of `os._exit`, which would end the process without a report."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)

    def __repr__(self) -> str:
        return f"os._exit({self.status})"


def is_own_interruption(error: BaseException) -> bool:
    """Return whether the suite raised it to interrupt its own work, after a signal or when a time limit passed."""
    return isinstance(error, Alarm) or (isinstance(error, KeyboardInterrupt) and bool(interruption.signal))


def message_of(error: BaseException, what: str) -> str:
    """Return the message for an error that is not an `Exception`; `what` names the code that raised it."""
    if isinstance(error, SystemExit | ProcessExit):
        return f"{what} ended the process: {_shown(error)}; raise an error instead."
    if isinstance(error, KeyboardInterrupt):
        return f"{what} raised KeyboardInterrupt without a signal."
    return f"{what} raised {_shown(error)}, which is not an Exception and would have ended the run."


def _shown(error: BaseException) -> str:
    """Return the `repr` of an error, or its type if `repr` fails."""
    try:
        return repr(error)
    except Exception:
        return f"{type(error).__name__}(...)"


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Turn any error that is not an `Exception` into one, except the suite's own interruptions.

    Args:
        what: the code that runs, as the first words of the message, such as "The step".

    Raises:
        ContainedExitError: with the traceback of the original error.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if is_own_interruption(error):
            raise
        raise ContainedExitError(message_of(error, what)).with_traceback(error.__traceback__) from None


@contextmanager
def without_exit() -> Iterator[None]:
    """Make `os._exit` raise `ProcessExit` in this process; forked processes still end."""
    exit_at_once, process = os._exit, os.getpid()

    def refused(status: int) -> Any:
        if os.getpid() != process:
            exit_at_once(status)
        raise ProcessExit(status)

    os._exit = refused
    try:
        yield
    finally:
        os._exit = exit_at_once
