"""How long a system is waited for: a deadline on the whole of a question, however its answer trickles in.

A library's own timeout is one of each read, so that a byte now and then keeps it waiting for ever. Here three ways lead
to a deadline on the whole: `within` asks in a thread that can be left, `limit` holds every HTTP connection of urllib3
(that is of `requests` and `python-keycloak`) to one, and `wait_for_postgresql` every connection of psycopg2.
"""

from __future__ import annotations

import http.client
import io
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg2
from psycopg2 import extensions
from urllib3.connection import HTTPConnection

T = TypeVar("T")

AGAIN = 10
"""The part of the deadline that a system gets which has just let the whole of it pass."""

LEAST_S = 1.0
"""Seconds that it gets at least."""

LARGEST = 50_000_000
"""Bytes of one answer; what is larger is not read."""

_GRACE_S = 0.25
"""Seconds for PostgreSQL to say itself that a statement took too long."""


class Patience:
    """The deadline of one system's questions.

    A system that let it pass has less time for the next ones until it answers again, so that a run in which it hangs
    ends soon, and whatever comes after it is back is judged.

    Args:
        full: the deadline in seconds, of the whole of a question.
    """

    def __init__(self, full: float) -> None:
        self.full = full
        self._lost = False

    @property
    def seconds(self) -> float:
        """The deadline of the next question, in seconds."""
        return min(self.full, max(LEAST_S, self.full / AGAIN)) if self._lost else self.full

    def lost(self) -> None:
        """Note that a deadline passed."""
        self._lost = True

    def kept(self) -> None:
        """Note that the system answered."""
        self._lost = False

    def within(self, question: Callable[[], T]) -> T:
        """Ask in a thread of its own, which is left where it does not come to its end.

        Raises:
            TimeoutError: the deadline passed.
            BaseException: whatever the question raised.
        """
        seconds, said, ended = self.seconds, _Said(), threading.Event()

        def ask() -> None:
            try:
                said.answer = question()
            except BaseException as error:
                said.error = error
            finally:
                ended.set()

        threading.Thread(target=ask, daemon=True).start()
        if not ended.wait(seconds):
            self.lost()
            raise TimeoutError(f"did not answer within {seconds:g} s")
        if said.error is not None:
            raise said.error
        self.kept()
        answer: T = said.answer
        return answer

    @contextmanager
    def limit(self) -> Iterator[Limit]:
        """Hold this thread's HTTP answers to the deadline and to `LARGEST`; what was wrong stands in the limit."""
        limit = _here.limit = Limit(self.seconds)
        try:
            yield limit
        finally:
            _here.limit = None
            if limit.passed:
                self.lost()

    @contextmanager
    def of_postgresql(self) -> Iterator[None]:
        """Hold what this thread asks of PostgreSQL to the deadline."""
        before, _here.postgresql = _here.postgresql, Limit(self.seconds)
        limit = _here.postgresql
        try:
            yield
        finally:
            _here.postgresql = before
            if limit.passed:
                self.lost()
        self.kept()


class Limit:
    """Of one question by HTTP.

    Attributes:
        seconds: the deadline.
        said: what was wrong with the answer, in words that follow the system's name; empty while nothing was.
        passed: whether it was the deadline.
        until: when it passes, by `time.monotonic`.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.said, self.passed = seconds, "", False
        self.until = time.monotonic() + seconds
        self._bytes = 0

    def lengthen(self, times: int) -> None:
        """Give the whole of a stream that much more time; each of its events still has to come within the deadline."""
        self.until += self.seconds * (times - 1)

    def left(self) -> float:
        """Seconds that the next read may take."""
        left = min(self.until - time.monotonic(), self.seconds)
        if left <= 0:
            self.late()
            raise TimeoutError("timed out")
        return left

    def late(self) -> None:
        """Note that the deadline passed."""
        what = "end its answer" if self._bytes else "answer"
        self.passed, self.said = True, f"did not {what} within {self.seconds:g} s"

    def read(self, count: int) -> None:
        """Note that so many bytes came."""
        self._bytes += count
        if self._bytes > LARGEST:
            self.said = f"answers with more than {LARGEST // 1_000_000} MB, which is not read"
            raise OSError(self.said)


class _Said:
    answer: Any = None
    error: BaseException | None = None


class _Here(threading.local):
    limit: Limit | None = None
    postgresql: Limit | None = None


_here = _Here()


class _Reader(io.RawIOBase):
    """Reads an HTTP answer from its socket, as long as the limit of the thread allows."""

    def __init__(self, sock: Any, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        limit = _here.limit
        if limit is None:
            return self._raw.readinto(buffer)
        self._sock.settimeout(limit.left())
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError:
            limit.late()
            raise
        limit.read(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


HTTPConnection.response_class = _Answer


class LateError(psycopg2.OperationalError):
    """PostgreSQL let the deadline pass; what it says follows the system's name."""


def wait_for_postgresql(connection: Any) -> None:
    """Wait until a connection has got what it needs; psycopg2 calls it, and a signal breaks into it.

    Raises:
        Late: the deadline of the thread passed; psycopg2 closes the connection then.
    """
    limit = _here.postgresql
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(0.0, limit.until + _GRACE_S - time.monotonic()) if limit else None
        number = [connection.fileno()]
        reading, writing = (number, []) if state == extensions.POLL_READ else ([], number)
        if not any(select.select(reading, writing, [], left)) and limit:
            limit.late()
            raise LateError(f"did not answer within {limit.seconds:g} s")


extensions.set_wait_callback(wait_for_postgresql)
