"""The stand-in's settings: environment variables that begin with `LAGO_`."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The stand-in's settings; raises `pydantic.ValidationError` for what is missing or malformed."""

    model_config = SettingsConfigDict(env_prefix="LAGO_")

    database_url: SecretStr
    """PostgreSQL URL of the `lago` database; a secret because it contains a password."""

    api_key: SecretStr
    """The organisation's API key, accepted on every route; written to `api_keys`."""

    job_delay_ms: int = Field(default=300, ge=0, le=60_000)
    """How long after a request its job (invoice or termination) becomes due, in ms."""

    clock: Path | None = None
    """A file with the time that the clock shows, in ISO 8601; while it does not exist, the real time."""
