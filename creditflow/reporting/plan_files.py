"""The files of the plan: its items, and what the items for later wait for."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "plan"
ITEMS, LATER = "items.tsv", "later.tsv"


@dataclass(frozen=True)
class Row:
    """A row of the plan's files: its id, its other columns, and its file:line."""

    id: str
    rest: tuple[str, ...]
    where: str


def rows(path: Path) -> tuple[Row, ...]:
    """Read the rows of a file of the plan, as they are.

    Raises:
        OSError: it can't be read.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        cells = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(cells, None)
        where = f"{path.parent.name}/{path.name}"
        return tuple(Row(row[0], tuple(row[1:]), f"{where}:{cells.line_num}") for row in cells if row)


def items(folder: Path = FOLDER) -> dict[str, str]:
    """Return what each item of the plan says, by its id, in the plan's order; without the file there are none."""
    path = folder / ITEMS
    return {row.id: row.rest[-1] for row in rows(path) if row.rest} if path.is_file() else {}
