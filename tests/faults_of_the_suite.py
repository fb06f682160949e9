"""Faults of the suite itself: what it says of a target, and what it would run, is judged by scenarios too."""

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
    """A run begins without a look at the services: whoever reads the verdict takes a dead one for a wrong charge."""

    def look(service: str, _how: Any, setting: str) -> health.Health:
        return health.Health(service, "", "not named", f"set {setting}")

    replace(health, "_look", look)


@fault("X4", "there is no table")
def tables_are_not_looked_for() -> None:
    """A run begins without a look at the tables: a database that was never set up is noticed in the middle of it."""
    replace(health, "tables", lambda target: [])
    rewrite(
        Database.columns,
        "WHERE table_schema = 'public'",
        "WHERE table_schema = 'public' AND table_name IN ('known_tiers', 'plans')",
    )


@fault("I2", "nothing: it was written")
def checks_use_the_role_that_writes() -> None:
    """Checks look at the credits by the role that grants them: a slip in a query changes what people hold."""
    replace(Target, "unicorn", property(lambda target: UnicornDb(target.grants.database)))


@fault("X1", "it would run flows/")
def one_command_runs_the_flows_only() -> None:
    """The command that is to run everything leaves out edge cases and risks, and nobody misses them."""
    rewrite(selection.scenarios, "parsed(FEATURES, ", 'parsed(FEATURES / "flows", ')


@fault("X2", "it would run scenarios of edge_cases, flows")
def tags_of_the_command_line_are_ignored() -> None:
    """Whoever runs one flow gets all of them: a quick look takes as long as the whole run."""
    rewrite(selection.scenarios, 'Configuration([f"--tags={tags}"] if tags else [])', "Configuration([])")


@fault("H1", "the hint reads 'Keycloak answers")
def whoever_can_not_sign_in_is_misdirected() -> None:
    """The hint for a refused sign-in takes the known for unknown: its reader makes users that are there already."""
    rewrite(diagnosis.why_unauthorized, "find_user(username) is None", "find_user(username) is not None")


@fault("H2", "the message reads 'the individual has 10,000 credits in the API, expected 9,991")
def credit_middleware_is_not_suspected() -> None:
    """Where nothing was deducted nobody is sent to the credit middleware, and its reader looks in all other places."""
    rewrite(diagnosis.why_not_deducted, "if paid and not charges:", "if paid and charges:")


@fault("H3", "the message reads 'the organisation has")
def purchase_is_not_missed() -> None:
    """Where an organisation's credits are missing nobody is told that none were purchased."""
    rewrite(diagnosis.why_no_organization_credits, "if bought:", "if not bought:")


@fault("H4", "the hint reads")
def stored_key_is_called_missing() -> None:
    """The hint for a key that is not detected says the opposite of what is stored: its reader stores it once more."""
    rewrite(diagnosis.why_no_key, "if stored:", "if not stored:")
