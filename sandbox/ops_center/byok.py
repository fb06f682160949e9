"""Bring your own key: users' provider keys, stored with authenticated encryption (EP14, EP15)."""

import base64
import os
import re
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, SecretStr

from sandbox.ops_center import periods
from sandbox.ops_center.database import Connection, Row
from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.services import Services, Used
from sandbox.ops_center.settings import Settings
from sandbox.ops_center.tokens import Caller

Provider = Literal["openrouter", "openai"]

FORMATS: dict[Provider, re.Pattern[str]] = {
    "openrouter": re.compile(r"sk-or-[A-Za-z0-9_-]{8,}"),
    "openai": re.compile(r"sk-(?!or-)[A-Za-z0-9_-]{16,}"),
}
NONCE_BYTES = 12

router = APIRouter(prefix="/settings/byok-keys")


class NewKey(BaseModel):
    """The request of EP14."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Provider
    api_key: SecretStr


@dataclass(frozen=True)
class OwnKey:
    """A stored key for one request, and the model's name in LiteLLM at the key's provider."""

    litellm_model: str
    api_key: str


@router.post("", status_code=201)
async def store(new: NewKey, caller: Caller, services: Used) -> dict[str, Any]:
    """Store a key, and replace an earlier one for the same provider (EP14)."""
    key = new.api_key.get_secret_value()
    if not FORMATS[new.provider].fullmatch(key):
        raise bad_format(new.provider)
    async with services.database.connection() as db:
        await db.execute(
            """INSERT INTO user_byok_keys (id, user_id, provider, encrypted_key, key_preview)
               VALUES (%s, %s, %s, %s, %s)
               ON CONFLICT (user_id, provider) DO UPDATE SET encrypted_key = EXCLUDED.encrypted_key,
                   key_preview = EXCLUDED.key_preview, created_at = LOCALTIMESTAMP""",
            (
                uuid4(),
                caller.user_id,
                new.provider,
                encrypt(services.settings, key, caller.user_id, new.provider),
                preview(key),
            ),
        )
    return {"provider": new.provider, "configured": True, "key_preview": preview(key)}


@router.get("")
async def show(caller: Caller, services: Used) -> dict[str, Any]:
    """List the stored keys, without the keys themselves (EP15)."""
    async with services.database.connection() as db:
        keys = await stored(db, caller.user_id)
    return {"openrouter_configured": any(key["provider"] == "openrouter" for key in keys), "keys": keys}


async def stored(db: Connection, user_id: UUID) -> list[Row]:
    """Return what may be shown of a user's keys."""
    found = await db.execute(
        """SELECT provider, key_preview, created_at FROM user_byok_keys
           WHERE user_id = %s ORDER BY provider""",
        (user_id,),
    )
    return [{**row, "created_at": periods.iso(row["created_at"])} for row in await found.fetchall()]


@router.delete("/{provider}", status_code=204)
async def remove(provider: Provider, caller: Caller, services: Used) -> None:
    """Remove a key, if there is one."""
    async with services.database.connection() as db:
        await db.execute("DELETE FROM user_byok_keys WHERE user_id = %s AND provider = %s", (caller.user_id, provider))


async def key_for(services: Services, user_id: UUID, model: str) -> OwnKey:
    """Return the user's key for a model. Raises 400 `byok_key_missing`."""
    async with services.database.connection() as db:
        found = await db.execute("SELECT provider, encrypted_key FROM user_byok_keys WHERE user_id = %s", (user_id,))
        keys = {row["provider"]: row["encrypted_key"] for row in await found.fetchall()}
    provider = provider_for(model, keys)
    if provider is None:
        raise missing(user_id, model)
    try:
        key = decrypt(services.settings, keys[provider], user_id, provider)
    except InvalidTag:
        raise missing(user_id, model) from None
    return OwnKey(model if provider == "openrouter" else f"direct/{model}", key)


def provider_for(model: str, stored: dict[str, str]) -> Provider | None:
    """Return the provider for a model: OpenRouter for any, OpenAI only for its own."""
    if "openrouter" in stored:
        return "openrouter"
    if "openai" in stored and model.startswith("openai/"):
        return "openai"
    return None


def preview(key: str) -> str:
    """Return the part of a key that may be shown: its last four characters."""
    return key[-4:]


def encrypt(settings: Settings, key: str, user_id: UUID, provider: str) -> str:
    """Encrypt a key for `user_byok_keys` with AES-256-GCM, bound to this user and provider."""
    nonce = os.urandom(NONCE_BYTES)
    return base64.urlsafe_b64encode(
        nonce + _cipher(settings).encrypt(nonce, key.encode(), _bound_to(user_id, provider))
    ).decode()


def decrypt(settings: Settings, encrypted: str, user_id: UUID, provider: str) -> str:
    """Decrypt a key. Raises cryptography's InvalidTag if it was changed or belongs to another user or provider."""
    sealed = base64.urlsafe_b64decode(encrypted)
    return _cipher(settings).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(user_id, provider)).decode()


def _cipher(settings: Settings) -> AESGCM:
    return AESGCM(base64.urlsafe_b64decode(settings.byok_secret.get_secret_value()))


def _bound_to(user_id: UUID, provider: str) -> bytes:
    return f"{user_id}:{provider}".encode()


def bad_format(provider: Provider) -> ProblemError:
    """Return a 422: this is not a key of that provider."""
    begins = {"openrouter": "sk-or-", "openai": "sk-"}[provider]
    return ProblemError(
        422,
        "invalid_byok_key_format",
        f"This does not look like a key of {provider}: one begins with {begins}. Copy it again from the provider.",
    )


def missing(user_id: UUID, model: str) -> ProblemError:
    """Return a 400: X-Use-BYOK was sent, but no stored key fits the model."""
    return ProblemError(
        400,
        "byok_key_missing",
        f"No API key that can serve {model} is stored for the user id {user_id}. Store one with "
        "POST /api/v1/settings/byok-keys, or send the request without X-Use-BYOK to use platform credits.",
    )
