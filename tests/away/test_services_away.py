"""Seven services fail in seven ways, before and during a run: the run ends soon and names the service.

Each cell of the table is a separate run, against the sandbox behind gates, with short request timeouts. Every test run
includes some cells, with each service and each way among them; AWAY=all (`make away`) includes all.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Timer

import pytest

from creditflow.cleanup import journal, sweep
from creditflow.target.settings import PROJECT, Settings, load
from creditflow.target.target import Target
from sandbox import gates, program
from sandbox.gates import Gates

HERE = Path(__file__).resolve().parent
SETTINGS = {
    "Ops-Center": ("OPS_CENTER_URL",),
    "Keycloak": ("KEYCLOAK_URL",),
    "PostgreSQL": ("UNICORN_DB_URL", "UNICORN_DB_READ_URL", "LAGO_DB_READ_URL"),
    "Redis": ("REDIS_URL",),
    "Lago": ("LAGO_API_URL",),
    "LiteLLM": ("LITELLM_URL",),
    "The provider stand-in": ("PROVIDER_URL",),
}
"""The settings with the address of each service, by its name in messages."""

SERVICES = tuple(SETTINGS)
WAYS = tuple(way for way in gates.WAYS if way != "paused")
"""The ways of failing; to the suite a paused service looks like a stopped one."""
TIMEOUT_S = 10.0
"""The request timeout in these runs, in seconds."""

MOST_ASKED = 40
"""The maximum of requests to a service that fails; a run with more retries would end late."""

LANES = 3
"""Runs in parallel; they mostly wait."""

LONGEST_S = 300.0

BEFORE, DURING = "before", "during"
WELL, NEEDS_NOTHING, AGAIN = "All is well", "What needs no service", "All is well again"
HURT = ("Somebody asks a model", "The models on offer are served")

Cell = tuple[str, str, str]
"""A service, a way to fail, and when it begins."""


def chosen() -> list[Cell]:
    """Return all cells with AWAY=all, else each service in one way before a run and in two ways during it."""
    if os.environ.get("AWAY") == "all":
        return [(service, way, when) for when in (BEFORE, DURING) for service in SERVICES for way in WAYS]
    cells = []
    for number, service in enumerate(SERVICES):
        cells.append((service, WAYS[number], BEFORE))
        cells += [(service, WAYS[(number + step) % len(WAYS)], DURING) for step in (1, 4)]
    return cells


@dataclass
class Ran:
    """The result of one run.

    Attributes:
        output: its output.
        status: its exit status.
        seconds: until it ended.
        named_after: seconds from the failure, or from the first request, until the run named the service; 0 if never.
        asked: the number of requests while the service failed.
        left: the resources that its journal contains at the end.
    """

    output: str = ""
    status: int = 0
    seconds: float = 0.0
    named_after: float = 0.0
    asked: int = 0
    left: list[str] = field(default_factory=list)

    def became(self, scenario: str) -> tuple[str, str]:
        """Return the sign and the outcome in a scenario's line."""
        found = re.search(rf"^ *(\S) {re.escape(scenario)}  [\d.]+ s(?:  (.+))?$", self.output, re.MULTILINE)
        return (found[1], found[2] or "") if found else ("", "")


