"""The names and addresses of a run's people."""

from __future__ import annotations

import re

import pytest

from creditflow.core.naming import EMAIL_OF_A_RUN, email_of, name_of, new_email_of

NAME = "cf-abc123-4"


@pytest.mark.parametrize("email", [email_of(NAME), new_email_of(NAME)])
def test_both_addresses_of_a_person_lead_to_their_name(email: str) -> None:
    assert re.fullmatch(EMAIL_OF_A_RUN, email)
    assert name_of(email) == NAME


@pytest.mark.parametrize("email", ["", "ann@example.com", "cf-abc123-4+old@example.com", "cf-abc123-4@example.org"])
def test_an_address_of_somebody_else_leads_to_nobody(email: str) -> None:
    assert name_of(email) == ""
