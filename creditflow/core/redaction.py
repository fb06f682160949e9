"""Finds secrets in text and replaces them, for everything that the suite writes.

A secret is found by its value, after :meth:`Redactor.learn`, or by its shape, such as that of a JWT. A short mark
replaces it. The mark of a secret is the same throughout a run, so that a reader sees whether two lines contain the
same key. :mod:`creditflow.core.redacted_output` applies the redactor to streams and logs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, unquote, urlsplit

from creditflow.core.workers import Shared, workers

SHORTEST_SECRET = 6
"""Characters. A shorter value, such as "admin", would hide ordinary words and is not learned."""

_NUMBER = re.compile(r"\d{1,11}")
"""A value that may be a number of credits or tokens."""

_EDGE = 16
"""Characters at the beginning or the end of a secret by which a truncated secret is still found."""

_GRAM = 4
"""Characters that show quickly that no secret begins at a position."""

_MOST_HARMLESS = 100_000
"""Words that are remembered as part of no secret, and short texts that are remembered as free of secrets."""

_SHORT = 200
"""Characters of the longest text that is remembered."""

_LONG = 200
"""Characters. Longer secrets are tokens; their last characters, a part of the signature, are useless alone."""

_SHAPES = (
    # RFC 7519; then RFC 6750 and RFC 7617; keys of OpenAI, OpenRouter and LiteLLM; RFC 3986; names of secrets
    (re.compile("eyj"), re.compile(r"(?P<secret>\beyJ[\w-]{12,}(?:\.[\w-]*){0,2})")),
    (
        re.compile("earer |basic "),
        re.compile(r"\b(?:[Bb]earer|Basic) +(?P<secret>(?=[\w.~+/-]*(?:\d|=|[a-z][A-Z]))[\w.~+/-]{7,}[\w=]+)"),
    ),
    (re.compile("sk-"), re.compile(r"(?P<secret>\bsk-[\w-]{8,})")),
    (re.compile("://"), re.compile(r"""://[^\s/:@"'<>]*:(?P<secret>[^\s/@"'<>]+)@""")),
    (
        re.compile(r"""(?:passw(?:or)?d|passphrase|pwd|secret|key|token)(?:\\?["']|&|=)"""),
        re.compile(
            r"""(?i: pass(?:word|wd|phrase) | pwd | secret | (?:api|access|private|master)[_-]?key
                   | (?:access|refresh|id|auth|bearer|control)[_-]?token | (?<=[?&])token )
                (?: (?P<quote> \\?["'] | &(?:quot|\#39|\#x27); ) \s* [:=] \s* (?P=quote) (?P<quoted> [^"'\\<>&‹\s]{4,})
                  | = (?! [A-Za-z_][\w.]* [,)(\[] ) (?P<secret> [^\s"'\\&;,<>(){}\[\]‹]{4,}) )""",  # noqa: RUF001
            re.VERBOSE,
        ),
    ),
)
"""The shapes of secrets, each after its hint: a quicker pattern, without which a text in small letters can't match it.

`name=value` is a secret unless the value is a name itself, as in a line of source code.
"""

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
"""Characters that every encoding leaves as they are (RFC 3986 section 2.3)."""

_GAP = re.compile(r"(?:\r?\n|\\r\\n|\\n|<br ?/?>)[ \t>|│]*")
_ENDS = ("\n", "\\n", "<br")
"""Line breaks, also as JSON or HTML write them, with the indentation of the next line."""

