"""The people and organisations of a scenario."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.naming import RUN
from creditflow.target.drivers.keycloak import Keycloak
from creditflow.target.drivers.realm import SignInRefusedError

if TYPE_CHECKING:
    from creditflow.actors.llm_requests import Answer
    from creditflow.target.drivers.http import Reply

UNKNOWN_USER = f"{RUN}-nobody"
"""A user name that no user has."""


@dataclass
class Person:
    """A user of the platform.

    Attributes:
        alias: their name in the feature, such as "the individual".
        name: their user name, made of run and number; also the first word of each of their LLM requests.
        email: the address by which organisations know them; a later one changes nothing.
        id: their user id in Keycloak, which is also the external id of their customer in Lago.
        plan: the code of their plan; empty without a subscription.
        answers: the answers to their LLM requests, in order.
        keys: the provider keys that they have stored, in order.
        storings: the answers of Ops-Center that stored them.
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
    storings: list[Reply] = field(default_factory=list, repr=False)
    _token: str = field(default="", repr=False)
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def subscription(self) -> str:
        """The external id of their subscription in Lago."""
        return f"{self.name}-subscription"

    def sign_in_meanwhile(self) -> None:
        """Start to sign in, in a thread; `token` waits until it has ended."""
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

    def sign_in_again(self) -> None:
        """Sign in, also if the present token is still valid."""
        with self._lock:
            self._until = 0.0
        _ = self.token


@dataclass
class Organization:
    """An organisation and its people, the admin first."""

    alias: str
    id: str
    name: str
    admin: Person
    members: list[Person] = field(default_factory=list)


def signing_in(keycloak: Keycloak, name: str, password: str) -> Callable[[], dict[str, Any]]:
    """Return a function that signs a user in."""
    return lambda: keycloak.token(name, password)


def sign_in_error(keycloak: Keycloak, name: str, password: str) -> str:
    """Try to sign in and return Keycloak's error, or a sentence that there was none."""
    try:
        keycloak.token(name, password)
    except SignInRefusedError as refused:
        return refused.error
    return "none: it was accepted"
