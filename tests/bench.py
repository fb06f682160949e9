"""Prints what the suite's own work costs, and judges it only by ratios of two costs measured side by side.

Run as `make bench`. Each figure is the best of several rounds of processor time, in milliseconds. Exit status 1 when
a ratio is above its limit.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from creditflow.cleanup.journal import Journal
from creditflow.cleanup.resources import KeycloakUser
from creditflow.core.redaction import Redactor

ROUNDS = 5
THINGS = 3_500
"""What a run of all features makes and removes."""

SCENARIOS = 230


def cost(work: Callable[[], object]) -> float:
    """Return the least processor time of a few rounds, in milliseconds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        rounds.append((time.process_time() - began) * 1000)
    return min(rounds)


def journal(folder: Path) -> None:
    """Write all that a run makes to a journal, and that it is gone."""
    written = Journal.begin(folder, "http://127.0.0.1:9", sandbox=False)
    for number in range(THINGS):
        written.gone(written.register(KeycloakUser(f"cf-abc123-{number}")))
    written.end()


def plain(folder: Path) -> None:
    """Write as many lines of the same length without a journal."""
    file = os.open(folder / "plain", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for _ in range(2 * THINGS):
        os.write(file, f"{uuid.uuid4()}{'.' * 100}\n".encode())
    os.close(file)


def redactor_of(people: int) -> Redactor:
    """Return a redactor that knows the tokens and passwords of so many people."""
    redactor = Redactor()
    for _ in range(people):
        redactor.learn(f"eyJhbGciOiJSUzI1NiIs.{secrets.token_urlsafe(700)}.{secrets.token_urlsafe(256)}")
        redactor.learn(secrets.token_urlsafe(24))
    return redactor


def cleaning(redactor: Redactor) -> None:
    """Clean the tables of a run."""
    row = "<tr><td>the individual user</td><td>cf-abc123-{}</td><td>{}</td><td>10,000</td><td>9,991</td></tr>\n"
    for number in range(SCENARIOS):
        redactor.clean("".join(row.format(number, uuid.uuid4()) for _ in range(15)))


def main() -> int:
    """Measure, print and judge; returns the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = redactor_of(5), redactor_of(SCENARIOS)
        compared = [
            (f"{THINGS:,} things in the journal", lambda: journal(folder), "their lines", lambda: plain(folder), 15),
            (
                f"{SCENARIOS} tables cleaned of {2 * SCENARIOS} secrets",
                lambda: cleaning(many),
                "of 10 secrets",
                lambda: cleaning(few),
                2,
            ),
        ]
        status = 0
        for what, dear, than, cheap, limit in compared:
            one, other = cost(dear), cost(cheap)
            ratio = one / other
            verdict = "ok" if ratio <= limit else "TOO DEAR"
            status |= ratio > limit
            print(f"{what} {one:.0f} ms, {than} {other:.0f} ms: {ratio:.1f} times, at most {limit} ({verdict})")
    return status


if __name__ == "__main__":
    sys.exit(main())
