"""Collects what a run finds out, and makes its record of it.

Outcomes, results and problems come from :class:`creditflow.reporting.outcome.Run`. What only the rooms above know, they
add to :data:`recorder`: the target, its services, and the accounts, prices and benchmarks of the current scenario.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from behave.configuration import Configuration
from behave.model import Scenario as BehaveScenario

from creditflow.core.naming import RUN
from creditflow.core.wait_statistics import waits
from creditflow.reporting import plan_files, shards
from creditflow.reporting.outcome import Kind, Run, full_name, full_title, rule_of, tags_of
from creditflow.reporting.record import (
    Account,
    Benchmark,
    Outside,
    RunRecord,
    Scenario,
    Service,
    Step,
    Unselected,
    Wait,
)
from creditflow.reporting.selection import readable

PROJECT = Path(__file__).resolve().parents[2]

_STATES: Mapping[Any, Any] = {"passed": "passed", "failed": "failed", "broken": "broken"}


@dataclass
class Findings:
    """What a scenario found out besides its outcome."""

    accounts: tuple[Account, ...] = ()
    benchmarks: list[Benchmark] = field(default_factory=list)
    prices: dict[str, int] = field(default_factory=dict)


class Recorder:
    """Collects what the rooms above add while the run goes on.

    Attributes:
        target: the address of Ops-Center.
        on_sandbox: whether the target is the sandbox.
        services: the services of the target.
        not_testable: what the target can't show.
        report_dir: the folder of the text reports; None before the settings are read.
        journal_dir: the folder of what is kept from run to run; None before the run begins.
        current: what the current scenario found out.
    """

    def __init__(self) -> None:
        self.began = datetime.now(UTC)
        self.target, self.on_sandbox = "", False
        self.services: list[Service] = []
        self.not_testable: list[str] = []
        self.report_dir: Path | None = None
        self.journal_dir: Path | None = None
        self.current = Findings()
        self._of_scenarios: dict[int, Findings] = {}

    def begin_scenario(self, scenario: BehaveScenario) -> None:
        """Assign what is added from now on to this scenario."""
        self._of_scenarios[id(scenario)] = self.current = Findings()

    def keep(self, scenario: BehaveScenario, found: Findings) -> None:
        """Assign to a scenario what a worker found out in it."""
        self._of_scenarios[id(scenario)] = found

    def record(self, run: Run, selection: Selection, verdict: str, exit_status: int) -> RunRecord:
        """Return the record of the run.

        Args:
            run: the outcomes.
            selection: what the command line selected.
            verdict: the last line of the run.
            exit_status: its exit status.
        """
        return RunRecord(
            run=RUN,
            began=self.began,
            ended=datetime.now(UTC),
            suite=_version(),
            commit=commit(),
            target=self.target,
            on_sandbox=self.on_sandbox,
            services=tuple(self.services),
            not_testable=tuple(self.not_testable),
            selection=selection.words,
            scenarios_in_suite=selection.in_suite,
            not_selected=selection.not_selected,
            scenarios=tuple(self._scenario(one, run, selection) for one in run.selected),
            outside=tuple(_outside(run)),
            waits=tuple(Wait(system=s, milliseconds=_ms(took), calls=n) for s, took, n in waits.longest_first()),
            verdict=verdict,
            exit_status=exit_status,
        )

    def _scenario(self, scenario: BehaveScenario, run: Run, selection: Selection) -> Scenario:
        outcome, result = run.outcome(scenario), run.results.get(id(scenario))
        rule, tags = rule_of(scenario), tags_of(scenario)
        found = self._of_scenarios.get(id(scenario), Findings())
        labels = {label.name: label.value for label in result.labels} if result else {}
        return Scenario(
            uuid=result.uuid if result else "",
            name=full_name(scenario),
            title=result.name if result else full_title(scenario),
            feature=scenario.feature.name,
            rule=rule.name if rule else "",
            place=selection.place(scenario),
            items=selection.items(tags),
            tags=tuple(tags),
            severity=str(labels.get("severity", "")),
            outcome=outcome.kind,
            message=outcome.message,
            began=datetime.fromtimestamp(result.start / 1000, UTC)
            if result and outcome.kind is not Kind.UNTESTED
            else None,
            milliseconds=_ms(run.took(scenario)),
            steps=tuple(map(_step, result.steps)) if result else (),
            accounts=found.accounts,
            benchmarks=tuple(found.benchmarks),
            prices=found.prices,
        )


recorder = Recorder()
"""The recorder of this process."""


class Selection:
    """What the command line selected of the suite.

    Attributes:
        words: the tags, names and places of the command line.
        plan: the ids of the plan items.
        in_suite: how many scenarios the suite has.
        not_selected: those that were not selected.
    """

    def __init__(self, config: Configuration, run: Run) -> None:
        self._features = Path(config.base_dir).resolve()
        self.plan = frozenset(plan_files.items(self._features.parent / plan_files.FOLDER.name))
        self.words = tuple(self._words(config))
        suite, unreadable = readable(self._features, config.lang)
        scenarios = {self.place(one): one for feature in suite for one in feature.walk_scenarios()}
        selected = {self.place(one) for one in run.selected}
        left_out = [self._unselected(one) for place, one in scenarios.items() if place not in selected]
        self.not_selected = (*left_out, *map(self._unread, unreadable))
        self.in_suite = len(selected) + len(self.not_selected)

    def place(self, scenario: BehaveScenario) -> str:
        """Return file and line, relative to the folder that contains the features."""
        return f"{self._below(scenario.filename)}:{scenario.line}"

    def items(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Return the tags that are ids of the plan."""
        return tuple(tag for tag in tags if tag in self.plan)

    def _unselected(self, scenario: BehaveScenario) -> Unselected:
        tags = tags_of(scenario)
        return Unselected(
            name=full_name(scenario),
            title=full_title(scenario),
            feature=scenario.feature.name,
            place=self.place(scenario),
            items=self.items(tags),
            tags=tuple(tags),
        )

    def _unread(self, file: str) -> Unselected:
        name = self._below(file)
        return Unselected(name=name, title=f"{name}, which can't be read", place=f"{name}:1")

    def _below(self, file: str) -> str:
        return os.path.relpath(file, self._features.parent)

    def _words(self, config: Configuration) -> Iterable[str]:
        tags = [config.tags] if isinstance(config.tags, str) else config.tags or ()
        yield from (f"--tags={tag}" for tag in tags if tag)
        yield from (f"--name={name}" for name in config.name or ())
        for option in ("include", "exclude"):
            if pattern := getattr(config, f"{option}_re", None):
                yield f"--{option}={pattern.pattern}"
        if shard := config.userdata.get("shard"):
            yield f"{shards.WORD}{shard}"
        yield from (path for path in config.paths if Path(path).resolve() != self._features)


def commit(folder: Path = PROJECT) -> str:
    """Return the commit of a checkout, with "-dirty" if files were changed since; empty if there is no checkout."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    no_other = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    try:
        done = subprocess.run(command, env=no_other, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _outside(run: Run) -> Iterable[Outside]:
    """Return the problems outside of scenarios, each with its result."""
    written = list(run.outside_results)
    for part, problem in run.outside():
        of_it = next((one for one in written if one[0] is part and one[1] == problem), None)
        if of_it:
            written.remove(of_it)
        where = f"{problem.where} of “{part.name}”" if part else f"{problem.where} of the run"
        yield Outside(uuid=of_it[2] if of_it else "", where=where, outcome=problem.kind, message=problem.message)


def _step(step: Any) -> Step:
    details = step.statusDetails
    return Step(
        text=step.name,
        state=_STATES.get(step.status, "not run"),
        milliseconds=max(0, (step.stop or 0) - (step.start or 0)),
        message=(details.message or "") if details else "",
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _version() -> str:
    try:
        return metadata.version("credit-flow-acceptance")
    except metadata.PackageNotFoundError:
        return ""
