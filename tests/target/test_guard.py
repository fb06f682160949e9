"""The write guard allows only this machine and the allowed targets, and no production without a second permission."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from creditflow.run import session
from creditflow.target import guard
from creditflow.target.guard import NotAllowedError, System, addresses, announcement, is_here, require_allowed, systems
from creditflow.target.settings import PROJECT, Settings, SettingsError, load

pytestmark = pytest.mark.usefixtures("no_settings")

HERE = {
    "OPS_CENTER_URL": "http://localhost:8084",
    "KEYCLOAK_URL": "http://127.0.0.1:8080",
    "KEYCLOAK_CLIENT_SECRET": "the-client-secret",
    "UNICORN_DB_URL": "postgresql://unicorn:the-password@localhost:5432/unicorn_db",
    "UNICORN_DB_READ_URL": "postgresql://reader:the-password@[::1]:5432/unicorn_db",
    "LAGO_DB_READ_URL": "postgresql://reader:the-password@127.0.0.1/lago",
    "REDIS_URL": "redis://:the-password@127.0.0.1:6379/0",
    "LAGO_API_URL": "http://127.0.0.1:3000",
    "LAGO_API_KEY": "the-lago-key",
    "LITELLM_URL": "http://127.0.0.1:4000",
    "PROVIDER_URL": "http://127.0.0.1:5000",
}
ELSEWHERE = "192.0.2.7"
"""An address that no machine has (RFC 5737)."""


def resolve(host: str) -> list[str]:
    """Resolve names as a company's name server does."""
    known = {"localhost": ["127.0.0.1", "::1"], "half.example": ["127.0.0.1", ELSEWHERE]}
    return known.get(host, [host] if host in ("127.0.0.1", "::1") else [ELSEWHERE])


def refusal(**settings: str) -> str:
    """Return the message with which the guard refuses these settings."""
    with pytest.raises(NotAllowedError) as refused:
        require_allowed(load({**HERE, **settings}), resolve)
    message = str(refused.value)
    assert refused.value.exit_status == 2
    assert message.endswith(".")
    assert "\n" not in message
    assert "the-password" not in message
    return message


def test_a_target_on_this_machine_is_allowed() -> None:
    require_allowed(load(HERE), resolve)
    require_allowed(load(HERE))


@pytest.mark.parametrize(
    ("setting", "value", "system"),
    [
        ("OPS_CENTER_URL", "https://ops.example:8084", "Ops-Center at ops.example"),
        ("KEYCLOAK_URL", "https://sso.example", "Keycloak at sso.example"),
        ("UNICORN_DB_URL", "postgresql://u:p@db.example/unicorn_db", "PostgreSQL at db.example"),
        ("UNICORN_DB_READ_URL", "postgresql://u:p@db.example/unicorn_db", "PostgreSQL at db.example"),
        ("LAGO_DB_READ_URL", "postgresql://u:p@db.example/lago", "PostgreSQL at db.example"),
        ("REDIS_URL", "rediss://cache.example:6379/0", "Redis at cache.example"),
        ("LAGO_API_URL", "http://lago.example", "Lago at lago.example"),
        ("LITELLM_URL", "http://llm.example", "LiteLLM at llm.example"),
        ("PROVIDER_URL", "http://stand-in.example", "The provider stand-in at stand-in.example"),
    ],
)
def test_any_one_system_elsewhere_is_refused_until_its_host_is_named(setting: str, value: str, system: str) -> None:
    message = refusal(**{setting: value})
    host = system.split(" at ")[1]
    assert message.startswith(f"{system} ({setting}) is not on this machine")
    assert f"ALLOWED_TARGETS={host}," in message
    require_allowed(load({**HERE, setting: value, "ALLOWED_TARGETS": f" {host.upper()} , other.example"}), resolve)
    assert refusal(**{setting: value, "ALLOWED_TARGETS": "other.example"})


