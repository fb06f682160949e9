"""Joins the records of the shards of a run (`-D shard=2/5`) whose results are in one folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from creditflow.reporting.record import RunRecord, Scenario, Wait

WORD = "-D shard="
"""The beginning of the word in the selection of a run that names its shard."""

_COUNTS = re.compile(r"(\d+) passed, (\d+) failed")


class ShardsError(Exception):
    """The records in a folder are not those of all shards of one run; the message says why and what to do."""


def shard_of(record: RunRecord) -> str:
    """Return the shard of a run, such as "2/5"; empty for a whole run."""
    return next((word.removeprefix(WORD) for word in record.selection if word.startswith(WORD)), "")


def file_of(shard: str) -> str:
    """Return the name of the file with the record of a shard."""
    return f"credit-flow-run-{shard.replace('/', '-of-')}.json"


def files_in(folder: Path) -> list[Path]:
    """Return the records of shards in a folder."""
    return sorted(folder.glob(file_of("*/*")))


def joined(parts: Sequence[RunRecord], folder: Path) -> RunRecord:
    """Return one record of all shards of a run. The record of a single shard stays what it is.

    Raises:
        ShardsError: a shard is missing, or the shards are not parts of one selection of one suite.
    """
    first = parts[0]
    if not parts[1:]:
        return first
    of = {shard_of(part).partition("/")[2] for part in parts}
    if len(of) > 1 or len({(part.commit, part.suite, *_without_shard(part)) for part in parts}) > 1:
        raise ShardsError(
            f"The records in {folder} are of shards that are not parts of one whole: they differ in their number, "
            f"their selection or the version of the suite; run the shards again."
        )
    here = {shard_of(part).partition("/")[0] for part in parts}
    if lacking := [str(n) for n in range(1, int(of.pop()) + 1) if str(n) not in here]:
        raise ShardsError(
            f"{folder} has the results of {len(parts)} shards, but not those of shard {' and '.join(lacking)}: "
            f"put them into this folder too."
        )
    scenarios = sorted((scenario for part in parts for scenario in part.scenarios), key=_place)
    run = {scenario.place for scenario in scenarios}
    return first.model_copy(
        update={
            "run": "+".join(part.run for part in parts),
            "began": min(part.began for part in parts),
            "ended": max(part.ended for part in parts),
            "not_testable": tuple(dict.fromkeys(text for part in parts for text in part.not_testable)),
            "selection": _without_shard(first),
            "not_selected": tuple(one for one in first.not_selected if one.place not in run),
            "scenarios": tuple(scenarios),
            "outside": tuple(problem for part in parts for problem in part.outside),
            "waits": tuple(_added(wait for part in parts for wait in part.waits)),
            "verdict": _verdict(parts),
            "exit_status": max(part.exit_status for part in parts),
        }
    )


def _without_shard(record: RunRecord) -> tuple[str, ...]:
    return tuple(word for word in record.selection if not word.startswith(WORD))


def _place(scenario: Scenario) -> tuple[str, int]:
    file, _, line = scenario.place.rpartition(":")
    return file, int(line)


def _added(waits: Iterable[Wait]) -> list[Wait]:
    """Return the sum for each system, longest first."""
    sums: dict[str, Wait] = {}
    for wait in waits:
        known = sums.get(wait.system)
        more = (
            {"milliseconds": known.milliseconds + wait.milliseconds, "calls": known.calls + wait.calls} if known else {}
        )
        sums[wait.system] = wait.model_copy(update=more)
    return sorted(sums.values(), key=lambda wait: -wait.milliseconds)


def _verdict(parts: Sequence[RunRecord]) -> str:
    """Return the sums of passed and failed, or the first verdict that is something else."""
    found = [_COUNTS.fullmatch(part.verdict) for part in parts]
    other = next((part for part, counts in zip(parts, found, strict=True) if not counts), None)
    if other:
        return f"Shard {shard_of(other)}: {other.verdict}"
    passed, failed = (sum(int(counts[n]) for counts in found if counts) for n in (1, 2))
    return f"{passed} passed, {failed} failed"
