"""What would end the process or a thread without a verdict, turned into an error that every output tells.

`sys.exit`, a cancelled task, a `KeyboardInterrupt` that no signal sent and their like pass every `except Exception`,
so that a run would end with removal undone and scenarios unsaid, with exit status 0 even.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from creditflow.core.interruption import interruption
from creditflow.core.run_limits import Alarm


class ContainedExitError(Exception):
    """A step, hook, clean-up or formatter would have ended the process; the sentence says which, and by what."""


class ProcessExit(BaseException):
    """Raised in place of `os._exit`, which would leave nothing to be told."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)

    def __repr__(self) -> str:
        return f"os._exit({self.status})"


def is_ours(error: BaseException) -> bool:
    """Whether the suite itself raised it to break something off: a signal that came, or a deadline that passed."""
    return isinstance(error, Alarm) or (isinstance(error, KeyboardInterrupt) and bool(interruption.signal))


def told(error: BaseException, what: str) -> str:
    """The sentence for an error that is no `Exception`; `what` names who raised it."""
    if isinstance(error, SystemExit | ProcessExit):
        return f"{what} ended the process: {shown(error)}; let it raise an error instead."
    if isinstance(error, KeyboardInterrupt):
        return f"{what} raised KeyboardInterrupt, and no signal had come."
    return f"{what} raised {shown(error)}, which is no Exception and would have ended the run."


def shown(error: BaseException) -> str:
    """An error as Python writes it, or its type where it can't be written."""
    try:
        return repr(error)
    except Exception:
        return f"{type(error).__name__}(...)"


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Turn whatever is no `Exception` into one, but for what the suite itself breaks off.

    Args:
        what: who is at work, for the beginning of the sentence, such as "The step".

    Raises:
        ContainedExitError: with the place where it came from.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if is_ours(error):
            raise
        raise ContainedExitError(told(error, what)).with_traceback(error.__traceback__) from None


@contextmanager
def without_exit() -> Iterator[None]:
    """Let `os._exit` raise `ProcessExit` in this process; one that was forked off still ends by it."""
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
