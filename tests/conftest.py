"""The fixtures that tests share, and the schedule of tests on the sandbox."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from keycloak import KeycloakAdmin
from xdist.scheduler import LoadScopeScheduling

from creditflow.actors.cast import Cast
from creditflow.actors.people import Person
from creditflow.cleanup.cleanup import Cleanup
from creditflow.core.prices import PriceList
from creditflow.target.drivers.http import Reply
from creditflow.target.settings import Settings, load
from creditflow.target.target import Target
from sandbox import handle
from sandbox.settings import sandbox_settings

MakeReply = Callable[..., Reply]
MakePerson = Callable[..., Person]

SANDBOX = {"deployment", "own", "prepared"}
"""The fixtures that need a prepared sandbox."""

ALONE = (
    "tests/run/test_beside_others.py",
    "tests/run/test_killed_runs.py",
    "tests/run/test_signals.py",
    "tests/run/test_bad_input.py",
    "tests/actors/test_cast_leaves_nothing.py",
    "tests/audit/test_watch.py",
    "tests/target/test_writes_only_its_own.py",
    "tests/run/test_whole_run.py",
    "tests/sandbox/test_fault_catalogue.py",
    "tests/sandbox/test_sandbox_whole.py",
)
"""Tests that examine or break a whole sandbox, and have one of their own. The last one ends it."""

LONG = ("tests/away/", "tests/canary/", "tests/fuzz/")
"""Other slow tests."""

# The same examples in every run, and no verdict that depends on how busy the machine is.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("repeatable")


class Schedule(LoadScopeScheduling):  # type: ignore[misc]  # the library is not typed
    """Keeps the tests of a file on one worker, and those in `ALONE` together on one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return "alone" if nodeid.startswith(ALONE) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """Give the files to the workers in the order of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False
    return Schedule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a sandbox, and start the slowest first.

    Raises:
        UsageError: two tests have one id, so that the schedule would run only one of them.
    """
    for item in items:
        if label := getattr(item, "operation_label", ""):  # schemathesis gives all operations of a test one id
            item._id = item.id.with_params(label)
        if SANDBOX & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.sandbox)
    if twice := [nodeid for nodeid, times in Counter(item.nodeid for item in items).items() if times > 1]:
        raise pytest.UsageError(f"several tests have the id {twice[0]}, and only one of them would run")
    order = (*ALONE, *LONG)
    items.sort(key=lambda item: next((n for n, one in enumerate(order) if item.nodeid.startswith(one)), len(order)))


@pytest.fixture(scope="session")
def shared() -> Iterator[handle.Sandbox]:
    """Return the running sandbox, or one started for these tests; all workers share it."""
    running = handle.start(keep=False, report=print)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[handle.Sandbox]:
    """Return a sandbox that no other worker uses."""
    prepared, home = sandbox_settings().prepared, tmp_path_factory.mktemp("own")
    places = {"SANDBOX_HOME": str(home), "SANDBOX_PREPARED": str(prepared)}
    running = handle.start(keep=False, report=print, settings=sandbox_settings(places))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def deployment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of a running sandbox, by environment name.

    A module that examines or breaks the whole sandbox must be in `ALONE`.
    """
    alone = request.node.nodeid.startswith(ALONE)
    running: handle.Sandbox = request.getfixturevalue("own" if alone else "shared")
    return running.settings


@pytest.fixture(scope="module")
def users(deployment: dict[str, str]) -> KeycloakAdmin:
    """Return the realm's users, read without the suite's own driver."""
    return KeycloakAdmin(
        server_url=f"{deployment['KEYCLOAK_URL']}/",
        realm_name=deployment["KEYCLOAK_REALM"],
        client_id=deployment["KEYCLOAK_CLIENT_ID"],
        client_secret_key=deployment["KEYCLOAK_CLIENT_SECRET"],
    )


@pytest.fixture
def cache(deployment: dict[str, str]) -> Iterator[Any]:
    """Redis, read without the suite's own driver; values are texts."""
    with redis.Redis.from_url(deployment["REDIS_URL"], decode_responses=True) as opened:
        yield opened


def written_reply(
    status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None, events: tuple[Any, ...] = ()
) -> Reply:
    """Return a reply like one of a driver; a body that is not a text becomes JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(status, headers or {}, text, 1.0, events)


def nobody_in_particular(alias: str = "the individual") -> Person:
    """Return a person who exists in no system."""
    return Person(alias, "cf-nobody-1", "cf-nobody-1@example.com", "a-password", "an-id", "", dict)


@pytest.fixture(scope="session")
def reply() -> MakeReply:
    return written_reply


@pytest.fixture(scope="session")
def person() -> MakePerson:
    return nobody_in_particular


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove all settings from the environment, and use no `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(scope="module")
def target(deployment: dict[str, str]) -> Iterator[Target]:
    """Return the sandbox, as a run sees it."""
    opened = Target(load({}, deployment))
    yield opened
    opened.close()


@pytest.fixture
def cleanup() -> Iterator[Cleanup]:
    """Return the finalizers of a test; they run at its end, unless the test ran them itself."""
    finalizers = Cleanup()
    yield finalizers
    finalizers.carry_out()


@pytest.fixture
def cast(target: Target, cleanup: Cleanup) -> Cast:
    """Return a cast with the plan's prices."""
    made = Cast(target, cleanup, lambda secret: None)
    made.prices = PriceList({"GPT-3.5-turbo": 9, "GPT-4": 48})
    return made