def behave(opened: Gates, deployment: dict[str, str], folder: Path, cell: Cell) -> Ran:
    """Run the features behind the gates while a service fails."""
    service, way, when = cell
    features = folder / "features"
    features.mkdir(parents=True)
    shutil.copy(HERE / "project" / "away.feature", features)
    shutil.copy(PROJECT / "behave.ini", folder)
    (features / "environment.py").symlink_to(PROJECT / "features" / "environment.py")
    (features / "steps").mkdir()
    for step_file in (HERE / "project" / "waiting.py", *(PROJECT / "features" / "steps").glob("*.py")):
        (features / "steps" / step_file.name).symlink_to(step_file)
    settings = deployment | opened.settings | {
        "HTTP_TIMEOUT_S": f"{TIMEOUT_S:g}", "POLL_TIMEOUT_S": "1", "WATCH": "bystanders",
        "TARGET_LOGS": "", "JOURNAL_DIR": str(folder.parent / "journals"),
    }  # fmt: skip
    known = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in known} | settings
    environment |= {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    ran, began = Ran(), time.monotonic()
    hurt = began
    if when == BEFORE:
        opened.turn(service, way)
    try:
        process = program.Program(["behave", "--jobs=1"], cwd=folder, env=environment)
        too_long = Timer(LONGEST_S, process.kill)
        too_long.start()
        for line in io.TextIOWrapper(process.stdout, "utf-8"):
            ran.output += line
            if when == BEFORE and line.startswith("Target "):
                hurt = time.monotonic()
            elif when == DURING and line.strip().startswith(f"✓ {WELL}  "):
                hurt = time.monotonic()
                opened.turn(service, way)
            elif when == DURING and f" {NEEDS_NOTHING}  " in line:
                opened.turn(service)
                (folder / "works").touch()
            elif not ran.named_after and f"{service} " in line and re.search(named(service), line):
                ran.named_after = time.monotonic() - hurt
        ran.status = process.wait(LONGEST_S)
        too_long.cancel()
    finally:
        opened.turn(service)
        ran.asked = opened.asked(service)
    ran.seconds = time.monotonic() - began
    if found := re.search(r", run (cf-\w+)$", ran.output, re.MULTILINE):
        for path in (folder.parent / "journals").glob(f"{found[1]}.*"):
            ran.left += map(str, journal.parse(path, path.read_bytes()).left)
    return ran


def named(service: str) -> str:
    """Return a pattern for messages that name a failing service."""
    return rf"{service}(?: \(\w+\))? at (?:http://)?127\.0\.0\.1:\d+(?:/\w+)? "


def wrong_with(cell: Cell, ran: Ran) -> list[str]:
    """Return what is wrong with a run."""
    service, way, when = cell
    others = [other for other in SERVICES if other != service and re.search(named(other), ran.output)]
    found = [
        (not ran.status, "the exit status is 0"),
        (ran.status < 0, "the run did not end"),
        (not ran.named_after, f"{service} is not named"),
        (ran.asked > MOST_ASKED, f"{service} was asked {ran.asked} times while it failed"),
        (bool(others), f"{', '.join(others)} are named as well"),
        (bool(re.search(r'Traceback|File "|\.py:\d', ran.output)), "the suite shows a traceback"),
    ]
    if when == BEFORE:
        found += [(ran.status != 2, f"the exit status is {ran.status}"), ("✓" in ran.output, "a scenario ran")]
    else:
        red = {name: kind for name in HURT for sign, kind in [ran.became(name)] if sign == "✗"}
        of_the_target = service == "Ops-Center" and way == "500"
        green = (WELL, NEEDS_NOTHING, AGAIN)
        found += [
            (not red, "no scenario is red"),
            ("failed" in red.values() and not of_the_target, f"a scenario has failed that could not be judged: {red}"),
            *((ran.became(name)[0] != "✓", f"“{name}” is {ran.became(name)}") for name in green),
            *((resource not in ran.output, f"{resource} is left, and not named") for resource in ran.left),
        ]
    return [what for is_so, what in found if is_so]


@pytest.fixture(scope="module")
def runs(deployment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Cell, Future[Ran]]]:
    """Start the runs of the chosen cells; sweep what they left at the end."""
    folder = tmp_path_factory.mktemp("away")
    (folder / "journals").mkdir()
    with (
        ThreadPoolExecutor(LANES) as pool,
        ExitStack() as opened,
    ):
        free: SimpleQueue[Gates] = SimpleQueue()
        for _ in range(LANES):
            free.put(opened.enter_context(closing(Gates(deployment, SETTINGS))))

        def run(number: int, cell: Cell) -> Ran:
            lane = free.get()
            try:
                return behave(lane, deployment, folder / str(number), cell)
            finally:
                free.put(lane)

        yield {cell: pool.submit(run, number, cell) for number, cell in enumerate(chosen())}
        pool.shutdown(cancel_futures=True)
    target = Target(load({}, {**deployment, "JOURNAL_DIR": str(folder / "journals")}))
    try:
        assert sweep.sweep(target, report=lambda line: None).left == ()
    finally:
        target.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("service", "way", "when"), chosen())
def test_a_service_that_fails_is_named_and_the_run_ends(
    runs: dict[Cell, Future[Ran]], service: str, way: str, when: str
) -> None:
    ran = runs[service, way, when].result(580)
    assert wrong_with((service, way, when), ran) == [], ran.output


def test_the_table(runs: dict[Cell, Future[Ran]], capsys: pytest.CaptureFixture[str]) -> None:
    done = {cell: run.result(580) for cell, run in runs.items()}
    slowest = max(done, key=lambda cell: done[cell].named_after)
    most = max(done, key=lambda cell: done[cell].asked)
    with capsys.disabled():
        print(f"\n\nSeconds until the service was named / until the run ended; request timeout {TIMEOUT_S:g} s")
        for when in (BEFORE, DURING):
            print(f"\n{when + ' the run':24}" + "".join(f"{way:>16}" for way in WAYS))
            for service in SERVICES:
                print(f"{service:24}" + "".join(f"{_shown(done, (service, way, when)):>16}" for way in WAYS))
        print(f"\nThe slowest diagnosis: {' '.join(slowest)} the run, {done[slowest].named_after:.1f} s")
        print(f"Asked most often: {' '.join(most)} the run, {done[most].asked} times")
    assert done[most].asked <= MOST_ASKED


def _shown(done: dict[Cell, Ran], cell: Cell) -> str:
    if cell not in done:
        return "-"
    ran = done[cell]
    return f"{ran.named_after:.1f} / {ran.seconds:.1f} {'NO' if wrong_with(cell, ran) else 'ok'}"
