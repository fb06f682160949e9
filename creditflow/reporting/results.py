"""The folder of Allure results: which one a run writes to, and forgetting what the last run left there."""

from __future__ import annotations

from pathlib import Path

from behave.configuration import Configuration

_WRITTEN = ("*-result.json", "*-container.json", "*-globals.json", "*-attachment.*", "environment.properties")


def folder_of(config: Configuration) -> Path | None:
    """The folder that the Allure formatter was given, none when the run has no such formatter.

    A formatter is given its output by position: the first ``-o`` belongs to the first ``-f``.
    """
    for formatter, output in zip(config.format or (), config.outputs, strict=False):
        if formatter == "creditflow.reporting.allure:Formatter" and output.name:
            return Path(output.name)
    return None


def forget(folder: Path, config: Configuration) -> None:
    """Remove the results of the last run, so that no report mixes two runs or shows a run that never began.

    ``-D keep_results=yes`` keeps them, for several runs that share one report. A dry run leaves them alone.
    """
    if config.dry_run or config.userdata.getbool("keep_results", False):
        return
    for pattern in _WRITTEN:
        for left in folder.glob(pattern):
            left.unlink(missing_ok=True)
