"""The last matrix of faults, as `make faults` wrote it: which scenarios each deliberate fault turned red."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

FILES = ("matrix.json", "matrix-full.json")
"""The files of a matrix, in the folder `faults` of the sandbox; a run of `make faults` writes one of them."""

NONE = (
    "No matrix of faults has been run here: `make faults` switches on every fault in turn, and shows which items it "
    "turns red."
)


class Trial(BaseModel):
    """A fault that was switched on.

    Attributes:
        fault: its name.
        harm: what is wrong with it, and who is harmed.
        breaks: the items that have to turn red.
        verdict: "killed", or "survived" with the reason.
        killed_by: the names of the scenarios that turned red.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    fault: str
    harm: str
    breaks: tuple[str, ...]
    verdict: str
    killed_by: tuple[str, ...] = Field(alias="killed by")

    @property
    def killed(self) -> bool:
        """Whether a scenario noticed it."""
        return self.verdict == "killed"


@dataclass(frozen=True)
class FaultMatrix:
    """The trials of the last matrix, when it ended, and what is wrong with its file; without trials, why."""

    trials: tuple[Trial, ...] = ()
    ended: datetime | None = None
    problem: str = ""


def read(folder: Path, items: Collection[str]) -> FaultMatrix:
    """Read the newest matrix in a folder; one that can't be used has no trials, and its problem is a sentence.

    Args:
        folder: the folder `faults` of the sandbox.
        items: the ids of the plan.
    """
    found = [path for name in FILES if (path := folder / name).is_file()]
    if not found:
        return FaultMatrix(problem=NONE)
    path = max(found, key=lambda one: one.stat().st_mtime)
    try:
        trials = TypeAdapter(tuple[Trial, ...]).validate_json(path.read_bytes())
        ended = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, ValidationError):
        return FaultMatrix(
            problem=f"The matrix of faults in {path} is damaged or of another version of the suite: "
            "run `make faults` again."
        )
    if unknown := sorted({item for trial in trials for item in trial.breaks} - set(items)):
        return FaultMatrix(
            problem=f"The matrix of faults in {path} names the plan item {unknown[0]}, which plan/items.tsv does not "
            "have: run `make faults` again."
        )
    if not trials:
        return FaultMatrix(problem=NONE)
    return FaultMatrix(trials, ended)
