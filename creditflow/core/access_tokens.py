"""The parts of an access token (RFC 7519), as they are written in it; nobody's signature is checked here."""

from __future__ import annotations

import base64
import json
from typing import Any


def header(token: str) -> dict[str, Any]:
    """Return the header of a token.

    Raises:
        ValueError: it can't be read.
    """
    return _part(token, 0)


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a token.

    Raises:
        ValueError: they can't be read.
    """
    return _part(token, 1)


def encoded(raw: bytes) -> str:
    """Return bytes as a part of a token."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _part(token: str, number: int) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("not three parts")
    try:
        read = json.loads(base64.urlsafe_b64decode(parts[number] + "=" * (-len(parts[number]) % 4)))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(read, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the token is wrong, not the caller
    return read
