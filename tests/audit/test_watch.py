"""A change that is not of a scenario's people is red, on a real target, and so is an error in a service's log."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
import requests

from creditflow.actors.cast import Cast
from creditflow.actors.llm_requests import LlmRequest, send
from creditflow.actors.people import Person
from creditflow.audit.watch import Logs, UnexpectedChangeError, Watch
from creditflow.cleanup.cleanup import Cleanup
from creditflow.core import polling
from creditflow.core.expect import holds
from creditflow.core.naming import RUN
from creditflow.core.redaction import redactor
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.postgres import Row
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.settings import load
from creditflow.target.target import Target

CHANGED = "something changed that belongs to nobody of the scenario: "


@pytest.fixture
def watch(target: Target) -> Watch:
    """Return a watch that has just begun."""
    begun = Watch(target)
    assert begun.exact
    begun.begin()
    return begun


def changed(watch: Watch) -> str:
    """Return the message of the watch after a scenario without people; empty if nothing changed."""
    try:
        watch.everything([])
    except UnexpectedChangeError as red:
        return str(red)
    return ""


def carry_out(target: Target, statement: str, *values: object) -> None:
    target.grants.database.rows(statement, *values)


def test_while_nothing_happens_nothing_is_said(watch: Watch) -> None:
    assert changed(watch) == changed(watch) == watch.said() == ""


def test_a_scenario_that_removes_what_it_made_is_not_red(watch: Watch, target: Target) -> None:
    cleanup = Cleanup()
    cast = Cast(target, cleanup, lambda secret: None)
    try:
        individual = cast.person("individual", "professional", 500)
        cast.organization("the organisation", individual, credits=10)
        asked = send(target.ops_center, cast.person("neighbour", "", 500), LlmRequest("GPT-3.5-turbo", 100))
        assert asked.arrived
        cast.provider_key()
    finally:
        cleanup.carry_out()
    watch.judged({asked.request_id})
    watch.everything(cast.people)


def test_a_row_of_somebody_else_is_red_when_it_comes_when_it_changes_and_when_it_goes(
    watch: Watch, target: Target
) -> None:
    who = str(uuid.uuid4())
    try:
        carry_out(
            target, "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, 7, 7)", who
        )
        came = changed(watch)
        carry_out(target, "UPDATE user_credits SET credits_remaining = 6 WHERE user_id = %s", who)
        moved = changed(watch)
    finally:
        carry_out(target, "DELETE FROM user_credits WHERE user_id = %s", who)
    assert came.startswith(f"{CHANGED}unicorn_db user_credits: ({who},7,7,")
    assert came.endswith(" (new)")
    assert f"unicorn_db user_credits: ({who},7,7," in moved
    assert f" (gone); unicorn_db user_credits: ({who},6,7," in moved
    assert changed(watch).endswith(" (gone)")
    assert changed(watch) == ""


def test_a_person_who_is_left_behind_is_red(watch: Watch, target: Target, cast: Cast) -> None:
    individual = cast.person("individual", "", 500)
    with pytest.raises(UnexpectedChangeError, match=r"unicorn_db credit_transactions: .* \(new\)") as red:
        watch.everything(cast.people)
    assert individual.id in str(red.value)


def test_of_many_changes_three_are_shown_and_the_others_counted(watch: Watch, target: Target) -> None:
    people = [str(uuid.uuid4()) for _ in range(5)]
    insert = "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, 7, 7)"
    try:
        for who in people:
            carry_out(target, insert, who)
        said = changed(watch)
    finally:
        carry_out(target, "DELETE FROM user_credits WHERE user_id = ANY(%s::uuid[])", people)
    assert said.count("unicorn_db user_credits") == 3
    assert said.endswith(" and 2 more changes")


def test_a_redis_key_of_nobody_is_red_and_what_redis_loses_is_not(
    watch: Watch, target: Target, deployment: dict[str, str]
) -> None:
    who = uuid.uuid4()
    with redis.Redis.from_url(deployment["REDIS_URL"]) as cache:
        try:
            cache.set(f"usage:{who}:2026-11:calls", 3)
            assert changed(watch) == f"{CHANGED}Redis usage:{who}:2026-11:calls: 3 (new)"
            cache.incr(f"usage:{who}:2026-11:calls")
            assert f"Redis usage:{who}:2026-11:calls: 4 (new)" in changed(watch)
            cache.set(f"tier:{who}", "trial")
            assert changed(watch) == f"{CHANGED}Redis tier:{who}: trial (new)"
        finally:
            cache.delete(f"tier:{who}")
            assert changed(watch) == ""
            cache.delete(f"usage:{who}:2026-11:calls")
    assert changed(watch) == "", "what Redis loses is rebuilt"


@pytest.mark.parametrize(
    ("caller", "red"), [("somebody", True), (f"{RUN}-999999", True), ("cf-zzzzzz-1", False)],
    ids=["of no run", "of this run, whose people are gone", "of another run"],
)  # fmt: skip
def test_a_provider_call_that_no_scenario_asked_for_is_red(
    watch: Watch, target: Target, cast: Cast, caller: str, red: bool
) -> None:
    paying_key = cast.provider_key()
    try:
        asked = requests.post(
            f"{target.settings.provider_url}/openrouter/api/v1/chat/completions",
            json={
                "model": "openai/gpt-4",
                "messages": [{"role": "user", "content": f"{caller} q1 why"}],
                "max_tokens": 1,
            },
            headers={"Authorization": f"Bearer {paying_key}"},
            timeout=60,
        )
        assert asked.status_code == 200
        said = changed(watch)
    finally:
        target.provider.forget(caller)
    sentence = f"{CHANGED}the provider's journal: {caller} q1 with {fingerprint(paying_key)} (new)"
    assert said == (sentence if red else "")


def test_a_look_asks_for_no_call_of_the_providers_journal(
    watch: Watch, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many calls the journal has, the watch compares their number by caller."""
    asked: list[str] = []
    send = target.provider.http.send

    def noted(method: str, path: str, **more: Any) -> Reply:
        asked.append(path)
        return send(method, path, **more)

    monkeypatch.setattr(target.provider.http, "send", noted)
    assert changed(watch) == ""
    assert asked == ["/control/callers"]


