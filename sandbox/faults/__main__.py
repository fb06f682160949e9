"""The command line: `python -m sandbox.faults run [NAME...] | list`."""

import sys
from typing import Annotated

import typer

from sandbox.errors import SandboxError
from sandbox.faults import catalogue
from sandbox.faults.matrix import run as run_faults

WORTH_A_SECOND = 12
"""From how many faults on a second sandbox saves more time than its start takes."""

app = typer.Typer(
    help="Deliberate defects of the sandbox, each of which some scenario has to turn red.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("list")
def list_them() -> None:
    """Name every fault, whom it harms and which plan items it breaks."""
    for found in catalogue().values():
        print(f"{found.name} ({found.service}; {', '.join(found.breaks)}): {found.harm}")


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Which faults; all where none is named.")] = None,
    lanes: Annotated[
        int, typer.Option(min=0, max=8, help="How many sandboxes share them out among them; 0: as many as pay.")
    ] = 0,
    full: Annotated[bool, typer.Option(help="All features with each; name what no fault turns red.")] = False,
) -> None:
    """Switch on one fault after the other and require the features to turn red and to say why."""
    known = catalogue()
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise SandboxError(f"There is no fault {', '.join(unknown)}: `python -m sandbox.faults list` names them all.")
    chosen = [known[name] for name in names or known]
    raise typer.Exit(
        run_faults(
            chosen,
            lambda line: print(line, flush=True),
            everything=full,
            shown=len(chosen) == 1,
            lanes=lanes or (2 if len(chosen) > WORTH_A_SECOND else 1),
        )
    )


def main() -> None:
    """Run a command; what can't be done is one message and exit status 2."""
    try:
        app()
    except SandboxError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
