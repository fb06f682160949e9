from collections.abc import Callable
from typing import Any, Protocol, TypeVar

_Step = TypeVar("_Step", bound=Callable[..., Any])

class _StepDecorator(Protocol):
    def __call__(self, pattern: str, **options: Any) -> Callable[[_Step], _Step]: ...

given: _StepDecorator
when: _StepDecorator
then: _StepDecorator
step: _StepDecorator

class StepRegistry:
    steps: dict[str, list[Any]]
    def find_match(self, step: Any) -> Any: ...

registry: StepRegistry
