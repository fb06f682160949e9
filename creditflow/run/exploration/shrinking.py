"""Makes a history smaller that has shown a defect, and stops after so many tries or seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence

from creditflow.run.exploration.sentences import Sentence

LONGEST_S = 60.0
"""How long a finding is made smaller, in seconds."""

History = tuple[Sentence, ...]


def smallest(
    history: History,
    is_wrong: Callable[[History], bool],
    tries: int,
    seconds: float = LONGEST_S,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[History, int]:
    """Return the smallest history found that is still wrong, and the number of tries.

    Args:
        history: a history that was wrong.
        is_wrong: runs a history, and returns whether it is wrong in the same way.
        tries: the most histories to run.
        seconds: when no further try begins.
        clock: returns seconds.
    """
    until, tried, known = clock() + seconds, 0, {history}
    found = True
    while found:
        found = False
        for smaller in candidates(history):
            if smaller in known:
                continue
            if tried >= tries or clock() >= until:
                return history, tried
            known.add(smaller)
            tried += 1
            if is_wrong(smaller):
                history, found = smaller, True
                break
    return history, tried


def candidates(history: History) -> Iterator[History]:
    """Yield smaller histories, the much smaller ones first: without a person, without a part, without a sentence.

    The last sentence, after which the defect showed, is always kept. Histories that speak of somebody who never came
    are left out.
    """
    for alias in people(history):
        yield from sensible(tuple(one for one in history if alias not in _mentioned(one)))
    last = len(history) - 1
    size = last // 2
    while size >= 1:
        for begin in range(0, last, size):
            yield from sensible(history[:begin] + history[min(begin + size, last) :])
        size //= 2


def newcomers(history: Sequence[Sentence]) -> dict[str, str]:
    """Return the plan of each person who comes into a history with nothing unusual about their account, by alias."""
    found: dict[str, str] = {}
    for sentence in history:
        usual = re.match(r"an? (?P<role>.+?) on the (?P<plan>\w+) plan with ", sentence.text)
        for alias in _made(sentence):
            if usual:
                found[alias] = usual["plan"].lower()
            elif not sentence.text.startswith("an individual without") and "plan" not in sentence.text:
                found |= {} if alias.endswith("organisation") else {alias: "platform"}
    return found


def people(history: Sequence[Sentence]) -> list[str]:
    """Return the aliases of the people and organisations that come into a history, in order."""
    return list(dict.fromkeys(alias for sentence in history for alias in _made(sentence)))


def sensible(history: History) -> Iterator[History]:
    """Yield a history if it has sentences, and everybody in it comes before something is said about them."""
    there: set[str] = set()
    for sentence in history:
        made = set(_made(sentence))
        if not _mentioned(sentence) - made <= there:
            return
        if _needs_organization(sentence) - there:
            return
        there |= made
    if history:
        yield history


def _made(sentence: Sentence) -> list[str]:
    """Return the people and organisations that a sentence brings."""
    if sentence.kind != "given":
        return []
    text = sentence.text
    if text.startswith("a second organisation of the same admin"):
        return ["the second organisation"]
    if text.startswith("a second organisation"):
        return ["the second organisation", "the second admin"]
    if text.startswith("an organisation"):
        return ["the organisation", "the admin"]
    if text.startswith("a member of both"):
        return ["the member"]
    found = re.match(r"an? (?P<role>.+?) (?:on the|with an|without an?) ", text)
    return [f"the {found['role']}"] if found else []


_ALIASES = (
    "individual",
    "trial user",
    "BYOK user",
    "stranger",
    "neighbour",
    "second member",
    "member",
    "colleague",
    "second admin",
    "admin",
    "second organisation",
    "organisation",
)
_ALIAS = re.compile(rf"\bthe ({'|'.join(_ALIASES)})\b")


def _mentioned(sentence: Sentence) -> set[str]:
    """Return the people and organisations that a sentence speaks of."""
    return {f"the {alias}" for alias in _ALIAS.findall(sentence.text)} | _needs_organization(sentence)


def _needs_organization(sentence: Sentence) -> set[str]:
    text = sentence.text
    if text.startswith("a member of both"):
        return {"the organisation", "the second organisation"}
    if text.startswith("a second organisation of the same admin"):
        return {"the admin"}
    by_admin = text.startswith(
        ("the admin purchases", "the admin allocates", "the admin adds", "the admin sends the same")
    )
    joins = re.match(r"a (?:second member|member|colleague) with(?:out)? an allocation", text)
    return {"the organisation"} if by_admin or joins else set()
