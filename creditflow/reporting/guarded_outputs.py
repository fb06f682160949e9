"""Keeps errors of formatters and reporters from ending the run: an error is recorded, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from creditflow.core.ending import ContainedExitError, contained
from creditflow.reporting.outcome import Kind, Problem, sentence

Note = Callable[[Problem], None]


class Guarded:
    """A formatter or reporter whose calls never raise.

    Args:
        inner: the formatter or reporter.
        name: its name for the reader, such as "formatter pretty".
        note: records an error.
    """

    def __init__(self, inner: Any, name: str, note: Note) -> None:
        self._inner, self._name, self._note = inner, name, note

    def __getattr__(self, attribute: str) -> Any:
        """Return an attribute of the formatter; methods are guarded."""
        value = getattr(self._inner, attribute)
        return self._guarded(value) if callable(value) else value

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                with contained(f"The {self._name}"):
                    return call(*args, **kwargs)
            except ContainedExitError as error:
                self._note(Problem.of(error, self._name, Kind.ERROR))
            except Exception as error:
                failed = f"The {self._name} failed: {sentence(error)}"
                self._note(Problem(Kind.ERROR, self._name, failed, error))
            return None

        return guarded
