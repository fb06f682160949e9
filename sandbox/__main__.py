"""The command line: `python -m sandbox prepare | up | down | status | restart`."""

import signal
import sys
import threading
from typing import Annotated

import typer

import sandbox
from sandbox.errors import SandboxError
from sandbox.handle import ask_services, end
from sandbox.handle import restart as restart_service
from sandbox.prepare import prepare as prepare_pieces
from sandbox.settings import sandbox_settings
from sandbox.state import State
from sandbox.supervisor import supervise as run_supervisor

app = typer.Typer(
    help="A whole deployment of Ops-Center on this machine.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def prepare() -> None:
    """Prepare what every start needs: about a minute the first time, nothing after that."""
    prepare_pieces(sandbox_settings(), _say)
    _say("The sandbox is prepared.")


@app.command()
def up(keep: Annotated[bool, typer.Option("--keep", help="Leave it running until `down`.")] = False) -> None:
    """Start the sandbox, or use the running one; without --keep it ends with this command (Ctrl-C)."""
    box = sandbox.start(keep, _say)
    _say(
        f"The sandbox is {'up' if box.started else 'already up'} ({box.start_seconds:.1f} s): "
        f"{sandbox_settings().target}"
    )
    if not keep:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()
        box.stop()


@app.command()
def down() -> None:
    """Stop the sandbox, or the processes that a killed one left."""
    names = end(sandbox_settings())
    _say(f"Ended: {', '.join(names)}." if names else "No sandbox is running.")


@app.command()
def restart(
    service: str,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, until its next restart.")] = None,
) -> None:
    """Restart one service; the others keep running."""
    environment = {}
    for item in env or []:
        name, separator, value = item.partition("=")
        if not name or not separator:
            raise SandboxError(f"--env {item!r} is not understood: write it as in --env NAME=VALUE.")
        environment[name] = value
    seconds = restart_service(sandbox_settings(), service, environment)
    _say(f"{service} is back ... {seconds:.1f} s")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the services; the exit status is 1 when the sandbox is not up or not healthy."""
    state = State.read(sandbox_settings())
    if state is not None and not state.is_up():
        state.phase = "killed"
    elif state is not None:
        ask_services(sandbox_settings(), state)
    if as_json:
        print(state.model_dump_json(indent=2) if state else '{"phase": "down"}')
    elif state is None:
        print("No sandbox is running: start one with `python -m sandbox up --keep`.")
    else:
        _show(state)
    raise typer.Exit(1 if state is None or state.problems() else 0)


@app.command(hidden=True)
def supervise(keep: bool = False) -> None:
    """Run the services; `up` and the suite start this command."""
    raise typer.Exit(run_supervisor(sandbox_settings(), keep))


def _show(state: State) -> None:
    kept = "kept" if state.keep else "not kept"
    print(f"The sandbox is {state.phase} ({kept}, supervisor {state.supervisor.pid}, start {state.seconds} s).")
    for name, service in state.services.items():
        seconds = "" if service.seconds is None else f"{service.seconds:.1f} s"
        process = service.process.pid if service.process else ""
        print(
            f"  {name:10}  {service.version:9}  {service.described():12}  {service.url:26}  {seconds:>6}  {process:>7}"
        )
    print(
        f"Logs are in {sandbox_settings().logs}. "
        "Restart a service that is not healthy with `python -m sandbox restart NAME`."
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
