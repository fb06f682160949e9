"""Accounts: the keys that each provider knows, and whether they have money.

Only the fingerprint of a key is stored: the first 16 hex digits of its SHA-256.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fastapi import Request

Provider = Literal["openrouter", "openai"]


class Money(StrEnum):
    """Whether an account can pay."""

    GOOD = "good"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a key that a provider knows."""

    provider: Provider
    state: Money = Money.GOOD


class PlatformKeyError(ValueError):
    """The platform's own keys can't be changed or closed, because that would affect everyone."""


def fingerprint(key: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def bearer(request: Request) -> str | None:
    """Return the bearer token of a request, or None."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class Accounts:
    """The known keys by fingerprint: the platform's, and the opened ones."""

    def __init__(self, platform: dict[str, Provider]) -> None:
        self._platform = {mark: Account(provider) for mark, provider in platform.items()}
        self._opened: dict[str, Account] = {}

    def of(self, mark: str, provider: Provider) -> Account | None:
        """Return the account of a fingerprint at a provider, or None."""
        account = self._platform.get(mark) or self._opened.get(mark)
        return account if account and account.provider == provider else None

    def open(self, mark: str, account: Account) -> None:
        """Make a key known, or change its state.

        Raises:
            PlatformKeyError: the key is one of the platform's.
        """
        self._refuse_platform(mark)
        self._opened[mark] = account

    def close(self, mark: str) -> None:
        """Make a key unknown, if it is known.

        Raises:
            PlatformKeyError: the key is one of the platform's.
        """
        self._refuse_platform(mark)
        self._opened.pop(mark, None)

    def opened(self) -> dict[str, Account]:
        """Return the open keys."""
        return dict(self._opened)

    def _refuse_platform(self, mark: str) -> None:
        if mark in self._platform:
            raise PlatformKeyError(
                "This is the platform's own key, which is always known; make a trouble for one caller instead."
            )
