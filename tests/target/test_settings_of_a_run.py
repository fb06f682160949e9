"""The settings: where they are read, which wins, and how a wrong one is told."""

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
    """Have `.env` read from this folder."""
    file = folder / ".env"
    file.write_text(text, "utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", file)


def sentence_of(userdata: dict[str, str]) -> str:
    """What the user reads, which is always one sentence that a full stop ends."""
    with pytest.raises(SettingsError) as refused:
        load(userdata)
    told = str(refused.value)
    assert refused.value.exit_status == 2
    assert told.endswith(".")
    assert not re.search(r"\. |\n", told.replace(".env", "")), f"more than one sentence: {told}"
    return told


def test_what_was_typed_wins_over_the_environment_that_over_dotenv_that_over_the_default(
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


def test_an_empty_variable_of_the_environment_names_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_words_of_behave_that_are_no_settings_are_left_alone() -> None:
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
def test_a_malformed_address_is_told_with_its_setting_its_place_and_the_cure(name: str, value: str) -> None:
    told = sentence_of({**NAMED, name: value})
    assert told.startswith(f"{name} is not an ")
    assert "correct it in the environment, in .env or with behave -D" in told


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        (name, value, "postgresql://user:password@host:5432/database")
        for name in ("UNICORN_DB_URL", "UNICORN_DB_READ_URL", "LAGO_DB_READ_URL")
        for value in ("mysql://a:the-password@h/db", "h/db?the-password", "postgresql://a:the-password@h/")
    ]
    + [("REDIS_URL", value, "redis://localhost:6379/0") for value in ("http://h:6379", "h:6379", "redis:///0")],
)
def test_a_malformed_database_address_is_told_by_example_and_never_repeated(
    name: str, value: str, example: str
) -> None:
    told = sentence_of({**NAMED, name: value})
    assert told.startswith(f"{name} is not an address such as {example}; correct it ")
    assert "the-password" not in told
    assert value not in told


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    told = sentence_of({**NAMED, "LAGO_API_URL": "http://somebody:the-password@lago.example"})
    assert told.startswith("LAGO_API_URL carries a user or password; put credentials in their own setting")
    assert "the-password" not in told


@pytest.mark.parametrize("name", ["HTTP_TIMEOUT_S", "POLL_TIMEOUT_S"])
@pytest.mark.parametrize("value", ["soon", "0", "-1", "301", "nan"])
def test_a_deadline_that_is_none_is_told(name: str, value: str) -> None:
    told = sentence_of({**NAMED, name: value})
    assert told.startswith(f"{name} is not usable (")
    assert "correct it in the environment, in .env or with behave -D" in told


def test_every_malformed_setting_is_told_at_once() -> None:
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
def test_a_deployment_without_what_every_scenario_needs_is_told(left_out: tuple[str, ...], says: str) -> None:
    told = sentence_of({name: value for name, value in NAMED.items() if name not in left_out})
    assert "OPS_CENTER_URL names the deployment at http://localhost:8084" in told
    assert f"{says} in the environment or in .env, or unset OPS_CENTER_URL to run on a sandbox" in told


def test_a_keycloak_without_an_ops_center_is_a_contradiction_and_no_sandbox() -> None:
    told = sentence_of({"KEYCLOAK_URL": "http://localhost:8080"})
    assert told.startswith("KEYCLOAK_URL is set but OPS_CENTER_URL is not")
    assert "set OPS_CENTER_URL too, or unset KEYCLOAK_URL" in told


def test_no_secret_is_in_what_the_settings_print_of_themselves() -> None:
    settings = load({**NAMED, **SECRETS})
    shown = " ".join([repr(settings), str(settings), *settings.redacted().values(), settings.model_dump_json()])
    for secret in (*SECRETS.values(), *PASSWORDS):
        assert secret not in shown


def test_a_secret_is_shown_as_set_and_an_address_without_its_password() -> None:
    shown = load({**NAMED, **SECRETS}).redacted()
    assert shown["OPS_CENTER_URL"] == "http://localhost:8084"
    assert shown["LAGO_API_KEY"] == "set"
    assert shown["UNICORN_DB_URL"] == "postgresql://db.example:5432/unicorn_db"
    assert shown["REDIS_URL"] == "redis://cache.example:6379/0"
    assert set(shown) == {name.upper() for name in Settings.model_fields}
    assert load(NAMED).redacted()["LAGO_API_KEY"] == ""


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o640, True), (0o604, True), (0o600, False)])
def test_an_env_file_that_others_can_read_is_told_with_the_cure(
    mode: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("LAGO_API_KEY=one-that-is-secret\n")
    file.chmod(mode)
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    expected = f".env can be read by others on this machine: chmod 600 {file}" if told else ""
    assert readable_by_others() == expected


def test_no_env_file_is_no_trouble() -> None:
    assert readable_by_others() == ""


def test_the_redactor_is_given_every_secret_and_the_passwords_inside_of_addresses() -> None:
    assert set(load({**NAMED, **SECRETS}).secrets()) == {*SECRETS.values(), *PASSWORDS}


def test_settings_do_not_change_during_a_run() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().keycloak_realm = "another"
