"""Characters that an output can't hold, written so that a reader still sees which they were."""

from __future__ import annotations

import re

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 (section 2.2) forbids, and U+007F to U+009F, which it discourages and which steer terminals."""


def writable(text: str) -> str:
    r"""The text with each such character as Python writes it: an escape becomes `\x1b`, half of a pair `\ud800`."""
    return _UNWRITABLE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
