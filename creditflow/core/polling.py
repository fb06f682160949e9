"""Polls with a time limit: until a check passes, or to see that something does not happen."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import Retrying, retry_if_exception, retry_if_result, stop_after_delay, wait_fixed

from creditflow.core import expect
from creditflow.core.errors import NotTestableError

PAUSE = 0.1
"""Seconds between two attempts."""


def soon(check: Callable[[], None], seconds: float, pause: float = PAUSE) -> None:
    """Repeat a check until it passes.

    Args:
        check: raises `AssertionError` as long as it fails.
        seconds: the time limit; 0 means one attempt.
        pause: seconds between two attempts.

    Raises:
        AssertionError: the last failure of the check, of the same type, with the time limit before its message.
        NotTestableError: at once, because a later attempt can't succeed either.
    """
    before = expect.repeated.set(True)
    try:
        Retrying(
            stop=stop_after_delay(seconds), wait=wait_fixed(pause), retry=retry_if_exception(_may_come), reraise=True
        )(check)
    except NotTestableError:
        raise
    except AssertionError as last:
        raise type(last)(f"within {seconds:g} s: {last}" if seconds else str(last)) from None
    finally:
        expect.repeated.reset(before)


def never(happened: Callable[[], bool], seconds: float, sentence: str) -> None:
    """Require that something does not happen within a time. Other errors of `happened` are raised unchanged.

    Raises:
        AssertionError: it happened; the message is `sentence`.
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
