"""One whole run on the sandbox: green when all is right, red and readable when Ops-Center is wrong."""

from __future__ import annotations

import configparser
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from behave.parser import parse_file
from keycloak import KeycloakAdmin

from sandbox import program

ROOT = Path(__file__).parents[2]
CASE_1 = ROOT / "features" / "edge_cases" / "1_insufficient_organization_credits.feature"
FLOW_1 = ROOT / "features" / "flows" / "1_individual_user.feature"
FLOW_3 = ROOT / "features" / "flows" / "3_byok_user.feature"
HISTORIES = ROOT / "features" / "qualities" / "5_random_histories.feature"
SMALL_REQUEST = "A small GPT-3.5 request costs nine credits"
SECONDS = 60


@dataclass
class RunOutput:
    """The exit status, the output and the Allure results of one run."""

    status: int
    console: str
    errors: str
    results: list[dict[str, Any]]

    @property
    def lines(self) -> list[str]:
        return self.console.rstrip().splitlines()

    @property
    def run(self) -> str:
        """The prefix of every name that the run made."""
        found = re.search(r"^Target \S+, run (cf-\w+)$", self.console, re.MULTILINE)
        assert found, self.console
        return found.group(1)


def run_behave(folder: Path, target: Mapping[str, str], *arguments: str) -> RunOutput:
    """Run behave on a target as the project's behave.ini says, but with its results in a folder of the test."""
    config = configparser.ConfigParser()
    config.read(ROOT / "behave.ini")
    config["behave"].update(paths=str(ROOT / "features"), outfiles=str(folder / "allure-results"))
    with (folder / "behave.ini").open("w") as file:
        config.write(file)
    environment = {**os.environ, **target, "PYTHONPATH": str(ROOT)}
    done = program.run(["behave", *arguments], cwd=folder, env=environment, timeout=400)
    results = [json.loads(f.read_text("utf-8")) for f in (folder / "allure-results").glob("*-result.json")]
    return RunOutput(done.returncode, done.stdout, done.stderr, results)


