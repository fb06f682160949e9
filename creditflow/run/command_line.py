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
from creditflow.core.naming import PASSWORD
from creditflow.core.redaction import redact_output, redactor
from creditflow.run import endpoints
from creditflow.target import guard, health, sandbox_launcher
from creditflow.target.settings import Settings, load, readable_by_others
from creditflow.target.target import Target

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_MARKS = {"up": "[green]up[/]", "down": "[red]down[/]", "not named": "[yellow]not named[/]"}


@app.callback()
def main() -> None:
    """Look at the target of the acceptance suite."""
    redact_output()


@app.command()
def doctor() -> None:
    """Ask every service of the target how it is, and say for each that is wrong what to try next.

    Exit status 0 when all is well, 1 when something is wrong, 2 when the settings can't be used.
    """
    console = Console(highlight=False)
    with contextlib.ExitStack() as owed:
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
        owed.callback(target.close)
        found = health.services(target)
        console.print(_table(found))
        missing = [*_missing_tables(target, found), *_not_allowed(settings)]
        if not missing and all(h.state != "down" for h in found):
            missing += _missing_endpoints(target)
        for sentence in missing:
            console.print(redactor.clean(sentence), markup=False, soft_wrap=True)
    wrong = sum(h.state == "down" for h in found) + len(missing)
    console.print(f"{wrong} thing{'s' if wrong != 1 else ''} to put right." if wrong else "All is well.")
    if wrong and not load().names_a_target:
        console.print(
            "This is the sandbox: `.venv/bin/python -m sandbox status` names each service and where its log is,"
        )
        console.print("`.venv/bin/python -m sandbox restart NAME` starts one anew.")
    raise typer.Exit(1 if wrong else 0)


@app.command("sweep")
def sweep_target(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    define: Annotated[
        list[str] | None, typer.Option("-D", metavar="NAME=VALUE", help="A setting, as `behave -D` takes it.")
    ] = None,
) -> None:
    """Remove what earlier runs left on the target, and nothing that any other made; runs that live are left alone.

    Exit status 0 when all is gone, 1 when something could not be removed, 2 when the settings can't be used.
    """

    def tell(line: str) -> None:
        print(redactor.clean(line))

    with contextlib.ExitStack() as owed:
        try:
            settings = _settings(dict(part.partition("=")[::2] for part in define or []))
            redactor.learn(*settings.secrets(), PASSWORD)
            if not dry_run:
                guard.require_allowed(settings)
            target = Target(settings)
            owed.callback(target.close)
            swept = sweep.sweep(target, dry_run, tell)
        except CannotRunError as error:
            tell(str(error))
            raise typer.Exit(2) from None
        except ServiceUnavailableError as away:
            tell(f"Nothing was removed: {away}")
            raise typer.Exit(1) from None
    for thing in swept.removed:
        tell(f"  {thing}")
    many = sweep.summary(swept.removed)
    done = "Would be removed" if dry_run else "Removed"
    tell(f"{done} on {settings.ops_center_url}: {many or 'nothing, for no run left anything'}.")
    for reason in swept.left:
        tell(f"Not removed: {reason}")
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


def _missing_endpoints(target: Target) -> list[str]:
    """What is wrong with the plan's endpoints; whoever is on the target is told by a journal that somebody asks."""
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
