"""The record of a run: one JSON file beside the Allure results, from which every other report is made.

Its schema is in `docs/record.schema.json`; `python -m creditflow.reporting.record` prints it. All texts have passed the
redactor. Times are in milliseconds, moments in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from creditflow.core.expect import counted
from creditflow.core.redaction import redactor
from creditflow.reporting import plan_files, shards
from creditflow.reporting.characters import writable
from creditflow.reporting.outcome import OUTCOME_LABEL, Kind
from creditflow.reporting.results import unfinished

FILE = "credit-flow-run.json"
"""The file of the record, in the folder of the Allure results."""

VERSION: Final = 1
"""The version of the schema. A record of another version is refused."""


class RecordError(Exception):
    """A folder does not have the complete results of one run; the message says why and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Account(_Part):
    """One row of the ledger: what someone had before and after a scenario, and what they must have.

    Attributes:
        who: the alias of a person or an organisation.
        what: such as "credits" or "counter".
        before: the value before the scenario; a text for rows, None if there was none.
        after: the value after it; None if no system of the target shows it.
        expected: the value that the ledger expects.
        systems: the compared systems, by name.
        differs: the systems that disagree, each with its value.
    """

    who: str
    what: str
    before: int | str | None
    after: int | str | None
    expected: int | str | None
    systems: tuple[str, ...] = ()
    differs: dict[str, int | str | None] = Field(default_factory=dict)


class Benchmark(_Part):
    """A measured operation and the plan's limit for it.

    Attributes:
        operation: its name.
        percent: how many of 100 samples have to keep the limit.
        limit: the limit in milliseconds.
        expected: what the plan expects, in milliseconds.
        median: the median in milliseconds.
        p95: 95 of 100 samples take this many milliseconds or less.
        within: the share of samples within the limit, from 0 to 1.
        kept: whether enough samples keep the limit.
    """

    operation: str
    percent: int
    limit: int
    expected: int | None
    median: float
    p95: float
    within: float
    kept: bool


class Step(_Part):
    """A step of a scenario: its sentence with keyword, its state, its duration and what is wrong with it."""

    text: str
    state: Literal["passed", "failed", "broken", "not run"]
    milliseconds: int = 0
    message: str = ""


class Scenario(_Part):
    """A selected scenario.

    Attributes:
        uuid: the name of its Allure result.
        name: feature, rule and title, joined by ": "; the same for all rows of an outline.
        title: the title, with the values of an Examples row.
        feature: the feature's title.
        rule: the rule's title, or empty.
        place: file and line.
        items: the ids of the plan items that it carries.
        tags: all its tags.
        severity: such as "critical".
        outcome: its outcome.
        message: what is wrong, or why it did not run.
        began: when it began; None if it did not.
        milliseconds: its duration, with hooks and clean-up.
        steps: its steps.
        accounts: the rows of the ledger.
        benchmarks: what it measured.
        prices: the prices in credits for 100 tokens, by model.
    """

    uuid: str
    name: str
    title: str
    feature: str
    rule: str
    place: str
    items: tuple[str, ...]
    tags: tuple[str, ...]
    severity: str
    outcome: Kind
    message: str = ""
    began: datetime | None = None
    milliseconds: int = 0
    steps: tuple[Step, ...] = ()
    accounts: tuple[Account, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    prices: dict[str, int] = Field(default_factory=dict)


class Unselected(_Part):
    """A scenario that was not selected; its attributes are those of a selected one.

    A feature file that can't be read is one too: its name is that of the file.
    """

    name: str
    title: str
    feature: str = ""
    place: str
    items: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Outside(_Part):
    """A problem outside of scenarios.

    Attributes:
        uuid: the name of its Allure result; empty if it came too late for one.
        where: such as "before_all of the run".
        outcome: its kind.
        message: what is wrong.
    """

    uuid: str = ""
    where: str
    outcome: Kind
    message: str


class Wait(_Part):
    """How long the run waited for a system, in milliseconds, and how often it called it."""

    system: str
    milliseconds: int
    calls: int


class Service(_Part):
    """A service of the target: its address, its version, and its state when the run began."""

    name: str
    address: str
    version: str
    state: str


class RunRecord(_Part):
    """A whole run.

    Attributes:
        version: the version of this schema.
        run: the name of the run, which every name that it created begins with.
        began: when it began.
        ended: when it ended.
        suite: the version of the suite.
        commit: the commit of the suite's checkout, or empty.
        target: the address of Ops-Center.
        on_sandbox: whether the target is the sandbox.
        services: the services of the target.
        not_testable: what the target can't show, announced at the beginning.
        selection: the tags, names and places of the command line; empty for a usual run.
        scenarios_in_suite: how many scenarios the features have, selected or not.
        not_selected: the scenarios that were not selected.
        scenarios: the selected scenarios, in their order.
        outside: the problems outside of scenarios.
        waits: how long the run waited for each system.
        verdict: the last line of the run.
        exit_status: the exit status of the run.
    """

    version: Literal[1] = VERSION
    run: str
    began: datetime
    ended: datetime
    suite: str
    commit: str
    target: str
    on_sandbox: bool
    services: tuple[Service, ...] = ()
    not_testable: tuple[str, ...] = ()
    selection: tuple[str, ...] = ()
    scenarios_in_suite: int
    not_selected: tuple[Unselected, ...] = ()
    scenarios: tuple[Scenario, ...]
    outside: tuple[Outside, ...] = ()
    waits: tuple[Wait, ...] = ()
    verdict: str
    exit_status: int


@dataclass(frozen=True)
class Reading:
    """What a folder of results says about its run.

    Attributes:
        record: the record; None if there is none that can be used.
        doubt: why these are not the complete results of one run, and what to do; empty if they are.
    """

    record: RunRecord | None
    doubt: str


def read(folder: Path, plan: Path = plan_files.FOLDER) -> RunRecord:
    """Return the record of a folder that has the complete results of one run; see :func:`examine`.

    Raises:
        RecordError: it has not.
    """
    reading = examine(folder, plan)
    if reading.record is None or reading.doubt:
        raise RecordError(reading.doubt)
    return reading.record


def examine(folder: Path, plan: Path = plan_files.FOLDER) -> Reading:
    """Read the record of a folder of results, and compare it with the other results and with the plan.

    Args:
        folder: the Allure results.
        plan: the file with the items of the plan.
    """
    if last := unfinished(folder):
        return Reading(None, f"{last.sentence()} Run behave again.")
    try:
        record = _loaded(folder)
    except RecordError as error:
        return Reading(None, str(error))
    except OSError as error:
        return Reading(None, f"{folder / FILE} can't be read: {error.strerror}.")
    doubts = (*_unlike_the_results(record, folder), *_unlike_the_plan(record, plan))
    return Reading(record, next(iter(doubts), ""))


def save(record: RunRecord, folder: Path) -> None:
    """Write the record through the redactor; a reader finds the whole file or none.

    Raises:
        OSError: it can't be written.
    """
    part = folder / f".{FILE}.part"
    part.write_text(f"{as_json(record)}\n", encoding="utf-8")
    shard = shards.shard_of(record)
    part.replace(folder / (shards.file_of(shard) if shard else FILE))


def as_json(record: RunRecord) -> str:
    """Return the record as cleaned JSON."""
    return json.dumps(_cleaned(record.model_dump(mode="json")), ensure_ascii=False, indent=1)


def schema() -> str:
    """Return the JSON schema of a record."""
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **RunRecord.model_json_schema(mode="serialization"),
    }
    return json.dumps(described, ensure_ascii=False, indent=2) + "\n"


