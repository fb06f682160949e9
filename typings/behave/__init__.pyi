"""What the suite uses of behave 1.3: steps and hooks keep their own types."""

from behave.fixture import fixture as fixture
from behave.fixture import use_fixture as use_fixture
from behave.step_registry import given as given
from behave.step_registry import step as step
from behave.step_registry import then as then
from behave.step_registry import when as when
from collections.abc import Callable
from typing import Any

def register_type(**types: Callable[[str], Any]) -> None: ...
def use_step_matcher(name: str) -> Any: ...
def use_default_step_matcher(name: str | None = ...) -> Any: ...
