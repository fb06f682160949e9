"""The catalogue of faults: deliberate defects of the reference, the stand-ins, the gateway and the suite.

A fault is one function that changes the running code of one service. It is named after what goes wrong. It states the
defect and its harm, the plan items that it breaks, and the words of the message when a scenario turns red. A service
switches on the fault in `SANDBOX_FAULT`. `python -m sandbox.faults` switches on one after the other, and requires
the features to detect each.
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
"""The environment variable with the fault that a service switches on when it starts."""

CATALOGUE = {
    "ops-center": tuple(
        f"{__name__}.{module}"
        for module in (
            "charges organizations requests quota access own_keys refusals bills pages speed load resilience"
        ).split()
    ),
    "lago": (f"{__name__}.lago",),
    "provider": (f"{__name__}.provider",),
    "litellm": (f"{__name__}.litellm",),
    "suite": ("faults_of_the_suite",),
}
"""The modules of faults, by the service whose code they change; the suite, which runs the features, is one too."""

SUITE = "suite"
SUITES_FAULTS = PROJECT / "tests"
"""The folder of the suite's own faults, outside of the sandbox, which imports nothing of the suite."""


@dataclass(frozen=True)
class Fault:
    """One deliberate defect.

    Attributes:
        name: words with hyphens, after what goes wrong.
        service: the service with the changed code.
        harm: one sentence: the defect and its harm.
        breaks: the plan items; one of their scenarios has to turn red.
        says: the words that the message of that scenario has to contain, because they lead to the defect.
        switch_on: changes the code of the calling process.
    """

    name: str
    service: str
    harm: str
    breaks: tuple[str, ...]
    says: tuple[str, ...]
    switch_on: Callable[[], None]


_known: dict[str, Fault] = {}
_rewritten: dict[FunctionType, str] = {}
"""The present source of changed functions, so that a fault can change several pieces of one."""


def fault(breaks: str, *says: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add a function to the catalogue; its name is the fault's, and its docstring is the harm.

    Args:
        breaks: plan ids, with spaces between.
        says: the words that the message of the red scenario has to contain.
    """

    def add(change: Callable[[], None]) -> Callable[[], None]:
        service = next(service for service, modules in CATALOGUE.items() if change.__module__ in modules)
        name = change.__name__.replace("_", "-")
        if name in _known:
            raise ValueError(f"two faults are called {name}")
        harm = " ".join((change.__doc__ or "").split())
        _known[name] = Fault(name, service, harm, tuple(breaks.split()), says, change)
        return change

    return add


def catalogue(*services: str) -> dict[str, Fault]:
    """Return the faults by name, of some services or of all."""
    if str(SUITES_FAULTS) not in sys.path:
        sys.path.append(str(SUITES_FAULTS))
    for service in services or CATALOGUE:
        for module in CATALOGUE[service]:
            import_module(module)
    return {name: found for name, found in _known.items() if not services or found.service in services}


def switch_on(service: str) -> None:
    """Switch on the fault in the environment, if there is one.

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
    """Replace a value of a module or class, and return the old one."""
    before = getattr(owner, name)
    setattr(owner, name, new)
    return before


def rewrite(function: Callable[..., Any], old: str, new: str) -> None:
    """Change a piece of a function's source in place, also for callers that have the function already.

    Raises:
        TypeError: it is not a plain function.
        ValueError: the piece does not occur exactly once.
    """
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        raise TypeError(f"{function!r} is not a function that can be rewritten")
    source = _rewritten.get(function) or textwrap.dedent(inspect.getsource(function))
    if source.count(old) != 1:
        raise ValueError(f"{function.__qualname__} has {source.count(old)} pieces that read {old!r}, expected one")
    source = source.replace(old, new)
    tree = ast.parse(source)
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"{function.__qualname__} is not a plain function")
    definition.decorator_list = []
    made: dict[str, Any] = {}
    exec(compile(tree, inspect.getsourcefile(function) or "fault", "exec"), function.__globals__, made)  # noqa: S102
    changed = made[definition.name]
    function.__code__, function.__defaults__ = changed.__code__, changed.__defaults__
    function.__kwdefaults__ = changed.__kwdefaults__
    _rewritten[function] = source
