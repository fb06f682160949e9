from collections.abc import Callable
from typing import Any

class StepMatcher4CucumberExpressions:
    NAME: str

def define_parameter_type_with(
    name: str,
    regexp: str,
    type: type,
    transformer: Callable[[str], Any] | None = ...,
    use_for_snippets: bool = ...,
    prefer_for_regexp_match: bool = ...,
) -> None: ...
def use_step_matcher_for_cucumber_expressions() -> None: ...
