"""Services fail by the commands of a deployment's owner, only where that is allowed, and come back."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from creditflow.cleanup import resources
from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.target import sandbox_launcher
from creditflow.target.outages import OutageError, Outages
from creditflow.target.settings import load
from creditflow.target.target import Target

NAMED = {
    "OPS_CENTER_URL": "http://ops.staging.example",
    "KEYCLOAK_URL": "http://keycloak.staging.example",
    "KEYCLOAK_CLIENT_SECRET": "a-secret-of-a-client",
    "ALLOW_CHAOS": "ops.staging.example",
}
Done = list[tuple[str, str]]


@pytest.fixture
def done() -> Done:
    """Return the recorded operations, each with its service."""
    return []


def outages(done: Done, **settings: str) -> Outages:
    """Return the outages of a named deployment."""

    def record(operation: str, token: str | None, reply: Any, **values: Any) -> None:
        done.append((operation, values["service"]))

    return Outages(load({**NAMED, **settings}), record)


@pytest.fixture(autouse=True)
def no_sandbox(monkeypatch: pytest.MonkeyPatch, no_settings: None) -> None:
    monkeypatch.setattr(sandbox_launcher, "running", lambda: None)


def test_the_commands_are_run_and_recorded_in_their_order(done: Done, tmp_path: Path) -> None:
    mark = tmp_path / "redis is away"
    away = outages(done, CHAOS_STOP_REDIS=f"touch '{mark}'", CHAOS_START_REDIS=f"rm '{mark}'")
    assert not away.happened
    away.begin("Redis")
    assert mark.exists()
    assert away.happened
    away.end("Redis")
    assert not mark.exists()
    assert done == [("service_away", "Redis"), ("service_back", "Redis")]


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({"ALLOW_CHAOS": "", "CHAOS_STOP_REDIS": "true"}, "set ALLOW_CHAOS=ops.staging.example"),
        ({"ALLOW_CHAOS": "other.example", "CHAOS_STOP_REDIS": "true"}, "set ALLOW_CHAOS=ops.staging.example"),
        ({}, "set CHAOS_STOP_REDIS"),
    ],
    ids=["not allowed", "allowed elsewhere", "no command"],
)
def test_what_is_not_allowed_or_not_named_is_not_testable(done: Done, settings: dict[str, str], cure: str) -> None:
    away = outages(done, **settings)
    with pytest.raises(NotTestableError, match=cure):
        away.begin("Redis")
    assert done == []
    assert not away.happened


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sh -c 'echo no such container >&2; exit 3'", "ended with status 3: no such container"),
        ("false", "ended with status 1: it printed nothing"),
        ("/no/such/program", "can't be run: .*No such file"),
        ("sh -c 'unfinished", "can't be run: No closing quotation"),
    ],
)
def test_a_command_that_fails_is_one_sentence_with_its_setting(done: Done, command: str, message: str) -> None:
    with pytest.raises(OutageError, match=f"The command in CHAOS_STOP_LAGO {message}"):
        outages(done, CHAOS_STOP_LAGO=command).begin("Lago")


def test_in_the_sandbox_a_service_is_killed_and_restarted_once(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(sandbox_launcher, "running", lambda: {"OPS_CENTER_URL": NAMED["OPS_CENTER_URL"]})
    for name in ("kill", "restart"):
        monkeypatch.setattr(sandbox_launcher, name, lambda service, name=name: calls.append((name, service)))
    away = outages(done, ALLOW_CHAOS="")
    away.begin("PostgreSQL")
    away.end("PostgreSQL")
    away.end("PostgreSQL")
    assert calls == [("kill", "postgresql"), ("restart", "postgresql")]
    assert done == [("service_away", "PostgreSQL"), ("service_back", "PostgreSQL")]


def test_a_deployment_pauses_and_resumes_by_commands(done: Done, tmp_path: Path) -> None:
    mark = tmp_path / "redis is paused"
    failing = outages(done, CHAOS_PAUSE_REDIS=f"touch '{mark}'", CHAOS_RESUME_REDIS=f"rm '{mark}'")
    failing.require_possible("Redis", "paused")
    failing.begin("Redis", "paused")
    assert mark.exists()
    assert failing.end("Redis", "paused")
    assert not mark.exists()
    assert not failing.end("Redis", "paused")
    failing.close()
    assert done == [("service_away", "Redis"), ("service_back", "Redis")]


@pytest.mark.parametrize("way", ["refusing", "failing", "late"])
def test_no_command_makes_a_service_of_a_deployment_fail_in_the_other_ways(done: Done, way: str) -> None:
    with pytest.raises(NotTestableError, match="use the sandbox") as refusal:
        outages(done).require_possible("Redis", way)
    assert str(refusal.value).count(". ") == 1, "it is one sentence and its cure"


def test_the_provider_of_a_deployment_is_never_taken_away(done: Done) -> None:
    with pytest.raises(NotTestableError, match="use the sandbox"):
        outages(done).require_possible("the provider")


@pytest.mark.parametrize(
    ("way", "in_sandbox"), [("paused", "paused"), ("refusing", "killed"), ("failing", "500"), ("late", "slow")]
)
def test_in_the_sandbox_a_service_fails_for_ops_center_alone(
    done: Done, monkeypatch: pytest.MonkeyPatch, way: str, in_sandbox: str
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(sandbox_launcher, "running", lambda: {"OPS_CENTER_URL": NAMED["OPS_CENTER_URL"]})
    monkeypatch.setattr(sandbox_launcher, "fail", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(sandbox_launcher, "heal", lambda: calls.append(("heal",)))
    failing = outages(done, ALLOW_CHAOS="")
    failing.close()
    failing.begin("Redis", way)
    failing.end("Redis", way)
    failing.close()
    failing.close()
    assert calls == [("redis", in_sandbox), ("redis", ""), ("heal",)]


def test_a_service_that_does_not_come_back_is_named_within_its_deadline(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setattr(resources, "LONGEST_RETURN_S", 0.3)
    target = Target(
        load(
            {
                **NAMED,
                "CHAOS_STOP_REDIS": "true",
                "CHAOS_START_REDIS": "true",
                "REDIS_URL": f"redis://127.0.0.1:{port}/0",
            }
        )
    )
    target.outages.begin("Redis")
    with pytest.raises(ServiceUnavailableError, match=f"Redis at 127.0.0.1:{port} can't be used"):
        resources.Outage("Redis").remove(target, lambda name: "")
    target.close()


def test_what_another_process_took_away_is_brought_back(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    restarted: list[str] = []
    monkeypatch.setattr(sandbox_launcher, "running", lambda: {"OPS_CENTER_URL": NAMED["OPS_CENTER_URL"]})
    monkeypatch.setattr(sandbox_launcher, "restart", restarted.append)
    outages(done).end("Redis")
    assert restarted == ["redis"]


@pytest.mark.parametrize("named", ["CHAOS_STOP_REDIS", "CHAOS_START_REDIS"])
def test_a_service_needs_both_commands(done: Done, named: str) -> None:
    missing = {"CHAOS_STOP_REDIS": "CHAOS_START_REDIS", "CHAOS_START_REDIS": "CHAOS_STOP_REDIS"}[named]
    with pytest.raises(NotTestableError, match=f"set {missing}"):
        outages(done, **{named: "true"}).require_possible("Redis")
    outages(done, **{named: "true", missing: "true"}).require_possible("Redis")
