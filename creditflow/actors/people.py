"""The people and organisations of a scenario, as the systems know them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.naming import RUN
from creditflow.target.drivers.keycloak import Keycloak, SignInRefusedError

if TYPE_CHECKING:
    from creditflow.actors.llm_requests import Answer

UNKNOWN_USER = f"{RUN}-nobody"
"""A user name that no user has."""


@dataclass
class Person:
    """Somebody who signs in.

    Attributes:
        alias: what the feature calls them, such as "the individual".
        name: their user name, made of the run and a number; also the first word of every question of theirs.
        id: their Keycloak user id, which is their customer's external id in Lago.
        plan: the code of the plan that they subscribe to; empty without a subscription.
        answers: what they got for every question they asked, in order.
        keys: the provider keys of their own that they ever stored, the latest last.
    """

    alias: str
    name: str
    email: str
    password: str = field(repr=False)
    id: str
    plan: str
    sign_in: Callable[[], dict[str, Any]] = field(repr=False)
    answers: list[Answer] = field(default_factory=list, repr=False)
    keys: list[str] = field(default_factory=list, repr=False)
    _token: str = field(default="", repr=False)
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def subscription(self) -> str:
        """The external id of their subscription in Lago."""
        return f"{self.name}-subscription"

    def sign_in_meanwhile(self) -> None:
        """Begin to sign in while other things are made; whoever needs the token waits for it."""
        threading.Thread(target=self._sign_in_quietly, daemon=True).start()

    def _sign_in_quietly(self) -> None:
        with contextlib.suppress(SignInRefusedError, ServiceUnavailableError):
            _ = self.token

    @property
    def token(self) -> str:
        """A valid access token; signs in when there is none or it ends within 30 s."""
        with self._lock:
            if time.monotonic() > self._until:
                answer = self.sign_in()
                self._token = answer["access_token"]
                self._until = time.monotonic() + answer["expires_in"] - 30
            return self._token


@dataclass
class Organization:
    """An organisation and its people, the admin first."""

    alias: str
    id: str
    name: str
    admin: Person
    members: list[Person] = field(default_factory=list)


def signing_in(keycloak: Keycloak, name: str, password: str) -> Callable[[], dict[str, Any]]:
    """How a person signs in."""
    return lambda: keycloak.token(name, password)


def sign_in_error(keycloak: Keycloak, name: str, password: str) -> str:
    """Try to sign in and return Keycloak's error, or a sentence that there was none."""
    try:
        keycloak.token(name, password)
    except SignInRefusedError as refused:
        return refused.error
    return "none: it was accepted"
