"""The command line: `python -m creditflow doctor` and `python -m creditflow sweep`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from creditflow.cleanup import journal, sweep
from creditflow.core.errors import CannotRunError, ServiceUnavailableError
from creditflow.core.expect import counted
from creditflow.core.naming import PASSWORD
from creditflow.core.redacted_output import redact_output
from creditflow.core.redaction import redactor
from creditflow.run import endpoints
from creditflow.target import guard, health, sandbox_launcher
from creditflow.target.settings import Settings, load, readable_by_others
from creditflow.target.target import Target

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_MARKS = {"up": "[green]up[/]", "down": "[red]down[/]", "not named": "[yellow]not named[/]"}


@app.callback()
def main() -> None:
    """Check the target of the acceptance suite, or clean it up."""
    redact_output()


@app.command()
def doctor() -> None:
    """Check every service of the target, and say for each problem what to try next.

    Exit status: 0 without problems, 1 with problems, 2 if the settings can't be used.
    """
    console = Console(highlight=False)
    with contextlib.ExitStack() as finalizers:
        try:
            settings = _settings()
            proxy = health.proxy(settings)
        except CannotRunError as error:
            console.print(redactor.clean(str(error)), markup=False, soft_wrap=True)
            raise typer.Exit(2) from None
        redactor.learn(*settings.secrets())
        if exposed := readable_by_others():
            console.print(exposed, markup=False, soft_wrap=True)
        if proxy:
            console.print(redactor.clean(proxy), markup=False, soft_wrap=True)
        target = Target(settings)
        finalizers.callback(target.close)
        found = health.services(target)
        console.print(_table(found))
        problems = [*_missing_tables(target, found), *_not_allowed(settings)]
        if not problems and all(h.state != "down" for h in found):
            problems += _endpoint_problems(target)
        for sentence in problems:
            console.print(redactor.clean(sentence), markup=False, soft_wrap=True)
    wrong = sum(h.state == "down" for h in found) + len(problems)
    console.print(f"{counted(wrong, 'problem')} found." if wrong else "All is well.")
    if wrong and not load().names_a_target:
        console.print("This is the sandbox: `.venv/bin/python -m sandbox status` shows each service and its log,")
        console.print("`.venv/bin/python -m sandbox restart NAME` restarts one.")
    raise typer.Exit(1 if wrong else 0)


@app.command("sweep")
def sweep_target(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    define: Annotated[
        list[str] | None, typer.Option("-D", metavar="NAME=VALUE", help="A setting, as for `behave -D`.")
    ] = None,
) -> None:
    """Remove what earlier runs left on the target. Other data, and runs that are still active, are not touched.

    Exit status: 0 if everything is removed, 1 if something is left, 2 if the settings can't be used.
    """

    def report(line: str) -> None:
        print(redactor.clean(line))

    with contextlib.ExitStack() as finalizers:
        try:
            settings = _settings(dict(part.partition("=")[::2] for part in define or []))
            redactor.learn(*settings.secrets(), PASSWORD)
            if not dry_run:
                guard.require_allowed(settings)
            target = Target(settings)
            finalizers.callback(target.close)
            swept = sweep.sweep(target, dry_run, report)
        except CannotRunError as error:
            report(str(error))
            raise typer.Exit(2) from None
        except ServiceUnavailableError as away:
            report(f"Nothing was removed: {away}")
            raise typer.Exit(1) from None
    for resource in swept.removed:
        report(f"  {resource}")
    many = sweep.summary(swept.removed)
    done = "Would be removed" if dry_run else "Removed"
    report(f"{done} on {settings.ops_center_url}: {many or 'nothing, for no run left anything'}.")
    for reason in swept.left:
        report(f"Not removed: {reason}")
    raise typer.Exit(1 if swept.left else 0)


def _settings(userdata: Mapping[str, str] | None = None) -> Settings:
    settings = load(userdata)
    if settings.names_a_target:
        return settings
    described = sandbox_launcher.running()
    if described is None:
        raise CannotRunError(
            "OPS_CENTER_URL names no deployment and no sandbox is up: start one with `make sandbox`, "
            "or set OPS_CENTER_URL."
        )
    return load(userdata, described)


def _missing_tables(target: Target, found: list[health.Health]) -> list[str]:
    if any(h.service == "PostgreSQL" and h.state == "down" for h in found):
        return []
    try:
        return health.tables(target)
    except ServiceUnavailableError as away:
        return [str(away)]


def _endpoint_problems(target: Target) -> list[str]:
    """Return the problems of the plan's endpoints; a journal shows other runs that a person is made for it."""
    settings = target.settings
    redactor.learn(PASSWORD)
    journalled = journal.Journal.begin(settings.journal_dir, settings.ops_center_url, not load().names_a_target)
    try:
        return endpoints.ask(target, redactor.learn, journalled).sentences
    except CannotRunError as why:
        return [str(why)]
    finally:
        journalled.end()


def _not_allowed(settings: Settings) -> list[str]:
    try:
        guard.require_allowed(settings)
    except guard.NotAllowedError as refusal:
        return [f"A run would be refused: {refusal}"]
    return []


def _table(found: list[health.Health]) -> Table:
    table = Table("service", "address", "state", "version, or what to try next", box=None, pad_edge=False)
    for service in found:
        table.add_row(service.service, service.address, _MARKS[service.state], redactor.clean(service.message))
    return table
