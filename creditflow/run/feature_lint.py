"""Rules for the features, checked without running them: `python -m creditflow.run.feature_lint`.

behave's own parser reads the features, and its own registry contains the steps, so the lint judges what would run.
Each rule is a function that takes the suite and yields its violations: file, line, what is wrong and what to do.
Exit status: 0 no violation, 1 violations, 2 a file can't be read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from behave import step_registry
from behave.model import Feature, Rule, Scenario, ScenarioOutline, Step
from behave.parser import ParserError, parse_feature
from behave.runner_util import exec_file, load_step_modules

from creditflow.core.errors import CannotRunError
from creditflow.reporting import waivers
from creditflow.reporting.outcome import full_name, full_title, place, tags_of
from creditflow.reporting.plan import OPT_IN
from creditflow.reporting.plan_files import ITEMS, LATER, Row, rows
from creditflow.reporting.runner import EXCLUSIVE
from creditflow.reporting.waivers import Waiver
from creditflow.run import contents
from creditflow.run.exploration import sentences
from creditflow.run.exploration.finding import THEN
from creditflow.run.session import NEEDS
from creditflow.target.settings import PROJECT

FEATURES = PROJECT / "features"
PLAN = PROJECT / "plan"

SEVERITIES = ("blocker", "critical", "normal", "minor", "trivial")
LONGEST = 12
"""The most steps that a scenario may have of its own, its background not counted."""
JOURNEY = "journey"
"""The tag of the scenario that shows a whole flow of the plan, in the plan's order."""
LONGEST_JOURNEY = 24
"""The most steps of a journey: the plan's flow with the most steps has eleven, each with what it changes."""

_OTHER_TAGS = re.compile(r"flow-[1-3]|edge-cases|journey|qualities|exclusive|allure\.label\.(?:epic|owner):\w+")
_KNOWN_TAGS = (
    "a plan id, a severity, @flow-1 to @flow-3, @edge-cases, @journey, @qualities, @exclusive, "
    "@allure.label.epic:NAME, @needs.NAME or @opt-in"
)

_LIKE_A_KEYWORD = re.compile(r"(?:Given|When|Then|And|But)\b|\*\s|(?:\w+ )?\w+:(?:\s|$)")
"""Text below a title that was probably meant as a step or a keyword; behave reads it as description."""

EXCLUSIVE_STEPS = {"clock.py", "load.py", "outages.py", "performance.py"}
"""The files with steps that need a scenario for themselves."""

_JOURNAL = re.compile(
    r"\bthe provider (?:was|has answered|takes|answers|refuses|breaks|finds|limits|received)\b"
    r"|\b(?:OpenRouter|OpenAI) was called\b|\b(?:is|are each) estimated at\b|\blists cached\b|\bno part of the stream\b"
)
"""Steps that read the provider's journal or make it fail, which only a stand-in allows."""

_COUNTED = (
    *("answer", "call", "charge", "credit", "customer", "event", "invoice", "minute", "purchase", "question"),
    *("request", "second", "subscription", "time", "token", "word"),
)
_NUMBER_OF = re.compile(
    r"(?<![\w.,-])(?P<number>one|-?\d[\d,]*) (?:[\w.]+-[\w.-]+ |active |finalized )?"
    rf"(?:(?P<plural>(?:{'|'.join(_COUNTED)})s|entries)|(?P<singular>{'|'.join(_COUNTED)}|entry))\b(?!-)"
)
"""A number and what it counts, with a model's name or an adjective between them: "9 credits", "one GPT-4 request"."""

_JARGON = {
    "a URL or path": r"https?://\S*|\blocalhost\b|(?<!\w)/[A-Za-z]\S*|\b\w+(?:/\w+){2,}",
    "an HTTP verb": r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b",
    "SQL": r"\b(?:SELECT|INSERT|UPDATE|JOIN|WHERE|SQL)\b",
    "JSON": r"[{}\[\]]|\bJSON\b",
    "a port": r"\bports?\b|\b[a-z][\w.]*:\d{2,5}\b",
    "a header": r"\bX-\w[\w-]*|\b(?!Ops-Center\b)[A-Z][a-z]+(?:-[A-Z][a-z]+)+|\bAuthorization\b|\b[Hh]eaders?\b",
}
_COLUMN = re.compile(r"\b(?!unicorn_db\b)[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_SPEAKS_OF_TABLES = ("2_databases.feature", "7_the_suite.feature")
_LISTS_FIELDS = "5_endpoints.feature"
"""The first ones are about tables; the tables of the other contain field names."""


@dataclass(frozen=True)
class Violation:
    """What breaks a rule: file:line, and a sentence that says what is wrong and what to do."""

    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}."


