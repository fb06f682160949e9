from behave.runner import Context
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

_P = ParamSpec("_P")
_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])

def fixture(func: _F) -> _F: ...
@overload
def use_fixture(
    fixture_func: Callable[Concatenate[Context, _P], Iterator[_T]], context: Context, *args: _P.args, **kwargs: _P.kwargs
) -> _T: ...
@overload
def use_fixture(
    fixture_func: Callable[Concatenate[Context, _P], _T], context: Context, *args: _P.args, **kwargs: _P.kwargs
) -> _T: ...
