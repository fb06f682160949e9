"""Runs Locust, the load generator, in processes of its own: Locust patches the standard library of its process."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from creditflow.actors.cast import SIDE_BY_SIDE
from creditflow.actors.llm_requests import Answer
from creditflow.actors.load.plan import LITELLM, OPS_CENTER, Load, Plan, Sent
from creditflow.core import machine
from creditflow.core.errors import ExpectedError, NotTestableError
from creditflow.core.redaction import redactor
from creditflow.target.drivers.http import reply_of
from creditflow.target.drivers.ops_center import BASE, ENDPOINTS
from creditflow.target.drivers.transfer import STREAM
from creditflow.target.settings import Settings, listed
from creditflow.target.target import Target

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
PACKAGE = "locust"

START_S = 60
"""The deadline of Locust's start, in seconds."""

BEFORE_S = 1.0
"""Seconds from Locust's start to the first stage, in which everybody arrives."""

RENEW_S = 30
"""How often the access tokens are renewed, in seconds."""

PROBE_S = 0.1
"""Seconds between two probes."""

_MARK = "LOAD-MARK"
_KEPT = ("content-type", "x-request-id")


class LoadFailedError(ExpectedError):
    """Locust could not carry out the load test; the message says why, and what to do."""


@dataclass(frozen=True)
class Workers:
    """The processes that send the load.

    Attributes:
        here: on this machine; one alone needs no other process to lead it.
        elsewhere: on other machines, started by hand.
        port: on which the leading process waits for those; the ones of this machine get a free port.
    """

    here: int = 1
    elsewhere: int = 0
    port: int = 5557


def require_allowed(settings: Settings, users: int) -> None:
    """Require that the target may be put under load.

    Raises:
        NotTestableError: `ALLOW_LOAD` does not name the host of Ops-Center.
    """
    host = settings.host
    if host not in listed(settings.allow_load):
        raise NotTestableError(f"a load of {users:,} users on {host} was not asked for", f"set ALLOW_LOAD={host}")


def run(target: Target, plan: Plan, probe: Callable[[], float], workers: Workers | None = None) -> Load:
    """Carry out a load test, and add each request to the record of the target and to the answers of its person.

    Args:
        target: the deployment.
        plan: who sends what.
        probe: asks an echo on this machine; milliseconds.
        workers: the processes that send.

    Raises:
        CeilingReachedError: the run may not send so many requests.
        NotTestableError: the target may not be put under load, or nothing names LiteLLM.
        LoadFailedError: Locust is missing, did not start, crashed, or did not end in time.
    """
    require_allowed(target.settings, len(plan.users))
    if find_spec(PACKAGE) is None:
        raise LoadFailedError("Locust, which sends the load, is not installed: run `make setup`.")
    described, body = _described(target, plan), plan.users[0].request(plan.model, plan.tokens, _MARK).body("nobody")
    target.ceiling.count_request(body, plan.most_requests)
    sent: tuple[Sent, ...] = ()
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="credit-flow-load-") as name:
            folder = Path(name)
            _write(folder / "plan.json", described)
            _renew(plan, folder)
            before = machine.idle_cores()
            try:
                probes = _carry_out(folder, plan, probe, workers or Workers(), target.settings)
            finally:
                sent = _read(folder, plan)
                _record(target, sent, began)
            page = folder / "report.html"
            text = page.read_text("utf-8") if page.is_file() else ""
            return Load(plan, sent, tuple(probes), (before, machine.idle_cores()), text)
    finally:
        target.ceiling.count_unsent(body, max(0, plan.most_requests - len(sent)))


def _described(target: Target, plan: Plan) -> dict[str, Any]:
    """Return the plan as Locust's users read it, with LiteLLM's key and without access tokens."""
    settings, path = target.settings, BASE + ENDPOINTS["EP9"][1]
    systems = {OPS_CENTER: {"url": settings.ops_center_url + path, "token": ""}}
    if any(stage.system == LITELLM for stage in plan.stages):
        key = settings.litellm_master_key.get_secret_value()
        systems[LITELLM] = {"url": f"{target.litellm.http.url}/v1/chat/completions", "token": key}
    people = []
    for user in plan.users:
        request = user.request(plan.model, plan.tokens, _MARK)
        people.append(
            {
                "name": user.person.name,
                "body": request.body(user.person.name),
                "headers": request.headers(),
                "timeout": settings.http_timeout_s * (STREAM if user.stream else 1),
            }
        )
    return {
        "stages": [
            {"users": s.users, "system": s.system, "start": s.start + BEFORE_S, "end": s.end + BEFORE_S}
            for s in plan.stages
        ],
        "pause": plan.pause_s,
        "systems": systems,
        "mark": _MARK,
        "kept": _KEPT,
        "people": people,
    }


