"""Access tokens that must not open anything: changed, signed by another, unsigned (contract, "Every endpoint")."""

from __future__ import annotations

import base64
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


def changed(token: str) -> str:
    """A valid token whose bearer has made themselves somebody else, under the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(_read(payload)) | {"sub": "00000000-0000-4000-8000-000000000000"}
    return ".".join([header, _written(json.dumps(claims).encode()), signature])


def signed_by_another(token: str) -> str:
    """The same claims and key id, signed with a key that is not the realm's."""
    header = json.loads(_read(token.split(".", maxsplit=1)[0]))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = json.loads(_read(token.split(".")[1]))
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": header["kid"]})


def unsigned(token: str) -> str:
    """The same claims under the algorithm `none` (RFC 7519 section 6)."""
    header = _written(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    return f"{header}.{token.split('.')[1]}."


def _read(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
