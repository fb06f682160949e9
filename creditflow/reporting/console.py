"""The console report: one line for each scenario, and each failure in full.

A failure shows title, file and line, the step, and the message of the check. A short traceback follows if the error
was not a failed check. `behave.ini` sets `default_format = creditflow.reporting.console:Formatter`.
"""

from __future__ import annotations

import textwrap

from behave.configuration import Configuration
from behave.formatter.base import Formatter as BehaveFormatter
from behave.formatter.base import StreamOpener
from behave.model import Feature, Rule, Scenario

from creditflow.core.redaction import redactor
from creditflow.reporting.characters import writable
from creditflow.reporting.outcome import (
    Kind,
    Outcome,
    Problem,
    Run,
    full_title,
    of_feature,
    place,
    rule_of,
)

_SIGNS = {Kind.PASSED: "✓", Kind.WAIVED: "-", Kind.SKIPPED: "-", Kind.UNTESTED: "-"}
_COLOURS = {Kind.PASSED: "\033[32m", **dict.fromkeys((Kind.WAIVED, Kind.SKIPPED, Kind.UNTESTED), "\033[2m")}
_RED, _PLAIN = "\033[31m", "\033[0m"


class Formatter(BehaveFormatter):
    """Writes one line for each scenario, and failures in full."""

    name = "credit-flow"
    description = "One line for each scenario, and each failure in full"

    def __init__(self, stream_opener: StreamOpener, config: Configuration) -> None:
        super().__init__(stream_opener, config)
        self.stream = self.open()
        self._coloured = config.has_colored_mode(self.stream)
        self._ascii = "utf" not in (getattr(self.stream, "encoding", None) or "utf-8").lower()
        self._run = Run()
        self._feature: Feature | None = None
        self._heading: tuple[Feature | None, Rule | None] = (None, None)
        self._written: set[int] = set()

    def begin(self, run: Run) -> None:
        """Take the selected scenarios from the suite's runner."""
        self._run = run

    def feature(self, feature: Feature) -> None:
        """Remember the feature; its title is written before its first scenario."""
        self._feature = feature
        if not any(feature is expected for expected in self._run.features):
            self._run.expect(feature, self.config)

    def scenario_finished(self, scenario: Scenario) -> None:
        """Write the scenario's line and its problems."""
        self._written.add(id(scenario))
        self._head(scenario)
        outcome = self._run.outcome(scenario)
        kind = "" if outcome.kind is Kind.PASSED else f"  {outcome.kind}"
        sign = "X" if outcome.kind.is_red and self._ascii else _SIGNS.get(outcome.kind, "✗")
        self._line(4, f"{sign} {full_title(scenario)}  {self._run.took(scenario):.2f} s{kind}", outcome.kind)
        if outcome.kind.is_red:
            self._line(8, place(scenario))
            self._failure(outcome)
        elif outcome.reason and not self.config.dry_run:
            self._line(8, outcome.reason)

    def eof(self) -> None:
        """Write the feature's scenarios that did not run, and its errors outside of scenarios."""
        feature, self._feature = self._feature, None
        if feature is None:
            return
        for scenario in feature.walk_scenarios():
            if id(scenario) not in self._written and any(scenario is s for s in self._run.selected):
                self.scenario_finished(scenario)
        for part, problem in of_feature(feature):
            self._line(4, f"✗ {problem.where} of “{part.name}”  {problem.kind}", problem.kind)
            self._line(8, place(part))
            self._problem(problem)

    def close(self) -> None:
        """Write the scenarios that an interrupted run did not reach.

        If the run could not begin, only the reason is printed.
        """
        self.eof()
        if not self.config.dry_run and not any(p.ends_the_run for p in self._run.problems):
            for scenario in self._run.selected:
                if id(scenario) not in self._written:
                    self._head(scenario)
                    self._line(4, f"- {full_title(scenario)}  {self._run.took(scenario):.2f} s  {Kind.UNTESTED}")
        super().close()

    def _head(self, scenario: Scenario) -> None:
        """Write the titles of the feature and the rule before their first scenario."""
        feature, rule = scenario.feature, rule_of(scenario)
        if self._heading[0] is not feature:
            self._line(0, f"\n{feature.name}  {feature.filename}")
        if rule is not None and self._heading[1] is not rule:
            self._line(2, rule.name)
        self._heading = (feature, rule)

    def _failure(self, outcome: Outcome) -> None:
        if not outcome.problems:
            self._line(8, outcome.reason)
        for problem in outcome.problems:
            self._line(8, problem.where)
            self._problem(problem)

    def _problem(self, problem: Problem) -> None:
        """Write the message, and a short traceback if the error was not a failed check."""
        self._line(10, problem.message, Kind.FAILED)
        if not isinstance(problem.error, AssertionError) and (short := problem.route()):
            self._line(12, short)

    def _line(self, indent: int, text: str, kind: Kind | None = None) -> None:
        assert self.stream is not None
        text = textwrap.indent(writable(redactor.clean(text)), " " * indent)
        if kind is not None and self._coloured:
            text = f"{_COLOURS.get(kind, _RED)}{text}{_PLAIN}"
        if self._ascii:
            text = text.encode("ascii", "replace").decode()
        self.stream.write(f"{text}\n")
        self.stream.flush()
