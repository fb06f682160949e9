"""The record of a run: one JSON file beside the Allure results, from which every other report is made.

Its schema is in `docs/record.schema.json`. All texts have passed the redactor. Times are in milliseconds, moments in
UTC.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from creditflow.reporting.outcome import Kind

FILE = "credit-flow-run.json"
"""The file of the record, in the folder of the Allure results."""

VERSION: Final = 1
"""The version of the schema. A record of another version is refused."""


class RecordError(Exception):
    """A record is missing, damaged or of another version; the message says what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Part):
    """A value with its name and unit, such as "median" 1,234.5 "ms"."""

    name: str
    value: int | float | str
    unit: str = ""


class Account(_Part):
    """One row of the ledger: what someone had before and after a scenario, and what they must have.

    Attributes:
        who: the alias of a person or an organisation.
        what: such as "credits" or "counter".
        before: the value before the scenario; a text for rows, None if there was none.
        after: the value after it.
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


class Outside(_Part):
    """A problem outside of scenarios: where (such as "before_all of the run"), its kind and its message."""

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
        not_selected: the names of the scenarios that were not selected.
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
    not_selected: tuple[str, ...] = ()
    scenarios: tuple[Scenario, ...]
    outside: tuple[Outside, ...] = ()
    waits: tuple[Wait, ...] = ()
    verdict: str
    exit_status: int


def read(folder: Path) -> RunRecord:
    """Read the record in a folder of results.

    Raises:
        RecordError: there is none, it can't be read, or it is of another version.
    """
    path = folder / FILE
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(f"There is no record of a run in {path}: run behave first.") from None
    except OSError as error:
        raise RecordError(f"{path} can't be read: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise RecordError(
            f"{path} is damaged or of another version of the suite ({where}: {first['msg']}): run behave again."
        ) from None