def test_a_lago_customer_a_subscription_and_an_event_of_nobody_are_red(watch: Watch, target: Target) -> None:
    who, subscription = str(uuid.uuid4()), f"somebody-{uuid.uuid4()}"
    transaction = str(uuid.uuid4())
    token = target.settings.lago_api_key.get_secret_value()
    event = {"transaction_id": transaction, "external_subscription_id": subscription, "code": "api_call"}
    try:
        target.lago.create_customer(who, "Somebody Else", "else@example.com")
        assert changed(watch) == f"{CHANGED}lago customers: {who} (new)"
        target.lago.subscribe(who, subscription, "starter")
        assert f"lago subscriptions: {subscription} (new)" in changed(watch)
        target.lago.http.send("POST", "/api/v1/events", token=token, body={"event": event})
        assert f"lago events: {subscription} {transaction} (new)" in changed(watch)
        # Lago makes it a moment later, and it is a change of nobody for the next test.
        polling.soon(lambda: holds(bool(target.lago_db.invoices(who)), "the subscription has no invoice"), 60)
    finally:
        target.lago.remove_customer(who, subscription)


def test_an_event_that_comes_after_the_ledger_was_compared_is_red(watch: Watch, target: Target) -> None:
    cleanup = Cleanup()
    cast = Cast(target, cleanup, lambda secret: None)
    token = target.settings.lago_api_key.get_secret_value()
    known, late = str(uuid.uuid4()), str(uuid.uuid4())
    try:
        person = cast.person("individual", "starter")
        for transaction in (known, late):
            event = {"transaction_id": transaction, "external_subscription_id": person.subscription, "code": "api_call"}
            target.lago.http.send("POST", "/api/v1/events", token=token, body={"event": event})
    finally:
        cleanup.carry_out()
    watch.judged({known})
    with pytest.raises(UnexpectedChangeError) as red:
        watch.everything(cast.people)
    said = "Lago has an event too many, after the ledger was compared: the individual: lago events: "
    assert str(red.value) == f"{said}{person.subscription} {late} (new)"


def test_beside_another_run_nothing_is_judged_and_it_is_said(
    watch: Watch, target: Target, deployment: dict[str, str]
) -> None:
    who = str(uuid.uuid4())
    other = psycopg2.connect(deployment["UNICORN_DB_READ_URL"], application_name="credit-flow cf-zzzzzz")
    try:
        assert changed(watch) == watch.said() == ""
        carry_out(
            target, "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, 7, 7)", who
        )
        assert changed(watch) == ""
        assert watch.said() == "Another run was on this target: beside 1 scenario only the bystanders were watched."
    finally:
        other.close()
        carry_out(target, "DELETE FROM user_credits WHERE user_id = %s", who)
    assert changed(watch) == "", "the other run may have done it just before it ended"
    assert "beside 2 scenarios" in watch.said()


