"""Which scenarios a command line selects, and the tags that none of them has (plan items X1, X2)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from behave.configuration import Configuration
from behave.model import Feature
from behave.runner_util import collect_feature_locations, parse_features

FEATURES = Path(__file__).resolve().parents[2] / "features"

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


@dataclass(frozen=True)
class Place:
    """Where a scenario stands: its feature's file below `features`, and the first folder of it."""

    feature: str

    @property
    def folder(self) -> str:
        """The folder of `features` that it stands in."""
        return self.feature.split("/")[0]


def scenarios(tags: str = "") -> list[Place]:
    """Where the scenarios stand that behave would run: with its defaults, or for a tag expression."""
    config = Configuration([f"--tags={tags}"] if tags else [])
    return [
        Place(_below(feature.filename))
        for feature in parsed(FEATURES, config.lang)
        for scenario in feature.walk_scenarios()
        if scenario.should_run(config)
    ]


def features() -> list[str]:
    """Every feature file of the suite, by its path below `features`."""
    return sorted(_below(str(path)) for path in FEATURES.rglob("*.feature"))


def _below(filename: str) -> str:
    return str(Path(filename).resolve().relative_to(FEATURES))
