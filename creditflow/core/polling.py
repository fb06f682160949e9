"""Waiting with a deadline: for what comes a moment later, and for what must not come."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import Retrying, retry_if_exception, retry_if_result, stop_after_delay, wait_fixed

from creditflow.core import expect
from creditflow.core.errors import NotTestableError

PAUSE = 0.1
"""Seconds between two looks."""


def soon(check: Callable[[], None], seconds: float, pause: float = PAUSE) -> None:
    """Ask again until a check holds.

    Args:
        check: raises `AssertionError` as long as it does not hold.
        seconds: the deadline; with 0 it is asked once.
        pause: seconds between two looks.

    Raises:
        AssertionError: what the check said last, of its own kind, and for how long it was asked.
        NotTestableError: at once, because waiting does not make it testable.
    """
    try:
        Retrying(
            stop=stop_after_delay(seconds), wait=wait_fixed(pause), retry=retry_if_exception(_may_come), reraise=True
        )(check)
    except NotTestableError:
        raise
    except AssertionError as last:
        raise type(last)(f"within {seconds:g} s: {last}" if seconds else str(last)) from None


def never(happened: Callable[[], bool], seconds: float, sentence: str) -> None:
    """Watch for what must not come, for a stated time.

    Raises:
        AssertionError: with the sentence, when it came; whatever else keeps it from being seen is raised as it is.
    """
    watching = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(PAUSE),
        retry=retry_if_result(lambda came: not came),
        retry_error_callback=lambda _: False,
    )
    came = watching(happened)
    expect.checks.made_one()
    if came:
        raise AssertionError(sentence)


def _may_come(error: BaseException) -> bool:
    return isinstance(error, AssertionError) and not isinstance(error, NotTestableError)
