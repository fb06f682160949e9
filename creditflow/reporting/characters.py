"""Escapes characters that an output can't contain."""

from __future__ import annotations

import re

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 (section 2.2) forbids, and U+007F to U+009F, which it discourages and terminals obey."""


def writable(text: str) -> str:
    r"""Return a text with such characters as Python writes them, such as `\x1b` or `\ud800`."""
    return _UNWRITABLE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
