"""What a command line of behave would run, asked of behave itself without running it (plan items X1, X2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from behave.configuration import Configuration

from creditflow.reporting.tags import parsed
from creditflow.settings import PROJECT

FEATURES = PROJECT / "features"


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
