"""Step files turn sentences into calls, and do nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = sorted((ROOT / "features" / "steps").glob("*.py"))
OF_THE_SYSTEMS = {"requests", "httpx", "urllib", "urllib3", "psycopg2", "redis", "keycloak", "subprocess"}
"""Packages that only a driver may import."""
SQL = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ")

each_file = pytest.mark.parametrize("path", STEPS, ids=lambda path: path.name)


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text("utf-8"), str(path))))


def imported(path: Path) -> set[str]:
    """Return every module that a file imports, and every imported name as if it were a module."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_there_are_step_files() -> None:
    assert len(STEPS) >= 10


@each_file
def test_a_step_file_imports_no_other_step_file(path: Path) -> None:
    others = {other.stem for other in STEPS}

    wrong = {name for name in imported(path) if name.startswith("features.steps") or name in others}

    assert not wrong, f"{path.name} imports {wrong}: move what is shared to creditflow"


@each_file
def test_a_step_file_leaves_the_systems_to_the_drivers(path: Path) -> None:
    wrong = {name for name in imported(path) if name.partition(".")[0] in OF_THE_SYSTEMS or "drivers.http" in name}

    assert not wrong, f"{path.name} imports {wrong}: ask a driver of creditflow instead"


@each_file
def test_a_step_does_not_loop(path: Path) -> None:
    loops = [n.lineno for n in nodes(path) if isinstance(n, (ast.For, ast.AsyncFor, ast.While))]

    assert not loops, f"{path.name} loops in the lines {loops}: move the loop to creditflow"


@each_file
def test_a_step_file_contains_no_sql(path: Path) -> None:
    texts = [n for n in nodes(path) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    wrong = [n.lineno for n in texts if str(n.value).lstrip().startswith(SQL)]

    assert not wrong, f"{path.name} contains SQL in the lines {wrong}: ask a driver of creditflow instead"