def _loaded(folder: Path) -> RunRecord:
    path = folder / FILE
    if not path.exists():
        if parts := [_parsed(one) for one in shards.files_in(folder)]:
            try:
                return shards.joined(parts, folder)
            except shards.ShardsError as error:
                raise RecordError(str(error)) from None
        if any(folder.glob("*-result.json")):
            raise RecordError(
                f"The results in {folder} have no record of their run ({FILE}), so they may be incomplete: an older "
                f"version of the suite or another runner wrote them; run behave again."
            )
        raise RecordError(f"There are no results in {folder}: run behave first.")
    return _parsed(path)


def _parsed(path: Path) -> RunRecord:
    text = path.read_bytes()
    try:
        version = json.loads(text)["version"]
    except (ValueError, KeyError, TypeError):
        raise RecordError(f"{path} is damaged: run behave again.") from None
    if version != VERSION:
        raise RecordError(
            f"{path} has version {version}, and this suite reads version {VERSION}: use the suite that wrote it, or "
            f"run behave again."
        )
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordError(f"{path} is damaged ({where}: {first['msg']}): run behave again.") from None


def _unlike_the_results(record: RunRecord, folder: Path) -> Iterator[str]:
    """Yield a sentence for each way in which the results are not those of the record."""
    recorded = {scenario.uuid: scenario.outcome for scenario in record.scenarios if scenario.uuid}
    recorded |= {problem.uuid: problem.outcome for problem in record.outside if problem.uuid}
    written: dict[str, str] = {}
    for path in folder.glob("*-result.json"):
        try:
            result = json.loads(path.read_bytes())
            labels = {label["name"]: label["value"] for label in result["labels"]}
            written[result["uuid"]] = labels.get(OUTCOME_LABEL, "")
        except (OSError, ValueError, KeyError, TypeError):
            yield f"{path} is cut off or damaged, so the results are incomplete: run behave again."
    if more := len(written.keys() - recorded.keys()):
        yield (
            f"{folder} has the results of more than one run: {counted(more, 'result')} of {len(written)} "
            f"{_is(more)} not in the record of run {record.run}; run behave again, without "
            f"keep_results."
        )
    lacking = len(recorded.keys() - written.keys()) + sum(not scenario.uuid for scenario in record.scenarios)
    if lacking:
        yield f"{counted(lacking, 'result')} of run {record.run} {_is(lacking)} missing in {folder}: run behave again."
    other = [uuid for uuid, outcome in recorded.items() if written.get(uuid, outcome) != outcome]
    if other:
        yield (
            f"{counted(len(other), 'result')} in {folder} {'has' if len(other) == 1 else 'have'} another outcome than "
            f"in the record of run {record.run}: run behave again."
        )


def _unlike_the_plan(record: RunRecord, plan: Path) -> Iterator[str]:
    """Yield a sentence if the record names items that the plan does not have."""
    carried = [
        *(scenario.items for scenario in record.scenarios),
        *(left_out.items for left_out in record.not_selected),
    ]
    if unknown := sorted({item for items in carried for item in items} - plan_files.items(plan).keys()):
        yield (
            f"The record of run {record.run} names {', '.join(unknown)}, which {plan.name}/{plan_files.ITEMS} does not "
            f"have: the plan has changed since then; run behave again."
        )


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _cleaned(part: Any) -> Any:
    """Return a copy of a part of the record with every text cleaned."""
    if isinstance(part, str):
        return writable(redactor.clean(part))
    if isinstance(part, list):
        return [_cleaned(each) for each in part]
    if isinstance(part, dict):
        return {_cleaned(name): _cleaned(value) for name, value in part.items()}
    return part


if __name__ == "__main__":
    print(schema(), end="")
