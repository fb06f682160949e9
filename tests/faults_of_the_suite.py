"""Faults of the suite itself: scenarios also check its messages about a target and its selection."""

from __future__ import annotations

from typing import Any

from creditflow.checks import diagnosis
from creditflow.reporting import selection
from creditflow.target import health
from creditflow.target.drivers.postgres import Database
from creditflow.target.drivers.unicorn_db import UnicornDb
from creditflow.target.target import Target
from sandbox.faults import fault, replace, rewrite


@fault("X3", "is not named, expected up")
def services_are_not_asked_how_they_are() -> None:
    """Begin a run without a check of the services, so that a failed service is taken for a wrong charge."""

    def look(service: str, _how: Any, setting: str) -> health.Health:
        return health.Health(service, "", "not named", f"set {setting}")

    replace(health, "_look", look)


@fault("X4", "there is no table")
def tables_are_not_looked_for() -> None:
    """Begin a run without a check of the tables, so that missing ones are noticed in the middle of it."""
    replace(health, "tables", lambda target: [])
    rewrite(
        Database.columns,
        "WHERE table_schema = 'public'",
        "WHERE table_schema = 'public' AND table_name IN ('known_tiers', 'plans')",
    )


@fault("I2", "nothing: it was written")
def checks_use_the_role_that_writes() -> None:
    """Read the credits with the role that grants them, so that a wrong query can change them."""
    replace(Target, "unicorn", property(lambda target: UnicornDb(target.grants.database)))


@fault("X1", "it would run flows/")
def one_command_runs_the_flows_only() -> None:
    """Leave edge cases and risks out of the run of everything, without a word."""
    rewrite(selection.scenarios, "parsed(FEATURES, ", 'parsed(FEATURES / "flows", ')


@fault("X2", "it would run scenarios of edge_cases, flows")
def tags_of_the_command_line_are_ignored() -> None:
    """Ignore tags, so that a run of one flow takes as long as the whole run."""
    rewrite(selection.scenarios, 'Configuration([f"--tags={tags}"] if tags else [])', "Configuration([])")


@fault("H1", "the hint reads 'Keycloak answers")
def whoever_can_not_sign_in_is_misdirected() -> None:
    """Take known users for unknown in the hint, so that its reader creates users that exist already."""
    rewrite(diagnosis.why_unauthorized, "find_user(username) is None", "find_user(username) is not None")


@fault("H2", "the message reads 'the individual has 10,000 credits in the API, expected 9,991")
def credit_middleware_is_not_suspected() -> None:
    """Leave the credit middleware out of the hint when nothing was deducted."""
    rewrite(diagnosis.why_not_deducted, "if paid and not charges:", "if paid and charges:")


@fault("H3", "the message reads 'the organisation has")
def purchase_is_not_missed() -> None:
    """Leave out of the hint that an organisation purchased no credits."""
    rewrite(diagnosis.why_no_organization_credits, "if bought:", "if not bought:")


@fault("H4", "the hint reads")
def stored_key_is_called_missing() -> None:
    """Say the opposite of what is stored in the hint, so that its reader stores a key again."""
    rewrite(diagnosis.why_no_key, "if stored:", "if not stored:")