def test_between_two_looks_at_lago_nothing_is_left_out_and_nothing_older_is_read_again(
    watch: Watch, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a look takes, the next one begins where it began."""
    times, asked = iter(["12:00:10", "12:00:30", "12:00:31"]), list[str]()

    def changes(since: str, _run: str) -> tuple[list[Row], str]:
        asked.append(since)
        return [], next(times)

    monkeypatch.setattr(target.lago_db, "changes", changes)
    monkeypatch.setattr(watch, "_read_lago_at", "")
    watch.begin()
    for _ in range(2):
        assert changed(watch) == ""
    assert asked == ["", "12:00:10", "12:00:30"]


def test_a_row_in_lago_that_appears_a_moment_after_its_date_is_read(target: Target) -> None:
    who = f"unknown-{uuid.uuid4()}"
    _, before = target.lago_db.changes("", RUN)
    key = target.settings.lago_api_key.get_secret_value()
    event = {"transaction_id": who, "external_subscription_id": who, "code": "llm_request"}
    assert target.lago.http.send("POST", "/api/v1/events", token=key, body={"event": event}).status == 200
    for since, found in ((before, 1), (target.lago_db.changes("", RUN)[1], 1), ("2999-01-01", 0)):
        rows, _ = target.lago_db.changes(since, RUN)
        assert sum(row["row"] == f"{who} {who}" for row in rows) == found


def test_on_a_target_that_others_use_only_bystanders_are_watched_and_it_is_said(deployment: dict[str, str]) -> None:
    shared = Target(load({}, deployment | {"WATCH": "bystanders"}))
    watch, who = Watch(shared), str(uuid.uuid4())
    watch.begin()
    try:
        carry_out(
            shared, "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, 7, 7)", who
        )
        assert changed(watch) == ""
    finally:
        carry_out(shared, "DELETE FROM user_credits WHERE user_id = %s", who)
        shared.close()
    assert watch.said() == "Others use this target: of what is not the run's own, only its bystanders were watched."


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "ops-center.log"
    file.write_text("ERROR from before the run\n")
    return file


@pytest.fixture
def logs(deployment: dict[str, str], log: Path) -> Iterator[Watch]:
    """Return a watch on one log that already contains an error."""
    opened = Target(load({}, deployment | {"TARGET_LOGS": str(log), "WATCH": "bystanders"}))
    yield Watch(opened)
    opened.close()


def logged(watch: Watch, people: tuple[Person, ...] = (), green: bool = True) -> str:
    """Return the message of the watch about the logs; empty without one."""
    try:
        watch.logs(people, green)
    except UnexpectedChangeError as red:
        return str(red)
    return ""


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-23 10:00:00 ERROR the charge could not be written",
        '{"level": "CRITICAL", "message": "no credits table"}',
        "FATAL:  role does not exist",
        "PANIC: could not write to the journal",
    ],
)
def test_an_error_that_is_logged_while_all_is_well_is_red_once(logs: Watch, log: Path, line: str) -> None:
    assert logged(logs) == ""
    write(log, f"all is well\n{line}\nall is well\n")
    assert logged(logs) == f"ops-center logged an error while all went well: {line}"
    assert logged(logs) == ""


@pytest.mark.parametrize("line", ["an error", "INFO 0 errors", "ERRORS=0", "WARNING slow", "TERROR"])
def test_what_only_resembles_an_error_is_not_red(logs: Watch, log: Path, line: str) -> None:
    write(log, f"{line}\n")
    assert logged(logs) == ""


TRACE = """Traceback (most recent call last):
  File "credits.py", line 3, in charge
    raise KeyError("credits")
KeyError: 'credits'
all is well
"""


@pytest.mark.parametrize("first", ["", "ERROR:    Exception in ASGI application\n"])
def test_of_a_stack_trace_it_is_told_what_was_raised(logs: Watch, log: Path, first: str) -> None:
    write(log, first + TRACE)
    begin = first.strip() or "Traceback (most recent call last):"
    assert logged(logs) == f"ops-center logged an error while all went well: {begin} ... KeyError: 'credits'"


def test_of_an_error_without_a_stack_trace_nothing_of_the_lines_after_it_is_told(logs: Watch, log: Path) -> None:
    write(log, f"ERROR alone\nall is well\nall is well\n{TRACE}")
    assert logged(logs).endswith("ERROR alone")


def test_in_a_red_scenario_errors_in_the_log_are_not_told(logs: Watch, log: Path) -> None:
    write(log, "ERROR that the scenario is about\n")
    assert logged(logs, green=False) == ""
    assert logged(logs) == "", "it was of the scenario before"


@pytest.mark.parametrize("green", [True, False])
def test_a_provider_key_in_a_log_is_red_whatever_became_of_the_scenario_and_is_not_shown(
    logs: Watch, log: Path, person: type[Person], green: bool
) -> None:
    key = f"sk-or-v1-{secrets.token_hex(24)}"
    redactor.learn(key)
    individual = person("the individual")  # type: ignore[call-arg]
    individual.keys.append(key)
    write(log, f"INFO asking the provider with {key}\n")
    said = logged(logs, (individual,), green)
    assert said.startswith("the log of ops-center shows the provider key of the individual: INFO asking the provider")
    assert key not in said
    assert key[9:] not in said


def test_in_an_access_log_a_provider_key_is_red_and_an_error_is_not(
    deployment: dict[str, str], log: Path, cast: Cast
) -> None:
    opened = Target(load({}, deployment | {"TARGET_LOGS": "", "ACCESS_LOGS": str(log), "WATCH": "bystanders"}))
    watch, owner = Watch(opened), cast.person("BYOK user")
    owner.keys.append(f"sk-or-v1-{secrets.token_hex(24)}")
    write(log, "ERROR something else\n")
    assert logged(watch, (owner,)) == ""
    write(log, f"GET /v1/chat?api_key={owner.keys[0]} 200\n")
    assert "shows the provider key of the BYOK user" in logged(watch, (owner,))
    opened.close()


def test_a_long_line_is_cut(logs: Watch, log: Path) -> None:
    write(log, f"ERROR {'x ' * 1000}\n")
    assert 300 < len(logged(logs)) < 400


def test_a_line_is_read_when_it_is_whole(log: Path) -> None:
    logs = Logs([log])
    write(log, "half a ")
    assert logs.new_lines() == []
    write(log, "line\nand h")
    assert logs.new_lines() == [("ops-center", "half a line")]
    write(log, "alf\n")
    assert logs.new_lines() == [("ops-center", "and half")]


def test_a_line_ends_at_its_line_feed_only(log: Path) -> None:
    logs = Logs([log])
    write(log, "one\u2028two\x85three\vfour\r\nnext\n")
    assert [line for _, line in logs.new_lines()] == ["one\u2028two\x85three\vfour", "next"]


def test_a_log_that_is_emptied_is_read_from_its_beginning(log: Path) -> None:
    logs = Logs([log])
    log.write_text("anew\n")
    assert logs.new_lines() == [("ops-center", "anew")]
    assert logs.new_lines() == []


def test_a_log_that_is_replaced_by_a_longer_one_is_read_from_its_beginning(log: Path) -> None:
    logs = Logs([log])
    kept = log.with_suffix(".1")
    os.rename(log, kept)
    assert logs.new_lines() == [], "there is none for a moment"
    log.write_text("a first line that is longer than all that stood in the old log\nsecond\n")
    assert [line for _, line in logs.new_lines()] == [
        "a first line that is longer than all that stood in the old log", "second"
    ]  # fmt: skip


def test_a_log_that_is_not_there_yet_is_read_from_its_beginning_once_it_is(tmp_path: Path) -> None:
    log = tmp_path / "lago.log"
    logs = Logs([log])
    assert logs.new_lines() == []
    log.write_text("first\n")
    assert logs.new_lines() == [("lago", "first")]


def test_a_log_that_is_no_text_is_read_all_the_same(log: Path) -> None:
    logs = Logs([log])
    with log.open("ab") as file:
        file.write(b"\xff\xfe ERROR\n")
    ((_, line),) = logs.new_lines()
    assert line.endswith(" ERROR")


def test_what_another_worker_has_made_is_not_strange_and_everything_else_is(target: Target) -> None:
    theirs, organization, nobodys = (str(uuid.uuid4()) for _ in range(3))
    name = f"{RUN}-2000001"
    watch = Watch(target, lambda: {theirs, name})
    watch.begin()
    insert = "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, 7, 7)"
    founded = "INSERT INTO organizations (id, name, subscription_tier) VALUES (%s, %s, 'platform')"
    try:
        carry_out(target, insert, theirs)
        carry_out(target, founded, organization, f"{name} organisation")
        carry_out(target, "INSERT INTO organization_credits (org_id, total_credits) VALUES (%s, 5)", organization)
        assert changed(watch) == ""
        carry_out(target, insert, nobodys)
        said = changed(watch)
    finally:
        carry_out(target, "DELETE FROM user_credits WHERE user_id = ANY(%s::uuid[])", [theirs, nobodys])
        carry_out(target, "DELETE FROM organizations WHERE id = %s", organization)
    assert said.startswith(f"{CHANGED}unicorn_db user_credits: ({nobodys},7,7,")
    assert theirs not in said
