"""Mutation testing: is every place of the modules that judge looked at by some test of theirs?

cosmic-ray changes one place of a module at a time, in a copy of the project, and the module's own tests must go red.
What survives is printed as it became, and the exit status is then 1. `tests/mutation.toml` names the modules with their
tests, and the mutants that mean the same as what they replace.

    python tests/mutation.py [creditflow/audit/ledger.py ...]
"""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from hypothesis import Phase, settings

PROJECT = Path(__file__).resolve().parent.parent
LONGEST = 20
"""Seconds for one test of a mutant; an endless one is noticed by that."""

LIBRARIES = "allure behave hypothesis jwt keycloak psycopg2 pydantic_settings redis requests tenacity"
"""What the tests import besides the project's own modules: loaded once, and every mutant is tested in a fork."""


def main(wanted: Sequence[str]) -> int:
    """Mutate the wanted modules, all of them where none is named; 1 when a mutant survived."""
    plan = tomllib.loads((PROJECT / "tests" / "mutation.toml").read_text())
    for library in LIBRARIES.split():
        importlib.import_module(library)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "project"
        shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(".*", "allure-*", "__pycache__"))
        survived = [_mutate(copy, module, plan["tests"][module], plan["same"]) for module in wanted or plan["tests"]]
    return int(any(survived))


def _mutate(copy: Path, module: str, tests: Sequence[str], same: dict[str, str]) -> int:
    """Test every mutant of a module; the number of those that survived."""
    path, began = copy / module, time.monotonic()
    code = path.read_text()
    if not _green(copy, tests, write_bytecode=True):
        raise SystemExit(f"{' '.join(tests)}: red before anything was changed; make them green first.")
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
    made = alike = survived = 0
    for mutant in _mutants(code):
        path.write_text(mutant)
        made += 1
        if not _green(copy, tests):
            continue
        number, line = _changed(code, mutant)
        if line.strip() in same:
            alike += 1
        else:
            survived += 1
            print(f"  {module}:{number} survived as: {line.strip()}", flush=True)
    path.write_text(code)
    seconds = time.monotonic() - began
    print(
        f"{module}: {made} mutants, {made - alike - survived} killed, {alike} mean the same, {survived} survived "
        f"({seconds:.0f} s)",
        flush=True,
    )
    return survived


def _mutants(code: str) -> Iterator[str]:
    """Every mutant of a module but those that differ in annotations only, which are never carried out."""
    meaning, nodes = _meaning(code), list(ast_nodes(get_ast(code)))
    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        if operator.arguments():
            continue
        places = sum(len(list(operator().mutation_positions(node))) for node in nodes)
        for mutant in (mutate_code(code, operator(), place) for place in range(places)):
            if _meaning(mutant) != meaning:
                yield mutant


def _meaning(code: str) -> str:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    return ast.dump(tree)


def _green(copy: Path, tests: Sequence[str], write_bytecode: bool = False) -> bool:
    """Whether the tests pass on the copy as it is now, run in a process of their own."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    status = 1
    try:
        sys.dont_write_bytecode = not write_bytecode
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.chdir(copy)
        sys.path[:] = [
            str(copy),
            *(place for place in sys.path if not place.startswith(str(PROJECT / "tests")) and place != str(PROJECT)),
        ]
        for name in [name for name in sys.modules if name.partition(".")[0] == "creditflow"]:
            del sys.modules[name]  # loaded from the project itself when Python started
        settings.register_profile("mutation", phases=(Phase.explicit, Phase.generate), max_examples=25, database=None)
        settings.load_profile("mutation")
        options = ["-x", "-q", "-p", "no:cacheprovider", "-o", f"timeout={LONGEST}"]
        status = int(pytest.main([*options, *tests]))
    finally:
        os._exit(status)


def _changed(code: str, mutant: str) -> tuple[int, str]:
    """Return the first line that differs, with its number from 1."""
    pairs = zip(code.splitlines(), mutant.splitlines(), strict=False)
    return next((number, new) for number, (old, new) in enumerate(pairs, 1) if old != new)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
