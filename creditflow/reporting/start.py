"""Makes a command line that behave can't use end as every run that can't begin: one sentence, status 2, no old results.

behave reads its whole command line before it loads the runner that `behave.ini` names, so this has to be there sooner:
Python imports it when it starts in the suite's environment, by the line of `start.pth`, which is installed beside the
project. In any other process than behave's, and for any other project of behave's, it does nothing.
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Any


def is_behave(command: Sequence[str]) -> bool:
    """Whether a command line, as `sys.orig_argv` has it, starts behave."""
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


def watch() -> None:
    """Look at how behave reads its command line and makes its runner."""
    from behave.configuration import Configuration  # noqa: PLC0415 - only a process of behave's pays for it
    from behave.runner_plugin import RunnerPlugin  # noqa: PLC0415

    Configuration.__init__ = _watched_configuration(Configuration.__init__)  # type: ignore[method-assign]
    RunnerPlugin.make_runner = _watched_runner(RunnerPlugin.make_runner)


def _watched_configuration(read: Any) -> Any:
    @functools.wraps(read)
    def watched(config: Any, *args: Any, **kwargs: Any) -> None:
        said = io.StringIO()
        try:
            with redirect_stderr(said):
                read(config, *args, **kwargs)
        except SystemExit as end:
            _end(config, None if end.code else end, said.getvalue())
        except Exception as error:
            _end(config, error, said.getvalue())
        _pass_on(said.getvalue())
        _require_files_for(config)

    return watched


def _end(config: Any, error: BaseException | None, said: str) -> None:
    """End as refused where the suite was to run; else as behave ends."""
    from creditflow.reporting import beginning  # noqa: PLC0415

    known = beginning.attempted(config, sys.argv[1:])
    if isinstance(error, SystemExit) or not beginning.is_the_suites(known):
        _pass_on(said)
        raise error or SystemExit(2)
    beginning.end_as_refused(known, beginning.sentence_of(error) if error else beginning.refused(said))


def _pass_on(said: str) -> None:
    """Show what behave said, which may repeat a secret of the command line."""
    if said:
        from creditflow.core.redaction import redactor  # noqa: PLC0415

        sys.stderr.write(redactor.clean(said))


def _require_files_for(config: Any) -> None:
    """Refuse more files than formatters, as behave does, which then calls it no error of the command line."""
    from creditflow.reporting import beginning  # noqa: PLC0415

    configured = config.defaults.get("format") or ()
    formatters = len(config.format or ()) + (len(config.format or ()) == len(configured))
    if beginning.is_the_suites(config) and len(config.outputs) > formatters:
        reason = f"{len(config.outputs)} files were given by `-o`, but {formatters} formatters by `-f`"
        beginning.end_as_refused(config, f"The run can't begin: {reason}.")


def _watched_runner(make: Any) -> Any:
    @functools.wraps(make)
    def watched(plugin: Any, config: Any, **kwargs: Any) -> Any:
        try:
            return make(plugin, config, **kwargs)
        except Exception as error:
            from creditflow.reporting import beginning  # noqa: PLC0415

            if not beginning.is_the_suites(config):
                raise
            beginning.end_as_refused(config, beginning.sentence_of(error))

    return watched


if is_behave(sys.orig_argv):
    watch()
