from collections.abc import Callable
from typing import Any

from behave.matchers import Matcher

class StepMatcher4CucumberExpressions(Matcher):
    NAME: str

def define_parameter_type_with(
    name: str,
    regexp: str,
    type: type,
    transformer: Callable[[str], Any] | None = ...,
    use_for_snippets: bool = ...,
    prefer_for_regexp_match: bool = ...,
) -> None: ...
