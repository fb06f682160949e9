"""A running sandbox, for the process that started it or uses it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sandbox import channel
from sandbox.credentials import Credentials
from sandbox.errors import SandboxError
from sandbox.files import locked
from sandbox.services import SERVICE_CLASSES, Layout
from sandbox.settings import PROJECT, SERVICES, SandboxSettings, sandbox_settings, service_environment
from sandbox.state import State, sweep, wait_for_end

LONGEST_START = 2400
"""The most seconds of a start, with the preparation."""
LONGEST_SERVICES = 300
"""The most seconds until the services are healthy, without the preparation."""
LONGEST_STOP = 20
LONGEST_RESTART = 120
LONGEST_GREETING = 10
LONGEST_SILENCE = 10
"""Seconds after which a running sandbox with a silent service can't be used."""

Report = Callable[[str], None]


@dataclass
class Sandbox:
    """A running sandbox; its services were healthy when this process started or found it."""

    settings: dict[str, str] = field(repr=False)
    """The target description: the settings that a user would write for their own deployment."""
    started: bool
    """Whether this call started it, or found it running."""
    start_seconds: float
    """How long this call took."""
    where: SandboxSettings = field(repr=False)
    _pipe: int | None
    _supervisor: subprocess.Popen[str] | None = None

    def stop(self) -> None:
        """Release the sandbox: it ends unless it is kept, or another process needs it."""
        if self._pipe is None:
            return
        os.close(self._pipe)
        self._pipe = None
        if self._supervisor is not None:
            _wait_for_end(self.where, self._supervisor)

    def restart(self, service: str, environment: Mapping[str, str] | None = None) -> float:
        """Restart one service, with extra environment until its next restart; return the seconds it took."""
        return restart(self.where, service, environment or {})


def start(keep: bool, report: Report, settings: SandboxSettings | None = None) -> Sandbox:
    """Start a sandbox as `sandbox.start` does, with the given settings or those of the environment."""
    settings = settings or sandbox_settings()
    began = time.monotonic()
    try:
        settings.run.mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        raise SandboxError(
            f"{settings.run} can't be made ({error.strerror}): set the folder's rights, or name another one "
            "with SANDBOX_HOME."
        ) from error
    waiting = "Another start of the sandbox is under way, waiting for it"
    with locked(settings.home / "start.lock", LONGEST_START, lambda: report(waiting)):
        pipe = _take(settings, keep, report)
        supervisor = None
        if pipe is None:
            from sandbox.prepare import prepare  # noqa: PLC0415 - a running sandbox needs nothing of it

            prepare(settings, report)
            supervisor, pipe = _launch(settings, keep, report)
        target = json.loads(settings.target.read_text())
    return Sandbox(target, supervisor is not None, round(time.monotonic() - began, 2), settings, pipe, supervisor)


def restart(settings: SandboxSettings, service: str, environment: Mapping[str, str] | None) -> float:
    """Restart one service of the running sandbox; return the seconds until it was healthy.

    Without an environment (None) it keeps the extra environment of its last start, and so its fault.
    """
    extra = None if environment is None else dict(environment)
    request = {"do": "restart", "service": service, "environment": extra}
    return float(channel.ask(settings, request, LONGEST_RESTART)["seconds"])


def kill(settings: SandboxSettings, service: str) -> None:
    """Kill one service of the running sandbox, which stays away until it is restarted."""
    channel.ask(settings, {"do": "kill", "service": service}, LONGEST_STOP)


def fail(settings: SandboxSettings, service: str, way: str) -> None:
    """Make one service fail for Ops-Center in a way of `sandbox.gates`, or work again if the way is empty."""
    channel.ask(settings, {"do": "fail", "service": service, "way": way}, LONGEST_RESTART)


def heal(settings: SandboxSettings) -> None:
    """End every failure that `fail` made, and restart Ops-Center as it was before."""
    channel.ask(settings, {"do": "heal"}, LONGEST_RESTART)


def end(settings: SandboxSettings) -> list[str]:
    """End the running sandbox, or the processes that a killed one left; return the names of their services."""
    state = State.read(settings)
    if state is None:
        return []
    supervisor = state.supervisor.process()
    if supervisor is not None:
        supervisor.terminate()
        for stubborn in wait_for_end([supervisor], LONGEST_STOP):
            stubborn.kill()
            wait_for_end([stubborn], LONGEST_STOP)
        names = list(state.services)
        sweep(State.read(settings) or state)
    else:
        names = sweep(state)
    for path in (settings.target, settings.state, channel.pipe(settings)):
        path.unlink(missing_ok=True)
    return names


