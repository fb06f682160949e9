"""A red scenario shows what it asked and what was answered, in order and without tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
import pytest

from creditflow.audit import requests_table
from creditflow.audit.requests_table import LONGEST, shown_if_red
from creditflow.reporting import evidence
from creditflow.target.drivers.record import RecordedRequest

if TYPE_CHECKING:
    from tests.conftest import MakePerson, MakeReply


def token(user: str) -> str:
    return jwt.encode({"sub": user}, "a-key-that-is-long-enough-for-this", algorithm="HS256")


class People:
    """A cast of one."""

    def __init__(self, *people: Any) -> None:
        self.people = people


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[Any, ...]]]:
    found: list[list[tuple[Any, ...]]] = []
    monkeypatch.setattr(evidence, "attach_table", lambda name, headers, rows: found.append(rows))
    return found


def test_the_rows_name_the_person_the_request_and_the_answer(
    tables: list[list[tuple[Any, ...]]], person: MakePerson, reply: MakeReply
) -> None:
    entries = [
        RecordedRequest("grant", None, {"credits": 9, "tier": None}, None),
        RecordedRequest("chat", token("an-id"), {"body": {"model": "m"}}, reply(200, {"ok": True})),
        RecordedRequest("chat", token("another"), {"body": "x" * 2_000}, reply(429, "y" * 2_000)),
        RecordedRequest("create_organization", token("an-id"), {}, None),
    ]
    cast: Any = People(person("the individual"))
    with shown_if_red(cast, entries, green=False):
        pass
    (rows,) = tables
    assert rows[0] == (1, "the suite", "grant", '{"credits": 9}', "", "", None)
    assert rows[1] == (2, "the individual", "chat", '{"body": {"model": "m"}}', "200", '{"ok": true}', 1)
    assert rows[2][1] == "someone else"
    assert rows[2][4] == "429"
    assert rows[2][5] == "y" * LONGEST + " [... of 2,000 characters]"
    assert rows[3] == (4, "the individual", "create organization", "{}", "no answer", "", None)
    assert not any(entry.token and entry.token in str(rows) for entry in entries)


def test_a_green_scenario_shows_nothing_and_one_that_turns_red_shows_them(tables: list[list[tuple[Any, ...]]]) -> None:
    entries, cast = [RecordedRequest("grant", None, {}, None)], People()
    with requests_table.shown_if_red(cast, entries, green=True):  # type: ignore[arg-type]
        pass
    assert tables == []
    with pytest.raises(AssertionError, match="differs"), shown_if_red(cast, entries, green=True):  # type: ignore[arg-type]
        raise AssertionError("the ledger differs")
    assert len(tables) == 1
