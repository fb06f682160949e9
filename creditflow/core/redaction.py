"""Keeps secrets out of everything that the suite writes: console, report, attachments, logs, files and errors.

A secret is known by its value, once :meth:`Redactor.learn` was told it, and by its shape, for those that nobody told
us of. What is written instead is a short mark that is the same for the same secret throughout a run, so that a reader
still sees whether two lines speak of one key or of two.

:func:`redact_output` makes whatever this process prints and logs pass the redactor; what is written to files passes it
where it is written (`creditflow/reporting`).
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import html
import io
import json
import logging
import re
import secrets
import sys
import threading
import traceback
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TextIO, cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

__all__ = ["RedactingStream", "Redactor", "redact_output", "redactor"]

SHORTEST_SECRET = 6
"""Characters. A shorter value ("admin") would black out ordinary words and is not learned."""

_NUMBER = re.compile(r"\d{1,11}")
"""What may as well be a count of credits or tokens."""

_EDGE = 16
"""Characters of a secret, from its beginning or up to its end, by which one that was cut is still known."""

_GRAM = 4
"""Characters by which it is seen at once that no secret begins at a place."""

_LONG = 200
"""Characters. The longer ones are tokens, whose end alone, a part of a signature, opens nothing."""

_SHAPES = (
    # RFC 7519; then RFC 6750 and RFC 7617; keys of OpenAI, OpenRouter and LiteLLM; RFC 3986; names of secrets
    (("eyJ",), re.compile(r"(?P<secret>\beyJ[\w-]{12,}(?:\.[\w-]*){0,2})")),
    (
        ("earer ", "Basic "),
        re.compile(r"\b(?:[Bb]earer|Basic) +(?P<secret>(?=[\w.~+/-]*(?:\d|=|[a-z][A-Z]))[\w.~+/-]{7,}[\w=]+)"),
    ),
    (("sk-",), re.compile(r"(?P<secret>\bsk-[\w-]{8,})")),
    (("://",), re.compile(r"""(?<=://)[^\s/:@"'<>]*:(?P<secret>[^\s/@"'<>]+)(?=@)""")),
    (
        ("pass", "pwd", "secret", "key", "token"),
        re.compile(
            r"""(?i: pass(?:word|wd|phrase) | pwd | secret | (?:api|access|private|master)[_-]?key
                   | (?:access|refresh|id|auth|bearer|control)[_-]?token | (?<=[?&])token )
                (?: (?P<quote> \\?["'] | &(?:quot|\#39|\#x27); ) \s* [:=] \s* (?P=quote) (?P<quoted> [^"'\\<>&‹\s]{4,})
                  | = (?! [A-Za-z_][\w.]* [,)(\[] ) (?P<secret> [^\s"'\\&;,<>(){}\[\]‹]{4,}) )""",  # noqa: RUF001
            re.VERBOSE,
        ),
    ),
)
"""What looks like a secret, each after the words, in small letters or as they are, without which nothing does.

`name=value` is one unless the value is a name itself, as in a line of source code.
"""

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
"""What is written alike everywhere (RFC 3986 section 2.3)."""

_GAP = re.compile(r"(?:\r?\n|\\r\\n|\\n|<br ?/?>)[ \t>|│]*")
_ENDS = ("\n", "\\n", "<br")
"""How a long line was broken: the line's end, also as JSON or HTML write it, and what leads the next line in."""

_WORD = re.compile(r"[\w%+/=.~\\&;#:@!$*-]{12,}")
"""What a secret is looked for in; prose, figures and markup have few words that are as long."""


class _Span(NamedTuple):
    start: int
    end: int
    mark: str


