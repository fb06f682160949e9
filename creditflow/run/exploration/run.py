"""The histories of a run: some with a fixed seed in every run, and as many as time allows when asked for."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from behave.parser import parse_steps

from creditflow.core.errors import NotTestableError
from creditflow.core.expect import holds
from creditflow.core.redacted_output import RedactingStream
from creditflow.core.redaction import redactor
from creditflow.reporting import evidence
from creditflow.run import feature_lint
from creditflow.run.exploration import finding, situations
from creditflow.run.exploration.explorer import Explorer, Progress
from creditflow.run.exploration.finding import Finding
from creditflow.run.session import Session
from creditflow.target.settings import Settings, listed

MOST_OF_A_HISTORY = 200
"""More requests than a history sends: where fewer are left, no further one begins."""


def some(context: Any, session: Session, count: int, roles: Sequence[str], seed: int) -> Finding | None:
    """Run so many histories of a seed, and return what was wrong."""
    explorer = Explorer(context, session)
    found = explorer.explore(seed, lambda progress: progress.histories >= count, roles=roles)
    return explorer.smaller(found, session.settings.explore_tries) if found else None


def by_the_settings(context: Any, session: Session) -> Finding | None:
    """Run histories for the time of the settings, and return what was wrong.

    Raises:
        NotTestableError: `ALLOW_EXPLORING` does not name the host of Ops-Center.
    """
    settings = session.settings
    require_allowed(settings)
    console = RedactingStream(sys.__stdout__ or sys.stdout, redactor)

    def report(line: str) -> None:
        console.write(f"    {line}\n")
        console.flush()

    seed, first = seed_of(settings.explore_seed)
    report(f"Random histories of the seed {seed}, for {settings.explore_minutes:g} minutes")
    explorer = Explorer(context, session, report)
    most = settings.max_requests - MOST_OF_A_HISTORY

    def is_over(progress: Progress) -> bool:
        too_many = session.target.ceiling.requests > most
        if too_many:
            report(
                f"No further history begins, for the run may send {settings.max_requests:,} requests (MAX_REQUESTS)."
            )
        only_one = first > 0 and progress.histories > 0
        return too_many or only_one or progress.seconds > settings.explore_minutes * 60

    allowed = replace(explorer.allowed, alone=bool(settings.ops_center_clock))
    found = explorer.explore(seed, is_over, settings.explore_focus, first=first or 1, allowed=allowed)
    report(explorer.said())
    for line in explorer.situations.lines():
        report(line)
    evidence.attach_table("Situations that histories reached", situations.HEADERS, explorer.situations.rows())
    if found is None:
        return None
    report(f"Found after {explorer.progress.seconds:.0f} s: {found.message[:300]}")
    if settings.explore_tries:
        found = explorer.smaller(found, settings.explore_tries)
    return found


def require_none(context: Any, session: Session, found: Finding | None) -> None:
    """Require that nothing was found.

    Raises:
        AssertionError: the message is the finding, with its scenario and the command that repeats it.
    """
    if found:
        told = finding.told(found, _tags(context, found), _command(context, session.settings, found))
        evidence.attach_text("What was found, as a scenario", told)
        holds(False, told)
    holds(True, "")


def require_allowed(settings: Settings) -> None:
    """Require that histories may run on a target for a time.

    Raises:
        NotTestableError: `ALLOW_EXPLORING` does not name the host of Ops-Center.
    """
    host = settings.host
    if not settings.ops_center_clock and host not in listed(settings.allow_exploring):
        raise NotTestableError(f"random histories on {host} were not asked for", f"set ALLOW_EXPLORING={host}")


def _tags(context: Any, found: Finding) -> list[str]:
    steps = parse_steps("\n".join(finding.steps(found.sentences)))
    return [*feature_lint.tags_needed(steps, context._runner.step_registry), "normal"]


def _command(context: Any, settings: Settings, found: Finding) -> str:
    """Return the command that runs the history of a finding again as it was found."""
    if "opt-in" not in context.scenario.effective_tags:
        return f"behave {context.scenario.filename}:{context.scenario.line}"
    focus = f" FOCUS={settings.explore_focus}" if settings.explore_focus else ""
    return f"make explore SEED={found.seed}{focus}"


def seed_of(text: str) -> tuple[int, int]:
    """Return the seed, and the number of the only history to run; 0 for all of them."""
    run, _, number = text.partition("/")
    return int(run) if run else random.SystemRandom().randrange(1, 1_000_000), int(number or 0)
