"""The catalogue of faults: deliberate defects of the reference, the stand-ins and the suite, such as teams ship.

A fault is one function that changes the running code of one service in place and is named after what goes wrong. It
says whom it harms, which plan items it breaks, and which words a reader must see when a scenario turns red. A service
switches one on when `SANDBOX_FAULT` names it; `python -m sandbox.faults` switches on one after the other and requires
the features to tell each of them.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType
from typing import Any

from sandbox.errors import SandboxError
from sandbox.settings import PROJECT

VARIABLE = "SANDBOX_FAULT"
"""Names the fault that a service switches on when it starts."""

CATALOGUE = {
    "ops-center": tuple(
        f"{__name__}.{module}"
        for module in "charges organizations requests quota access own_keys refusals bills pages".split()
    ),
    "lago": (f"{__name__}.lago",),
    "provider": (f"{__name__}.provider",),
    "suite": ("faults_of_the_suite",),
}
"""The modules of faults by the service whose code they change; the suite is none, and runs the features itself."""

SUITE = "suite"
SUITES_FAULTS = PROJECT / "tests"
"""The folder of the suite's own faults. The sandbox imports nothing of the suite, so they stand outside of it."""


@dataclass(frozen=True)
class Fault:
    """One deliberate defect.

    Attributes:
        name: in words with hyphens, after what goes wrong.
        service: whose code is changed.
        harm: one sentence: what goes wrong for whom.
        breaks: the plan items of which a scenario has to turn red.
        says: what the message of that scenario has to contain, so that it leads to the defect.
        switch_on: changes the code of the process that calls it.
    """

    name: str
    service: str
    harm: str
    breaks: tuple[str, ...]
    says: tuple[str, ...]
    switch_on: Callable[[], None]


_known: dict[str, Fault] = {}
_rewritten: dict[FunctionType, str] = {}
"""The source of every function that was changed, so that a fault can change several pieces of one."""


def fault(breaks: str, *says: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Put a function into the catalogue; its name names the fault, its docstring is the harm.

    Args:
        breaks: plan ids, with spaces between.
        says: what the message of the scenario that turns red has to contain.
    """

    def take(change: Callable[[], None]) -> Callable[[], None]:
        service = next(service for service, modules in CATALOGUE.items() if change.__module__ in modules)
        name = change.__name__.replace("_", "-")
        if name in _known:
            raise ValueError(f"two faults are called {name}")
        harm = " ".join((change.__doc__ or "").split())
        _known[name] = Fault(name, service, harm, tuple(breaks.split()), says, change)
        return change

    return take


def catalogue(*services: str) -> dict[str, Fault]:
    """Every fault by its name, of some services or of all."""
    if str(SUITES_FAULTS) not in sys.path:
        sys.path.append(str(SUITES_FAULTS))
    for service in services or CATALOGUE:
        for module in CATALOGUE[service]:
            import_module(module)
    return {name: found for name, found in _known.items() if not services or found.service in services}


def switch_on(service: str) -> None:
    """Switch on the fault that the environment names, if it names one.

    Raises:
        SandboxError: the service has no fault of this name.
    """
    name = os.environ.get(VARIABLE, "")
    if not name:
        return
    known = catalogue(service)
    if name not in known:
        raise SandboxError(f"{service} has no fault {name!r}: `python -m sandbox.faults list` names them all.")
    known[name].switch_on()


def replace(owner: Any, name: str, new: Any) -> Any:
    """Put another value in the place of a module's or class's own; returns the one that was there."""
    before = getattr(owner, name)
    setattr(owner, name, new)
    return before


def rewrite(function: Callable[..., Any], old: str, new: str) -> None:
    """Change a piece of a function's source in place, for everyone who already holds the function.

    Raises:
        TypeError: it is no plain function.
        ValueError: the piece does not occur exactly once, so that the fault would not be what its name says.
    """
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        raise TypeError(f"{function!r} is no function that can be rewritten")
    source = _rewritten.get(function) or textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise ValueError(f"{function.__qualname__} has {source.count(old)} pieces that read {old!r}, expected one")
    source = source.replace(old, new)
    tree = ast.parse(source)
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"{function.__qualname__} is no plain function")
    definition.decorator_list = []
    made: dict[str, Any] = {}
    exec(compile(tree, inspect.getsourcefile(function) or "fault", "exec"), function.__globals__, made)  # noqa: S102
    changed = made[definition.name]
    function.__code__, function.__defaults__ = changed.__code__, changed.__defaults__
    function.__kwdefaults__ = changed.__kwdefaults__
    _rewritten[function] = source
