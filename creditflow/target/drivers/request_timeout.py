"""A deadline for a whole request, however slowly its answer arrives.

A library's own timeout limits each read, so a server that sends a byte now and then can block it for ever. There are
three ways to limit the whole request:

- `RequestTimeout.call` runs the request in a thread, which is abandoned at the deadline.
- `RequestTimeout.http` gives an HTTP request its limit.
- `RequestTimeout.postgresql` limits the queries of psycopg2.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg2
from psycopg2 import extensions

T = TypeVar("T")

REDUCED_BY = 10
"""After a missed deadline the next one is shorter by this factor."""

SHORTEST_S = 1.0
"""The shortest reduced deadline, in seconds."""

_GRACE_S = 0.25
"""Seconds in which PostgreSQL can still report its own timeout of a statement."""


class RequestTimeout:
    """The deadline of the requests to one system.

    After a missed deadline the next ones are shorter, until the system answers again. So a run in which a system hangs
    ends soon.

    Args:
        full: the usual deadline of a whole request, in seconds.
    """

    def __init__(self, full: float) -> None:
        self.full = full
        self._missed = False

    @property
    def seconds(self) -> float:
        """The deadline of the next request, in seconds."""
        return min(self.full, max(SHORTEST_S, self.full / REDUCED_BY)) if self._missed else self.full

    def missed(self) -> None:
        """Shorten the next deadlines: the system missed one."""
        self._missed = True

    def met(self) -> None:
        """Use the full deadline again: the system answered."""
        self._missed = False

    def call(self, request: Callable[[], T]) -> T:
        """Call a function in a thread of its own, and abandon the thread at the deadline.

        Raises:
            TimeoutError: the deadline passed.
            BaseException: anything that the function raised.
        """
        seconds, outcome, ended = self.seconds, _Outcome(), threading.Event()

        def run() -> None:
            try:
                outcome.answer = request()
            except BaseException as error:
                outcome.error = error
            finally:
                ended.set()

        threading.Thread(target=run, daemon=True).start()
        if not ended.wait(seconds):
            self.missed()
            raise TimeoutError(f"did not answer within {seconds:g} s")
        if outcome.error is not None:
            raise outcome.error
        self.met()
        answer: T = outcome.answer
        return answer

    @contextmanager
    def http(self) -> Iterator[Limit]:
        """Give a request its limit, and shorten the next deadlines if it passes."""
        limit = Limit(self.seconds)
        try:
            yield limit
        finally:
            if limit.passed:
                self.missed()

    @contextmanager
    def postgresql(self) -> Iterator[None]:
        """Limit the queries of this thread to the deadline."""
        before, _this_thread.postgresql = _this_thread.postgresql, Limit(self.seconds)
        limit = _this_thread.postgresql
        try:
            yield
        finally:
            _this_thread.postgresql = before
            if limit.passed:
                self.missed()
        self.met()


class Limit:
    """The limit of one request.

    Attributes:
        seconds: from the start to the deadline.
        passed: whether the deadline passed.
        until: the deadline, as `time.monotonic` counts.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.passed = seconds, False
        self.until = self._next = time.monotonic() + seconds
        self._begun = False

    def lengthen(self, times: int) -> None:
        """Multiply the time of a whole stream; each of its events still has the usual deadline."""
        self.until += self.seconds * (times - 1)

    def received(self) -> None:
        """Begin the usual deadline anew for the next part of the answer; that of the whole answer stays."""
        self._begun, self._next = True, time.monotonic() + self.seconds

    def left(self) -> float:
        """Return the seconds until the next part of the answer must be there.

        Raises:
            TimeoutError: the deadline has passed; the message follows the system's name.
        """
        left = min(self.until, self._next) - time.monotonic()
        if left <= 0:
            self.passed = True
            raise TimeoutError(f"did not {'end its answer' if self._begun else 'answer'} within {self.seconds:g} s")
        return left


class _Outcome:
    answer: Any = None
    error: BaseException | None = None


class _Limits(threading.local):
    postgresql: Limit | None = None


_this_thread = _Limits()


class PostgresTimeoutError(psycopg2.OperationalError):
    """PostgreSQL missed the deadline; the message follows the system's name."""


def wait_for_postgresql(connection: Any) -> None:
    """Wait until a connection is ready; psycopg2 calls this function, and a signal can interrupt it.

    Raises:
        PostgresTimeoutError: the deadline of the thread passed; psycopg2 then closes the connection.
    """
    limit = _this_thread.postgresql
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(0.0, limit.until + _GRACE_S - time.monotonic()) if limit else None
        number = [connection.fileno()]
        reading, writing = (number, []) if state == extensions.POLL_READ else ([], number)
        if not any(select.select(reading, writing, [], left)) and limit:
            limit.passed = True
            raise PostgresTimeoutError(f"did not answer within {limit.seconds:g} s")


extensions.set_wait_callback(wait_for_postgresql)
