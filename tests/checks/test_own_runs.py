"""A run that begins although it must not is seen, and so is a selection that lacks a scenario or has one too many."""

from __future__ import annotations

import pytest

from creditflow.checks import own_runs
from creditflow.checks.own_runs import Ended
from creditflow.core.errors import NotTestableError
from creditflow.reporting import selection
from creditflow.target.settings import Settings

SERVICES = ("Keycloak", "Redis")
AWAY = """\
The run can't begin:
  - Keycloak at http://localhost:1 can't be reached when asked to sign in: start it, or correct KEYCLOAK_URL.
  - Redis at localhost:1 can't be used (ConnectionError): start it, or correct REDIS_URL.
"""
BEGUN = """\
Target http://localhost:8084, run cf-abc123

Platform: The services behind the credit flow are up  features/platform/1_services.feature
    \u2713 Keycloak is up  0.14 s
"""


def test_a_run_that_names_what_is_away_has_not_begun() -> None:
    own_runs.require_not_begun(Ended(2, AWAY))
    own_runs.require_services_named(Ended(2, AWAY), SERVICES)


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        (Ended(1, AWAY), "the run ended with the status 1, expected 2"),
        (Ended(0, BEGUN), "the run ended with the status 0, expected 2"),
        (Ended(2, AWAY + BEGUN), "the run had begun with"),
        (Ended(2, ""), "the run says 'The run can't begin': no, expected yes"),
    ],
)
def test_a_run_that_begins_or_says_nothing_is_red(ended: Ended, says: str) -> None:
    with pytest.raises(AssertionError) as red:
        own_runs.require_not_begun(ended)
    assert says in str(red.value)


def test_a_service_that_is_not_named_or_without_a_cure_is_red() -> None:
    for output in (AWAY.replace("Redis at", "It at"), AWAY.replace(": start it, or correct REDIS_URL", "")):
        with pytest.raises(AssertionError, match="the run does not name Redis with what to try next"):
            own_runs.require_services_named(Ended(2, output), SERVICES)


def test_a_table_that_is_not_named_is_red() -> None:
    ended = Ended(2, "unicorn_db is up but has none of the tables organizations, credit_transactions")
    own_runs.require_tables_named(ended, ["organizations", "credit_transactions"])
    for tables in (["organizations", "user_credits"], ["credit"], []):
        with pytest.raises(AssertionError, match="the run does not name"):
            own_runs.require_tables_named(ended, tables)


def test_without_another_database_missing_tables_are_not_testable() -> None:
    with pytest.raises(NotTestableError, match="set LAGO_DB_READ_URL"):
        own_runs.start_without_tables(Settings.model_validate({"lago_db_read_url": ""}))


@pytest.mark.parametrize("part", own_runs.SELECTIONS)
def test_every_part_of_the_plan_has_scenarios(part: str) -> None:
    written = selection.written(own_runs.SELECTIONS[part])
    assert len(written) > 10
    own_runs.require_exactly(list(reversed(written)), part)


def test_a_scenario_that_is_left_out_or_does_not_belong_is_named() -> None:
    flow_1, flow_2 = (selection.written(own_runs.SELECTIONS[part]) for part in ("flow 1", "flow 2"))
    with pytest.raises(AssertionError) as red:
        own_runs.require_exactly([*flow_1[1:], flow_2[0]], "flow 1")
    assert f"of flow 1 it would leave out flows/1_individual_user.feature:{flow_1[0].line}" in str(red.value)
    assert f"beside flow 1 it would run flows/2_organization_user.feature:{flow_2[0].line}" in str(red.value)


def test_a_scenario_that_is_selected_twice_is_seen() -> None:
    flow_1 = selection.written(own_runs.SELECTIONS["flow 1"])
    with pytest.raises(AssertionError, match=f"it would run {len(flow_1) + 1} scenarios, expected {len(flow_1)}"):
        own_runs.require_exactly([*flow_1, flow_1[0]], "flow 1")
