"""`doctor` shows each service and whether it is up, and for each problem what to try next."""

from __future__ import annotations

import subprocess
import sys

import pytest

from creditflow.target.settings import PROJECT

SERVICES = ("Ops-Center", "Keycloak", "PostgreSQL", "Redis", "Lago", "LiteLLM", "Provider")


def doctor(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `doctor` with these settings, on a wide terminal."""
    return subprocess.run(
        [sys.executable, "-m", "creditflow", "doctor"],
        cwd=PROJECT,
        env={"COLUMNS": "300", "PATH": "/usr/bin:/bin", **settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def line_of(service: str, output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(service))


def test_every_service_of_a_healthy_target_is_up_with_its_address(deployment: dict[str, str]) -> None:
    ran = doctor(deployment)
    assert ran.returncode == 0, ran.stdout
    assert [service for service in SERVICES if " up " not in line_of(service, ran.stdout)] == []
    assert deployment["KEYCLOAK_URL"] in line_of("Keycloak", ran.stdout)
    assert "1.106.2" in line_of("LiteLLM", ran.stdout)
    assert ran.stdout.splitlines()[-1] == "All is well."


@pytest.mark.parametrize(
    ("setting", "value", "service", "cure"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1/0", "Redis", "start it, look into its log, or correct REDIS_URL"),
        ("LAGO_API_KEY", "wrong-key-for-lago", "Lago", "correct LAGO_API_KEY"),
        ("KEYCLOAK_CLIENT_SECRET", "wrong-client-secret", "Keycloak", "KEYCLOAK_CLIENT_SECRET"),
        ("LITELLM_URL", "http://127.0.0.1:1", "LiteLLM", "correct LITELLM_URL"),
    ],
)
def test_what_is_wrong_is_named_with_the_next_thing_to_try(
    deployment: dict[str, str], setting: str, value: str, service: str, cure: str
) -> None:
    ran = doctor({**deployment, setting: value})
    assert ran.returncode == 1, ran.stdout
    assert " down " in line_of(service, ran.stdout)
    assert cure in line_of(service, ran.stdout)
    assert [other for other in SERVICES if other != service and " up " not in line_of(other, ran.stdout)] == []
    assert "1 problem found." in ran.stdout
    assert "wrong-" not in ran.stdout


def test_a_service_without_a_setting_is_shown_with_the_setting(deployment: dict[str, str]) -> None:
    ran = doctor({name: value for name, value in deployment.items() if name != "PROVIDER_URL"})
    assert ran.returncode == 0, ran.stdout
    assert "set PROVIDER_URL" in line_of("Provider", ran.stdout)


def test_settings_that_can_not_be_used_are_one_sentence(deployment: dict[str, str]) -> None:
    ran = doctor({**deployment, "OPS_CENTER_URL": "localhost:8084"})
    assert ran.returncode == 2
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stdout.startswith("OPS_CENTER_URL is not")