def test_one_message_names_all_systems_elsewhere_and_the_setting_that_allows_them() -> None:
    message = refusal(
        OPS_CENTER_URL="http://ops.example",
        KEYCLOAK_URL="http://sso.example",
        LAGO_API_URL="http://ops.example:3000",
        ALLOWED_TARGETS="sso.example",
    )
    assert message.startswith(
        "Ops-Center at ops.example (OPS_CENTER_URL) and Lago at ops.example (LAGO_API_URL) are not"
    )
    assert "ALLOWED_TARGETS=sso.example,ops.example," in message


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("UNICORN_DB_URL", f"postgresql://u:p@localhost/unicorn_db?host={ELSEWHERE}"),
        ("UNICORN_DB_URL", f"postgresql://u:p@localhost/unicorn_db?hostaddr={ELSEWHERE}"),
        ("UNICORN_DB_URL", f"postgresql://u:p@localhost,{ELSEWHERE}/unicorn_db"),
        ("UNICORN_DB_URL", "postgresql://u:p@%65lsewhere.example/unicorn_db"),
        ("REDIS_URL", "redis://elsewhere.example./0"),
        ("OPS_CENTER_URL", "http://half.example"),
        ("OPS_CENTER_URL", "http://never-heard-of.example"),
    ],
)
def test_what_only_looks_like_this_machine_is_refused(setting: str, value: str) -> None:
    assert f"({setting}) is not on this machine" in refusal(**{setting: value})


def test_the_address_in_libpqs_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", ELSEWHERE)
    assert f"PostgreSQL at {ELSEWHERE} (UNICORN_DB_URL)" in refusal()


def test_the_machines_own_addresses_are_this_machine_and_its_neighbours_are_not() -> None:
    own = [a.address for i in psutil.net_if_addrs().values() for a in i if a.family == socket.AF_INET]
    assert own
    assert all(is_here([address]) for address in own)
    assert is_here(addresses("localhost"))
    assert is_here(["::ffff:127.0.0.1", "::ffff:0.0.0.0"])
    assert not is_here(["::ffff:8.8.8.8"])
    assert not is_here([])
    assert not is_here([ELSEWHERE])
    assert not is_here([*own, ELSEWHERE])
    assert addresses("no-such-name.invalid") == []


def test_a_silent_name_server_ends_in_a_refusal_and_not_in_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LOOK_UP_S", 0.2)
    over, answered = threading.Event(), threading.Event()

    def silent(host: str) -> Iterator[str]:
        over.wait(60)
        answered.set()
        return iter(["127.0.0.1"])

    with pytest.raises(NotAllowedError, match="not on this machine"):
        require_allowed(load({name: HERE[name] for name in list(HERE)[:3]}), silent)
    assert not answered.is_set()
    over.set()


@pytest.mark.parametrize(
    ("setting", "value", "host", "why"),
    [
        ("KEYCLOAK_REALM", "uchub-production", "127.0.0.1", "the realm uchub-production is like '*prod*'"),
        ("KEYCLOAK_REALM", "Live", "127.0.0.1", "the realm Live is like 'live'"),
        ("UNICORN_DB_URL", "postgresql://u:p@localhost/unicorn_prod", "localhost", "the database unicorn_prod is"),
        ("UNICORN_DB_READ_URL", "postgresql://u:p@localhost/x?dbname=PRD2", "localhost", "the database PRD2 is"),
        ("LAGO_DB_READ_URL", "postgresql://u:p@localhost/lago-live", "localhost", "the database lago-live is"),
        ("OPS_CENTER_URL", "http://proddb1.example", "proddb1.example", "the host proddb1.example is like '*prod*'"),
        ("LITELLM_URL", "http://llm.live.example", "llm.live.example", "the host llm.live.example is like 'live'"),
    ],
)
def test_what_looks_like_production_needs_a_second_permission_with_its_host(
    setting: str, value: str, host: str, why: str
) -> None:
    changed = {setting: value, "ALLOWED_TARGETS": host}
    message = refusal(**changed)
    assert f"at {host} ({setting if setting != 'KEYCLOAK_REALM' else 'KEYCLOAK_URL'}) looks like production" in message
    assert why in message
    assert f"ALLOW_PRODUCTION={host}." in message
    for no in ("yes", "true", "1", "other.example"):
        assert refusal(**changed, ALLOW_PRODUCTION=no)
    require_allowed(load({**HERE, **changed, "ALLOW_PRODUCTION": f"other.example,{host}"}), resolve)


def test_the_second_permission_does_not_replace_the_first() -> None:
    host = "ops.prod.example"
    changed = {"OPS_CENTER_URL": f"http://{host}", "ALLOW_PRODUCTION": host}
    assert "is not on this machine" in refusal(**changed)
    require_allowed(load({**HERE, **changed, "ALLOWED_TARGETS": host}), resolve)


