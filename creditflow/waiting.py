"""Waiting with a deadline: for what comes a moment later, and for what must not come."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed


def soon(check: Callable[[], None], seconds: float) -> None:
    """Ask again until a check holds.

    Args:
        check: raises `AssertionError` as long as it does not hold.
        seconds: the deadline.

    Raises:
        AssertionError: what the check said last, and for how long it was asked.
    """
    try:
        for attempt in Retrying(
            stop=stop_after_delay(seconds),
            wait=wait_fixed(0.1),
            retry=retry_if_exception_type(AssertionError),
            reraise=True,
        ):
            with attempt:
                check()
    except AssertionError as last:
        raise AssertionError(f"within {seconds:g} s: {last}") from None


def never(happened: Callable[[], bool], seconds: float, sentence: str) -> None:
    """Watch for what must not come, for a stated time.

    Raises:
        AssertionError: with the sentence, when it came.
    """

    def watch() -> None:
        if happened():
            raise _Came
        raise AssertionError

    try:
        soon(watch, seconds)
    except _Came:
        raise AssertionError(sentence) from None
    except AssertionError:
        return


class _Came(Exception):  # noqa: N818 - what was watched for
    pass
