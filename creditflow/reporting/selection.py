"""Finds the scenarios that a command line selects, and tags that no scenario has (plan items X1, X2)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from behave.configuration import Configuration
from behave.model import Feature, Scenario
from behave.runner_util import collect_feature_locations, parse_features

FEATURES = Path(__file__).resolve().parents[2] / "features"

_NO_TAGS = frozenset({"and", "or", "not", "true", "never"})
"""Words of a tag expression that are not tags."""


@cache
def parsed(place: Path, language: str | None = None) -> list[Feature]:
    """Return all features of a folder, or of one file, as behave reads them; they are read once, and are not run."""
    features: list[Feature] = parse_features(collect_feature_locations([str(place)]), language=language)
    return features


def readable(folder: Path, language: str | None = None) -> tuple[list[Feature], list[str]]:
    """Return the features of a folder that behave can read, and the names of the files that it can't."""
    features: list[Feature] = []
    unreadable: list[str] = []
    for location in collect_feature_locations([str(folder)]):
        try:
            features += parse_features([location], language=language)
        except Exception:
            unreadable.append(str(location.filename))
    return features, unreadable


def tags_in(features: Iterable[Feature]) -> set[str]:
    """Return all tags of the features' scenarios, own and inherited."""
    scenarios = (scenario for feature in features for scenario in feature.walk_scenarios())
    return {str(tag) for scenario in scenarios for tag in scenario.effective_tags}


def unknown_tags(expression: Any, known: Collection[str]) -> list[str]:
    """Return the tags of a tag expression that no scenario has; `*` and `?` are wildcards."""
    words = [word.strip("@-~") for word in re.findall(r"[^\s(),]+", str(expression))]
    unknown = [w for w in words if w and w not in _NO_TAGS and not any(fnmatchcase(tag, w) for tag in known)]
    return list(dict.fromkeys(unknown))


def sentence_of_unknown(unknown: Iterable[str], known: Collection[str]) -> str:
    """Return the sentence for unknown tags, with the most similar tags of the suite."""
    return f"No scenario has the tag {' or '.join(_with_nearest(tag, known) for tag in unknown)}: nothing was run."


def _with_nearest(tag: str, known: Collection[str]) -> str:
    lower = {name.lower(): name for name in sorted(known)}
    near = [f"@{lower[name]}" for name in get_close_matches(tag.lower(), lower, n=3, cutoff=0.5)]
    return f"@{tag} (nearest: {', '.join(near)})" if near else f"@{tag} (none is spelt like it)"


@dataclass(frozen=True)
class Place:
    """A scenario: its feature file, relative to `features`, its line and its title."""

    feature: str
    line: int
    title: str


def scenarios(tags: str = "") -> list[Place]:
    """Return the places of the scenarios that behave would run, by default or for a tag expression."""
    config = Configuration([f"--tags={tags}"] if tags else [])
    return [
        _place(scenario)
        for feature in parsed(FEATURES)
        for scenario in feature.walk_scenarios()
        if scenario.should_run(config)
    ]


def written(pattern: str) -> list[Place]:
    """Return the places of all scenarios in the feature files that fit a pattern below `features`."""
    known = {_below(feature.filename): [feature] for feature in parsed(FEATURES)}
    return [
        _place(scenario)
        for path in sorted(FEATURES.glob(pattern))
        for feature in known.get(_below(str(path))) or parsed(path)
        for scenario in feature.walk_scenarios()
    ]


def _place(scenario: Scenario) -> Place:
    return Place(_below(scenario.filename), scenario.line, scenario.name)


@cache
def _below(filename: str) -> str:
    return str(Path(filename).resolve().relative_to(FEATURES))