_WORD = re.compile(r"[\w%+/=.~\\&;#:@!$*-]{12,}")
"""The words in which secrets are searched; prose, figures and markup contain few words of this length."""


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
        """Whether a part of it is enough to find it."""
        return len(self.text) >= _EDGE + 4

    @property
    def enough(self) -> int:
        """The number of characters, from either end, that are enough to find it."""
        return max(_EDGE, min(len(self.text) // 2, 4 * _EDGE)) if self.partly else len(self.text)


class Redactor(Shared):
    """Replaces secrets in text by a mark such as ``‹secret 3fa2c1›``, from any thread."""  # noqa: RUF002

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._told: set[str] = set()
        self._heads: dict[str, list[_Form]] = {}
        self._tails: dict[str, list[_Form]] = {}
        self._in_words: dict[str, list[str]] = {}
        self._harmless: set[str] = set()
        self._clean: set[str] = set()
        self._anywhere: list[str] = []
        self._starting: dict[str, list[str]] = {}
        self._longest = 0

    def learn(self, *values: str | None) -> None:
        """Learn secret values; they are found also URL-encoded, in base64, and escaped as in JSON, HTML and Python.

        In an address such as `postgresql://user:password@host/name` only the password is secret. Values that are
        empty, shorter than :data:`SHORTEST_SECRET` or numbers of up to 11 digits are ignored.
        """
        with self._lock:
            for secret in (part for value in values if value for part in _parts(value)):
                if secret not in self._known and len(secret) >= SHORTEST_SECRET and not _NUMBER.fullmatch(secret):
                    self._known.add(secret)
                    mark = self.mark(secret)
                    for text in _forms(secret):
                        self._add(_Form(text, mark))
                    self._clean = set()

    def begin_in_worker(self) -> None:
        """Tell the run only what this worker learns itself."""
        self._told = set(self._known)

    def news(self) -> Any:
        """Return what was learned since the last news."""
        with self._lock:
            new, self._told = self._known - self._told, set(self._known)
        return new

    def take(self, worker: int, news: Any) -> None:
        """Learn what a worker has learned."""
        self.learn(*news)

    def mark(self, secret: str) -> str:
        """Return the mark of a secret: six hex digits of a hash, whose key is new in every run."""
        digest = hashlib.blake2b(secret.encode(errors="surrogateescape"), key=self._key, digest_size=3)
        return f"‹secret {digest.hexdigest()}›"  # noqa: RUF001

    def clean(self, text: str) -> str:
        """Return the text with every known or recognisable secret replaced by its mark."""
        clean = self._clean
        if len(text) < SHORTEST_SECRET or text in clean:
            return text
        spans = [*self._known_in(text), *self._shapes_in(text)]
        if not spans:
            if len(text) <= _SHORT and len(clean) < _MOST_HARMLESS:
                clean.add(text)
            return text
        cleaned, at = [], 0
        for span in _apart(spans):
            cleaned += [text[at : span.start], span.mark]
            at = span.end
        return "".join([*cleaned, text[at:]])

    def clean_bytes(self, data: bytes) -> bytes:
        """Return the bytes with every secret replaced; bytes that are not UTF-8 stay unchanged."""
        return self.clean(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def begins_at(self, text: str) -> int:
        """Return where a known secret may begin that the end of the text cuts off; else the length of the text."""
        squeezed = _Squeezed(text)
        end = len(squeezed.text)
        for at in range(max(0, end - self._longest), end - _GRAM + 1):
            rest = squeezed.text[at:]
            if any(form.startswith(rest) and form != rest for form in self._starting.get(rest[:_GRAM], ())):
                return squeezed.origin(at)
        return len(text)

    def _add(self, form: _Form) -> None:
        """Index one more spelling by its first and last characters."""
        self._longest = max(self._longest, len(form.text))
        self._starting.setdefault(form.text[:_GRAM], []).append(form.text)
        for piece, forms in ((form.head, self._heads), (form.tail, self._tails)):
            if piece and piece not in self._heads and piece not in self._tails:
                gram, by_word = piece[:_GRAM], _WORD.fullmatch(piece)
                if by_word and gram not in self._in_words:
                    self._in_words[gram], self._harmless = [], set()
                (self._in_words[gram] if by_word else self._anywhere).append(piece)
            if piece:
                forms.setdefault(piece, []).append(form)

    def _known_in(self, text: str) -> Iterator[_Span]:
        """Find known secrets in a text, on one line and over several lines."""
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
        """Find the beginnings and ends of known secrets."""
        begins, harmless = self._in_words, self._harmless
        for found in _WORD.finditer(text):
            word = found.group()
            if word in harmless:
                continue
            suspicious = [at for at in range(len(word) - _GRAM + 1) if word[at : at + _GRAM] in begins]
            if not suspicious and len(harmless) < _MOST_HARMLESS:
                harmless.add(word)
            for at in suspicious:
                pieces = begins[word[at : at + _GRAM]]
                yield from ((found.start() + at, piece) for piece in pieces if word.startswith(piece, at))
        for piece in self._anywhere:
            at = text.find(piece)
            while at >= 0:
                yield at, piece
                at = text.find(piece, at + 1)

    def _shapes_in(self, text: str) -> Iterator[_Span]:
        small = text.lower()
        for hint, shape in _SHAPES:
            if hint.search(small):
                for found in shape.finditer(text):
                    name = "secret" if found["secret"] is not None else "quoted"
                    yield _Span(*found.span(name), self.mark(found[name]))


class _Squeezed:
    """A text without its line breaks, with the original position of each character."""

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
        """Return the original position of a character."""
        return at + self._shifts[bisect_right(self._starts, at) - 1]


def _matched(forms: Iterable[_Form], text: str, at: int) -> Iterator[_Span]:
    """Find the spelling at a position: the longest complete one, else the one with the most matching characters."""
    whole = [form for form in forms if text.startswith(form.text, at)]
    if whole:
        longest = max(whole, key=lambda form: len(form.text))
        yield _Span(at, at + len(longest.text), longest.mark)
        return
    length, form = max((_common(form.text, text[at : at + len(form.text)]), form) for form in forms)
    if length >= form.enough:
        yield _Span(at, at + length, form.mark)


def _matched_backwards(forms: Iterable[_Form], text: str, end: int) -> Iterator[_Span]:
    """Find the spelling with the most matching characters up to a position."""
    length, form = max(
        (_common(form.text[::-1], text[max(0, end - len(form.text)) : end][::-1]), form) for form in forms
    )
    if length >= form.enough:
        yield _Span(end - length, end, form.mark)


def _common(one: str, other: str) -> int:
    """Return the number of characters that two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _apart(spans: list[_Span]) -> list[_Span]:
    """Merge spans that overlap; a merged span has the mark of the longest one."""
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
    """Return the secret parts of a value: the password of an address with a host, else the whole value."""
    try:
        address = urlsplit(value)
        if "://" in value and address.hostname:
            return {address.password, unquote(address.password)} if address.password else set()
    except ValueError:
        pass
    return {value}


def _forms(secret: str) -> set[str]:
    """Return every spelling of a secret in a log or a response."""
    escaped = {secret} if _PLAIN.fullmatch(secret) else _escaped(secret)
    escaped |= {form for once in escaped - {secret} for form in _escaped(once)}
    encoded = {form for text in {secret, quote_plus(secret)} for form in _in_base64(text.encode(errors="replace"))}
    encoded |= {form.translate(str.maketrans("+/", "-_")) for form in encoded}
    return {form for form in escaped | encoded if len(form) >= SHORTEST_SECRET}


def _escaped(text: str) -> set[str]:
    """Return a text as URLs, JSON, HTML and Python write it."""
    raw = text.encode(errors="replace")
    urls = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    urls |= {re.sub(r"%[0-9A-F]{2}", lambda code: code.group().lower(), url) for url in urls}
    literal = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1], repr(raw)[2:-1]}
    return {text, html.escape(text), html.escape(text, quote=False)} | urls | literal


def _in_base64(raw: bytes) -> Iterator[str]:
    """Yield the base64 forms of a secret, alone and as part of a longer text such as `user:secret`.

    A base64 character encodes six bits, so the form depends on the number of bytes before the secret, modulo 3.
    Characters that also encode bits of a neighbour are left out.
    """
    yield base64.b64encode(raw).decode().rstrip("=")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        yield encoded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]


redactor = Redactor()
"""The redactor of this process. Code that reads a secret calls `learn`; code that writes calls `clean`."""

workers.join(redactor)
