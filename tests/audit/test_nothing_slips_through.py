"""Wrong verdicts that must not be possible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import redis

from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import LlmRequest, send
from creditflow.checks import refusals
from creditflow.checks.accounts import Accounts
from creditflow.core import period, polling
from creditflow.core.errors import CannotRunError, NotTestableError
from creditflow.core.expect import Finding, holds, verdict
from creditflow.run import session
from creditflow.target.settings import Settings, SettingsError, load
from creditflow.target.target import Target

if TYPE_CHECKING:
    from tests.conftest import MakeReply


@pytest.mark.parametrize(
    "wrong",
    [
        lambda d: urlsplit(d["UNICORN_DB_URL"])._replace(path="/postgres").geturl(),
        lambda d: d["UNICORN_DB_URL"].replace(f":{urlsplit(d['UNICORN_DB_URL']).password}@", ":wrong-8c1f6e2a@"),
        lambda d: d["UNICORN_DB_READ_URL"],
    ],
    ids=["another database", "a wrong password", "a role that can't write"],
)
def test_a_writing_role_that_can_not_remove_ends_the_run_before_anything_is_made(
    deployment: dict[str, str], wrong: Callable[[dict[str, str]], str]
) -> None:
    target = Target(load({}, {**deployment, "UNICORN_DB_URL": wrong(deployment)}))
    try:
        with pytest.raises(CannotRunError, match="UNICORN_DB_URL"):
            session.check(target, lambda line: None)
    finally:
        target.close()


def cannot_be_seen() -> bool:
    raise NotTestableError("no system shows it", "set LAGO_API_URL")


def test_what_can_not_be_watched_is_not_taken_for_what_did_not_come() -> None:
    with pytest.raises(NotTestableError):
        polling.never(cannot_be_seen, 0.3, "it came")


def test_what_can_not_be_tested_is_not_waited_for_and_keeps_its_verdict() -> None:
    with pytest.raises(NotTestableError):
        polling.soon(lambda: holds(cannot_be_seen(), "not yet"), 5)


def test_a_mismatch_of_kind_only_can_be_read() -> None:
    said = Finding("it cost", "9", 9, "credits").sentence()
    assert said != "it cost 9 credits, expected 9"


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("text", [b"KEYCLOAK_REALM=\xff\xfe\n", b"OPS_CENTER_URL http://localhost:8084\n"])
def test_a_dotenv_that_can_not_be_read_is_told_and_no_sandbox_is_started_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: bytes
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(text)
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    with pytest.raises(SettingsError, match=r"\.env"):
        load()


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAGO_API_URL", "http://lago.example"),
        ("UNICORN_DB_URL", "postgresql://u:p@h/unicorn_db"),
        ("REDIS_URL", "redis://h:6379/0"),
        ("KEYCLOAK_CLIENT_SECRET", "a-secret"),
    ],
)
def test_any_system_that_is_named_without_an_ops_center_is_a_contradiction(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is set but OPS_CENTER_URL is not"):
        load({name: value})


@pytest.mark.parametrize("inside", ['File "/srv/app.py"', "SELECT *\nFROM user_credits"])
def test_the_inside_is_seen_also_where_json_escapes_it(reply: MakeReply, inside: str) -> None:
    with pytest.raises(AssertionError, match="the refusal gives internals away"):
        refusals.clear(reply(500, {"title": "Sorry", "detail": f"You have 8 credits left, buy more. {inside}"}))


def test_one_request_recorded_twice_is_red(cast: Cast, deployment: dict[str, str]) -> None:
    person = cast.person("individual", "professional", 10_000)
    assert send(cast.target.ops_center, person, LlmRequest("GPT-3.5-turbo", 100)).arrived
    target = Target(load({}, {k: v for k, v in deployment.items() if k != "UNICORN_DB_READ_URL"}))
    database = target.unicorn.database
    try:
        database.rows("SET default_transaction_read_only = off")
        database.rows("CREATE TEMP TABLE usage_tracking (LIKE public.usage_tracking)")
        for _ in ("as it was", "once more"):
            database.rows(
                "INSERT INTO pg_temp.usage_tracking SELECT * FROM public.usage_tracking WHERE user_id = %s", person.id
            )
        said = verdict(lambda: Accounts(target, cast).charges(person, [9]))
    finally:
        target.close()
    assert said is not None


def test_a_counter_that_is_no_number_is_a_sentence(cast: Cast, deployment: dict[str, str]) -> None:
    person = cast.person("individual", "professional", 10_000)
    with redis.Redis.from_url(deployment["REDIS_URL"]) as cache:
        cache.set(f"usage:{person.id}:{period.name()}:calls", "many", ex=60)
    said: Any = verdict(lambda: Accounts(cast.target, cast).counter(person, 0))
    assert said is not None
    assert "many" in said
