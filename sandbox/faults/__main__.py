"""The command line: `python -m sandbox.faults run [NAME...] | list`."""

import sys
from typing import Annotated

import typer

from sandbox.errors import SandboxError
from sandbox.faults import catalogue, exploration
from sandbox.faults.matrix import run as run_faults

SECOND_SANDBOX_FROM = 12
"""The number of faults from which a second sandbox saves more time than its start takes."""

app = typer.Typer(
    help="Deliberate defects of the sandbox; a scenario has to turn red for each.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("list")
def list_them(
    explore: Annotated[
        bool, typer.Option(help="Which faults random histories should find, and why the others are left out.")
    ] = False,
) -> None:
    """List every fault with its service, its plan items and its harm."""
    for found in catalogue().values():
        if explore:
            reason = exploration.left_out(found)
            print(f"{found.name}: {f'left out, because {reason}' if reason else 'looked for'}")
            continue
        print(f"{found.name} ({found.service}; {', '.join(found.breaks)}): {found.harm}")


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Which faults; all by default.")] = None,
    lanes: Annotated[
        int, typer.Option(min=0, max=8, help="How many sandboxes share the faults; 0: as many as save time.")
    ] = 0,
    full: Annotated[
        bool, typer.Option(help="All features with each fault; list the scenarios that no fault turns red.")
    ] = False,
    explore: Annotated[
        bool, typer.Option(help="Switch off all scenarios, and let random histories look for each fault.")
    ] = False,
    sample: Annotated[int, typer.Option(min=1, help="How many faults random histories look for.")] = 1_000,
    seconds: Annotated[int, typer.Option(min=5, help="How long they look for each fault.")] = exploration.SECONDS,
    seed: Annotated[int, typer.Option(min=0, help="What they are made of.")] = exploration.SEED,
) -> None:
    """Switch on one fault after the other, and require a red scenario with the right message."""
    known = catalogue()
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise SandboxError(f"There is no fault {', '.join(unknown)}: `python -m sandbox.faults list` names them all.")
    chosen = [known[name] for name in names or known]
    lanes = lanes or (2 if len(chosen) > SECOND_SANDBOX_FROM else 1)
    if explore:
        looked_for = chosen if names else exploration.sample(exploration.concerned(chosen), sample)
        raise typer.Exit(exploration.run(looked_for, _say, seconds=seconds, seed=seed, lanes=lanes))
    raise typer.Exit(
        run_faults(
            chosen,
            _say,
            everything=full,
            shown=len(chosen) == 1,
            lanes=lanes,
        )
    )


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Run a command; an expected error is one message and the exit status 2."""
    try:
        app()
    except SandboxError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
