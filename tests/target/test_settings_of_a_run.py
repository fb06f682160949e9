"""The settings: their sources, the order of the sources, and the messages about wrong values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from creditflow.target.settings import Settings, SettingsError, load, readable_by_others

pytestmark = pytest.mark.usefixtures("no_settings")

NAMED = {
    "OPS_CENTER_URL": "http://localhost:8084",
    "KEYCLOAK_URL": "http://localhost:8080",
    "KEYCLOAK_CLIENT_SECRET": "the-client-secret",
}
SECRETS = {
    "KEYCLOAK_CLIENT_SECRET": "the-client-secret",
    "UNICORN_DB_URL": "postgresql://unicorn:grants-password@db.example:5432/unicorn_db?sslmode=disable",
    "UNICORN_DB_READ_URL": "postgresql://reader:reading-password@db.example:5432/unicorn_db",
    "LAGO_DB_READ_URL": "postgres://reader:lago-password@db.example:5432/lago",
    "REDIS_URL": "redis://:redis-password@cache.example:6379/0",
    "LAGO_API_KEY": "the-lago-key",
    "LITELLM_MASTER_KEY": "sk-the-master-key",
    "PROVIDER_CONTROL_TOKEN": "the-control-token",
    "TEST_OPENROUTER_KEY": "sk-or-v1-the-test-key",
}
PASSWORDS = ("grants-password", "reading-password", "lago-password", "redis-password")


def dotenv(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """Use a `.env` in this folder."""
    file = folder / ".env"
    file.write_text(text, "utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", file)


def sentence_of(userdata: dict[str, str]) -> str:
    """Return the error message; require that it is one sentence with a full stop."""
    with pytest.raises(SettingsError) as refused:
        load(userdata)
    message = str(refused.value)
    assert refused.value.exit_status == 2
    assert message.endswith(".")
    assert not re.search(r"\. |\n", message.replace(".env", "")), f"more than one sentence: {message}"
    return message


def test_the_command_line_wins_over_the_environment_then_dotenv_then_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load().keycloak_realm == "uchub"
    dotenv(monkeypatch, tmp_path, "KEYCLOAK_REALM=from-dotenv\nKEYCLOAK_CLIENT_ID=client-of-dotenv\n")
    assert load().keycloak_realm == "from-dotenv"
    monkeypatch.setenv("KEYCLOAK_REALM", "from-environment")
    assert load().keycloak_realm == "from-environment"
    assert load({"KEYCLOAK_REALM": "typed"}).keycloak_realm == "typed"
    assert load({"keycloak_realm": "typed"}).keycloak_client_id == "client-of-dotenv"


def test_a_value_of_dotenv_ends_at_its_line_end_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dotenv(monkeypatch, tmp_path, "LAGO_API_KEY='a\u2028b\x85c'\nOPS_CENTER_URL=http://localhost:1\nKEYCLOAK_URL=http://k\n"
           "KEYCLOAK_CLIENT_SECRET=s\n")  # fmt: skip
    assert load().lago_api_key.get_secret_value() == "a\u2028b\x85c"


def test_an_empty_variable_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dotenv(monkeypatch, tmp_path, "KEYCLOAK_REALM=from-dotenv\n")
    monkeypatch.setenv("KEYCLOAK_REALM", "")
    monkeypatch.setenv("OPS_CENTER_URL", "")
    assert load().keycloak_realm == "from-dotenv"
    assert not load().names_a_target


def test_the_description_of_a_sandbox_wins_over_what_is_set_but_not_over_the_deadlines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAGO_API_URL", "http://elsewhere:3000")
    monkeypatch.setenv("HTTP_TIMEOUT_S", "3")
    settings = load({"POLL_TIMEOUT_S": "4"}, {**NAMED, "LAGO_API_URL": "http://localhost:3001"})
    assert settings.names_a_target
    assert settings.lago_api_url == "http://localhost:3001"
    assert (settings.http_timeout_s, settings.poll_timeout_s) == (3.0, 4.0)


def test_userdata_that_is_no_setting_is_ignored() -> None:
    assert load({"report": "yes", "opt_in": "no"}) == load()


def test_without_any_setting_no_deployment_is_named() -> None:
    settings = load()
    assert not settings.names_a_target
    assert settings.secrets() == []


def test_a_slash_at_the_end_of_an_address_means_nothing() -> None:
    settings = load({**NAMED, "OPS_CENTER_URL": "https://ops.example/", "LAGO_API_URL": "http://lago.example//"})
    assert settings.ops_center_url == "https://ops.example"
    assert settings.lago_api_url == "http://lago.example"


@pytest.mark.parametrize("name", ["OPS_CENTER_URL", "KEYCLOAK_URL", "LITELLM_URL", "LAGO_API_URL", "PROVIDER_URL"])
@pytest.mark.parametrize(
    "value", ["localhost:8084", "8084", "ftp://localhost", "http://", "http://:8084", "http://h:99999", "http://[::1"]
)
def test_the_message_about_a_malformed_address_names_its_setting_and_the_cure(name: str, value: str) -> None:
    message = sentence_of({**NAMED, name: value})
    assert message.startswith(f"{name} is not an ")
    assert "correct it in the environment, in .env or with behave -D" in message


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        (name, value, "postgresql://user:password@host:5432/database")
        for name in ("UNICORN_DB_URL", "UNICORN_DB_READ_URL", "LAGO_DB_READ_URL")
        for value in ("mysql://a:the-password@h/db", "h/db?the-password", "postgresql://a:the-password@h/")
    ]
    + [("REDIS_URL", value, "redis://localhost:6379/0") for value in ("http://h:6379", "h:6379", "redis:///0")],
)
def test_the_message_about_a_malformed_database_address_has_an_example_and_never_the_value(
    name: str, value: str, example: str
) -> None:
    message = sentence_of({**NAMED, name: value})
    assert message.startswith(f"{name} is not an address such as {example}; correct it ")
    assert "the-password" not in message
    assert value not in message


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    message = sentence_of({**NAMED, "LAGO_API_URL": "http://somebody:the-password@lago.example"})
    assert message.startswith("LAGO_API_URL contains a user or password; put credentials in their own setting")
    assert "the-password" not in message


@pytest.mark.parametrize("name", ["HTTP_TIMEOUT_S", "POLL_TIMEOUT_S"])
@pytest.mark.parametrize("value", ["soon", "0", "-1", "301", "nan"])
def test_an_invalid_deadline_is_reported(name: str, value: str) -> None:
    message = sentence_of({**NAMED, name: value})
    assert message.startswith(f"{name} is not valid (")
    assert "correct it in the environment, in .env or with behave -D" in message


@pytest.mark.parametrize(("value", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3_600)])
def test_the_time_of_a_load_test_has_a_unit(value: str, seconds: int) -> None:
    assert load({"LOAD_TIME": value}).load_seconds == seconds


@pytest.mark.parametrize("value", ["5", "0s", "m", "5 m", "-5m", "1h30m", "100000s"])
def test_a_time_of_a_load_test_that_is_none_is_reported(value: str) -> None:
    assert sentence_of({"LOAD_TIME": value}).startswith("LOAD_TIME is not a time such as 90s, 5m or 1h; correct it")


def test_all_malformed_settings_are_reported_together() -> None:
    with pytest.raises(SettingsError) as refused:
        load({**NAMED, "REDIS_URL": "nowhere", "LAGO_API_URL": "nowhere"})
    assert "REDIS_URL is not " in str(refused.value)
    assert "LAGO_API_URL is not " in str(refused.value)


@pytest.mark.parametrize(
    ("left_out", "says"),
    [
        (("KEYCLOAK_CLIENT_SECRET",), "KEYCLOAK_CLIENT_SECRET is not set: set it"),
        (("KEYCLOAK_URL",), "KEYCLOAK_URL is not set: set it"),
        (("KEYCLOAK_URL", "KEYCLOAK_CLIENT_SECRET"), "KEYCLOAK_URL and KEYCLOAK_CLIENT_SECRET are not set: set them"),
    ],
)
def test_a_deployment_without_a_required_setting_is_reported(left_out: tuple[str, ...], says: str) -> None:
    message = sentence_of({name: value for name, value in NAMED.items() if name not in left_out})
    assert "OPS_CENTER_URL names the deployment at http://localhost:8084" in message
    assert f"{says} in the environment or in .env, or unset OPS_CENTER_URL to run on a sandbox" in message


def test_a_keycloak_without_an_ops_center_is_a_contradiction_and_no_sandbox() -> None:
    message = sentence_of({"KEYCLOAK_URL": "http://localhost:8080"})
    assert message.startswith("KEYCLOAK_URL is set but OPS_CENTER_URL is not")
    assert "set OPS_CENTER_URL too, or unset KEYCLOAK_URL" in message


def test_no_secret_is_in_what_the_settings_print_of_themselves() -> None:
    settings = load({**NAMED, **SECRETS})
    shown = " ".join([repr(settings), str(settings), settings.model_dump_json()])
    for secret in (*SECRETS.values(), *PASSWORDS):
        assert secret not in shown


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, True), (0o604, True), (0o600, False)])
def test_an_env_file_that_others_can_read_is_reported_with_the_cure(
    mode: int, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("LAGO_API_KEY=one-that-is-secret\n")
    file.chmod(mode)
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    expected = f"Other users of this machine can read .env: run chmod 600 {file}" if warned else ""
    assert readable_by_others() == expected


def test_without_an_env_file_there_is_no_warning() -> None:
    assert readable_by_others() == ""


def test_the_secrets_include_the_passwords_in_addresses() -> None:
    assert set(load({**NAMED, **SECRETS}).secrets()) == {*SECRETS.values(), *PASSWORDS}


def test_settings_do_not_change_during_a_run() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().keycloak_realm = "another"
