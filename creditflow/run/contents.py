"""Writes `docs/scenarios.md`, the table of contents of the features: `python -m creditflow.run.contents`.

`make lint` reports a page that is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from behave.model import Feature, Rule, Scenario, ScenarioOutline

from creditflow.core.expect import counted
from creditflow.reporting import plan_items, selection
from creditflow.reporting.outcome import tags_of
from creditflow.reporting.plan import OPT_IN

PAGE = selection.FEATURES.parent / "docs" / "scenarios.md"
COMMAND = "python -m creditflow.run.contents"

SECTIONS = {
    "flows": ("Flows", "The three ways to pay for a request: own credits, an organisation's credits, an own key."),
    "edge_cases": ("Edge cases", "What happens at the limits: no credits, no calls, no organisation, no allocation."),
    "risks": ("Risks", "What must never happen, whatever goes wrong."),
    "platform": ("Platform", "The services and data behind the flows, the endpoints, and the error messages."),
    "qualities": ("Qualities", "Speed, many users, and services that fail."),
}
"""The title of each folder of features and what its features are about, in the order of the page."""

_NOTES = {
    "critical": "critical",
    "blocker": "blocker",
    "needs.journal": "stand-in",
    OPT_IN: "opt-in",
}
"""What the page says about a tag."""

_INTRODUCTION = """\
# All scenarios

What the suite checks, in the order of the test plan: {scenarios} in {features}. They carry {carried} of the plan's
{items} items, a usual run {usual} of them. The link of a feature leads to its steps.

{contents}

## How to read the tables
- **plan**: the [plan's items](../plan/README.md) that the scenario shows. The other way round, the
  [page of traceability](report.md#from-the-plan-to-the-scenarios) lists the scenarios of each item.
- **rows**: the scenario runs once for each row of a table; a word in *italics* stands for the values.
- **critical**: money or access is wrong if the scenario is red.
- **stand-in**: the scenario needs a stand-in for the provider, as the sandbox has one. Elsewhere it is not testable.
- **opt-in**: a long run, which a usual run leaves out; `behave -D opt_in=yes --tags=@opt-in` runs it.

This page is generated: `make scenarios` writes it.
"""


def text(features: Iterable[Feature], items: Sequence[str]) -> str:
    """Return the page.

    Args:
        features: all features.
        items: the ids of the plan, in its order.
    """
    ordered = sorted(features, key=_order)
    scenarios = [scenario for feature in ordered for scenario in feature.walk_scenarios()]
    tags = [set(tags_of(scenario)) for scenario in scenarios]
    introduction = _INTRODUCTION.format(
        scenarios=counted(len(scenarios), "scenario"),
        features=counted(len(ordered), "feature"),
        carried=len(set[str]().union(*tags) & set(items)),
        usual=len(set[str]().union(*(of_one for of_one in tags if OPT_IN not in of_one)) & set(items)),
        items=len(items),
        contents="\n".join(_contents(ordered)),
    )
    lines = [*introduction.splitlines(), ""]
    for folder, of_folder in groupby(ordered, key=_folder):
        title, about = SECTIONS.get(folder, (folder, ""))
        lines += [f"## {title}", *([about, ""] if about else [""])]
        for feature in of_folder:
            lines += [*_feature(feature, items), ""]
    return "\n".join(lines).rstrip() + "\n"


def _contents(features: Iterable[Feature]) -> Iterator[str]:
    """Yield a table with a link to each feature's heading and the number of its scenarios."""
    yield "| part | feature | scenarios |"
    yield "|---|---|---|"
    for folder, of_folder in groupby(features, key=_folder):
        part = SECTIONS.get(folder, (folder, ""))[0]
        for feature in of_folder:
            number = len(list(feature.walk_scenarios()))
            yield f"| {part} | [{_plain(feature.name)}](#{_anchor(feature.name)}) | {number} |"
            part = ""


def _feature(feature: Feature, items: Sequence[str]) -> Iterator[str]:
    path = f"features/{_folder(feature)}/{Path(feature.filename).name}"
    shared = set(map(str, feature.tags))
    yield f"### {_plain(feature.name)}"
    yield f"{_first_sentence(feature)} [{Path(path).name}](../{path})"
    if both := [*_ids(shared, items), *_notes(shared)]:
        yield f"All scenarios: {', '.join(both)}."
    yield ""
    yield "| scenario | plan | notes |"
    yield "|---|---|---|"
    for scenario in feature.scenarios:
        yield _row(scenario, shared, items)
    for rule in feature.rules:
        yield f"| **{_plain(rule.name)}** | | |"
        for scenario in rule.scenarios:
            yield _row(scenario, shared, items)


def _row(scenario: Scenario | ScenarioOutline, shared: set[str], items: Sequence[str]) -> str:
    """Return the row of a scenario, or of all rows of an outline, without what the whole feature has."""
    rows = scenario.scenarios if isinstance(scenario, ScenarioOutline) else [scenario]
    tags = {tag for row in rows for tag in tags_of(row)} - shared
    notes = _notes(tags)
    if isinstance(scenario, ScenarioOutline):
        notes.insert(0, counted(len(rows), "row"))
    return f"| {_plain(scenario.name)} | {' '.join(_ids(tags, items))} | {', '.join(notes)} |"


def _ids(tags: set[str], items: Sequence[str]) -> list[str]:
    return [item for item in items if item in tags]


def _notes(tags: set[str]) -> list[str]:
    return [note for tag, note in _NOTES.items() if tag in tags]


def _first_sentence(part: Feature | Rule) -> str:
    description = " ".join(part.description)
    found = re.match(r".*?[.:!?](?= [A-Z]|$)", description)
    return _plain(found.group() if found else description)


def _plain(words: str) -> str:
    """Return a text without Markdown's meaning of its characters; a placeholder is in italics."""
    escaped = re.sub(r"([\\`*_|\[\]])", r"\\\1", words)
    return re.sub(r"<([^<>]+)>", r"*\1*", escaped)


def _anchor(heading: str) -> str:
    """Return the fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _order(feature: Feature) -> tuple[int, str]:
    folders = list(SECTIONS)
    folder = _folder(feature)
    return folders.index(folder) if folder in folders else len(folders), str(feature.filename)


def _folder(feature: Feature) -> str:
    return Path(feature.filename).parent.name


def main() -> int:
    """Write the page and print its path. If the plan can't be read, print why and return exit status 2."""
    try:
        items = [item.id for item in plan_items.read().items]
    except plan_items.PlanError as error:
        print(error, file=sys.stderr)
        return 2
    PAGE.write_text(text(selection.parsed(selection.FEATURES), items), encoding="utf-8")
    print(f"Scenarios: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