def ask_services(settings: SandboxSettings, state: State) -> None:
    """Check every healthy service, and set the phase of those that do not answer to silent."""
    ports = {name: service.port for name, service in state.services.items()}
    layout = Layout(settings, Credentials.load(settings.secrets), dict.fromkeys(SERVICES, 0) | ports)
    healthy = [name for name, service in state.services.items() if service.phase == "healthy"]
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        answers = pool.map(lambda name: SERVICE_CLASSES[name](layout).is_healthy(), healthy)
    for name, answered in zip(healthy, answers, strict=True):
        if not answered:
            state.services[name].phase = "silent"


def _take(settings: SandboxSettings, keep: bool, report: Report) -> int | None:
    """Connect to the running sandbox; end one that can't be used, or that a killed supervisor left."""
    state = State.read(settings)
    if state is None:
        return None
    if not state.is_up():
        left = end(settings)
        if left:
            report(f"Ended what an earlier sandbox left running: {', '.join(left)}")
        return None
    for name, service in state.services.items():
        if service.fault:
            raise SandboxError(
                f"In the sandbox that is running, {name} has the fault {service.fault} switched on: wait until "
                f"`make faults` has ended, or switch it off with `python -m sandbox restart {name}`."
            )
    pipe = channel.open_pipe(settings)
    problems = _problems(settings)
    if pipe is not None and not problems:
        try:
            channel.ask(settings, {"do": "keep" if keep else "greet"}, LONGEST_GREETING)
        except SandboxError as error:
            problems = [str(error)]
        else:
            return pipe
    if pipe is not None:
        os.close(pipe)
    report(f"Ended a running sandbox that can't be used: {'; '.join(problems) or 'it is ending'}")
    end(settings)
    return None


def _problems(settings: SandboxSettings) -> list[str]:
    """Return why the running sandbox can't be used; wait for a busy or restarting service."""
    deadline = time.monotonic() + LONGEST_SILENCE
    while True:
        state = State.read(settings)
        if state is None:
            return ["it has ended"]
        ask_services(settings, state)
        phases = {service.phase for service in state.services.values()}
        passing = phases & {"silent", "starting", "stopped"}
        if state.phase != "ready" or not passing or time.monotonic() > deadline:
            missing = [name for name in settings.only if name not in state.services]
            return state.problems() + [f"{name} is not part of it" for name in missing]
        time.sleep(0.1)


def _launch(settings: SandboxSettings, keep: bool, report: Report) -> tuple[subprocess.Popen[str], int]:
    path = channel.pipe(settings)
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    # Open it for reading too: without a reader it could not be opened before the supervisor runs.
    pipe = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    command = [sys.executable, "-m", "sandbox", "supervise", *(["--keep"] if keep else [])]
    with (settings.home / "supervisor.log").open("w") as log:
        supervisor = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=service_environment() | settings.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        _follow(supervisor, report)
    except BaseException:
        os.close(pipe)
        supervisor.terminate()
        supervisor.wait(LONGEST_STOP)
        end(settings)
        raise
    return supervisor, pipe


def _follow(supervisor: subprocess.Popen[str], report: Report) -> None:
    """Pass on the supervisor's reports until all is up; raise `SandboxError` when it does not come up."""
    assert supervisor.stdout is not None
    # Each service has its own deadline; this one is for a supervisor that ignores them.
    too_late = threading.Timer(LONGEST_SERVICES, supervisor.kill)
    too_late.start()
    try:
        for line in supervisor.stdout:
            message = json.loads(line)
            if "report" in message:
                report(message["report"])
            if "ready" in message:
                return
            if "failed" in message:
                raise SandboxError(message["failed"])
    finally:
        too_late.cancel()
    raise SandboxError(
        "The sandbox's supervisor ended before the services were up: read `supervisor.log` in the sandbox's "
        "folder, then try again."
    )


def _wait_for_end(settings: SandboxSettings, supervisor: subprocess.Popen[str]) -> None:
    """Wait until the supervisor has ended, unless the sandbox is kept or another process needs it."""
    deadline = time.monotonic() + 2
    while supervisor.poll() is None and time.monotonic() < deadline:
        state = State.read(settings)
        if state is None or state.phase == "stopping":
            supervisor.wait(LONGEST_STOP)
        elif state.keep:
            return
        time.sleep(0.02)
