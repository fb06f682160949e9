"""Applies the project's `behave.ini` when behave was started in another folder.

behave reads `behave.ini` only from the working directory and the home directory (`config_filenames` in
`behave.configuration`). In another folder it finds the features and `environment.py` by path, but uses its own runner
and outputs. Therefore `environment.py` calls :func:`require_settings`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from behave.__main__ import run_behave
from behave.configuration import Configuration

PROJECT = Path(__file__).resolve().parent.parent.parent
RUNNER = "creditflow.reporting.runner"


def require_settings() -> None:
    """Return if `behave.ini` was read; else run the features from the project's folder and exit.

    The command line keeps its meaning: paths are relative to the folder in which behave was started.

    Raises:
        SystemExit: with the exit status of the run.
    """
    if not _is_behave() or RUNNER in sys.modules or PROJECT.samefile(Path.cwd()):
        return
    started_in = Path.cwd()
    # behave imports from this folder first, and features/steps contains names that libraries use too.
    sys.path.sort(key=lambda place: Path(place).resolve() == started_in)
    typed = Configuration(load_config=False)
    arguments = typed.make_command_args()
    os.chdir(PROJECT)
    config = Configuration(arguments)
    if typed.paths:
        config.paths = [_from_project(started_in, path) for path in typed.paths]
    files = typed.outfiles or []
    for output, name in zip(config.outputs[len(config.outputs) - len(files) :], files, strict=True):
        if name not in ("", "-"):
            output.name = str(started_in / name)
    if config.junit_directory == typed.junit_directory:
        config.junit_directory = str(started_in / typed.junit_directory)
    raise SystemExit(run_behave(config))


def _is_behave() -> bool:
    """Return whether this process is `behave` or `python -m behave`, not a tool that reads the features."""
    command = Path(sys.argv[0])
    return "behave" in (command.stem, command.parent.name)


def _from_project(folder: Path, path: str) -> str:
    """Return a path relative to the project's folder; `@` before a list of features is kept."""
    listed = "@" if path.startswith("@") else ""
    return listed + os.path.relpath(os.path.realpath(folder / path.removeprefix("@")), PROJECT)