@dataclass(frozen=True)
class Suite:
    """The features, the plan and the steps.

    Attributes:
        features: the features that behave can read.
        unreadable: the violations in those that it can't.
        items: the rows of `items.tsv`.
        later: the rows of `later.tsv`.
        waivers: the rows of `waivers.tsv`.
        steps: behave's registry of the step definitions.
        page: the table of contents in `docs/scenarios.md`, empty if there is none.
    """

    features: tuple[Feature, ...]
    unreadable: tuple[Violation, ...]
    items: tuple[Row, ...]
    later: tuple[Row, ...]
    waivers: tuple[Waiver, ...]
    steps: Any
    page: str

    def scenarios(self) -> Iterator[Scenario]:
        """Yield every scenario that can run; for an outline its rows."""
        for feature in self.features:
            yield from feature.walk_scenarios()

    def carried(self) -> Mapping[str, int]:
        """Return the number of scenarios of a usual run for each plan id that at least one carries."""
        ids = {item.id for item in self.items}
        tags = [set(tags_of(s)) for s in self.scenarios()]
        found = [tag for of_one in tags if OPT_IN not in of_one for tag in of_one & ids]
        return {plan_id: found.count(plan_id) for plan_id in ids & set(found)}

    def coverage(self) -> str:
        """Return one line that says how much of the plan the scenarios carry."""
        ids, carried = {item.id for item in self.items}, self.carried()
        carriers = sum(1 for s in self.scenarios() if ids & set(tags_of(s)) and OPT_IN not in tags_of(s))
        return (
            f"{len(carried)} of {len(ids)} plan items are carried by {carriers} scenarios, "
            f"{len(self.later)} are for later"
        )


def read(features: Path = FEATURES, plan: Path = PLAN, steps: Any = None, page: Path = contents.PAGE) -> Suite:
    """Read a suite.

    Args:
        features: the folder of the features.
        plan: the folder of `items.tsv`, `later.tsv` and `waivers.tsv`.
        steps: a registry of step definitions; by default the suite's.
        page: the table of contents of the features.

    Raises:
        OSError: a file is missing or can't be read.
        CannotRunError: a row of `waivers.tsv` is malformed.
    """
    parsed, unreadable = [], []
    for path in sorted(features.rglob("*.feature")):
        shown = str(path.relative_to(features.parent))
        try:
            feature = parse_feature(path.read_text("utf-8"), filename=shown)
        except ParserError as error:
            line, text = getattr(error, "line", 0), getattr(error, "line_text", None) or "the line"
            unreadable.append(Violation(f"{shown}:{line}", f"behave can't read '{text}': correct its keyword or tag"))
        else:
            parsed.append(feature)
    return Suite(
        tuple(f for f in parsed if f),
        tuple(unreadable),
        rows(plan / ITEMS),
        rows(plan / LATER),
        waivers.read(plan / waivers.FILE.name),
        steps or suite_steps(),
        page.read_text("utf-8") if page.exists() else "",
    )


@cache
def suite_steps() -> Any:
    """Load the suite's vocabulary and step definitions as behave does, and return behave's registry."""
    if str(PROJECT) not in sys.path:
        sys.path.insert(0, str(PROJECT))
    exec_file(str(FEATURES / "environment.py"), {})
    load_step_modules([str(FEATURES / "steps")])
    return step_registry.registry


def findings(suite: Suite) -> list[Violation]:
    """Return each violation once; if a feature can't be read, only the violations of that kind."""
    if suite.unreadable:
        return list(suite.unreadable)
    return list(dict.fromkeys(finding for rule in RULES for finding in rule(suite)))


def titles_are_unique(suite: Suite) -> Iterator[Violation]:
    """Require that no two scenarios of the suite have the same title, the rows of outlines with their values."""
    first: dict[str, str] = {}
    for scenario in suite.scenarios():
        title, where = full_title(scenario), place(scenario)
        if title in first:
            yield Violation(
                where, f"the title '{title}' is already at {first[title]}: say what is different in this scenario"
            )
        first.setdefault(title, where)