@contextmanager
def ops_center_that_charges_double(target: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run a broken Ops-Center beside the deployment's own, on the same systems, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "OPS_DATABASE_URL": target["UNICORN_DB_URL"],
        "OPS_REDIS_URL": target["REDIS_URL"],
        "OPS_KEYCLOAK_URL": target["KEYCLOAK_URL"],
        "OPS_KEYCLOAK_REALM": target["KEYCLOAK_REALM"],
        "OPS_KEYCLOAK_AUDIENCE": target["KEYCLOAK_CLIENT_ID"],
        "OPS_LITELLM_URL": target["LITELLM_URL"],
        "OPS_LITELLM_KEY": target["LITELLM_MASTER_KEY"],
        "OPS_LAGO_URL": target["LAGO_API_URL"],
        "OPS_LAGO_KEY": target["LAGO_API_KEY"],
        "OPS_BYOK_SECRET": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    module = Path(__file__).with_name("ops_center_that_charges_double.py")
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, str(module), "--port", str(port)], cwd=ROOT, env=environment, stderr=file
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(SECONDS)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the Ops-Center ended: {log.read_text()[-2000:]}"
        try:
            requests.get(f"{url}/api/v1/system/status", timeout=60)
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the Ops-Center did not answer within {SECONDS} s: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def green(deployment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> RunOutput:
    """Run an edge case and a flow on the correct deployment."""
    return run_behave(tmp_path_factory.mktemp("green"), deployment, str(CASE_1), str(FLOW_3))


@pytest.fixture(scope="module")
def red(deployment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> RunOutput:
    """Run one scenario on an Ops-Center that charges twice the price."""
    folder = tmp_path_factory.mktemp("red")
    with ops_center_that_charges_double(deployment, folder / "ops-center.log") as url:
        return run_behave(folder, {**deployment, "OPS_CENTER_URL": url}, str(FLOW_1), "--name", f"^{SMALL_REQUEST}$")


def test_a_whole_run_on_the_sandbox_is_green(green: RunOutput) -> None:
    selected = sum(len(parse_file(str(path)).walk_scenarios()) for path in (CASE_1, FLOW_3))

    assert green.status == 0, green.console
    assert green.lines[-1] == f"{selected} passed, 0 failed"
    assert not green.errors


def test_every_scenario_is_in_the_results_as_passed(green: RunOutput) -> None:
    titles = {s.name for path in (CASE_1, FLOW_3) for s in parse_file(str(path)).walk_scenarios()}
    number = int(green.lines[-1].split()[0])

    assert len(green.results) == number == len(titles)
    assert {result["status"] for result in green.results} == {"passed"}


def test_a_run_reports_its_slowest_scenarios_and_the_services_it_waited_for(green: RunOutput) -> None:
    first = green.lines.index("Slowest scenarios:") + 1
    waited = next(line for line in green.lines if line.startswith("Waited for: "))

    times = [re.fullmatch(r" +(\d+\.\d\d) s  \S.*", line) for line in green.lines[first : first + 10]]
    assert all(times), green.lines[first : first + 10]
    seconds = [float(found.group(1)) for found in times if found]
    assert seconds == sorted(seconds, reverse=True)
    for service in ("Keycloak", "Lago", "Ops-Center", "PostgreSQL", "Redis"):
        assert re.search(rf"\b{service} \d+\.\d s \(\d+x\)", waited), waited


def test_a_run_leaves_nobody_in_keycloak(green: RunOutput, red: RunOutput, deployment: dict[str, str]) -> None:
    keycloak = KeycloakAdmin(
        server_url=deployment["KEYCLOAK_URL"],
        realm_name=deployment["KEYCLOAK_REALM"],
        client_id=deployment["KEYCLOAK_CLIENT_ID"],
        client_secret_key=deployment["KEYCLOAK_CLIENT_SECRET"],
    )

    left = [user["username"] for output in (green, red) for user in keycloak.get_users({"search": output.run})]

    assert not left


def test_a_double_charge_is_red(red: RunOutput) -> None:
    assert red.status == 1, red.console
    assert red.lines[-1] == "0 passed, 1 failed"
    assert [(result["name"], result["status"]) for result in red.results] == [(SMALL_REQUEST, "failed")]


def test_the_message_of_a_double_charge_names_person_found_expected_and_what_was_recorded(red: RunOutput) -> None:
    message = red.results[0]["statusDetails"]["message"]

    assert "the individual" in message
    assert "18 credits" in message or "9,982" in message
    assert "expected 9" in message
    assert "unicorn_db has 1 charge of 18" in message
    assert "(credit_transactions)" in message
    assert "the provider was called once with the platform's key" in message
    assert message.splitlines()[0] in " ".join(red.console.split()), red.console


def test_the_sentence_comes_before_any_trace(red: RunOutput) -> None:
    before, _, _ = red.console.partition("the individual")

    assert "Traceback" not in before
    assert not red.errors


def test_a_run_that_reaches_its_ceiling_is_red_and_so_is_each_scenario_that_was_left(
    deployment: dict[str, str], tmp_path: Path
) -> None:
    output = run_behave(tmp_path, deployment, str(CASE_1), str(FLOW_3), "-D", "MAX_REQUESTS=3")
    assert output.status == 1, output.console
    assert "at most 3 LLM requests (MAX_REQUESTS)" in output.console
    red = [result for result in output.results if result["status"] != "passed"]
    assert len(red) > 10, output.console
    for result in red:
        assert "The run has reached its ceiling of 3 LLM requests" in result["statusDetails"]["message"]
        assert "or raise MAX_REQUESTS." in result["statusDetails"]["message"]


@dataclass
class Found:
    """What random histories found: that run, and runs of the pasted scenario before and after the defect is mended."""

    run: RunOutput
    pasted: RunOutput
    mended: RunOutput


@pytest.fixture(scope="module")
def found(deployment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Let histories run on an Ops-Center that charges double, paste what they find, and run it on a right one too."""
    folders = [tmp_path_factory.mktemp(name) for name in ("found", "pasted", "mended")]
    chosen = ("-D", "opt_in=yes", "-D", "explore_minutes=3", "-D", "explore_seed=4711", "-D", "explore_tries=12")
    with ops_center_that_charges_double(deployment, folders[0] / "ops-center.log") as url:
        broken = {**deployment, "OPS_CENTER_URL": url}
        run = run_behave(folders[0], broken, *chosen, "--tags=@opt-in", str(HISTORIES))
        feature = paste(scenario_in(run), folders[1])
        pasted = run_behave(folders[1], broken, str(feature))
    return Found(run, pasted, run_behave(folders[2], deployment, str(feature)))


def scenario_in(run: RunOutput) -> str:
    """Return the scenario that a run prints for what it found."""
    printed = re.search(r"^ +@[^\n]*normal\n +Scenario: .*? Then [^\n]+$", run.console, re.MULTILINE | re.DOTALL)
    assert printed, run.console
    return printed.group()


def paste(scenario: str, folder: Path) -> Path:
    """Paste a scenario into a feature of its own, beside the suite's steps."""
    features = folder / "features"
    features.mkdir()
    for name in ("environment.py", "steps"):
        (features / name).symlink_to(ROOT / "features" / name)
    path = features / "found.feature"
    path.write_text(f"Feature: Found\n\n  Rule: Everything is as agreed\n\n{scenario}\n")
    return path


def test_what_a_history_finds_ends_the_run_with_its_scenario_and_the_command_that_repeats_it(found: Found) -> None:
    assert found.run.status == 1, found.run.console
    assert "Random histories of the seed 4711" in found.run.console
    assert re.search(r"Repeat it as it was found with `make explore SEED=4711/\d+`", found.run.console, re.MULTILINE)
    assert re.search(r"This history is wrong every time \(3 of 3\)", found.run.console)
    assert len(scenario_in(found.run).splitlines()) <= 14
    assert found.run.lines[-1] == "0 passed, 1 failed"


def test_the_scenario_that_is_pasted_is_red_until_the_defect_is_mended(found: Found) -> None:
    assert (found.pasted.status, found.pasted.lines[-1]) == (1, "0 passed, 1 failed"), found.pasted.console
    assert (found.mended.status, found.mended.lines[-1]) == (0, "1 passed, 0 failed"), found.mended.console


def test_everybody_of_a_history_is_removed(found: Found, users: KeycloakAdmin) -> None:
    assert users.get_users({"search": f"{found.run.run}-"}) == []
