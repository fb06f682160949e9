"""Wrong input: the message says what is wrong, where, and what to do; the exit status is 2, and nothing is left.

Each case is a separate run against the sandbox with one wrong setting. The runs start in parallel, once for all tests,
each in its own folder, so that the results of the project stay unchanged.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from keycloak import KeycloakAdmin

from creditflow.core.errors import CannotRunError
from creditflow.run import session
from creditflow.target import health
from creditflow.target.settings import PROJECT, Settings, load
from creditflow.target.target import Target
from sandbox import program

NOWHERE = "127.0.0.1:9"
PAID = "A user who was granted no credits has none"
OPEN = "Ops-Center itself reports every service as up"
WRONG = "wrong-8c1f6e2a"
"""A wrong secret."""


@dataclass
class Ran:
    """The output of a run and its exit status."""

    status: int
    output: str
    errors: str
    folder: Path

    @property
    def run(self) -> str:
        """The name of the run, or an empty string if it ended before it had one."""
        found = re.search(r", run (cf-\w+)$", self.output, re.MULTILINE)
        return found[1] if found else ""


class Case(NamedTuple):
    """The wrong settings by name, None for one that is not set, and the parts of the message."""

    wrong: Mapping[str, str | None]
    says: tuple[str, ...]


def wrong_password(url: str) -> str:
    return url.replace(f":{urlsplit(url).password}@", f":{WRONG}@")


def other_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def cases(deployment: dict[str, str], silent: str) -> dict[str, Case]:
    """Return each wrong input that ends a run; `silent` is an address that accepts connections and never answers."""
    database, reading = deployment["UNICORN_DB_URL"], deployment["UNICORN_DB_READ_URL"]
    at = urlsplit(database)
    postgresql = f"{at.hostname}:{at.port}"
    return {
        "a malformed address": Case(
            {"OPS_CENTER_URL": "localhost:8084"},
            (
                "OPS_CENTER_URL is not an http or https address such as http://localhost:8084",
                "correct it in the environment, in .env or with behave -D",
            ),
        ),
        "a missing secret": Case(
            {"KEYCLOAK_CLIENT_SECRET": None},
            (
                f"OPS_CENTER_URL names the deployment at {deployment['OPS_CENTER_URL']}",
                "KEYCLOAK_CLIENT_SECRET is not set: set it in the environment or in .env",
            ),
        ),
        "a contradiction": Case(
            {"OPS_CENTER_URL": None}, ("KEYCLOAK_URL is set but OPS_CENTER_URL is not", "set OPS_CENTER_URL too")
        ),
        "an Ops-Center that is not there": Case(
            {"OPS_CENTER_URL": f"http://{NOWHERE}"}, (f"Ops-Center at http://{NOWHERE} can't be reached", "start it")
        ),
        "an Ops-Center that never answers": Case(
            {"OPS_CENTER_URL": f"http://{silent}", "HTTP_TIMEOUT_S": "10"},
            (f"Ops-Center at http://{silent} did not answer within 10 s", "start it"),
        ),
        "a wrong client secret": Case(
            {"KEYCLOAK_CLIENT_SECRET": WRONG},
            (
                f"Keycloak at {deployment['KEYCLOAK_URL']} refuses the client ops-center",
                "correct KEYCLOAK_CLIENT_ID or KEYCLOAK_CLIENT_SECRET",
            ),
        ),
        "a wrong realm": Case(
            {"KEYCLOAK_REALM": "nowhere"},
            (f"Keycloak at {deployment['KEYCLOAK_URL']} has no realm nowhere", "KEYCLOAK_REALM"),
        ),
        "a wrong Lago key": Case(
            {"LAGO_API_KEY": WRONG}, (f"Lago at {deployment['LAGO_API_URL']} answered 401", "LAGO_API_KEY")
        ),
        "a database that is up but empty": Case(
            {
                "UNICORN_DB_URL": other_database(database, "postgres"),
                "UNICORN_DB_READ_URL": other_database(reading, "postgres"),
            },
            ("unicorn_db is up but has none of the tables organizations, ", "has Ops-Center created them?"),
        ),
        "a wrong database password": Case(
            {"UNICORN_DB_URL": wrong_password(database), "UNICORN_DB_READ_URL": wrong_password(reading)},
            (
                f"PostgreSQL (unicorn_db) at {postgresql}/unicorn_db ",
                "password authentication failed",
                "correct UNICORN_DB_URL and UNICORN_DB_READ_URL",
            ),
        ),
        "a Redis that is not there": Case(
            {"REDIS_URL": f"redis://{NOWHERE}/0"}, (f"Redis at {NOWHERE} ", "start it", "correct REDIS_URL")
        ),
    }


def services_in_trouble(deployment: dict[str, str]) -> dict[str, Case]:
    """Return more problems of a target, which the check before the run finds."""
    database, reading = deployment["UNICORN_DB_URL"], deployment["UNICORN_DB_READ_URL"]
    at = urlsplit(database)
    postgresql = f"{at.hostname}:{at.port}"
    lago_db = deployment["LAGO_DB_READ_URL"]
    return {
        "an Ops-Center that is something else": Case(
            {"OPS_CENTER_URL": deployment["LAGO_API_URL"]},
            (f"Ops-Center at {deployment['LAGO_API_URL']} answered 404 when asked for its status", "OPS_CENTER_URL"),
        ),
        "a Keycloak that is not there": Case(
            {"KEYCLOAK_URL": f"http://{NOWHERE}"}, (f"Keycloak at http://{NOWHERE} can't be reached", "KEYCLOAK_URL")
        ),
        "a wrong LiteLLM key": Case(
            {"LITELLM_MASTER_KEY": f"sk-{WRONG}"},
            (f"LiteLLM at {deployment['LITELLM_URL']} lists no model", "LITELLM_MASTER_KEY"),
        ),
        "a database that does not exist": Case(
            {
                "UNICORN_DB_URL": other_database(database, "nowhere"),
                "UNICORN_DB_READ_URL": other_database(reading, "nowhere"),
            },
            (f"PostgreSQL (unicorn_db) at {postgresql}/nowhere ", 'database "nowhere" does not exist'),
        ),
        "a wrong token of the provider": Case(
            {"PROVIDER_CONTROL_TOKEN": WRONG},
            (f"The provider stand-in at {deployment['PROVIDER_URL']} answered 401", "PROVIDER_CONTROL_TOKEN"),
        ),
        "a wrong password of the reading role": Case(
            {"UNICORN_DB_READ_URL": wrong_password(reading)},
            (f"PostgreSQL (unicorn_db) at {postgresql}/unicorn_db ", "password authentication failed"),
        ),
        "a wrong password of Lago's database": Case(
            {"LAGO_DB_READ_URL": wrong_password(lago_db)},
            (f"PostgreSQL (lago) at {postgresql}/lago ", "password authentication failed", "LAGO_DB_READ_URL"),
        ),
        "a Lago database that is empty": Case(
            {"LAGO_DB_READ_URL": other_database(lago_db, "postgres")},
            ("lago is up but has none of the tables customers, ", "has Lago migrated its database?"),
        ),
        "a Lago that is something else": Case(
            {"LAGO_API_URL": deployment["OPS_CENTER_URL"]},
            (f"Lago at {deployment['OPS_CENTER_URL']} reports that it is not healthy (status 404)", "LAGO_API_URL"),
        ),
        "a client that nobody knows": Case(
            {"KEYCLOAK_CLIENT_ID": "nobody"},
            (f"Keycloak at {deployment['KEYCLOAK_URL']} refuses the client nobody", "correct KEYCLOAK_CLIENT_ID"),
        ),
    }


AWAY = {
    "OPS_CENTER_URL": f"http://{NOWHERE}",
    "KEYCLOAK_URL": f"http://{NOWHERE}",
    "LAGO_API_URL": f"http://{NOWHERE}",
    "LITELLM_URL": f"http://{NOWHERE}",
    "PROVIDER_URL": f"http://{NOWHERE}",
    "REDIS_URL": f"redis://{NOWHERE}/0",
    "UNICORN_DB_URL": f"postgresql://unicorn:{WRONG}@{NOWHERE}/unicorn_db",
    "UNICORN_DB_READ_URL": f"postgresql://reader:{WRONG}@{NOWHERE}/unicorn_db",
}
NO_LAGO = {"LAGO_API_URL": None, "LAGO_DB_READ_URL": None}
_ANY = {name.upper(): f"http://x/{name}" for name in Settings.model_fields}
ENDED, REPORTED = tuple(cases(_ANY, "")), tuple(services_in_trouble(_ANY))
FEATURES = [
    str(PROJECT / "features" / name) for name in ("flows/1_individual_user.feature", "platform/1_services.feature")
]


def behave(folder: Path, deployment: dict[str, str], wrong: Mapping[str, str | None]) -> Ran:
    """Run two scenarios with the project's defaults; one needs Lago and a person, the other needs neither."""
    folder.mkdir()
    defaults = (PROJECT / "behave.ini").read_text("utf-8")
    (folder / "behave.ini").write_text(defaults, "utf-8")
    names = {name.upper() for name in Settings.model_fields}
    given = {name: value for name, value in {**deployment, **wrong}.items() if value is not None}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in names} | given
    environment |= {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    forgotten = [f"-D{name}=" for name, value in wrong.items() if value is None and (PROJECT / ".env").exists()]
    arguments = ["behave", "--name", PAID, "--name", OPEN, *forgotten, *FEATURES]
    done = program.run(arguments, cwd=folder, env=environment, timeout=300)
    return Ran(done.returncode, done.stdout, done.stderr, folder)


@pytest.fixture(scope="module")
def silent() -> Iterator[socket.socket]:
    """Open a socket that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture(scope="module")
def runs(
    deployment: dict[str, str], silent: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ran]]]:
    """Start every run, by what is wrong."""
    folder = tmp_path_factory.mktemp("runs")
    with ThreadPoolExecutor(2) as pool:
        made = cases(deployment, f"127.0.0.1:{silent.getsockname()[1]}")
        wrong = {name: case.wrong for name, case in made.items()} | {"no Lago": NO_LAGO, "all away": AWAY}
        started = {
            name: pool.submit(behave, folder / str(number), deployment, settings)
            for number, (name, settings) in enumerate(wrong.items())
        }
        yield started
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def secrets(deployment: dict[str, str]) -> set[str]:
    """Return the secrets that no run may show."""
    hidden = {v for name, v in deployment.items() if re.search(r"SECRET$|TOKEN$|KEY$", name)}
    hidden |= {password for value in deployment.values() if (password := urlsplit(value).password)}
    return {*hidden, WRONG}


def require_clean(ran: Ran, secrets: set[str], users: KeycloakAdmin) -> None:
    """Require that a run showed no traceback and no secret, and left nobody in Keycloak."""
    output = ran.output + ran.errors
    assert "Traceback" not in output, output
    assert 'File "' not in output, output
    assert ".py:" not in output, output
    assert not [secret for secret in secrets if secret in output], output
    assert ran.errors.strip() == "", output
    if ran.run:
        assert users.get_users({"search": f"{ran.run}-"}) == []


@pytest.mark.parametrize("what", ENDED)
def test_wrong_input_ends_the_run_with_one_sentence_and_leaves_nothing(
    runs: dict[str, Future[Ran]], deployment: dict[str, str], secrets: set[str], users: KeycloakAdmin, what: str
) -> None:
    ran = runs[what].result(400)
    assert ran.status == 2, ran.output + ran.errors
    output = [line for line in ran.output.splitlines() if line and not line.startswith(("USING RUNNER", "Target http"))]
    *heading, sentence = output
    assert heading in ([], ["The run can't begin:"]), ran.output
    silent = re.search(r"127\.0\.0\.1:\d+", sentence)
    for part in cases(deployment, silent[0] if silent else "")[what].says:
        assert part in sentence
    assert sentence.endswith((".", "?"))
    assert not re.search(r"[.?] [A-Z]", sentence), f"more than one sentence: {sentence}"
    require_clean(ran, secrets, users)
    results = [json.loads(file.read_text("utf-8")) for file in (ran.folder / "allure-results").glob("*-result.json")]
    assert not [result["name"] for result in results if result["status"] == "passed"], "a scenario ran"
    assert not any(result.get("steps") and result["steps"][0]["status"] == "passed" for result in results)


def test_a_service_that_never_answers_is_not_asked_again_and_again(
    runs: dict[str, Future[Ran]], silent: socket.socket
) -> None:
    runs["an Ops-Center that never answers"].result(240)
    silent.setblocking(False)
    asked = 0
    with suppress(BlockingIOError):
        while True:
            silent.accept()[0].close()
            asked += 1
    assert 1 <= asked <= 2


@pytest.mark.parametrize("what", REPORTED)
def test_a_problem_of_a_service_is_reported_before_the_first_scenario(
    deployment: dict[str, str], secrets: set[str], what: str
) -> None:
    wrong, says = services_in_trouble(deployment)[what]
    target = Target(load({}, {**deployment, **{name: value for name, value in wrong.items() if value is not None}}))
    lines: list[str] = []
    try:
        with pytest.raises(CannotRunError) as ended:
            session.check(target, lines.append)
    finally:
        target.close()
    heading, *sentences = str(ended.value).splitlines()
    assert (heading, len(sentences), lines) == ("The run can't begin:", 1, []), str(ended.value)
    for part in says:
        assert part in sentences[0]
    assert not [secret for secret in secrets if secret in sentences[0]]


def test_a_table_or_column_that_is_missing_is_named() -> None:
    wanted = {"user_credits": "user_id credits_remaining tier", "usage_tracking": "id"}
    ask = "has Ops-Center created them?"
    there = {"user_credits": {"user_id", "tier", "credits_remaining", "more"}, "usage_tracking": {"id"}}
    assert health._missing("unicorn_db", wanted, there, ask) == []
    lacking = {"user_credits": {"user_id", "more"}}
    assert [output.split(":")[0] for output in health._missing("unicorn_db", wanted, lacking, ask)] == [
        "the table user_credits of unicorn_db lacks credits_remaining, tier",
        "unicorn_db has no table usage_tracking",
    ]


def test_a_healthy_target_is_reported_with_its_versions_and_no_secret(
    deployment: dict[str, str], secrets: set[str]
) -> None:
    target = Target(load({}, deployment))
    lines: list[str] = []
    try:
        session.check(target, lines.append)
        found = health.services(target)
    finally:
        target.close()
    assert {h.service: h.state for h in found} == dict.fromkeys(
        ("Ops-Center", "Keycloak", "PostgreSQL", "Redis", "Lago", "LiteLLM", "Provider"), "up"
    )
    assert len(lines) == 1
    assert lines[0].startswith("Services: Ops-Center ")
    assert all(f"{h.service} {h.message}" in lines[0] for h in found)
    shown = " ".join([*lines, *(f"{h.address} {h.message}" for h in found)])
    assert not [secret for secret in secrets if secret in shown]


def test_a_service_that_is_not_named_is_neither_up_nor_down(deployment: dict[str, str]) -> None:
    target = Target(load({}, {name: value for name, value in deployment.items() if "REDIS" not in name}))
    try:
        states = {h.service: (h.state, h.message) for h in health.services(target)}
        session.check(target, lambda line: None)
    finally:
        target.close()
    assert states["Redis"] == ("not named", "set REDIS_URL")


def test_everything_that_is_away_is_listed_at_once(
    runs: dict[str, Future[Ran]], secrets: set[str], users: KeycloakAdmin
) -> None:
    ran = runs["all away"].result(400)
    assert ran.status == 2
    listed = re.findall(r"^  - (.+) at (?:http://)?127\.0\.0\.1:9\b.*\.$", ran.output, re.MULTILINE)
    assert [name.split(" (")[0] for name in listed] == [
        "Ops-Center", "Keycloak", "PostgreSQL", "Redis", "Lago", "LiteLLM", "The provider stand-in",
    ]  # fmt: skip
    require_clean(ran, secrets, users)


def test_a_missing_service_is_reported_and_red_and_the_rest_goes_on(
    runs: dict[str, Future[Ran]], secrets: set[str], users: KeycloakAdmin
) -> None:
    ran = runs["no Lago"].result(400)
    assert ran.status == 1, ran.output
    before, _, after = ran.output.partition(PAID)
    assert "Not testable here: subscriptions, events and invoices in Lago (set LAGO_API_URL)" in before
    assert "Not testable here: the tables of Lago's database (set LAGO_DB_READ_URL)" in before
    assert re.match(r"  [\d.]+ s  not testable here\n", after), "the scenario that needs Lago is not red"
    assert "subscriptions, events and invoices in Lago. To make it testable: set LAGO_API_URL." in after
    assert re.search(rf"✓ {OPEN}  ", ran.output), "the scenario that needs no Lago did not go on"
    assert "\n1 passed, 1 failed\n" in ran.output
    last = ran.output.rstrip().splitlines()[-1]
    assert last.startswith("No check failed, but 1 could not be judged, the first as not testable here:")
    assert last.endswith("To make it testable: set LAGO_API_URL.")
    require_clean(ran, secrets, users)