def tags_are_known(suite: Suite) -> Iterator[Violation]:
    """Require that the suite knows every tag."""
    known = {*SEVERITIES, OPT_IN, *NEEDS, *(item.id for item in suite.items)}
    for feature in suite.features:
        for tag in _tags_written(feature):
            if tag not in known and not _OTHER_TAGS.fullmatch(tag):
                yield Violation(f"{feature.filename}:{tag.line}", f"the tag @{tag} is unknown: use {_KNOWN_TAGS}")


def severity_is_given_once(suite: Suite) -> Iterator[Violation]:
    """Require exactly one severity for every scenario."""
    for scenario in suite.scenarios():
        found = [tag for tag in tags_of(scenario) if tag in SEVERITIES]
        if len(found) != 1:
            yield Violation(
                place(_written(scenario)),
                f"'{_written(scenario).name}' has {_listed(found)} as severity: "
                f"give it exactly one of {_listed(SEVERITIES)}",
            )


def plan_is_carried(suite: Suite) -> Iterator[Violation]:
    """Require that a scenario of a usual run carries each item of the plan, or that the item is for later; not both."""
    carried, later = suite.carried(), {item.id: item for item in suite.later}
    for item in suite.items:
        if item.id in carried and item.id in later:
            yield Violation(
                later[item.id].where,
                f"the plan item {item.id} is for later, but a scenario carries it: remove the row",
            )
        if item.id not in carried and item.id not in later:
            yield Violation(
                item.where,
                f"no scenario of a usual run carries the plan item {item.id}: "
                "tag the one that checks it, or say in later.tsv what it waits for",
            )


def plan_is_well_kept(suite: Suite) -> Iterator[Violation]:
    """Require that the plan's rows are complete, that ids are unique, and that each row for later names an item."""
    ids = {item.id for item in suite.items}
    for kept, columns in ((suite.items, "id, kind and what it says"), (suite.later, "id and what it waits for")):
        seen: set[str] = set()
        for row in kept:
            if len(row.rest) != columns.count(" and ") + columns.count(",") or not all((row.id, *row.rest)):
                yield Violation(row.where, f"the row of '{row.id}' is not whole: give it {columns}, separated by tabs")
            if row.id in seen:
                yield Violation(row.where, f"the plan item {row.id} is there twice: remove one of the rows")
            seen.add(row.id)
    for row in suite.later:
        if row.id not in ids:
            yield Violation(row.where, f"{row.id} is no item of the plan: correct the id, or remove the row")


def waivers_name_scenarios(suite: Suite) -> Iterator[Violation]:
    """Require that every waiver names an existing scenario."""
    names = {full_name(scenario) for scenario in suite.scenarios()}
    for waiver in suite.waivers:
        if waiver.scenario not in names:
            yield Violation(
                waiver.where, f"no scenario is called '{waiver.scenario}': correct the name, or remove the row"
            )


def numbers_agree(suite: Suite) -> Iterator[Violation]:
    """Require that numbers and nouns agree in every title and step, filled in with an outline's words."""
    for scenario in suite.scenarios():
        for kind, text, where in (
            ("title", full_title(scenario), place(scenario)),
            *(("step", step.name, place(step)) for step in scenario.all_steps),
        ):
            for found in _NUMBER_OF.finditer(text):
                if (found["number"] in ("1", "one")) == bool(found["plural"]):
                    yield Violation(
                        where, f"'{found.group()}' in the {kind} '{text}' is not English: make number and noun agree"
                    )


def sentences_are_plain(suite: Suite) -> Iterator[Violation]:
    """Require that steps say what people do and see, not how the systems are built."""
    for scenario in suite.scenarios():
        for step in scenario.all_steps:
            cells = [c for row in step.table for c in row.cells] + step.table.headings if step.table else []
            for what, word in _jargon(step, [*cells, *([step.text] if step.text else [])]):
                yield Violation(
                    place(step), f"the step '{step.name}' contains {what} ('{word}'): say what people do or see"
                )


def scenarios_are_short(suite: Suite) -> Iterator[Violation]:
    """Require at most `LONGEST` steps in a scenario, and at most `LONGEST_JOURNEY` in a journey."""
    for scenario in suite.scenarios():
        longest = LONGEST_JOURNEY if JOURNEY in tags_of(scenario) else LONGEST
        if len(scenario.steps) > longest:
            yield Violation(
                place(_written(scenario)),
                f"'{_written(scenario).name}' has {len(scenario.steps)} steps, at most {longest} are read: "
                "show its second behaviour in a scenario of its own",
            )


