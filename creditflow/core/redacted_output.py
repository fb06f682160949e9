"""Removes secrets from everything that this process prints and logs.

What the suite writes to files passes the redactor where it is written (`creditflow/reporting`).
"""

from __future__ import annotations

import atexit
import io
import logging
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Any, TextIO, cast

from creditflow.core.redaction import Redactor, redactor


class RedactingStream:
    """A text stream that cleans everything before it writes it to an inner stream.

    Text is buffered until its line is complete, and longer if it may be the first part of a known secret. So a secret
    is found also if it is written in pieces or over several lines.

    Args:
        inner: the stream that receives the clean text.
        through: the redactor that cleans it.
        hidden: lines that are left out.
    """

    def __init__(self, inner: TextIO, through: Redactor, hidden: Iterable[str] = ()) -> None:
        self._inner = inner
        self._redactor = through
        self._hidden = frozenset(hidden)
        self._buffered = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Take text, and write the lines that are complete."""
        with self._lock:
            self._buffered += text
            self._pass_on(self._buffered.rfind("\n") + 1)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Take several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write an incomplete line too, such as a prompt or a progress bar."""
        with self._lock:
            self._pass_on(len(self._buffered))
            self._inner.flush()

    def finish(self) -> None:
        """Write everything that is buffered."""
        with self._lock:
            rest, self._buffered = self._buffered, ""
            self._write_clean(rest)
            self._inner.flush()

    def close(self) -> None:
        """Write everything that is buffered, and close the inner stream."""
        if not self._inner.closed:
            self.finish()
            self._inner.close()

    @property
    def buffer(self) -> io.RawIOBase:
        """The same stream for bytes of UTF-8 text."""
        return _Bytes(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _pass_on(self, end: int) -> None:
        if end:
            end = min(end, self._redactor.begins_at(self._buffered[:end]))
            complete, self._buffered = self._buffered[:end], self._buffered[end:]
            self._write_clean(complete)

    def _write_clean(self, text: str) -> None:
        lines = text.splitlines(keepends=True)
        shown = "".join(line for line in lines if line.removesuffix("\n") not in self._hidden)
        if shown:
            cleaned = self._redactor.clean(shown)
            try:
                self._inner.write(cleaned)
            except UnicodeEncodeError as error:
                self._inner.write(cleaned.encode(error.encoding, "backslashreplace").decode(error.encoding))


class _Bytes(io.RawIOBase):
    """The byte side of a redacting stream."""

    def __init__(self, stream: RedactingStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        self._stream.flush()


def redact_output(hidden: Iterable[str] = ()) -> None:
    """Clean everything that this process prints and logs from now on, until it ends.

    This includes the tracebacks that Python prints of uncaught exceptions, in any thread, and every log record. A
    second call changes nothing.

    Args:
        hidden: lines that are left out of what is printed.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, RedactingStream):
            redacting = RedactingStream(stream, redactor, hidden)
            setattr(sys, name, cast(TextIO, redacting))
            atexit.register(_finish, redacting)
    if logging.getLogRecordFactory() is not _record:
        logging.setLogRecordFactory(_record)


def _finish(stream: RedactingStream) -> None:
    if not stream.closed:
        stream.finish()


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """Return a log record whose message and traceback contain no secret."""
    record = logging.LogRecord(*args, **kwargs)
    try:
        record.msg, record.args = redactor.clean(record.getMessage()), ()
    except (TypeError, ValueError):
        record.msg, record.args = f"{redactor.clean(str(record.msg))} (its values do not fit)", ()
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        record.exc_text = redactor.clean("".join(traceback.format_exception(*record.exc_info)).rstrip())
        record.exc_info = None
    if record.stack_info:
        record.stack_info = redactor.clean(record.stack_info)
    return record
