"""Limits for the size of a report: what is too large is cut or left out, and a sentence says so."""

from __future__ import annotations

from html import escape
from pathlib import Path

from creditflow.core.redaction import redactor
from creditflow.core.shared_counts import SharedCounts

MESSAGE = 10_000
"""Characters of a text in a result, such as a message or a traceback."""

TEXT = 200_000
"""Characters of an attached text."""

PAGE = 2_000_000
"""Bytes of any other attachment, such as an HTML page or a picture. It can't be cut, so a larger one is left out."""

RUN = 20_000_000
"""Bytes of all attachments of a run; later ones are left out."""

READABLE = 20_000_000
"""Bytes of a file. A larger one is not read."""

_TEXTS = (".txt", ".csv", ".json", ".xml")
_MARGIN = 1_000
"""Characters around a cut that are cleaned with the rest, so that a secret at the cut is recognised."""

_SENTENCES = 100
"""Half of the characters that the sentences about a cut may have, so that a shortened text is not cut again."""


def shortened(text: str, most: int = MESSAGE) -> str:
    """Return a cleaned text; if it is too long, without its middle, and with a sentence about that."""
    if len(text) <= most:
        return redactor.clean(text)
    half = most // 2 - _SENTENCES
    begin, end = redactor.clean(text[: half + _MARGIN]), redactor.clean(text[-half - _MARGIN :])
    return (
        f"This text has {len(text):,} characters; here are the first {half:,} and the last {half:,}.\n\n"
        f"{begin[:half]}\n\n[... {len(text) - 2 * half:,} characters are left out ...]\n\n{end[-half:]}"
    )


class Attachments:
    """Cleans the attachments of a run, and keeps each of them and their sum within the limits."""

    def __init__(self) -> None:
        self._counts = SharedCounts()

    def fitting(self, body: str | bytes, file_name: str) -> bytes:
        """Return what to write to the file of an attachment: the cleaned body, a part of it, or a sentence."""
        suffix = Path(file_name).suffix
        content = _cleaned(body, suffix)
        with self._counts.locked():
            if self._counts.numbers[0] + len(content) > RUN:
                return _sentence(
                    f"This attachment is left out, because the attachments of this run have {RUN:,} bytes, the most "
                    f"that a report holds. Run the scenario alone to see it.",
                    suffix,
                )
            self._counts.numbers[0] += len(content)
            return content

    def of_file(self, source: Path, file_name: str) -> bytes:
        """Return what to write to the file of an attachment that is a copy of a file."""
        size = source.stat().st_size
        return _too_large(size, file_name) if size > READABLE else self.fitting(source.read_bytes(), file_name)


def _cleaned(body: str | bytes, suffix: str) -> bytes:
    """Return the cleaned body within the limit of its kind; bytes that are not UTF-8 stay unchanged."""
    text = body if isinstance(body, str) else bytes(body).decode("utf-8", "surrogateescape")
    broken = "backslashreplace" if isinstance(body, str) else "surrogateescape"
    if suffix in _TEXTS or (isinstance(body, str) and suffix != ".html"):
        return shortened(text, TEXT).encode("utf-8", broken)
    return _too_large(len(body), suffix) if len(body) > PAGE else redactor.clean(text).encode("utf-8", broken)


def _too_large(size: int, file_name: str) -> bytes:
    return _sentence(
        f"This attachment is left out, because it has {size:,} bytes; a report holds {PAGE:,} bytes of each.", file_name
    )


def _sentence(sentence: str, file_name: str) -> bytes:
    page = f'<!doctype html><meta charset="utf-8"><p>{escape(sentence)}</p>'
    return (page if file_name.endswith(".html") else sentence).encode()