def journeys_come_first(suite: Suite) -> Iterator[Violation]:
    """Require that each feature of a flow has one journey, its first scenario, and that no other feature has one."""
    for feature in suite.features:
        scenarios = list(feature.walk_scenarios())
        journeys = [n for n, scenario in enumerate(scenarios) if JOURNEY in tags_of(scenario)]
        flow = Path(feature.filename).parent.name == "flows"
        if journeys != ([0] if flow else []):
            yield Violation(
                place(feature),
                f"'{feature.name}' has its journeys at {_listed([str(n + 1) for n in journeys])} of its scenarios: "
                + (f"tag its first scenario, and no other, with @{JOURNEY}" if flow else f"remove the tag @{JOURNEY}"),
            )


def scenarios_have_an_outcome(suite: Suite) -> Iterator[Violation]:
    """Require that every scenario checks something and that every outline has rows."""
    for feature in suite.features:
        for scenario in _scenarios_written(feature):
            if isinstance(scenario, ScenarioOutline) and not scenario.scenarios:
                yield Violation(
                    place(scenario), f"'{scenario.name}' has no row of Examples, so it never runs: give it rows"
                )
            elif not any(step.step_type == "then" for step in scenario.steps):
                yield Violation(place(scenario), f"'{scenario.name}' has no Then: say what has to be true at its end")


def descriptions_are_prose(suite: Suite) -> Iterator[Violation]:
    """Require a description for every feature, and no lost step or keyword in any description."""
    for feature in suite.features:
        if not feature.description:
            yield Violation(place(feature), f"'{feature.name}' has no description: say why the business cares")
        titled: list[Feature | Rule] = [feature, *feature.rules]
        for part in titled:
            for line in filter(_LIKE_A_KEYWORD.match, part.description):
                yield Violation(
                    place(part),
                    f"'{line}' is read as description of '{part.name}', not as a step or keyword: "
                    "correct its keyword or the one before it, or begin the sentence otherwise",
                )
        backgrounds = filter(None, (getattr(part, "background", None) for part in titled))
        for with_steps in (*backgrounds, *_scenarios_written(feature)):
            for line in with_steps.description:
                yield Violation(
                    place(with_steps),
                    f"'{line}' is read as description and never run: begin it with Given, When, Then, And or But, "
                    "or make it a comment",
                )


def steps_are_defined_once(suite: Suite) -> Iterator[Violation]:
    """Require exactly one definition for every step, and for every definition a step or a random history."""
    used: set[int] = set()
    for kind, name, where in _sentences(suite):
        fitting = [d for d in (*suite.steps.steps[kind], *suite.steps.steps["step"]) if d.match(name)]
        used |= {id(definition) for definition in fitting}
        if not fitting:
            yield Violation(where, f"no definition fits the step '{name}': use a sentence of the others, or define it")
        if len(fitting) > 1:
            yield Violation(
                where,
                f"the step '{name}' fits {_listed([str(d.location) for d in fitting])}: make their patterns differ",
            )
    unused = [d for definitions in suite.steps.steps.values() for d in definitions if id(d) not in used]
    in_histories = {one.text for one in sentences.samples()} | {THEN} if unused else set()
    for definition in unused:
        if not any(definition.match(text) for text in in_histories):
            yield Violation(
                str(definition.location), f"no feature uses the step '{definition.pattern}': remove its definition"
            )


def tags_needed(steps: Iterable[Step], registry: Any) -> list[str]:
    """Return the tags that a scenario with these steps must have: that it is exclusive, and what it needs."""
    written = list(steps)
    found = [registry.find_step_definition(step) for step in written]
    exclusive = {Path(definition.location.filename).name for definition in found if definition} & EXCLUSIVE_STEPS
    journal = any(_JOURNAL.search(step.name) for step in written)
    return [*([EXCLUSIVE] if exclusive else []), *(["needs.journal"] if journal else [])]