def _renew(plan: Plan, folder: Path) -> None:
    """Write everybody's access token; those that end soon are renewed."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        tokens = pool.map(lambda user: (user.person.name, user.person.token), plan.users)
        _write(folder / "tokens.json", dict(tokens))


def _write(file: Path, content: Any) -> None:
    """Replace a file at once, readable for its owner only; the folder is private too."""
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(content), "utf-8")
    new.replace(file)


def _carry_out(
    folder: Path, plan: Plan, probe: Callable[[], float], workers: Workers, settings: Settings
) -> list[float]:
    """Run Locust until it ends; return what the probe measured meanwhile, in ms."""
    probes: list[float] = []
    deadline = START_S + _longest_s(plan, settings)
    with _processes(folder, plan, workers, settings) as leading:
        until = time.monotonic() + deadline + (START_S if workers.elsewhere else 0)
        renewed = time.monotonic()
        while True:
            try:
                leading.wait(PROBE_S)
                break
            except subprocess.TimeoutExpired:
                probes.append(probe())
            if time.monotonic() > until:
                raise LoadFailedError(
                    f"Locust did not end within {deadline:,.0f} s{_reason(folder)}: look whether this machine, or "
                    f"the workers elsewhere, have too much to do."
                )
            if time.monotonic() > renewed + RENEW_S:
                _renew(plan, folder)
                renewed = time.monotonic()
    if leading.returncode:
        raise LoadFailedError(
            f"Locust ended with status {leading.returncode}{_reason(folder)}: run `make setup`, and see docs/load.md."
        )
    return probes


def _longest_s(plan: Plan, settings: Settings) -> float:
    """Return how long the users are there at most, in seconds; they go as soon as all have done everything."""
    return BEFORE_S + plan.seconds + settings.http_timeout_s * STREAM + plan.pause_s


@contextmanager
def _processes(folder: Path, plan: Plan, workers: Workers, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Start Locust's processes, give the leading one, and end all that are left."""
    lead = [
        *("--headless", "--host", settings.ops_center_url, "--html", str(folder / "report.html")),
        *("--users", str(len(plan.users)), "--spawn-rate", str(len(plan.users))),
        *("--run-time", f"{math.ceil(_longest_s(plan, settings))}s"),
        *("--exit-code-on-error", "0", "--only-summary"),
    ]  # fmt: skip
    with ExitStack() as started:
        if workers.here == 1 and not workers.elsewhere:
            yield started.enter_context(_locust(folder, "leading", lead))
            return
        address, port = ("*", workers.port) if workers.elsewhere else ("127.0.0.1", _free_port())
        count = str(workers.here + workers.elsewhere)
        lead += ["--master", "--master-bind-host", address, "--master-bind-port", str(port)]
        lead += ["--expect-workers", count, "--expect-workers-max-wait", str(START_S)]
        leading = started.enter_context(_locust(folder, "leading", lead))
        join = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
        for number in range(workers.here):
            started.enter_context(_locust(folder, f"worker-{number + 1}", join))
        yield leading


@contextmanager
def _locust(folder: Path, name: str, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start one Locust process in the private folder; end it with the block, also if the block fails."""
    # Locust also reads its settings from LOCUST_*, the home folder and the working directory.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LOCUST_", "PYTHON"))}
    environment |= {"HOME": str(folder), "LOAD_FOLDER": str(folder), "LOAD_PARENT": str(os.getpid())}
    command = [sys.executable, "-m", PACKAGE, "-f", str(LOCUSTFILE), *arguments]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _reason(folder: Path) -> str:
    """Return why Locust failed, in words that follow a sentence's beginning: its own error, or its last line."""
    for name in ("failed.txt", "leading.log"):
        file = folder / name
        lines = file.read_text("utf-8", "replace").split("\n") if file.is_file() else []
        if last := next((line.strip() for line in reversed(lines) if line.strip()), ""):
            return f" ({redactor.clean(last)[:300]})"
    return ""


def _read(folder: Path, plan: Plan) -> tuple[Sent, ...]:
    """Return what was sent; the last line is left out if it is not whole."""
    file, users = folder / "sent.jsonl", {user.person.name: user for user in plan.users}
    lines = file.read_text("utf-8").split("\n")[:-1] if file.is_file() else []
    return tuple(_sent(json.loads(line), plan, users[json.loads(line)["name"]]) for line in lines)


def _sent(row: dict[str, Any], plan: Plan, user: Any) -> Sent:
    milliseconds = row["milliseconds"]
    reply = reply_of(row["status"], row["headers"], row["text"], milliseconds) if row["status"] else None
    request = user.request(plan.model, plan.tokens, row["mark"])
    return Sent(plan.stages[row["stage"]], user, request, reply, milliseconds, row["error"])


def _record(target: Target, sent: tuple[Sent, ...], began: float) -> None:
    """Add all requests to the record, as if each had lasted as long as the load."""
    for one in sent:
        person, body = one.user.person, one.request.body(one.user.person.name)
        if one.stage.system == LITELLM:
            target.record.add("chat_past_ops_center", None, one.reply, body=body)
            continue
        target.record.add("chat", person.token, one.reply, began=began, body=body, headers=one.request.headers())
        if one.reply:
            person.answers.append(Answer(person, one.request, one.reply))
            target.ceiling.count_reply(body, one.reply)