class _Form(NamedTuple):
    """One spelling of a secret."""

    text: str
    mark: str

    @property
    def head(self) -> str:
        return self.text[:_EDGE] if self.partly else self.text

    @property
    def tail(self) -> str:
        return self.text[-_EDGE:] if self.partly and len(self.text) <= _LONG else ""

    @property
    def partly(self) -> bool:
        """Whether a part of it is enough to know it by."""
        return len(self.text) >= _EDGE + 4

    @property
    def enough(self) -> int:
        """Characters, from either end, that show it."""
        return max(_EDGE, min(len(self.text) // 2, 4 * _EDGE)) if self.partly else len(self.text)


class Redactor:
    """Replaces secrets in text by a mark such as ``‹secret 3fa2c1›``, from any thread."""  # noqa: RUF002

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._heads: dict[str, list[_Form]] = {}
        self._tails: dict[str, list[_Form]] = {}
        self._in_words: dict[str, list[str]] = {}
        self._anywhere: list[str] = []
        self._starting: dict[str, list[str]] = {}
        self._longest = 0

    def learn(self, *values: str | None) -> None:
        """Know these values from now on, also URL-encoded, in base64, and escaped as in JSON, HTML and Python.

        Of an address such as `postgresql://user:password@host/name` only the password is a secret. Values that are
        empty, shorter than :data:`SHORTEST_SECRET` or a number of up to 11 digits are none.
        """
        with self._lock:
            for secret in (part for value in values if value for part in _parts(value)):
                if secret not in self._known and len(secret) >= SHORTEST_SECRET and not _NUMBER.fullmatch(secret):
                    self._known.add(secret)
                    mark = self.mark(secret)
                    for text in _forms(secret):
                        self._add(_Form(text, mark))

    def mark(self, secret: str) -> str:
        """What is written in place of a secret: six hex digits of a hash with a key that ends with the run."""
        digest = hashlib.blake2b(secret.encode(errors="surrogateescape"), key=self._key, digest_size=3)
        return f"‹secret {digest.hexdigest()}›"  # noqa: RUF001

    def clean(self, text: str) -> str:
        """The same text with every known or recognisable secret replaced by its mark."""
        if len(text) < SHORTEST_SECRET:
            return text
        spans = [*self._known_in(text), *self._shapes_in(text)]
        if not spans:
            return text
        cleaned, at = [], 0
        for span in _apart(spans):
            cleaned += [text[at : span.start], span.mark]
            at = span.end
        return "".join([*cleaned, text[at:]])

    def clean_bytes(self, data: bytes) -> bytes:
        """The same for the bytes of a text or of anything else; what is no UTF-8 stays as it is."""
        return self.clean(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def clean_value(self, value: Any) -> Any:
        """The same plain value (dicts, lists, tuples, text, numbers), each text and key in it cleaned."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.clean_value(key): self.clean_value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_value(item) for item in value]
        return value

    def begins_at(self, text: str) -> int:
        """Where a known secret may begin of which the text ends before the rest; the text's length if nowhere."""
        squeezed = _Squeezed(text)
        end = len(squeezed.text)
        for at in range(max(0, end - self._longest), end - _GRAM + 1):
            rest = squeezed.text[at:]
            if any(form.startswith(rest) and form != rest for form in self._starting.get(rest[:_GRAM], ())):
                return squeezed.origin(at)
        return len(text)

    def _add(self, form: _Form) -> None:
        """Know one more spelling, by its first and last characters; what is known is only ever added to."""
        self._longest = max(self._longest, len(form.text))
        self._starting.setdefault(form.text[:_GRAM], []).append(form.text)
        for piece, forms in ((form.head, self._heads), (form.tail, self._tails)):
            if piece and piece not in self._heads and piece not in self._tails:
                by_word = _WORD.fullmatch(piece)
                (self._in_words.setdefault(piece[:_GRAM], []) if by_word else self._anywhere).append(piece)
            if piece:
                forms.setdefault(piece, []).append(form)

    def _known_in(self, text: str) -> Iterator[_Span]:
        """Where known secrets stand in a text, on one line and over several."""
        yield from self._values_in(text)
        if any(end in text for end in _ENDS):
            squeezed = _Squeezed(text)
            for start, end, mark in self._values_in(squeezed.text):
                yield _Span(squeezed.origin(start), squeezed.origin(end - 1) + 1, mark)

    def _values_in(self, text: str) -> Iterator[_Span]:
        for at, piece in self._pieces_in(text):
            if piece in self._heads:
                yield from _matched(self._heads[piece], text, at)
            if piece in self._tails:
                yield from _matched_backwards(self._tails[piece], text, at + len(piece))

    def _pieces_in(self, text: str) -> Iterator[tuple[int, str]]:
        """Where the beginnings and ends of known secrets stand, and which."""
        begins = self._in_words
        for found in _WORD.finditer(text):
            word, start = found.group(), found.start()
            for at in [i for i in range(len(word) - _GRAM + 1) if word[i : i + _GRAM] in begins]:
                yield from (
                    (start + at, piece) for piece in begins[word[at : at + _GRAM]] if word.startswith(piece, at)
                )
        for piece in self._anywhere:
            at = text.find(piece)
            while at >= 0:
                yield at, piece
                at = text.find(piece, at + 1)

    def _shapes_in(self, text: str) -> Iterator[_Span]:
        small = text.lower()
        for hints, shape in _SHAPES:
            if any(hint in small or hint in text for hint in hints):
                for found in shape.finditer(text):
                    name = "secret" if found["secret"] is not None else "quoted"
                    yield _Span(*found.span(name), self.mark(found[name]))


class _Squeezed:
    """A text without its line breaks, and where each of its characters stood."""

    def __init__(self, text: str) -> None:
        kept, self._starts, self._shifts = [], [0], [0]
        at = length = 0
        for gap in _GAP.finditer(text):
            kept.append(text[at : gap.start()])
            length += gap.start() - at
            at = gap.end()
            self._starts.append(length)
            self._shifts.append(at - length)
        self.text = "".join([*kept, text[at:]]) if kept else text

    def origin(self, at: int) -> int:
        """Where a character of the squeezed text stood."""
        return at + self._shifts[bisect_right(self._starts, at) - 1]


def _matched(forms: Iterable[_Form], text: str, at: int) -> Iterator[_Span]:
    """The spelling that stands at a place, or the one of which most does."""
    whole = [form for form in forms if text.startswith(form.text, at)]
    if whole:
        longest = max(whole, key=lambda form: len(form.text))
        yield _Span(at, at + len(longest.text), longest.mark)
        return
    length, form = max((_common(form.text, text[at : at + len(form.text)]), form) for form in forms)
    if length >= form.enough:
        yield _Span(at, at + length, form.mark)


def _matched_backwards(forms: Iterable[_Form], text: str, end: int) -> Iterator[_Span]:
    """The spelling of which most ends at a place."""
    length, form = max(
        (_common(form.text[::-1], text[max(0, end - len(form.text)) : end][::-1]), form) for form in forms
    )
    if length >= form.enough:
        yield _Span(end - length, end, form.mark)


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common from their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _apart(spans: list[_Span]) -> list[_Span]:
    """Spans that overlap as one, with the mark of the longest of them."""
    apart: list[_Span] = []
    length = 0
    for span in sorted(spans):
        if apart and span.start < apart[-1].end:
            last = apart.pop()
            mark = span.mark if span.end - span.start > length else last.mark
            length = max(length, span.end - span.start)
            apart.append(_Span(last.start, max(last.end, span.end), mark))
        else:
            apart.append(span)
            length = span.end - span.start
    return apart


def _parts(value: str) -> set[str]:
    """What of a value is secret: of an address with a host its password, of anything else all of it."""
    try:
        address = urlsplit(value)
        if "://" in value and address.hostname:
            return {address.password, unquote(address.password)} if address.password else set()
    except ValueError:
        pass
    return {value}


def _forms(secret: str) -> set[str]:
    """Every spelling in which a value may turn up in a log or an answer."""
    escaped = {secret} if _PLAIN.fullmatch(secret) else _escaped(secret)
    escaped |= {form for once in escaped - {secret} for form in _escaped(once)}
    encoded = {form for text in {secret, quote_plus(secret)} for form in _in_base64(text.encode(errors="replace"))}
    encoded |= {form.translate(str.maketrans("+/", "-_")) for form in encoded}
    return {form for form in escaped | encoded if len(form) >= SHORTEST_SECRET}


def _escaped(text: str) -> set[str]:
    """A text as URLs, JSON, HTML and Python write it."""
    raw = text.encode(errors="replace")
    urls = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    urls |= {re.sub(r"%[0-9A-F]{2}", lambda code: code.group().lower(), url) for url in urls}
    literal = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1], repr(raw)[2:-1]}
    return {text, html.escape(text), html.escape(text, quote=False)} | urls | literal


def _in_base64(raw: bytes) -> Iterator[str]:
    """What base64 makes of a secret, alone and as a part of something longer, such as `user:secret`.

    A character stands for six bits, so that it depends on what comes before, by its length modulo 3 bytes; those
    that a neighbour's bits have a share in are left out.
    """
    yield base64.b64encode(raw).decode().rstrip("=")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        yield encoded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]


