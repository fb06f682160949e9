"""The sentence of a mismatch stays readable."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from creditflow.actors.cast import Cast
from creditflow.audit import presentation
from creditflow.audit.ledger import CREDITS, MOVEMENTS, Account, Line, Movement, Verdict
from creditflow.audit.parties import Parties
from creditflow.cleanup.cleanup import Cleanup
from creditflow.reporting import record
from creditflow.reporting.recorder import recorder
from creditflow.target.settings import load
from creditflow.target.target import Target

if TYPE_CHECKING:
    from tests.conftest import MakePerson


@pytest.mark.usefixtures("no_settings")
def test_a_sentence_has_the_first_differences_and_the_number_of_the_others() -> None:
    parties = Parties.of(Cast(Target(load()), Cleanup(), lambda secret: None), None)
    wrong = tuple(f"difference {number}" for number in range(1, 13))
    whole = presentation.sentence(parties, Verdict((), wrong[:10], ()))
    assert whole.endswith("; difference 10")
    assert presentation.sentence(parties, Verdict((), wrong, ())) == f"{whole}; and 2 more, which the table shows"


def test_the_rows_of_the_table_are_recorded(person: MakePerson) -> None:
    somebody = person()
    cast: Any = SimpleNamespace(people=[somebody], organizations=[])
    parties = Parties(cast, (somebody,), (), ())
    charge = Movement("usage", -9, somebody.id, "7374aaaa-1")
    lines = (
        Line(Account(somebody.id, CREDITS), 1000, 991, {"the API": 991, "unicorn_db": 982}),
        Line(Account(somebody.id, MOVEMENTS), (), (charge,), {}),
        Line(Account("a bystander", CREDITS), 50, 50, {"the API": 50}),
    )
    presentation.show(parties, Verdict(lines, (), ()))
    assert recorder.current.accounts == (
        record.Account(
            who="the individual",
            what="credits",
            before=1000,
            after=982,
            expected=991,
            systems=("the API", "unicorn_db"),
            differs={"unicorn_db": 982},
        ),
        record.Account(
            who="the individual", what="movements", before="none", after=None, expected="usage -9 of request 7374aaaa"
        ),
        record.Account(
            who="the bystanders",
            what="everything",
            before=None,
            after="as before",
            expected="as before",
            systems=("the API",),
        ),
    )
