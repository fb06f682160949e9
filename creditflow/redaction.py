"""Keeps secrets out of everything the suite writes: console, report, attachments, logs and errors.

A secret is known by its value, once :meth:`Redactor.learn` was told it, and by its shape, for those
nobody told us of. What is written instead is a short mark that is the same for the same secret, so
that a reader still sees whether two lines speak of one key or of two.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

__all__ = ["RedactingStream", "Redactor", "redactor"]

SHORTEST_SECRET = 6
"""Characters. A shorter value ("admin") would black out ordinary words and is not learned."""

_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_SHAPES = re.compile(
    r"""  # RFC 7519; RFC 6750 and RFC 7617; keys of OpenAI, OpenRouter and LiteLLM; RFC 3986
      (?P<jwt> \beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*)
    | \b(?:[Bb]earer|Basic)[ ]+ (?P<token> (?=[\w.~+/-]*(?:\d|=|[a-z][A-Z]))[\w.~+/-]{7,}[\w=]+)
    | (?P<key> \bsk-[\w-]{8,})
    | (?<=://) [^\s/:@"'<>]* : (?P<password> [^\s/@"'<>]+) (?=@)
    """,
    re.VERBOSE,
)


class Redactor:
    """Replaces secrets in text by a mark such as ``‹secret 3fa2›``, from any thread."""  # noqa: RUF002

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def learn(self, *secrets: str | None) -> None:
        """Know these values from now on, also URL-encoded, in base64 and escaped as in JSON.

        Values that are empty, shorter than :data:`SHORTEST_SECRET`, a number or a UUID are no secrets.
        """
        with self._lock:
            for secret in secrets:
                if not secret or len(secret) < SHORTEST_SECRET or secret.isdecimal() or _UUID.fullmatch(secret):
                    continue
                for form in _forms(secret):
                    self._marks.setdefault(form, _mark(secret))
            longest_first = sorted(self._marks, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def clean(self, text: str) -> str:
        """The same text with every known or recognisable secret replaced by its mark."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: self._marks[found.group()], text)
        return _SHAPES.sub(_hide_shape, text)

    def clean_value(self, value: Any) -> Any:
        """The same plain value (dicts, lists, tuples, text, numbers), each text and key in it cleaned."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.clean_value(key): self.clean_value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_value(item) for item in value]
        return value


def _mark(secret: str) -> str:
    """Four hex digits of a SHA-256: enough to tell two secrets apart, too few to find one by."""
    return f"‹secret {hashlib.sha256(secret.encode()).hexdigest()[:4]}›"  # noqa: RUF001


def _hide_shape(found: re.Match[str]) -> str:
    """Replace the named group that matched, and keep what stands around it."""
    assert found.lastgroup is not None
    start, end = found.span(found.lastgroup)
    secret = found.group(found.lastgroup)
    whole = found.group()
    return whole[: start - found.start()] + _mark(secret) + whole[end - found.start() :]


def _forms(secret: str) -> set[str]:
    """Every spelling in which a value may turn up in a log or an answer."""
    raw = secret.encode()
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    forms |= {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return {form for form in forms if form}


class RedactingStream:
    """A text stream whose every line passes a redactor before it reaches the stream beneath.

    Text is held back to the end of its line, so that a secret written in two pieces is still seen whole.
    Lines listed in ``unsaid`` are left out.
    """

    def __init__(self, beneath: TextIO, clean: Callable[[str], str], unsaid: frozenset[str] = frozenset()) -> None:
        self._beneath = beneath
        self._clean = clean
        self._unsaid = unsaid
        self._held = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Take text; pass on the lines that are complete."""
        with self._lock:
            *lines, self._held = (self._held + text).split("\n")
            if lines:
                said = [line for line in lines if line not in self._unsaid]
                self._beneath.write(self._clean("".join(f"{line}\n" for line in said)))
        return len(text)

    def flush(self) -> None:
        """Pass on an incomplete line too: a prompt or a progress bar is waiting to be seen."""
        with self._lock:
            held, self._held = self._held, ""
            if held:
                self._beneath.write(self._clean(held))
            self._beneath.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath, name)


redactor = Redactor()
"""The one redactor of this process: whoever reads a secret teaches it, whoever writes passes it."""
