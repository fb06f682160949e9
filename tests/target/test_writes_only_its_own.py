"""All SQL of the suite that writes is in one class, and it writes only rows of people and organisations of a run."""

from __future__ import annotations

import ast
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from creditflow.actors.cast import Cast
from creditflow.cleanup.cleanup import Cleanup
from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.naming import RUN
from creditflow.core.period import start
from creditflow.target.drivers.grants import Grants, NotOwnedError, WritableIds
from creditflow.target.health import UNICORN_TABLES
from creditflow.target.settings import PROJECT, load
from creditflow.target.target import Target

SOURCES = sorted([*PROJECT.glob("creditflow/**/*.py"), *PROJECT.glob("features/**/*.py")])
DRIVERS = PROJECT / "creditflow" / "target" / "drivers"
CONNECTION, GRANTS = DRIVERS / "postgres.py", DRIVERS / "grants.py"
EXEMPT = {GRANTS: ("Grants",)}
"""The class whose SQL writes."""

WRITING = re.compile(
    r"(?:^|[;(])\s*(?:INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE|COPY\s"
    r"|(?:CREATE|DROP|ALTER)\s+(?:TABLE|ROLE|INDEX|SCHEMA)|GRANT\s.+\sTO\s)",
    re.IGNORECASE,
)
EARLIER = "cf-abc123-7"
STRANGER = str(uuid.uuid4())

REFUSED = re.compile(r"read-only transaction|permission denied")