def test_the_patterns_of_production_can_be_changed_but_not_emptied() -> None:
    realm = {"KEYCLOAK_REALM": "master-plan"}
    require_allowed(load({**HERE, **realm}), resolve)
    assert "is like 'mast*'" in refusal(**realm, PRODUCTION_PATTERNS="other, MAST*")
    require_allowed(load({**HERE, "KEYCLOAK_REALM": "prod", "PRODUCTION_PATTERNS": "other"}), resolve)
    with pytest.raises(SettingsError, match="PRODUCTION_PATTERNS contains no pattern"):
        load({**HERE, "PRODUCTION_PATTERNS": " , "})


@pytest.mark.parametrize("name", ["uchub", "delivery", "unicorn_db", "staging", "alive"])
def test_an_ordinary_name_does_not_look_like_production(name: str) -> None:
    patterns = Settings.model_fields["production_patterns"].default.split(",")
    assert not System("Keycloak", "KEYCLOAK_URL", "localhost", (("the realm", name),)).looks_like(patterns)


@pytest.mark.parametrize("setting", ["ALLOWED_TARGETS", "ALLOW_PRODUCTION"])
@pytest.mark.parametrize("value", ["*", "http://ops.example", "ops.example/path", "a b"])
def test_hosts_are_named_one_by_one(setting: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{setting} contains a part that is not a host"):
        load({**HERE, setting: value})


def test_the_guard_checks_all_addresses_of_the_settings() -> None:
    addressed = {name.upper() for name in Settings.model_fields if name.endswith("_url")}
    assert {system.setting for system in systems(load(HERE))} == addressed == set(HERE) & addressed


def test_a_run_on_a_target_elsewhere_ends_before_anything_is_asked_of_it() -> None:
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(NotAllowedError, match=f"Redis at {ELSEWHERE}"):
            session.begin({**HERE, "OPS_CENTER_URL": address, "REDIS_URL": f"redis://{ELSEWHERE}"}, print, asked.append)
        with pytest.raises(TimeoutError):
            listening.accept()
    assert asked == []


def test_behave_on_a_target_elsewhere_ends_with_status_2_and_one_sentence(tmp_path: Path) -> None:
    named = [f"-D{name}={value}" for name, value in HERE.items()]
    ran = subprocess.run(
        [sys.executable, "-m", "behave", "-f", "null", "-o", str(tmp_path / "out"), *named, "-DOPS_CENTER_URL=http://ops.example"],
        cwd=PROJECT, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stdout
    said = [line for line in ran.stdout.splitlines() if line and not line.startswith("USING RUNNER")]
    assert len(said) == 1, ran.stdout
    assert said[0].startswith("Ops-Center at ops.example (OPS_CENTER_URL) is not on this machine")
    assert "the-password" not in ran.stdout + ran.stderr


def test_the_doctor_reports_that_a_run_would_be_refused(deployment: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "creditflow", "doctor"],
        cwd=PROJECT,
        env={"COLUMNS": "300", "PATH": "/usr/bin:/bin", **deployment, "PRODUCTION_PATTERNS": "uchub"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout
    assert "A run would be refused: Keycloak at 127.0.0.1 (KEYCLOAK_URL) looks like production" in ran.stdout


def test_a_run_announces_what_it_creates_and_where() -> None:
    said = "\n".join(announcement(load(HERE), "cf-abcdef"))
    for what in (
        "cf-abcdef-...",
        "people in Keycloak at 127.0.0.1:8080, realm uchub",
        "organisations, members, purchases, allocations and provider keys in Ops-Center at localhost:8084",
        "rows with credits and past calls of these people in PostgreSQL at localhost:5432, database unicorn_db",
        "customers and subscriptions in Lago at 127.0.0.1:3000",
        "Redis at 127.0.0.1:6379",
        "at most 15,000 LLM requests (MAX_REQUESTS); the provider stand-in answers them at no cost",
    ):
        assert what in said
    assert "the-password" not in said


def test_a_run_on_a_real_provider_announces_its_highest_cost() -> None:
    named = {name: value for name, value in HERE.items() if name != "PROVIDER_URL"}
    said = announcement(load({**named, "MAX_PROVIDER_COST": "250", "PROVIDER_PRICE": "3"}), "cf-abcdef")[-1]
    assert re.search(
        r"at most 250 US cents for them \(MAX_PROVIDER_COST\), at an assumed 3 cents per 1,000 tokens", said
    )
