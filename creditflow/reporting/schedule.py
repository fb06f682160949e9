"""Which scenarios a run takes, in which order, and how many side by side.

- `--jobs N` runs N scenarios side by side; with 0, as in `behave.ini`, as many as this machine has cores.
- `-D order=random` shuffles them. The run prints its seed, and `-D order=random:SEED` gives the same order again.
- `-D shard=2/5` selects the second of five parts. Every selected scenario is in exactly one part.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from behave.configuration import Configuration
from behave.model import Feature, Scenario

from creditflow.core.errors import CannotRunError
from creditflow.reporting.outcome import Kind, Run, full_title

DURATIONS = "durations.json"
"""The file with the seconds of each scenario in earlier runs, in the folder of the clean-up journals."""

_NO_JOBS = re.compile(r"(?:^| )(?:-j|--jobs|--parallel)[ =]?0+(?: |$)")


def jobs(config: Configuration) -> int:
    """Return how many scenarios run side by side at most.

    Raises:
        CannotRunError: the command line asks for none.
    """
    if config.jobs:
        return int(config.jobs)
    if _NO_JOBS.search(" ".join(sys.argv[1:])):
        raise CannotRunError("The run can't begin: --jobs is 0, so no scenario would run: give it 1 or more.")
    return len(os.sched_getaffinity(0))


def seed(config: Configuration) -> int | None:
    """Return the seed of a random order, a new one unless the command line gives it; None for the usual order.

    Raises:
        CannotRunError: the order is unknown.
    """
    order = config.userdata.get("order", "")
    if not order:
        return None
    found = re.fullmatch(r"random(?::(\d{1,9}))?", order)
    if not found:
        raise CannotRunError(
            f"The run can't begin: there is no order {order!r}: write -D order=random, or -D order=random:SEED."
        )
    return int(found[1]) if found[1] else random.SystemRandom().randrange(10**6)


def leave_out_other_shards(features: Iterable[Feature], config: Configuration) -> None:
    """Leave out what the command line selects and `-D shard` does not.

    Raises:
        CannotRunError: the shard is not such as 2/5.
    """
    shard = config.userdata.get("shard", "")
    if not shard:
        return
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", shard)
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of:
        raise CannotRunError(
            f"The run can't begin: there is no shard {shard!r}: write -D shard=2/5 for the second of five."
        )
    scenarios = [one for feature in features for one in feature.walk_scenarios() if one.should_run(config)]
    for position, scenario in enumerate(scenarios):
        if position % of != number - 1:
            scenario.should_skip = True


class Durations:
    """The seconds of scenarios in earlier runs.

    Args:
        folder: contains the file; None if there is none.
        base: the folder of the features.
    """

    def __init__(self, folder: Path | None, base: str) -> None:
        self._file, self._base = folder and folder / DURATIONS, base
        self._seconds: dict[str, float] = {}
        with suppress(OSError, ValueError, TypeError):
            written = json.loads(self._file.read_bytes()) if self._file else {}
            self._seconds = {name: float(seconds) for name, seconds in dict(written).items()}

    def of(self, scenario: Scenario) -> float | None:
        """Return the seconds of a scenario; None if they are unknown."""
        return self._seconds.get(self._name(scenario))

    def longest_first(self, scenarios: Sequence[Scenario]) -> list[Scenario]:
        """Return the scenarios with the longest first, and those of unknown duration before them."""
        return sorted(scenarios, key=lambda one: -seconds if (seconds := self.of(one)) is not None else float("-inf"))

    def keep(self, run: Run) -> None:
        """Add the seconds of the scenarios that passed."""
        passed = {self._name(s): round(run.took(s), 3) for s in run.selected if run.outcome(s).kind is Kind.PASSED}
        if not self._file or not passed:
            return
        with suppress(OSError):  # the next run then has the order of the features
            part = self._file.with_name(f".{DURATIONS}.{os.getpid()}")
            part.write_text(json.dumps(self._seconds | passed, ensure_ascii=False, indent=0), encoding="utf-8")
            part.replace(self._file)

    def _name(self, scenario: Scenario) -> str:
        return f"{os.path.relpath(scenario.filename, self._base)}: {full_title(scenario)}"
