"""The process that runs the services of one sandbox: it starts them, and ends them when no process needs them."""

import json
import os
import selectors
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sandbox import channel, faults
from sandbox.credentials import Credentials
from sandbox.errors import SandboxError
from sandbox.files import write_private
from sandbox.gates import Gates
from sandbox.ports import choose_ports
from sandbox.services import SERVICE_CLASSES, Layout, Running, Service, with_needs
from sandbox.settings import SERVICES, SandboxSettings
from sandbox.state import ProcessId, ServiceState, State

Report = Callable[[dict[str, Any]], None]
"""Reports the progress to the process that started the supervisor."""

GATED = {
    "keycloak": "OPS_KEYCLOAK_URL",
    "postgresql": "OPS_DATABASE_URL",
    "redis": "OPS_REDIS_URL",
    "lago": "OPS_LAGO_URL",
    "litellm": "OPS_LITELLM_URL",
}
"""The services that can fail for Ops-Center alone, and its setting with the address of each."""
BEHIND_GATES = "ops-center"
LATE_S = 10.0
"""How late a slow service answers Ops-Center, in seconds."""


class Supervisor:
    """Starts the services in parallel, watches them, answers requests, and stops them together."""

    def __init__(self, settings: SandboxSettings, keep: bool, report: Report) -> None:
        self.settings = settings
        self.report = report
        self.state = State(
            supervisor=ProcessId.of(os.getpid()),
            owner=ProcessId.of(os.getppid()),
            phase="starting",
            keep=keep,
        )
        self.running: dict[str, Running] = {}
        self.services: dict[str, Service] = {}
        self._healthy: dict[str, threading.Event] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._failure: SandboxError | None = None
        self._gates: Gates | None = None

    def run(self) -> int:
        """Run until no process needs the sandbox; return the exit status, 2 when it did not come up."""
        requests = os.open(channel.pipe(self.settings), os.O_RDONLY | os.O_NONBLOCK)
        if self.state.keep:
            self._keep()
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        starting = threading.Thread(target=self._start, args=(lambda: os.write(waker, b"\0"),))
        starting.start()
        try:
            self._serve(requests, wake)
        finally:
            self._stopping.set()
            starting.join()
            self._stop()
        return 2 if self._failure else 0

    def _serve(self, requests: int, wake: int) -> None:
        """Answer requests and note ended services, until a signal comes or no process has the pipe open."""
        unread = b""
        with selectors.DefaultSelector() as events:
            events.register(requests, selectors.EVENT_READ)
            events.register(wake, selectors.EVENT_READ)
            while not self._stopping.is_set():
                ready = {key.fd for key, _ in events.select()}
                if wake in ready:
                    os.read(wake, 4096)
                    self._note_deaths()
                if requests in ready:
                    text = os.read(requests, 65536)
                    if not text:
                        return
                    *lines, unread = (unread + text).split(b"\n")
                    for line in lines:
                        self._do(json.loads(line))

    def _keep(self) -> None:
        """Open the pipe here too, so that it never reports its end."""
        channel.open_pipe(self.settings)
        self.state.keep = True

    def _start(self, done: Callable[[], object]) -> None:
        began = time.monotonic()
        try:
            self._lay_out()
            with ThreadPoolExecutor(len(self.services)) as pool:
                for start in [pool.submit(self._start_one, service) for service in self.services.values()]:
                    start.result()
            self._describe_target()
            self._note(phase="ready", seconds=round(time.monotonic() - began, 2))
            self.report({"ready": self.state.seconds})
        except SandboxError as error:
            self._fail(error)
        except Exception as error:  # the reader gets a message, the supervisor's log the trace
            traceback.print_exc()
            self._fail(SandboxError(f"The sandbox could not be started ({type(error).__name__}: {error})."))
        finally:
            done()

    def _fail(self, error: SandboxError) -> None:
        with self._lock:
            if not self._stopping.is_set():  # a failure during the stop is caused by the stop
                self._failure = error
            self._stopping.set()

    def _lay_out(self) -> None:
        shutil.rmtree(self.settings.logs, ignore_errors=True)
        self.settings.logs.mkdir(mode=0o700)
        credentials = Credentials.load(self.settings.secrets)
        layout = Layout(self.settings, credentials, choose_ports(SERVICES, self.settings.ports))
        for name in with_needs(self.settings.only):
            service = SERVICE_CLASSES[name](layout)
            self.services[name] = service
            self._healthy[name] = threading.Event()
            self.state.services[name] = ServiceState(
                phase="waiting",
                port=service.port,
                url=service.url,
                log=str(service.log),
                version=service.version,
            )
            shutil.rmtree(service.folder, ignore_errors=True)
            service.folder.mkdir(parents=True, mode=0o700)
        self._note()

    def _start_one(self, service: Service) -> None:
        try:
            for need in service.needs:
                while not self._healthy[need].wait(0.2):
                    if self._stopping.is_set():
                        return
            service.make_state()
            self._run(service, {})
            self._healthy[service.name].set()
        except SandboxError as error:
            self._fail(error)
            raise
        except Exception as error:  # the reader gets a message, the supervisor's log the trace
            traceback.print_exc()
            failure = SandboxError(
                f"{service.name} could not be started ({type(error).__name__}: {error}): {service.cure}"
            )
            self._fail(failure)
            raise failure from error

    def _run(self, service: Service, environment: Mapping[str, str]) -> float:
        """Start the service's process and wait until it is healthy; return the seconds it took."""
        began = time.monotonic()
        with self._lock:
            if self._stopping.is_set():
                raise SandboxError(f"The start of {service.name} was called off.")
            running = Running(service, environment)
            self.running[service.name] = running
            noted = self.state.services[service.name]
            noted.phase, noted.process = "starting", ProcessId.of(running.pid)
            noted.exit_status, noted.environment = None, sorted(environment)
            noted.fault = environment.get(faults.VARIABLE, "")
            self._note()
        running.wait_until_healthy(lambda: not self._stopping.is_set())
        service.complete()
        noted.phase, noted.seconds = "healthy", round(time.monotonic() - began, 2)
        self._note()
        if self.state.phase == "starting":
            self.report({"report": f"{service.name} is up ... {noted.seconds:.1f} s"})
        return noted.seconds

    def _describe_target(self) -> None:
        target = {name: value for service in self.services.values() for name, value in service.target().items()}
        logs: dict[bool, list[str]] = {True: [], False: []}
        for service in self.services.values():
            logs[service.log_shows_errors].append(str(service.log))
        target |= {"TARGET_LOGS": os.pathsep.join(logs[True]), "ACCESS_LOGS": os.pathsep.join(logs[False])}
        target |= {"WATCH": "exact"}
        write_private(self.settings.target, json.dumps(target, indent=2))

    def _note(self, **changes: Any) -> None:
        with self._lock:
            for name, value in changes.items():
                setattr(self.state, name, value)
            self.state.write(self.settings)

    def _note_deaths(self) -> None:
        with self._lock:
            for name, running in self.running.items():
                noted = self.state.services[name]
                status = running.exit_status()
                if noted.phase == "healthy" and status is not None:
                    noted.phase, noted.exit_status = "died", status
                    self._note()

    def _do(self, request: dict[str, Any]) -> None:
        answer: dict[str, Any] = {}
        try:
            match request["do"]:
                case "greet":
                    pass
                case "keep":
                    if not self.state.keep:
                        self._keep()
                        self._note()
                case "restart":
                    answer["seconds"] = self._restart(request["service"], request["environment"])
                case "kill":
                    self._kill(request["service"])
                case "fail":
                    self._fail_for_ops_center(request["service"], request["way"])
                case "heal":
                    self._heal()
                case other:
                    answer["refused"] = f"The supervisor knows no request {other!r}."
        except SandboxError as error:
            answer["refused"] = str(error)
        channel.answer(request["answer"], answer)

    def _require(self, name: str) -> None:
        """Require a service of a sandbox that is ready."""
        if self.state.phase != "ready":
            raise SandboxError(f"The sandbox is {self.state.phase}: restart {name} when it is ready.")
        if name not in self.services:
            raise SandboxError(f"{name!r} is not a service of this sandbox: use {', '.join(sorted(self.services))}.")

    def _kill(self, name: str) -> None:
        """End a service as a crash does, and leave it away until it is restarted."""
        self._require(name)
        with self._lock:
            self.state.services[name].phase = "stopped"
            self.running[name].crash()
        self._turn(name, "killed")
        self._note()

    def _restart(self, name: str, environment: dict[str, str] | None) -> float:
        """Restart a service, with its present extra environment if none is given."""
        self._require(name)
        began = time.monotonic()
        with self._lock:
            self.state.services[name].phase = "stopped"
            extra = self.running[name].extra if environment is None else environment
            self.running[name].stop(for_good=False)
        if name == BEHIND_GATES and self._gates:
            extra = {**extra, **self._gates.settings}
        try:
            self._run(self.services[name], extra)
            self._turn(name, "")
        except SandboxError:
            self.state.services[name].phase = "died"
            self._note()
            raise
        return round(time.monotonic() - began, 2)

    def _fail_for_ops_center(self, name: str, way: str) -> None:
        """Make a service fail for Ops-Center in a way of `sandbox.gates`, or work again if it is empty.

        For the first failure Ops-Center is restarted behind gates.
        """
        self._require(name)
        if name not in GATED or BEHIND_GATES not in self.services:
            raise SandboxError(f"{name} can't fail for Ops-Center alone: use {', '.join(GATED)}.")
        if self._gates is None and way:
            addresses = self.services[BEHIND_GATES].environment()
            names = {service: (setting,) for service, setting in GATED.items() if service in self.services}
            opened = Gates({names[service][0]: addresses[names[service][0]] for service in names}, names, LATE_S)
            self._gates = opened
            self._restart(BEHIND_GATES, None)
        self._turn(name, way)

    def _turn(self, name: str, way: str) -> None:
        if self._gates and self._gates.covers(name):
            self._gates.turn(name, way)

    def _heal(self) -> None:
        """Take the gates away, and restart Ops-Center without them; do nothing without gates."""
        if self._gates is None:
            return
        gates, self._gates = self._gates, None
        extra = {n: v for n, v in self.running[BEHIND_GATES].extra.items() if n not in gates.settings}
        try:
            self._restart(BEHIND_GATES, extra)
        finally:
            gates.close()

    def _stop(self) -> None:
        self._note(phase="stopping")
        self.settings.target.unlink(missing_ok=True)
        with self._lock:
            running = list(self.running.items())
        if running:
            with ThreadPoolExecutor(len(running)) as pool:
                list(pool.map(lambda item: item[1].stop(for_good=True), running))
        for service in self.services.values():
            shutil.rmtree(service.folder, ignore_errors=True)
        channel.pipe(self.settings).unlink(missing_ok=True)
        self.settings.state.unlink(missing_ok=True)
        if self._failure:
            self.report({"failed": str(self._failure)})


def supervise(settings: SandboxSettings, keep: bool) -> int:
    """Run a supervisor that reports its progress as lines of JSON on standard output."""

    def report(message: dict[str, Any]) -> None:
        try:
            print(json.dumps(message), flush=True)
        except OSError:
            sys.stdout = sys.stderr  # the starter is gone; use the log

    return Supervisor(settings, keep, report).run()
