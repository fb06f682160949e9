"""All SQL that writes to `unicorn_db`, and the ids whose rows a run may write or remove.

The suite writes by SQL only where the plan names no endpoint, and only rows of people and organisations that it made.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import cached_property

from psycopg2 import sql

from creditflow.core.naming import MARK, RUN, made_by_a_run, name_of
from creditflow.target.drivers.postgres import Database
from creditflow.target.drivers.record import Recorder, record_nothing

PLACED = f"placed {MARK}"
"""The `endpoint` in `usage_tracking` of calls that `Grants.place_calls` inserts; nobody made them."""


class NotOwnedError(Exception):
    """An attempt to write or remove rows of somebody that no run of the suite made."""


class WritableIds:
    """The ids of people and organisations whose rows this run may write or remove.

    Rows of this run may be written and removed; rows of earlier runs may only be removed. An id is added with its name
    in the systems, and only if a run gives such names.
    """

    def __init__(self) -> None:
        self._writable: set[str] = set()
        self._removable: set[str] = set()

    def add(self, id_: str, name: str) -> None:
        """Add a person or an organisation that this run made.

        Raises:
            NotOwnedError: this run does not give such names.
        """
        if not name.startswith(f"{RUN}-"):
            raise NotOwnedError(f"The run {RUN} does not give names like '{name}', so it may not write rows of {id_}.")
        self._writable.add(id_)

    def add_removable(self, id_: str, name: str) -> None:
        """Add a person or an organisation that an earlier run made.

        Raises:
            NotOwnedError: no run gives such names.
        """
        if not made_by_a_run(name):
            raise NotOwnedError(
                f"A run of the suite does not give names like '{name}', so the rows of {id_} are not removed."
            )
        self._removable.add(id_)

    def require(self, id_: str, removal: bool = False) -> None:
        """Require that rows of an id may be written, or removed.

        Raises:
            NotOwnedError: they may not.
        """
        if id_ not in self._writable and not (removal and id_ in self._removable):
            raise NotOwnedError(
                f"The run {RUN} made nobody with the id {id_}, so it {'removes' if removal else 'writes'} no row of "
                f"this id: add the id to `Target.writable` when it is made."
            )


class Grants:
    """The statements by which the suite writes to `unicorn_db`.

    Args:
        database: opened for writing.
        writable: the ids whose rows may be written or removed; for other ids each method raises `NotOwnedError`.
        record: receives each write.
    """

    def __init__(self, database: Database, writable: WritableIds, record: Recorder = record_nothing) -> None:
        self.database, self._writable, self._record = database, writable, record

    def grant(self, user_id: str, credits: int, tier: str) -> None:
        """Give a person credits: write `user_credits` and `credit_transactions` in one transaction."""
        self._writable.require(user_id)
        self.database.transaction(
            [
                (
                    "INSERT INTO user_credits (user_id, credits_remaining, credits_allocated, tier, updated_at) "
                    "VALUES (%s, %s, %s, %s, now()) ON CONFLICT (user_id) DO UPDATE SET "
                    "credits_remaining = user_credits.credits_remaining + excluded.credits_remaining, "
                    "credits_allocated = user_credits.credits_allocated + excluded.credits_allocated, "
                    "updated_at = now()",
                    (user_id, credits, credits, tier),
                ),
                (
                    "INSERT INTO credit_transactions (id, user_id, amount, transaction_type, description) "
                    "VALUES (%s, %s, %s, 'grant', %s)",
                    (str(uuid.uuid4()), user_id, credits, f"granted {MARK}"),
                ),
            ]
        )
        self._record("grant", None, None, user_id=user_id, credits=credits)

    def place_calls(self, user_id: str, count: int, at: datetime) -> None:
        """Insert calls of a person at a time (UTC) with their own key: they count, and cost nothing."""
        self._writable.require(user_id)
        statement = (
            "INSERT INTO usage_tracking "
            "(id, user_id, request_id, endpoint, model, tokens, credits, byok, status, created_at) "
            "SELECT gen_random_uuid(), %s, gen_random_uuid(), %s, 'openai/gpt-3.5-turbo', 100, 0, TRUE, 200, %s "
            "FROM generate_series(1, %s)"
        )
        self.database.transaction([(statement, (user_id, PLACED, at, count))])
        self._record("place_calls", None, None, user_id=user_id, count=count, at=at)

    def copy_key(self, owner_id: str, user_id: str) -> None:
        """Overwrite the value that is stored as a person's provider key with that of another person."""
        self._writable.require(owner_id)
        self._writable.require(user_id)
        statement = (
            "UPDATE user_byok_keys SET encrypted_key = theirs.encrypted_key FROM user_byok_keys theirs "
            "WHERE theirs.user_id = %s AND user_byok_keys.user_id = %s AND theirs.provider = user_byok_keys.provider"
        )
        self.database.transaction([(statement, (owner_id, user_id))])
        self._record("copy_key", None, None, owner_id=owner_id, user_id=user_id)

    def remove_person(self, user_id: str) -> None:
        """Remove a person's rows from each table that has a column `user_id`."""
        self._remove(self._of_person, user_id)

    def remove_organization(self, org_id: str) -> None:
        """Remove an organisation from each table that has a column `org_id`, and from `organizations`.

        Raises:
            NotOwnedError: no run made it, or its name in the database is not one that a run gives. In the second case
                an API answer contained the id of another organisation.
        """
        self._writable.require(org_id, removal=True)
        for row in self.database.rows("SELECT name FROM organizations WHERE id::text = %s", org_id):
            if not made_by_a_run(row["name"]):
                raise NotOwnedError(
                    f"The organisation {org_id} has the name '{row['name']}', which no run gives, so it is not "
                    f"removed: find out which answer contained its id."
                )
        self._remove(self._of_organization, org_id)

    def remove_member(self, email: str) -> None:
        """Remove a person that a run made from all organisations.

        Raises:
            NotOwnedError: the e-mail is not one that a run gives.
        """
        if not name_of(email):
            raise NotOwnedError(
                f"A run of the suite does not give e-mails like '{email}', so no membership is removed."
            )
        self.database.transaction([("DELETE FROM organization_members WHERE user_email = %s", (email,))])

    def _remove(self, statement: sql.Composable, value: str) -> None:
        self._writable.require(value, removal=True)
        self.database.transaction([(statement, {"value": value})])

    @cached_property
    def _of_person(self) -> sql.Composable:
        return self._removal("user_id")

    @cached_property
    def _of_organization(self) -> sql.Composable:
        return self._removal("org_id", ("organizations", "id"))

    def _removal(self, column: str, *last: tuple[str, str]) -> sql.Composable:
        """Return the statement that removes the rows with a value in a column from every table that has it."""
        places = [(table, column) for table, columns in self.database.columns().items() if column in columns]
        each = sql.SQL("DELETE FROM {} WHERE {}::text = %(value)s")
        return sql.SQL("; ").join(
            each.format(sql.Identifier(table), sql.Identifier(its)) for table, its in [*places, *last]
        )