class RedactingStream:
    """A text stream of which everything passes a redactor before it reaches the stream beneath.

    Text is held back to the end of its line, and further where that may be the first part of a known secret, so that
    one that is written in pieces or over several lines is still seen whole. Lines listed in `unsaid` are left out.
    """

    def __init__(self, beneath: TextIO, through: Redactor, unsaid: Iterable[str] = ()) -> None:
        self._beneath = beneath
        self._redactor = through
        self._unsaid = frozenset(unsaid)
        self._held = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Take text; pass on the lines that are complete."""
        with self._lock:
            self._held += text
            self._pass_on(self._held.rfind("\n") + 1)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Take several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Pass on an incomplete line too: a prompt or a progress bar is waiting to be seen."""
        with self._lock:
            self._pass_on(len(self._held))
            self._beneath.flush()

    def finish(self) -> None:
        """Pass on everything: nothing more will come."""
        with self._lock:
            held, self._held = self._held, ""
            self._say(held)
            self._beneath.flush()

    def close(self) -> None:
        """Pass on everything and close the stream beneath."""
        if not self._beneath.closed:
            self.finish()
            self._beneath.close()

    @property
    def buffer(self) -> io.RawIOBase:
        """The same stream for bytes of UTF-8 text."""
        return _Bytes(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath, name)

    def _pass_on(self, end: int) -> None:
        if end:
            end = min(end, self._redactor.begins_at(self._held[:end]))
            said, self._held = self._held[:end], self._held[end:]
            self._say(said)

    def _say(self, text: str) -> None:
        lines = text.splitlines(keepends=True)
        said = "".join(line for line in lines if line.removesuffix("\n") not in self._unsaid)
        if said:
            cleaned = self._redactor.clean(said)
            try:
                self._beneath.write(cleaned)
            except UnicodeEncodeError as error:
                self._beneath.write(cleaned.encode(error.encoding, "backslashreplace").decode(error.encoding))


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


def redact_output(unsaid: Iterable[str] = ()) -> None:
    """Let everything that this process prints and logs from now on pass the redactor, to its very end.

    That takes in what Python itself prints of an exception that nobody caught, in any thread, and every record of a
    log, whatever writes it where. A second call changes nothing.

    Args:
        unsaid: lines that are left out of what is printed.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, RedactingStream):
            redacting = RedactingStream(stream, redactor, unsaid)
            setattr(sys, name, cast(TextIO, redacting))
            atexit.register(_finish, redacting)
    if logging.getLogRecordFactory() is not _record:
        logging.setLogRecordFactory(_record)


def _finish(stream: RedactingStream) -> None:
    if not stream.closed:
        stream.finish()


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A record of a log without the secrets of its text and its trace."""
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


redactor = Redactor()
"""The one redactor of this process: whoever reads a secret teaches it, whoever writes passes it."""
