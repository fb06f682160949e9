"""The tags of a command line against the tags that there are: one that no scenario has is told before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from behave.model import Feature
from behave.runner_util import collect_feature_locations, parse_features

_NO_TAGS = frozenset({"and", "or", "not", "true", "never"})
"""Words of a tag expression that stand for no tag."""


def parsed(folder: Path, language: str | None = None) -> list[Feature]:
    """Every feature of a folder, as behave reads it."""
    found: list[Feature] = parse_features(collect_feature_locations([str(folder)]), language=language)
    return found


def tags_in(read: Iterable[Feature]) -> set[str]:
    """Every tag that a scenario of the features has, its own or inherited."""
    return {str(tag) for feature in read for scenario in feature.walk_scenarios() for tag in scenario.effective_tags}


def unknown_tags(expression: Any, known: Collection[str]) -> list[str]:
    """The tags of behave's tag expression that no scenario has, in their order; `*` and `?` stand for any letters."""
    words = [word.strip("@-~") for word in re.findall(r"[^\s(),]+", str(expression))]
    unknown = [w for w in words if w and w not in _NO_TAGS and not any(fnmatchcase(tag, w) for tag in known)]
    return list(dict.fromkeys(unknown))


def sentence_of_unknown(unknown: Iterable[str], known: Collection[str]) -> str:
    """What to tell who misspelt a tag: which, and the nearest that there are."""
    return f"No scenario has the tag {' or '.join(_with_nearest(tag, known) for tag in unknown)}: nothing was run."


def _with_nearest(tag: str, known: Collection[str]) -> str:
    lower = {name.lower(): name for name in sorted(known)}
    near = [f"@{lower[name]}" for name in get_close_matches(tag.lower(), lower, n=3, cutoff=0.5)]
    return f"@{tag} (nearest: {', '.join(near)})" if near else f"@{tag} (none is spelt like it)"