def exclusive_is_asked_for(suite: Suite) -> Iterator[Violation]:
    """Require the tag @exclusive for scenarios with a step that changes what others see, or that measures a time."""
    for scenario in suite.scenarios():
        if EXCLUSIVE in tags_needed(scenario.all_steps, suite.steps) and EXCLUSIVE not in tags_of(scenario):
            yield Violation(
                place(_written(scenario)),
                f"'{_written(scenario).name}' changes what other scenarios see, or measures a time: tag it with "
                f"@{EXCLUSIVE}",
            )


def journal_is_asked_for(suite: Suite) -> Iterator[Violation]:
    """Require the tag @needs.journal for scenarios whose steps need the provider's stand-in, and for no others."""
    for scenario in suite.scenarios():
        needs = "needs.journal" in tags_needed(scenario.all_steps, suite.steps)
        tagged = "needs.journal" in tags_of(scenario)
        where, name = place(_written(scenario)), _written(scenario).name
        if needs and not tagged:
            yield Violation(
                where, f"'{name}' needs what only the provider's stand-in shows: tag it with @needs.journal"
            )
        if tagged and not needs:
            yield Violation(where, f"no step of '{name}' asks the provider's stand-in: remove @needs.journal")


def contents_are_fresh(suite: Suite) -> Iterator[Violation]:
    """Require that the table of contents in `docs/scenarios.md` is that of the features."""
    expected = contents.text(suite.features, [item.id for item in suite.items]).splitlines()
    found = suite.page.splitlines()
    if found != expected:
        same = (number for number, pair in enumerate(zip(found, expected, strict=False), 1) if pair[0] != pair[1])
        line = next(same, min(len(found), len(expected)) + 1)
        yield Violation(
            f"docs/{contents.PAGE.name}:{line}",
            f"the page is not that of the features: write it with `{contents.COMMAND}`",
        )


RULES: tuple[Callable[[Suite], Iterator[Violation]], ...] = (
    titles_are_unique,
    tags_are_known,
    exclusive_is_asked_for,
    severity_is_given_once,
    plan_is_carried,
    plan_is_well_kept,
    waivers_name_scenarios,
    numbers_agree,
    sentences_are_plain,
    scenarios_are_short,
    journeys_come_first,
    scenarios_have_an_outcome,
    descriptions_are_prose,
    steps_are_defined_once,
    journal_is_asked_for,
    contents_are_fresh,
)
"""Every rule for the features."""


def main() -> int:
    """Print the violations and how much of the plan the scenarios carry; return the exit status."""
    try:
        suite = read()
    except OSError as error:
        print(f"{error.filename} can't be read ({error.strerror}): the clone is not complete, restore the file.")
        return 2
    except CannotRunError as error:
        print(error)
        return error.exit_status
    found = findings(suite)
    for finding in found:
        print(finding)
    print(f"{suite.coverage()}.")
    return 1 if found else 0


def _scenarios_written(feature: Feature) -> Iterator[Scenario]:
    """Yield the scenarios and outlines as they are written in the file."""
    for part in (feature, *feature.rules):
        yield from part.scenarios


def _written(scenario: Scenario) -> Scenario:
    """Return the scenario as it is written in the file: for a row of Examples, its outline."""
    return scenario.parent if isinstance(scenario.parent, ScenarioOutline) else scenario


def _tags_written(feature: Feature) -> Iterator[Any]:
    for part in (feature, *feature.rules, *_scenarios_written(feature)):
        yield from part.tags
        for examples in getattr(part, "examples", ()):
            yield from examples.tags


def _sentences(suite: Suite) -> Iterator[tuple[str, str, str]]:
    """Yield the type, the text and the first place of every different step of the suite."""
    seen: set[tuple[str, str]] = set()
    for scenario in suite.scenarios():
        for step in scenario.all_steps:
            if (step.step_type, step.name) not in seen:
                seen.add((step.step_type, step.name))
                yield step.step_type, step.name, place(step)


def _jargon(step: Step, beside: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the technical words in a step and in its table or text: the kind of word, and the word."""
    text = "\n".join((step.name, *beside))
    for what, pattern in _JARGON.items():
        if found := re.search(pattern, text):
            yield what, found.group()
    if not step.filename.endswith(_SPEAKS_OF_TABLES):
        with_columns = step.name if step.filename.endswith(_LISTS_FIELDS) else text
        if found := _COLUMN.search(with_columns):
            yield "a table, column or field", found.group()


def _listed(words: Iterable[str]) -> str:
    return " and ".join(words) or "nothing"


if __name__ == "__main__":
    sys.exit(main())
