"""The sentence of a mismatch stays readable."""

from __future__ import annotations

import pytest

from creditflow.actors.cast import Cast
from creditflow.audit import presentation
from creditflow.audit.ledger import Verdict
from creditflow.audit.parties import Parties
from creditflow.cleanup.cleanup import Cleanup
from creditflow.target.settings import load
from creditflow.target.target import Target


@pytest.mark.usefixtures("no_settings")
def test_a_sentence_has_the_first_differences_and_the_number_of_the_others() -> None:
    parties = Parties.of(Cast(Target(load()), Cleanup(), lambda secret: None), None)
    wrong = tuple(f"difference {number}" for number in range(1, 43))
    whole = presentation.sentence(parties, Verdict((), wrong[:40], ()))
    assert whole.endswith("; difference 40")
    assert presentation.sentence(parties, Verdict((), wrong, ())) == f"{whole}; and 2 more, which the table shows"
