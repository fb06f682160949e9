"""Handles a wrong command line like every run that can't begin: one sentence, exit status 2, no old results.

behave reads its command line before it loads the runner of `behave.ini`, so this module has to be loaded earlier.
`start.pth`, which is installed with the project, makes Python import it at start-up. It does nothing in processes
other than behave, and nothing for other projects.
"""

from __future__ import annotations

import atexit
import functools
import gc
import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Any


def is_behave(command: Sequence[str]) -> bool:
    """Return whether a command line, in the form of `sys.orig_argv`, starts behave."""
    rest = iter(command[1:])
    for word in rest:
        if word in ("-X", "-W"):
            next(rest, None)
        elif word == "-m":
            return next(rest, "") == "behave"
        elif word == "-c":
            return False
        elif not word.startswith("-"):
            return word.rpartition("/")[2] == "behave"
    return False


_NEW_OBJECTS = 200_000
"""New objects after which Python looks for garbage; its own 700 take a tenth of a run, which leaves next to none."""


def watch() -> None:
    """Wrap the functions in which behave reads its command line and makes its runner."""
    gc.set_threshold(_NEW_OBJECTS)
    atexit.register(gc.freeze)  # nor does Python look for any at its end, which takes 0.2 s
    from behave.configuration import Configuration  # noqa: PLC0415 - only behave needs it
    from behave.runner_plugin import RunnerPlugin  # noqa: PLC0415

    Configuration.__init__ = _watched_configuration(Configuration.__init__)  # type: ignore[method-assign]
    RunnerPlugin.make_runner = _watched_runner(RunnerPlugin.make_runner)


def _watched_configuration(read: Any) -> Any:
    @functools.wraps(read)
    def watched(config: Any, *args: Any, **kwargs: Any) -> None:
        errors = io.StringIO()
        try:
            with redirect_stderr(errors):
                read(config, *args, **kwargs)
        except SystemExit as end:
            _end(config, None if end.code else end, errors.getvalue())
        except Exception as error:
            _end(config, error, errors.getvalue())
        _pass_on(errors.getvalue())
        _require_formatters(config)

    return watched


def _end(config: Any, error: BaseException | None, output: str) -> None:
    """End with the suite's message if the command line is for the suite; else as behave does."""
    from creditflow.reporting import beginning  # noqa: PLC0415

    known = beginning.partial_config(config, sys.argv[1:])
    if isinstance(error, SystemExit) or not beginning.is_of_the_suite(known):
        _pass_on(output)
        raise error or SystemExit(2)
    beginning.refuse(known, beginning.sentence_of(error) if error else beginning.usage_error(output))


def _pass_on(output: str) -> None:
    """Print what behave printed, without secrets of the command line."""
    if output:
        from creditflow.core.redaction import redactor  # noqa: PLC0415

        sys.stderr.write(redactor.clean(output))


def _require_formatters(config: Any) -> None:
    """Refuse more output files than formatters; behave would report that too late."""
    from creditflow.reporting import beginning  # noqa: PLC0415

    configured = config.defaults.get("format") or ()
    formatters = len(config.format or ()) + (len(config.format or ()) == len(configured))
    if beginning.is_of_the_suite(config) and len(config.outputs) > formatters:
        reason = f"{len(config.outputs)} files were given by `-o`, but {formatters} formatters by `-f`"
        beginning.refuse(config, f"The run can't begin: {reason}.")


def _watched_runner(make: Any) -> Any:
    @functools.wraps(make)
    def watched(plugin: Any, config: Any, **kwargs: Any) -> Any:
        try:
            return make(plugin, config, **kwargs)
        except Exception as error:
            from creditflow.reporting import beginning  # noqa: PLC0415

            if not beginning.is_of_the_suite(config):
                raise
            beginning.refuse(config, beginning.sentence_of(error))

    return watched


if is_behave(sys.orig_argv):
    watch()