def texts(path: Path, outside_of: tuple[str, ...] = ()) -> Iterator[tuple[int, str]]:
    """Yield the texts in a source with their lines, without those in some classes and functions."""
    tree = ast.parse(path.read_text("utf-8"))
    named = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef))
    left_out = {id(node) for within in named if within.name in outside_of for node in ast.walk(within)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.lineno, node.value


def test_every_statement_that_writes_is_in_one_class() -> None:
    found = {
        f"{path.relative_to(PROJECT)}:{line}"
        for path in SOURCES
        for line, text in texts(path, EXEMPT.get(path, ()))
        if WRITING.search(text)
    }
    assert not found, f"SQL outside of Grants writes: {found}"
    assert len([text for _, text in texts(GRANTS) if WRITING.search(text)]) > 4, "Grants itself is not seen"


def test_only_one_module_connects_to_a_database() -> None:
    connects = re.compile(r"psycopg2?\.connect|import connect\b|create_engine|ThreadedConnectionPool")
    found = {path.relative_to(PROJECT).as_posix() for path in SOURCES if connects.search(path.read_text("utf-8"))}
    assert found == {"creditflow/target/drivers/postgres.py"}, found


def test_what_opens_a_transaction_or_the_writing_session_is_grants_alone() -> None:
    calls = re.compile(r"\.transaction\(|grants\.database\b|read_only=False")
    found = {
        f"{path.relative_to(PROJECT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text("utf-8").splitlines()
        if calls.search(line) and path not in (CONNECTION, GRANTS)
    }
    assert found == {
        "creditflow/target/health.py: writing = target.grants.database",
        "creditflow/target/target.py: "
        'database = Database("unicorn_db", url, self.settings.http_timeout_s, read_only=False)',
    }


@pytest.mark.parametrize("table", sorted(UNICORN_TABLES))
@pytest.mark.parametrize("role", ["UNICORN_DB_READ_URL", "UNICORN_DB_URL"])
def test_no_check_can_write_whichever_role_it_is_given(deployment: dict[str, str], role: str, table: str) -> None:
    target = Target(load({}, {**deployment, "UNICORN_DB_READ_URL": deployment[role]}))
    try:
        for statement in (f"DELETE FROM {table} WHERE false", f"INSERT INTO {table} DEFAULT VALUES"):
            with pytest.raises(ServiceUnavailableError, match=REFUSED):
                target.unicorn.database.rows(statement)
    finally:
        target.close()


def test_no_check_can_write_to_the_database_of_lago(target: Target) -> None:
    with pytest.raises(ServiceUnavailableError, match=REFUSED):
        target.lago_db.database.rows("DELETE FROM customers WHERE false")


def everything(target: Target) -> list[str]:
    return sorted(row["row"] for row in target.unicorn.everything())


def test_no_check_can_make_a_table(target: Target) -> None:
    with pytest.raises(ServiceUnavailableError, match=REFUSED):
        target.unicorn.database.transaction([("CREATE TABLE credit_flow_check_wrote ()", ())])
    assert "credit_flow_check_wrote" not in target.grants.database.columns()


@pytest.mark.parametrize(
    "write",
    [
        lambda grants: grants.grant(STRANGER, 5, "trial"),
        lambda grants: grants.place_calls(STRANGER, 2, start()),
        lambda grants: grants.copy_key(STRANGER, STRANGER),
        lambda grants: grants.remove_person(STRANGER),
        lambda grants: grants.remove_organization(STRANGER),
        lambda grants: grants.remove_member("stranger@example.com"),
        lambda grants: grants.remove_member("cf-abc123-7@example.com.example"),
    ],
    ids=["grant", "calls", "a key", "a person", "an organisation", "a member", "a member alike"],
)
def test_nothing_is_written_about_people_that_the_run_did_not_make(
    target: Target, write: Callable[[Grants], None]
) -> None:
    before = everything(target)
    with pytest.raises(NotOwnedError, match=f"{RUN} made nobody with the id {STRANGER}|does not give e-mails like"):
        write(target.grants)
    assert everything(target) == before


def test_every_method_that_writes_is_tested_for_whose_rows_it_writes() -> None:
    public = {name for name, value in vars(Grants).items() if callable(value) and not name.startswith("_")}
    assert public == {*("grant", "place_calls", "copy_key", "remove_person", "remove_organization", "remove_member")}, (
        "add it to the test above"
    )


def test_of_an_earlier_run_rows_are_removed_and_none_is_made(target: Target) -> None:
    grants = Grants(target.grants.database, WritableIds())
    grants._writable.add_removable(STRANGER, EARLIER)
    with pytest.raises(NotOwnedError):
        grants.grant(STRANGER, 5, "trial")
    with pytest.raises(NotOwnedError):
        grants.place_calls(STRANGER, 2, start())
    grants.remove_person(STRANGER)
    grants.remove_organization(STRANGER)


@pytest.mark.parametrize("name", ["somebody", "cf-", "cf-abc123", "cfx-abc123-1", "CF-ABC123-1", "x cf-abc123-1", ""])
def test_an_id_without_a_name_of_a_run_is_never_writable(name: str) -> None:
    for add in (WritableIds().add, WritableIds().add_removable):
        with pytest.raises(NotOwnedError, match="does not give names like"):
            add(STRANGER, name)


def test_another_runs_people_are_not_this_runs() -> None:
    with pytest.raises(NotOwnedError):
        WritableIds().add(STRANGER, EARLIER)


def test_an_answer_with_the_id_of_anothers_organisation_does_not_change_it(target: Target, cast: Cast) -> None:
    admin = cast.person("admin", "platform")
    organization = cast.organization("the organisation", admin, credits=500)
    database = target.grants.database
    database.rows("UPDATE organizations SET name = 'Wayne Enterprises' WHERE id = %s", organization.id)
    try:
        with pytest.raises(NotOwnedError, match="'Wayne Enterprises', which no run gives"):
            target.grants.remove_organization(organization.id)
        credits = target.unicorn.organization_credits(organization.id)
        assert credits is not None
        assert credits["total_credits"] == 500
    finally:
        database.rows("UPDATE organizations SET name = %s WHERE id = %s", organization.name, organization.id)


def test_the_removal_of_a_person_leaves_their_neighbours_rows(target: Target) -> None:
    cleanup = Cleanup()
    cast = Cast(target, cleanup, lambda secret: None)
    try:
        one, other = cast.person("individual", credits=100), cast.person("neighbour", credits=100)
        target.grants.remove_person(one.id)
        assert target.unicorn.user_credits(one.id) is None
        assert target.unicorn.movements(user_id=one.id) == []
        credits = target.unicorn.user_credits(other.id)
        assert credits is not None
        assert credits["credits_remaining"] == 100
        assert [m["amount"] for m in target.unicorn.movements(user_id=other.id)] == [100]
    finally:
        cleanup.carry_out()
