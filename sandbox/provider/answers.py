"""The text of an answer: words without a meaning, whole or in a limited number of pieces."""

from dataclasses import dataclass
from itertools import pairwise

from sandbox.provider.usage import Usage

_SENTENCE = "this is the answer of a stand in for a language model and means nothing at all"
_WORDS = _SENTENCE.split()
_ROUND = _SENTENCE + " "

MOST_PIECES = 10
"""The most pieces of a stream, so that a long answer takes little more time than a short one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one call."""

    id: str
    created: int
    """Epoch seconds."""
    model: str
    usage: Usage
    finish_reason: str
    """``length`` where the caller set the limit, else ``stop``."""
    count: int = 1
    """How many answers the caller gets; all of them are equal."""

    @property
    def length(self) -> int:
        """The words of one answer."""
        return self.usage.completion_tokens // self.count

    @property
    def text(self) -> str:
        """All words, separated by one space."""
        return _words(0, self.length)

    def pieces(self) -> list[str]:
        """Return the text in at most `MOST_PIECES` pieces of whole words."""
        total = self.length
        count = min(total, MOST_PIECES)
        bounds = [total * number // count for number in range(count + 1)]
        return [(" " if start else "") + _words(start, end) for start, end in pairwise(bounds)]


def _words(start: int, end: int) -> str:
    """Return the words from start to end of the endlessly repeated sentence."""
    skipped = start % len(_WORDS)
    rounds, rest = divmod(skipped + end - start, len(_WORDS))
    text = _ROUND * rounds + " ".join(_WORDS[:rest])
    return text.split(" ", skipped)[-1].rstrip(" ") if skipped else text.rstrip(" ")
