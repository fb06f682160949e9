"""Runs and the sweep never change the data of other users on the same target."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
from keycloak import KeycloakAdmin

from creditflow.actors.cast import Cast
from creditflow.cleanup import journal
from creditflow.cleanup.cleanup import Cleanup
from creditflow.cleanup.resources import KeycloakUser, Rows
from creditflow.cleanup.sweep import sweep
from creditflow.core import polling
from creditflow.core.expect import holds
from creditflow.core.turns import Turns
from creditflow.target.settings import PROJECT, load
from creditflow.target.target import Target

FLOWS = PROJECT / "features" / "flows"
BEGINNING = (FLOWS / "2_organization_user.feature", FLOWS / "1_individual_user.feature")
LOOK_ALIKES = ("cf-team", "cf-abc123", "cf-abc123-x", "cf-abc123-07", "cf-abc1234-7", "xcf-abc123-7", "cf-abc123-7-b")
"""User names that no run uses."""
BY_NAME = "cf-abc123-7"
"""A user name like that of a run, with an e-mail address that no run uses."""
LIVING, DEAD = "cf-live00", "cf-dead00"


@dataclass
class Crowd:
    """Data of people outside the suite, in every system.

    Attributes:
        ids: their user ids by user name.
        organizations: their ids.
    """

    target: Target
    users: KeycloakAdmin
    database: Any
    cache: Any
    ids: dict[str, str] = field(default_factory=dict)
    organizations: list[str] = field(default_factory=list)

    def execute(self, statement: str, *values: Any) -> None:
        with self.database.cursor() as cursor:
            cursor.execute(statement, values)

    def user(self, name: str, email: str) -> str:
        """Make a Keycloak user with credits, an earlier call and a counter."""
        user = {"username": name, "email": email, "firstName": "Real", "lastName": "Person", "enabled": True}
        self.ids[name] = found = str(self.users.create_user(user))
        self.execute(
            "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, 5, 5)", found
        )
        self.movement(found, "granted by the acceptance suite, run cf-abc123")
        self.execute(
            "INSERT INTO usage_tracking (user_id, request_id, endpoint, model, tokens, credits, byok, status) "
            "VALUES (%s, %s, 'placed by the acceptance suite', 'openai/gpt-4', 10, 0, true, 200)",
            found,
            str(uuid.uuid4()),
        )
        self.cache.set(f"usage:{found}:2026-08:calls", "7")
        return found

    def credits(self, user: str) -> None:
        self.execute("INSERT INTO user_credits (user_id, credits_remaining, credits_allocated) VALUES (%s, 5, 5)", user)

    def movement(self, user: str, description: str) -> None:
        self.execute(
            "INSERT INTO credit_transactions (user_id, amount, transaction_type, description) "
            "VALUES (%s, 5, 'grant', %s)",
            user,
            description,
        )

    def organization(self, name: str, *emails: str) -> str:
        """Make an organisation with these members; the first is its admin."""
        self.organizations.append(org_id := str(uuid.uuid4()))
        self.execute(
            "INSERT INTO organizations (id, name, subscription_tier) VALUES (%s, %s, 'platform')", org_id, name
        )
        self.execute("INSERT INTO organization_credits (org_id, total_credits) VALUES (%s, 100)", org_id)
        for number, email in enumerate(emails):
            self.execute(
                "INSERT INTO organization_members (id, org_id, user_email, role) VALUES (%s, %s, %s, %s)",
                str(uuid.uuid4()),
                org_id,
                email,
                "member" if number else "admin",
            )
        return org_id

    def snapshot(self) -> list[str]:
        """Return all rows, keys, users, customers, troubles and calls."""
        target = self.target
        lago = "SELECT 'customers' AS s, t::text AS row FROM customers t WHERE deleted_at IS NULL UNION ALL "
        lago += "SELECT 'subscriptions', t::text FROM subscriptions t WHERE status = 1"
        return sorted(
            [
                *(f"{row['source']} {row['row']}" for row in target.unicorn.everything()),
                *(f"{key} {value}" for key, value in target.counters.everything().items() if "tier:" not in key),
                *(json.dumps(user, sort_keys=True) for user in self.users.get_users({})),
                *(f"{row['s']} {row['row']}" for row in target.lago_db.database.rows(lago)),
                *(f"trouble {caller}" for caller in target.provider.troubles()),
                *map(str, target.provider.all_calls()),
            ]
        )

    def remove(self) -> None:
        for name, user in self.ids.items():
            self.users.delete_user(user)
            self.cache.delete(f"usage:{user}:2026-08:calls")
            for table in ("user_credits", "credit_transactions", "usage_tracking"):
                self.execute(f"DELETE FROM {table} WHERE user_id = %s", user)
            self.target.lago.remove_customer(user, f"{name}-subscription")
        for org_id in self.organizations:
            self.execute("DELETE FROM organizations WHERE id = %s", org_id)
        self.target.lago.remove_customer("customer-77", "customer-77-subscription")
        self.target.provider.end_trouble("cf-team")
        self.database.close()


@pytest.fixture
def settled(target: Target) -> None:
    """Send a first request to Ops-Center, because then it rebuilds all counters, also those of others."""
    cleanup = Cleanup()
    person = Cast(target, cleanup, lambda secret: None).person("individual", "professional", 100)
    body = {"model": "openai/gpt-3.5-turbo", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
    answer = target.ops_center.chat(person.token, body)
    assert answer.status == 200, answer.text
    cleanup.carry_out()


@pytest.fixture
def crowd(
    settled: None, target: Target, users: KeycloakAdmin, cache: redis.Redis, deployment: dict[str, str]
) -> Iterator[Crowd]:
    database = psycopg2.connect(deployment["UNICORN_DB_URL"])
    database.autocommit = True
    found = Crowd(target, users, database, cache)
    try:
        for name in LOOK_ALIKES:
            found.user(name, f"{name}@company.example")
        named = found.user(BY_NAME, "seven@company.example")
        found.user("carol", "carol@company.example")
        found.organization("cf-abcdef organisation", "carol@company.example")
        found.organization("cf-abc123-7 organisation", "seven@company.example", "carol@company.example")
        target.lago.create_customer(found.ids["carol"], "Carol", "carol@company.example")
        target.lago.subscribe(found.ids["carol"], "carol-subscription", "professional")
        target.lago.create_customer("customer-77", "cf-abc123-8", "billing@company.example")
        target.lago.create_customer(named, BY_NAME, f"{BY_NAME}@example.com")
        target.provider.trouble("cf-team", "server_error", 600)
        yield found
    finally:
        found.remove()


def removed_soon(snapshot: Callable[[], list[str]], before: list[str]) -> None:
    def alike() -> None:
        now = snapshot()
        more, less = [one for one in now if one not in before], [one for one in before if one not in now]
        holds(now == before, f"{more} came and {less} went")

    polling.soon(alike, 60)


def test_a_run_on_a_target_full_of_others_is_green_and_leaves_them_byte_by_byte(
    start: Callable[..., Any], crowd: Crowd
) -> None:
    before = crowd.snapshot()
    run = start(BEGINNING[0])
    assert run.end() == 0, run.output
    removed_soon(crowd.snapshot, before)


@pytest.mark.timeout(600)
def test_two_runs_at_once_are_both_green_and_leave_nothing(start: Callable[..., Any], crowd: Crowd) -> None:
    before = crowd.snapshot()
    runs = [start(*BEGINNING, "--jobs=2"), start(*BEGINNING, "--jobs=2")]
    for run in runs:
        run.until("Services:")
    assert [run.end() for run in runs] == [0, 0], "\n".join(run.output for run in runs)
    for run in runs:
        assert " passed, 0 failed" in run.output
    removed_soon(crowd.snapshot, before)


def test_a_sweep_beside_a_run_is_no_change_that_the_run_has_to_answer_for(
    start: Callable[..., Any], deployment: dict[str, str], tmp_path: Path
) -> None:
    """A person comes and goes while a scenario waits."""
    killed = start(*BEGINNING)
    killed.until_journal_has(30)
    killed.kill()
    assert killed.journal.left
    run = start(Path(__file__).parent / "waiting" / "features", "-n", "waits in a step", settings={"WAITS_S": "60"})
    run.until_it_waits()
    own = {"JOURNAL_DIR": str(tmp_path / "journals")}
    swept = subprocess.run(
        [sys.executable, "-m", "creditflow", "sweep"],
        cwd=PROJECT, env={**os.environ, **deployment, **own}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert swept.returncode == 0, swept.stdout
    assert "Removed on " in swept.stdout
    (run.folder / "go-on").touch()
    assert run.end() == 0, run.output


def test_runs_on_one_sandbox_take_turns_also_without_a_common_folder_of_journals(
    start: Callable[..., Any], deployment: dict[str, str], tmp_path: Path
) -> None:
    folder = Path(deployment["OPS_CENTER_CLOCK"]).parent
    other = Turns()
    other.begin(folder)

    def somebody_waits() -> bool:
        with (folder / "queue.lock").open() as queue:
            try:
                fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    with other.taken(exclusive=True):
        run = start("--tags=@F1.S5", settings={"JOURNAL_DIR": str(tmp_path / "others")})
        polling.soon(lambda: holds(somebody_waits(), "no run waits"), 60)
    assert run.end() == 0, run.output
    assert "Other runs" in run.output


def test_the_sweep_touches_no_look_alike_byte_by_byte(crowd: Crowd, target: Target) -> None:
    before = crowd.snapshot()
    swept = sweep(target)
    assert (swept.removed, swept.left) == ((), ())
    assert crowd.snapshot() == before


def test_the_sweep_finds_what_a_run_left_without_its_journal_though_only_marked_rows_are_left(
    crowd: Crowd, target: Target
) -> None:
    gone = str(uuid.uuid4())
    before = crowd.snapshot()
    crowd.credits(gone)
    crowd.movement(gone, f"granted by the acceptance suite, run {DEAD}")
    foreign = crowd.organizations[0]
    crowd.execute(
        "INSERT INTO organization_members (id, org_id, user_email) VALUES (gen_random_uuid(), %s, %s)",
        foreign,
        f"{DEAD}-3@example.com",
    )
    crowd.cache.set(f"usage:{gone}:2026-08:calls", "7")
    target.lago.create_customer(str(uuid.uuid4()), f"{DEAD}-4", f"{DEAD}-4@example.com")
    target.provider.trouble(f"{DEAD}-4", "server_error", 600)
    would = sweep(target, dry_run=True)
    assert len(would.removed) == 5
    swept = sweep(target)
    assert set(swept.removed) == set(would.removed)
    assert swept.left == ()
    removed_soon(crowd.snapshot, before)


def test_the_sweep_leaves_alone_what_a_run_that_lives_has_made(
    crowd: Crowd, target: Target, deployment: dict[str, str], tmp_path: Path
) -> None:
    """One run is active elsewhere (a PostgreSQL session), and one here (a locked journal)."""
    elsewhere, here = f"{LIVING}-1", f"{DEAD}-1"
    ids = [crowd.user(name, f"{name}@example.com") for name in (elsewhere, here)]
    session = psycopg2.connect(deployment["UNICORN_DB_URL"], application_name=f"credit-flow {LIVING}")
    file = tmp_path / "journals" / "target" / f"{DEAD}.1.jsonl"
    file.parent.mkdir(parents=True)
    with file.open("w") as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        before = crowd.snapshot()
        assert not sweep(target).removed
        assert crowd.snapshot() == before
        assert journal.live_runs(tmp_path / "journals") == {DEAD}
        session.close()
        polling.soon(lambda: holds(LIVING not in target.unicorn.runs(), "its session is still there"), 60)
        assert set(sweep(target).removed) >= {KeycloakUser(elsewhere), Rows(ids[0], elsewhere)}
    file.unlink()
    assert set(sweep(target).removed) >= {KeycloakUser(here), Rows(ids[1], here)}
    for name in (elsewhere, here):
        crowd.ids.pop(name)


def test_what_could_not_be_removed_is_named_and_its_journal_stays(target: Target, tmp_path: Path) -> None:
    """The journal names an account at a provider without a setting."""
    folder = tmp_path / "journals"
    (folder / "target").mkdir(parents=True)
    head = {"version": 1, "run": DEAD, "target": target.settings.ops_center_url, "sandbox": False}
    owed = {"owe": 1, "kind": "ProviderAccount", "fingerprint": "0" * 16}
    file = folder / "target" / f"{DEAD}.1.jsonl"
    file.write_text(f"{json.dumps(head)}\n{json.dumps(owed)}\n")
    known = target.settings.model_copy(update={"provider_url": "", "journal_dir": folder})
    swept = sweep(without := Target(known))
    without.close()
    assert swept.left == (f"the provider account {'0' * 16} (can't search for it: set PROVIDER_URL)",)
    assert file.exists()
    assert sweep(target).left == ()
    assert not file.exists()


def test_without_the_databases_an_organisation_goes_as_its_admin_would_remove_it(
    deployment: dict[str, str], target: Target, tmp_path: Path
) -> None:
    """The password of an earlier run is unknown, and active runs elsewhere can't be seen."""
    folder = tmp_path / "journals"
    named = {name: value for name, value in deployment.items() if "_DB_" not in name}
    without = Target(load({}, {**named, "JOURNAL_DIR": str(folder)}))
    journalled = journal.Journal.begin(folder, deployment["OPS_CENTER_URL"], sandbox=False)
    cast = Cast(without, Cleanup(journalled), lambda secret: None)
    admin = cast.person("admin", "platform")
    organization = cast.organization("the organisation", admin)
    lines = list[str]()
    assert sweep(without, report=lines.append).removed == (), "the sweep removed what an active run made"
    journalled.end(lines.append)
    assert target.unicorn.organization(organization.id) is not None
    target.keycloak.set_password(admin.name, "another-password")
    swept = sweep(without, report=lines.append)
    assert f"the organisation {organization.name}" in map(str, swept.removed)
    assert swept.left == ()
    assert any("Without UNICORN_DB_URL the live runs" in line for line in lines)
    assert target.unicorn.organization(organization.id) is None
    assert target.keycloak.find_user(admin.name) is None
    target.writable.add(admin.id, admin.name)
    target.grants.remove_person(admin.id)
    without.close()
