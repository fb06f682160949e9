"""The settings of a run: one typed object, read from `behave -D`, then the environment, then `.env`.

The names are the plan's (section "Environment Variables"), with more names for the databases, Redis, Lago and LiteLLM,
which the plan leaves open. Without `OPS_CENTER_URL` the run starts a sandbox, which uses the same names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from creditflow.core.errors import CannotRunError

PROJECT = Path(__file__).resolve().parents[2]

_LINE = re.compile(r"\s*(?:#|(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=)")

_TIME = re.compile(r"([1-9]\d{0,4})([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}

_SEED = re.compile(r"(?:\d{1,18}(?:/[1-9]\d{0,8})?)?", re.ASCII)
_HOST = re.compile(r"[\w.:-]+")
_HTTP_URLS = ("ops_center_url", "keycloak_url", "litellm_url", "lago_api_url", "provider_url")
_DATABASE_URLS = ("unicorn_db_url", "unicorn_db_read_url", "lago_db_read_url")
_SECRET_URLS = (*_DATABASE_URLS, "redis_url")
"""Addresses with a password."""


class SettingsError(CannotRunError):
    """A setting is missing, malformed or contradicts another; the message says which, and what to do."""


FOCUSES = (
    *("money", "quota", "payer", "refusals", "keys", "organisations", "streams", "repetitions", "bursts"),
    *("services", "months"),
)
"""What random histories can concentrate on."""


class Settings(BaseSettings):
    """The addresses and credentials of the target's systems, and the limits of a run. Secrets are `SecretStr`.

    An empty value means "not named". The run reports at its start what it can't test for this reason.
    """

    model_config = SettingsConfigDict(
        env_file=PROJECT / ".env", env_ignore_empty=True, extra="ignore", case_sensitive=False, frozen=True
    )

    ops_center_url: str = Field("", description="address of the Ops-Center API, without /api/v1")
    keycloak_url: str = Field("", description="address of Keycloak")
    keycloak_realm: str = Field("uchub", min_length=1, description="realm of the users")
    keycloak_client_id: str = Field(
        "ops-center", min_length=1, description="client that signs users in and may manage them"
    )
    keycloak_client_secret: SecretStr = Field(SecretStr(""), description="secret of that client")
    keycloak_other_client_id: str = Field(
        "admin-cli", min_length=1, description="public client of the realm with tokens that are not for Ops-Center"
    )
    keycloak_short_lived_client_id: str = Field(
        "", description="public client with tokens for Ops-Center that last a second or two"
    )
    keycloak_admin_user: str = Field("admin", description="administrator of Keycloak, in its realm master")
    keycloak_admin_password: SecretStr = Field(
        SecretStr(""), description="password of that administrator; empty: no signing key is changed"
    )
    unicorn_db_url: SecretStr = Field(SecretStr(""), description="unicorn_db for grants and removal")
    unicorn_db_read_url: SecretStr = Field(SecretStr(""), description="unicorn_db for checks, a role that can't write")
    lago_db_read_url: SecretStr = Field(
        SecretStr(""), description="Lago's database for checks, a role that can't write"
    )
    redis_url: SecretStr = Field(SecretStr(""), description="Redis of the usage counters")
    lago_api_url: str = Field("", description="address of Lago's API")
    lago_api_key: SecretStr = Field(SecretStr(""), description="key of Lago's API")
    litellm_url: str = Field("", description="address of the LiteLLM proxy")
    litellm_master_key: SecretStr = Field(SecretStr(""), description="key of the LiteLLM proxy")
    provider_url: str = Field(
        "", description="address of a provider stand-in that keeps a journal; empty: a real provider"
    )
    provider_control_token: SecretStr = Field(SecretStr(""), description="token of the stand-in's control interface")
    platform_key_fingerprint: str = Field(
        "", description="first 16 hex digits of SHA-256 of the platform's provider key"
    )
    test_openrouter_key: SecretStr = Field(SecretStr(""), description="an OpenRouter key that BYOK checks may spend")
    ops_center_clock: str = Field("", description="file with the time that Ops-Center shows; only a sandbox has one")
    allowed_targets: str = Field("", description="other hosts that a run may write to, separated by ','")
    allow_production: str = Field(
        "", description="hosts that look like production and that a run may write to all the same, separated by ','"
    )
    allow_load: str = Field("", description="hosts that a run may put under load, separated by ','")
    production_patterns: str = Field(
        "*prod*,prd,live",
        description="patterns of words in production hosts, realms or databases, separated by ','; * is any text",
    )
    max_requests: int = Field(15_000, ge=1, le=1_000_000, description="LLM requests that a run may send")
    max_provider_cost: int = Field(
        2_000, ge=0, le=1_000_000, description="US cents that the requests of a run may cost at a real provider"
    )
    provider_price: int = Field(
        6, ge=1, le=100_000, description="US cents that 1,000 tokens are assumed to cost at a real provider"
    )
    allow_chaos: str = Field("", description="hosts on which a run may take services away, separated by ','")
    chaos_stop_keycloak: str = Field("", description="command that stops Keycloak, such as docker stop uchub-keycloak")
    chaos_start_keycloak: str = Field("", description="command that starts Keycloak again")
    chaos_stop_postgresql: str = Field("", description="command that stops PostgreSQL")
    chaos_start_postgresql: str = Field("", description="command that starts PostgreSQL again")
    chaos_stop_redis: str = Field("", description="command that stops Redis, such as docker stop unicorn-redis")
    chaos_start_redis: str = Field("", description="command that starts Redis again")
    chaos_stop_lago: str = Field("", description="command that stops Lago's API")
    chaos_start_lago: str = Field("", description="command that starts Lago's API again")
    chaos_stop_litellm: str = Field("", description="command that stops LiteLLM")
    chaos_start_litellm: str = Field("", description="command that starts LiteLLM again")
    chaos_stop_ops_center: str = Field("", description="command that kills Ops-Center")
    chaos_start_ops_center: str = Field("", description="command that starts Ops-Center again")
    chaos_pause_keycloak: str = Field("", description="command that pauses Keycloak")
    chaos_resume_keycloak: str = Field("", description="command that resumes Keycloak")
    chaos_pause_postgresql: str = Field("", description="command that pauses PostgreSQL")
    chaos_resume_postgresql: str = Field("", description="command that resumes PostgreSQL")
    chaos_pause_redis: str = Field("", description="command that pauses Redis, such as docker pause unicorn-redis")
    chaos_resume_redis: str = Field("", description="command that resumes Redis, such as docker unpause unicorn-redis")
    chaos_pause_lago: str = Field("", description="command that pauses Lago's API")
    chaos_resume_lago: str = Field("", description="command that resumes Lago's API")
    chaos_pause_litellm: str = Field("", description="command that pauses LiteLLM")
    chaos_resume_litellm: str = Field("", description="command that resumes LiteLLM")
    load_users: int = Field(100, ge=10, le=10_000, description="users of the load test that is started by hand")
    load_time: str = Field("30s", description="its time, such as 90s, 5m or 1h")
    load_workers: int = Field(1, ge=1, le=64, description="Locust processes that it starts on this machine")
    load_workers_elsewhere: int = Field(
        0, ge=0, le=1_000, description="Locust workers that it waits for from other machines"
    )
    load_port: int = Field(5557, ge=1, le=65_535, description="port on which it waits for them")
    allow_exploring: str = Field("", description="hosts on which random histories may run for a time, separated by ','")
    explore_minutes: float = Field(10, gt=0, le=1_440, description="minutes of the random histories, such as 10")
    explore_seed: str = Field("", description="what the random histories are made of, such as 4711; empty: any number")
    explore_focus: str = Field("", description="what the random histories prefer, such as quota; empty: everything")
    explore_tries: int = Field(
        40, ge=0, le=1_000, description="how often a finding is run to make it smaller; 0: not at all"
    )
    watch: Literal["exact", "bystanders"] = Field(
        "bystanders", description="exact: nobody else uses the target, so any other change is red"
    )
    target_logs: str = Field(
        "", description="log files of the services that must show no error, separated by ':'; empty: not watched"
    )
    access_logs: str = Field(
        "", description="other log files that must show no provider key, separated by ':'; errors there are no defect"
    )
    journal_dir: Path = Field(
        PROJECT / ".credit-flow",
        description="folder of the clean-up journals, which list what a run created until it is removed",
    )
    report_dir: Path = Field(Path("/tmp"), description="folder of the text reports and the sign-off sheet")
    http_timeout_s: float = Field(15.0, gt=0, le=300, description="deadline of one request, in seconds")
    poll_timeout_s: float = Field(10.0, gt=0, le=300, description="deadline for results that arrive later, in seconds")
    longest_poll_s: float = Field(
        0.0, ge=0, le=300, description="most seconds of a wait that a sentence names; 0: as the sentence says"
    )
    step_timeout_s: float = Field(300.0, gt=0, le=86_400, description="deadline of one step, in seconds")
    scenario_timeout_s: float = Field(600.0, gt=0, le=86_400, description="deadline of one scenario, in seconds")
    run_timeout_s: float = Field(3_600.0, gt=0, le=86_400, description="deadline of the whole run, in seconds")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: the command line of this run, the environment, then `.env`."""
        return init_settings, env_settings, dotenv_settings

    @field_validator(*_HTTP_URLS)
    @classmethod
    def _http_address(cls, value: str) -> str:
        parts = _split(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("is not an http or https address such as http://localhost:8084")
        if any(character.isspace() for character in value):
            raise ValueError("contains white space")
        if parts.path.rstrip("/").endswith("/api/v1"):
            raise ValueError("ends in /api/v1, which the suite adds itself")
        if "\\" in value:
            raise ValueError("contains a backslash, so its host is ambiguous")
        if parts.username or parts.password:
            raise ValueError("contains a user or password; put credentials in their own setting")
        return value.rstrip("/")

    @field_validator(*_DATABASE_URLS)
    @classmethod
    def _database_address(cls, value: SecretStr) -> SecretStr:
        return _checked(value, ("postgresql", "postgres"), "postgresql://user:password@host:5432/database", path=True)

    @field_validator("redis_url")
    @classmethod
    def _redis_address(cls, value: SecretStr) -> SecretStr:
        return _checked(value, ("redis", "rediss"), "redis://localhost:6379/0")

    @field_validator("load_time")
    @classmethod
    def _time(cls, value: str) -> str:
        if not _TIME.fullmatch(value):
            raise ValueError("is not a time such as 90s, 5m or 1h")
        return value

    @field_validator("explore_seed")
    @classmethod
    def _seed(cls, value: str) -> str:
        if not _SEED.fullmatch(value):
            raise ValueError("is not a seed such as 4711, or 4711/17 for its history 17")
        return value

    @field_validator("explore_focus")
    @classmethod
    def _focus(cls, value: str) -> str:
        if value not in ("", *FOCUSES):
            raise ValueError(f"is none of {', '.join(FOCUSES)}")
        return value

    @field_validator("allowed_targets", "allow_production", "allow_load", "allow_exploring")
    @classmethod
    def _hosts(cls, value: str) -> str:
        if not all(_HOST.fullmatch(host) for host in listed(value)):
            raise ValueError("contains a part that is not a host; write hosts such as staging.example.com,10.0.0.7")
        return value

    @field_validator("production_patterns")
    @classmethod
    def _patterns(cls, value: str) -> str:
        if not listed(value):
            raise ValueError("contains no pattern, so nothing would look like production")
        return value

    @property
    def names_a_target(self) -> bool:
        """Whether the settings name a deployment; without one a sandbox is started."""
        return bool(self.ops_center_url)

    @property
    def host(self) -> str:
        """The host of Ops-Center; empty if the settings name none."""
        return urlsplit(self.ops_center_url).hostname or ""

    @property
    def load_seconds(self) -> int:
        """How long the load test takes that is started by hand."""
        number, unit = _TIME.fullmatch(self.load_time).groups()  # type: ignore[union-attr] # it was validated
        return int(number) * _SECONDS[unit]

    @property
    def log_files(self) -> tuple[Path, ...]:
        """The watched log files."""
        return tuple(Path(name) for name in self.target_logs.split(os.pathsep) if name)

    @property
    def access_log_files(self) -> tuple[Path, ...]:
        """The log files that are searched for provider keys only."""
        return tuple(Path(name) for name in self.access_logs.split(os.pathsep) if name)

    def secrets(self) -> list[str]:
        """Return all secret values, for the redactor: no report, log or console may show one."""
        values = [v.get_secret_value() for v in self.__dict__.values() if isinstance(v, SecretStr)]
        passwords = [word for name in _SECRET_URLS for word in _passwords(getattr(self, name).get_secret_value())]
        return list(dict.fromkeys(v for v in (*values, *passwords) if v))

    def named_alone(self) -> str:
        """Return the first setting that names a system of a deployment, or an empty text."""
        systems = [*_HTTP_URLS, *_DATABASE_URLS, "redis_url", "keycloak_client_secret", "lago_api_key"]
        return next((name.upper() for name in systems if _plain(getattr(self, name))), "")

    def missing(self) -> list[str]:
        """Return the names of the missing settings that each scenario on a named deployment needs."""
        needed = ("keycloak_url", "keycloak_client_secret")
        return [name.upper() for name in needed if not _plain(getattr(self, name))]


def listed(value: str) -> list[str]:
    """Return the parts of a setting that is separated by ',', in small letters and without white space."""
    return [part.strip().lower() for part in value.split(",") if part.strip()]


def load(userdata: Mapping[str, str] | None = None, described: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        userdata: from `behave -D NAME=value`; names may be in any case, and unknown names are ignored.
        described: the settings of a sandbox, by environment name; they override all other sources but name no deadline.

    Raises:
        SettingsError: a value is malformed, or a setting that each scenario on a named deployment needs is missing.
    """
    _check_lines(Path(str(Settings.model_config["env_file"])))
    known = set(Settings.model_fields)
    given: dict[str, Any] = {k.lower(): v for k, v in (userdata or {}).items() if k.lower() in known}
    given |= {k.lower(): v for k, v in (described or {}).items() if k.lower() in known}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError(" ".join(_sentence(e) for e in error.errors(include_input=False))) from None
    if not settings.names_a_target and (alone := settings.named_alone()):
        raise SettingsError(
            f"{alone} is set but OPS_CENTER_URL is not, so the deployment is not clear: "
            f"set OPS_CENTER_URL too, or unset {alone} to run on a sandbox."
        )
    if settings.names_a_target and (missing := settings.missing()):
        raise SettingsError(
            f"OPS_CENTER_URL names the deployment at {settings.ops_center_url}, but {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not set: set {'it' if len(missing) == 1 else 'them'} in the "
            f"environment or in .env, or unset OPS_CENTER_URL to run on a sandbox."
        )
    return settings


def readable_by_others() -> str:
    """Return a warning if other users of this machine can read `.env`, else an empty text."""
    path = Path(str(Settings.model_config["env_file"]))
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return ""
    return f"Other users of this machine can read {path.name}: run chmod 600 {path}" if mode & 0o044 else ""


def _sentence(error: Any) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else "A setting"
    reason = error["msg"].removeprefix("Value error, ")
    where = "in the environment, in .env or with behave -D"
    if error["type"] == "value_error":
        return f"{name} {reason}; correct it {where}."
    return f"{name} is not valid ({reason[0].lower()}{reason[1:]}); correct it {where}."


def _check_lines(path: Path) -> None:
    """Require that each line of `.env` is a setting, a comment or empty; other lines would be ignored."""
    if not path.is_file():
        return
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path.name} can't be read ({type(error).__name__}): save it as UTF-8 text with read permission for you."
        ) from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not _LINE.match(line):
            raise SettingsError(
                f"{path.name}, line {number}, is not a setting: write NAME=value there, or # before it."
            )


def _checked(value: SecretStr, schemes: tuple[str, ...], example: str, path: bool = False) -> SecretStr:
    text = value.get_secret_value()
    parts = _split(text)
    if text and (parts.scheme not in schemes or not parts.hostname or (path and len(parts.path) < 2)):
        raise ValueError(f"is not an address such as {example}")
    return value


def _split(value: str) -> Any:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("is not an address: its host or port can't be read") from None
    return parts


def _passwords(url: str) -> list[str]:
    """Return the passwords in an address, both percent-encoded and decoded."""
    parts = urlsplit(url)
    written = parts.password or ""
    return [written, unquote(written), *parse_qs(parts.query).get("password", [])]


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
