"""The stand-in's settings, from the environment: the keys that it knows from the start, and its control token."""

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(ValueError):
    """The environment is incomplete; the message names the variables, not their values."""


class Settings(BaseSettings):
    """The variables ``PROVIDER_*``; keys and the token are secrets and print as asterisks."""

    model_config = SettingsConfigDict(env_prefix="PROVIDER_", hide_input_in_errors=True)

    openrouter_key: SecretStr = Field(min_length=1)
    """The platform's key at OpenRouter; it is always known and has money."""
    openai_key: SecretStr = Field(min_length=1)
    """The platform's key at OpenAI; it is always known and has money."""
    control_token: SecretStr = Field(min_length=1)
    """The bearer token of the control API."""


def read_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a variable is missing or empty.
    """
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        names = ", ".join(sorted({f"PROVIDER_{str(part['loc'][0]).upper()}" for part in error.errors()}))
        raise SettingsError(
            f"The provider stand-in can't start: {names} is missing or empty in the environment; set it."
        ) from None
