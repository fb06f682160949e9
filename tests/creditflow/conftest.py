"""What the tests of the suite's own domain share: replies made by hand, and the target that the sandbox is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from creditflow.cast import Cast
from creditflow.cleanup import Cleanup
from creditflow.drivers.http import Reply
from creditflow.people import Person
from creditflow.prices import PriceList
from creditflow.settings import Settings, load
from creditflow.target import Target

MakeReply = Callable[..., Reply]
MakePerson = Callable[..., Person]


def written_reply(
    status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None, events: tuple[Any, ...] = ()
) -> Reply:
    """A reply as a driver hands it on; the body is written as JSON unless it is a text."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(status, headers or {}, text, 1.0, events)


def nobody_in_particular(alias: str = "the individual") -> Person:
    """A person who is in no system."""
    return Person(alias, "cf-nobody-1", "cf-nobody-1@example.com", "a-password", "an-id", "", dict)


@pytest.fixture(scope="session")
def reply() -> MakeReply:
    return written_reply


@pytest.fixture(scope="session")
def person() -> MakePerson:
    return nobody_in_particular


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing is set: not in the environment, and no `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(scope="module")
def target(deployment: dict[str, str]) -> Iterator[Target]:
    """The sandbox, as a run sees it."""
    opened = Target(load({}, deployment))
    yield opened
    opened.close()


@pytest.fixture
def cleanup() -> Iterator[Cleanup]:
    """What the test owes; carried out at its end, if the test did not do so itself."""
    owed = Cleanup()
    yield owed
    owed.carry_out()


@pytest.fixture
def cast(target: Target, cleanup: Cleanup) -> Cast:
    """A cast that knows the plan's prices."""
    made = Cast(target, cleanup, lambda secret: None)
    made.prices = PriceList({"GPT-3.5-turbo": 9, "GPT-4": 48})
    return made
