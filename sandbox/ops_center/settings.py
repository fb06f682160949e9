"""The settings of an Ops-Center: environment variables `OPS_*`."""

import base64
import binascii
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _without_trailing_slash(url: str) -> str:
    return url.rstrip("/")


def _key_of_32_bytes(secret: SecretStr) -> SecretStr:
    try:
        size = len(base64.urlsafe_b64decode(secret.get_secret_value()))
    except binascii.Error as error:
        raise ValueError("is not base64; give 32 random bytes in urlsafe base64") from error
    if size != 32:
        raise ValueError(f"has {size} bytes; give 32 random bytes in urlsafe base64")
    return secret


Url = Annotated[str, AfterValidator(_without_trailing_slash)]


class Settings(BaseSettings):
    """Addresses and secrets of one Ops-Center. Raises ValidationError for a missing or wrong one."""

    model_config = SettingsConfigDict(env_prefix="OPS_", hide_input_in_errors=True)

    database_url: SecretStr
    """PostgreSQL URL of unicorn_db, with its password."""
    redis_url: SecretStr
    keycloak_url: Url
    keycloak_realm: str = "uchub"
    keycloak_issuer: str = ""
    """The `iss` of a valid token; empty for the address of the realm at `keycloak_url`."""
    keycloak_keys_seconds: Annotated[float, Field(gt=0)] = 300.0
    """How long a signing key that the realm has removed may still be trusted, in seconds."""
    keycloak_audience: str = "ops-center"
    """The value that `aud` of a token must contain."""
    litellm_url: Url
    litellm_key: SecretStr
    """LiteLLM's master key."""
    litellm_seconds: Annotated[float, Field(gt=0)] = 8.0
    """The deadline of a whole answer, of a stream's first part, and between two parts of a stream, in seconds."""
    lago_url: Url
    """Lago's address, without /api/v1."""
    lago_key: SecretStr
    byok_secret: Annotated[SecretStr, AfterValidator(_key_of_32_bytes)]
    """The key that encrypts users' own provider keys: 32 bytes in urlsafe base64."""
    tier_seconds: Annotated[int, Field(gt=0, le=60)] = 60
    """How long Redis remembers a user's tier, in seconds."""
    clock: Path | None = None
    """A file with the time that the clock shows, in ISO 8601; while it does not exist, the real time."""
    public_url: Url
    """The address in links for users, such as upgrade links."""

    @property
    def realm_url(self) -> str:
        """The address of the realm."""
        return f"{self.keycloak_url}/realms/{self.keycloak_realm}"

    @property
    def issuer(self) -> str:
        """The `iss` of a valid token."""
        return self.keycloak_issuer or self.realm_url
