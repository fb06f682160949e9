"""The properties of a running sandbox."""

from __future__ import annotations

import json
import stat
import time
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from sandbox.credentials import Credentials, fingerprint
from sandbox.preparation.piece import MARKER
from sandbox.settings import SERVICES

if TYPE_CHECKING:
    from tests.sandbox.conftest import Home

TARGET = {
    "OPS_CENTER_URL",
    "OPS_CENTER_CLOCK",
    "ALLOW_LOAD",
    "KEYCLOAK_URL",
    "KEYCLOAK_ADMIN_PASSWORD",
    "KEYCLOAK_REALM",
    "KEYCLOAK_CLIENT_ID",
    "KEYCLOAK_CLIENT_SECRET",
    "KEYCLOAK_SHORT_LIVED_CLIENT_ID",
    "KEYCLOAK_OTHER_CLIENT_ID",
    "LITELLM_URL",
    "LITELLM_MASTER_KEY",
    "LAGO_API_URL",
    "LAGO_API_KEY",
    "UNICORN_DB_URL",
    "UNICORN_DB_READ_URL",
    "LAGO_DB_READ_URL",
    "REDIS_URL",
    "PROVIDER_URL",
    "PROVIDER_CONTROL_TOKEN",
    "PLATFORM_KEY_FINGERPRINT",
    "TEST_OPENROUTER_KEY",
    "TARGET_LOGS",
    "ACCESS_LOGS",
    "WATCH",
}
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_prepared_start_makes_nothing_anew_and_starts_each_service_once(whole: Home) -> None:
    made = [path.stat().st_mtime for path in whole.prepared.glob(f"*/{MARKER}")]
    begun = psutil.Process(whole.state.supervisor.pid).create_time()
    assert made
    assert max(made) < begun, "the start made again what is prepared"
    services = whole.state.services.values()
    assert all(service.seconds is not None for service in services)
    assert len({service.process.pid for service in services if service.process}) == len(SERVICES)


def test_the_target_description_is_private_and_complete(whole: Home) -> None:
    assert stat.S_IMODE(whole.settings.target.stat().st_mode) == 0o600
    target = json.loads(whole.settings.target.read_text())
    assert set(target) == TARGET
    for name in (name for name in TARGET if name.endswith("_URL")):
        assert "127.0.0.1:" in target[name], f"{name} is {target[name]}"
        assert not target[name].endswith("/")
    secrets = Credentials.load(whole.settings.secrets)
    assert target["PLATFORM_KEY_FINGERPRINT"] == fingerprint(secrets.platform_openrouter_key)


def test_state_and_secrets_are_private(whole: Home) -> None:
    for path in (whole.settings.state, whole.settings.secrets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in whole.settings.run.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"{path} is open to others"


def test_everything_listens_on_the_loopback_address_only(whole: Home) -> None:
    listening = [
        (process.name(), connection.laddr[0])
        for process in whole.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 7
    assert {address for _, address in listening} <= LOOPBACK, listening


def test_no_secret_is_in_a_log_or_on_a_command_line(whole: Home) -> None:
    secrets = Credentials.load(whole.settings.secrets)
    logs = [*whole.settings.logs.iterdir(), whole.path / "supervisor.log"]
    assert len(logs) == 8
    for path in logs:
        text = path.read_text(errors="replace")
        assert secrets.mask(text) == text, f"{path} holds a secret"
    for process in whole.processes():
        line = " ".join(process.cmdline())
        assert secrets.mask(line) == line, f"the command line of {process.name()} holds a secret"


def test_the_reader_reads_what_the_owner_makes_and_writes_nothing(whole: Home) -> None:
    target = json.loads(whole.settings.target.read_text())
    with psycopg.connect(target["UNICORN_DB_URL"], autocommit=True) as owner:
        owner.execute("CREATE TABLE made_later (credits integer)")
        owner.execute("INSERT INTO made_later VALUES (9)")
    # The role's own default of read-only transactions is lifted: its rights alone must hold.
    lifted = "-c default_transaction_read_only=off"
    with psycopg.connect(target["UNICORN_DB_READ_URL"], autocommit=True, options=lifted) as reader:
        assert reader.execute("SELECT credits FROM made_later").fetchall() == [(9,)]
        assert reader.execute("SHOW timezone").fetchall() == [("UTC",)]
        for statement in (
            "INSERT INTO made_later VALUES (1)",
            "DROP TABLE made_later",
            "CREATE TABLE mine (a int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
    with psycopg.connect(target["UNICORN_DB_URL"], autocommit=True) as owner:
        owner.execute("DROP TABLE made_later")


def test_one_service_restarts_alone_with_more_environment_until_its_next_restart(whole: Home) -> None:
    before = whole.state.services
    ran = whole.run("restart", "ops-center", "--env", "REFERENCE_MARK=on")
    assert ran.returncode == 0, ran.stderr
    after = whole.state.services
    changed = {name for name in before if before[name].process != after[name].process}
    assert changed == {"ops-center"}
    assert after["ops-center"].url == before["ops-center"].url
    assert _environment(whole, "ops-center").get("REFERENCE_MARK") == "on"
    whole.run("restart", "ops-center")
    assert "REFERENCE_MARK" not in _environment(whole, "ops-center")


def test_a_restart_of_postgresql_keeps_the_data_and_the_others_find_it_again(whole: Home) -> None:
    target = json.loads(whole.settings.target.read_text())
    with psycopg.connect(target["UNICORN_DB_URL"], autocommit=True) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 9 AS credits")
    assert whole.run("restart", "postgresql").returncode == 0
    with psycopg.connect(target["UNICORN_DB_URL"], autocommit=True) as owner:
        assert owner.execute("SELECT credits FROM kept").fetchall() == [(9,)]
        owner.execute("DROP TABLE kept")
    deadline = time.monotonic() + 60
    while (ran := whole.run("status")).returncode != 0 and time.monotonic() < deadline:
        pass
    assert ran.returncode == 0, ran.stdout


def test_a_service_that_dies_is_noted_and_comes_back_on_request(whole: Home) -> None:
    assert whole.run("status").returncode == 0
    redis = whole.state.services["redis"].process
    assert redis is not None
    found = redis.process()
    assert found is not None
    found.kill()
    whole.gone([found])
    ran = whole.run("status")
    assert ran.returncode == 1
    assert "died (exit status -9)" in ran.stdout
    assert whole.run("restart", "redis").returncode == 0
    assert whole.run("status").returncode == 0


def test_a_service_that_is_silent_is_told_from_a_healthy_one(whole: Home) -> None:
    provider = whole.state.services["provider"].process
    assert provider is not None
    found = provider.process()
    assert found is not None
    found.suspend()
    try:
        assert whole.status()["services"]["provider"]["phase"] == "silent"
    finally:
        found.resume()
    assert whole.status()["services"]["provider"]["phase"] == "healthy"


def test_down_ends_everything(whole: Home) -> None:
    processes = whole.processes()
    ran = whole.run("down")
    assert ran.returncode == 0, ran.stderr
    assert whole.gone(processes)
    assert not whole.settings.target.exists()
    assert whole.run("status").returncode == 1


def _environment(home: Home, service: str) -> dict[str, str]:
    noted = home.state.services[service].process
    assert noted is not None
    return psutil.Process(noted.pid).environ()
