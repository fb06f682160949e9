"""The sandbox's secrets: made once, stored in a file that only its owner can read, and passed on by environment."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Self

from sandbox.errors import SandboxError
from sandbox.files import write_private


def _password() -> str:
    return secrets.token_urlsafe(24)


def _secret(make: Callable[[], str]) -> str:
    """Declare a secret that is made when it is missing in the file; the `repr` leaves its value out."""
    made: str = field(default_factory=make, repr=False)
    return made


@dataclass(frozen=True)
class Credentials:
    """All secrets of one sandbox."""

    keycloak_client_secret: str = _secret(_password)
    keycloak_admin_password: str = _secret(_password)
    postgresql_superuser_password: str = _secret(_password)
    unicorn_password: str = _secret(_password)
    reader_password: str = _secret(_password)
    litellm_master_key: str = _secret(lambda: f"sk-{secrets.token_urlsafe(32)}")
    lago_api_key: str = _secret(_password)
    byok_secret: str = _secret(lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    provider_control_token: str = _secret(_password)
    platform_openrouter_key: str = _secret(lambda: f"sk-or-v1-{secrets.token_hex(32)}")
    platform_openai_key: str = _secret(lambda: f"sk-{secrets.token_hex(24)}")
    test_openrouter_key: str = _secret(lambda: f"sk-or-v1-{secrets.token_hex(32)}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the secrets and make the missing ones; raises `SandboxError` when the file can't be used."""
        try:
            known = json.loads(path.read_text()) if path.exists() else {}
            names = {secret.name for secret in fields(cls)}
            credentials = cls(**{name: value for name, value in known.items() if name in names})
        except (OSError, ValueError, AttributeError) as error:
            raise SandboxError(
                f"The sandbox's secrets in {path} can't be read ({type(error).__name__}): remove the file, "
                "then run `python -m sandbox prepare`, which makes new ones."
            ) from error
        if asdict(credentials) != known:
            write_private(path, json.dumps(asdict(credentials), indent=2))
        return credentials

    def mask(self, text: str) -> str:
        """Return `text` with every secret replaced by its name."""
        for name, value in asdict(self).items():
            text = text.replace(value, f"<{name}>")
        return text


def fingerprint(key: str) -> str:
    """Return the fingerprint of a key: the first 16 hex digits of its SHA-256."""
    return sha256(key.encode()).hexdigest()[:16]
