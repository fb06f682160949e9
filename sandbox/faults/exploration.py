"""Faults and random histories: which faults the histories should find, and how long it takes them.

All scenarios are switched off for it. Only histories of a fixed seed run, for a limited time for each fault.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Sequence
from typing import Any

from sandbox.faults import SUITE, Fault
from sandbox.faults.matrix import FaultRunner, Lanes, Say, Trial
from sandbox.files import locked
from sandbox.settings import PROJECT, sandbox_settings

SECONDS = 60
"""How long histories run for each fault, in seconds."""
SEED = 1
"""What the histories are made of, and the sample of the faults."""
WANTED = 85
"""The percentage of the faults that the histories must find."""

_FEATURE = "features/qualities/5_random_histories.feature"
_FOUND = re.compile(r"Found after (\d+) s")

_SIGN_IN = "it concerns how people sign in"
_SECRECY = "it concerns who can read a key"
_PAGES = "it concerns what pages show, which no history looks at"
_TIMES = "it concerns how long something takes"

MODULES = {
    "sandbox.faults.access": _SIGN_IN,
    "sandbox.faults.pages": _PAGES,
    "sandbox.faults.speed": _TIMES,
    "sandbox.faults.load": _TIMES,
    "sandbox.faults.resilience": "it concerns services that fail",
}
"""Why the faults of a module are left out: they concern neither money, quota, payer nor refusals."""

_NAMES = {
    _SIGN_IN: """
        everybody-needs-an-address
        """,
    _SECRECY: """
        key-in-the-answer key-in-the-settings-page preview-too-long refused-key-repeated-in-the-refusal
        mistyped-key-repeated-in-the-refusal key-in-the-log key-stored-in-clear key-stored-in-base64
        key-kept-with-the-usage key-kept-in-redis encryption-without-a-nonce key-repeated-when-it-is-stored
        key-of-a-member-on-the-organizations-page key-kept-in-keycloak key-in-a-statement-that-fails
        key-taken-from-the-address key-sent-to-lago key-stored-with-its-letters-changed key-stored-in-base64-of-hex
        encryption-not-bound-to-the-owner
        """,
    _PAGES: """
        member-sees-what-colleagues-spend stranger-sees-the-organization stranger-sees-the-credits
        founder-is-listed-as-a-mere-member breakdown-gives-everybody-the-whole
        breakdown-shows-tokens-for-credits breakdown-lacks-the-last-member breakdown-counts-what-is-spent-elsewhere
        breakdown-leaves-out-who-spent-nothing breakdown-leaves-the-admin-out breakdown-shows-requests-with-own-keys
        remaining-allocation-ignores-what-was-used used-allocation-is-not-shown page-of-the-organization-is-stale
        allocated-credits-are-shown-as-free malformed-id-is-a-server-error organization-has-no-date
        what-is-left-and-what-was-used-are-swapped invitation-is-confirmed-for-another-role
        page-of-the-organization-shows-what-is-left-as-allocated models-list-shows-an-old-price
        stored-key-is-not-reported everybody-seems-to-have-a-key upgrade-link-leads-nowhere
        """,
    "it concerns what the provider receives beside the question": """
        address-in-the-body-is-passed-on switches-of-the-gateway-are-passed-on unknown-fields-are-passed-on
        """,
    "it shows only when time has passed that no history waits for": """
        counter-never-expires counter-expires-before-the-month plan-is-remembered-for-a-month
        upgrade-changes-nothing-before-the-next-month
        """,
}
BY_NAME = {name: reason for reason, names in _NAMES.items() for name in names.split()}
"""Why single faults are left out."""

KEPT = frozenset(
    "member-purchases member-allocates member-invites member-removes-the-organization "
    "admin-of-one-is-admin-of-all foreign-organization-as-payer-overlooked malformed-question-crashes "
    "invitation-is-taken-up-unverified verified-address-is-noticed-never former-address-gives-a-membership "
    "new-address-loses-the-membership".split()
)
"""Faults of those modules that decide who pays or who is refused."""


def left_out(fault: Fault) -> str:
    """Return why a fault is left out; empty if histories should find it."""
    if fault.service == SUITE:
        return "it is a fault of the suite"
    if fault.service != "ops-center":
        return "it is a fault of a stand-in"
    if fault.name in KEPT:
        return ""
    return BY_NAME.get(fault.name) or MODULES.get(fault.switch_on.__module__, "")


def concerned(faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults that histories should find: those of money, quota, payer and refusals."""
    return [fault for fault in faults if not left_out(fault)]


def sample(faults: Sequence[Fault], size: int) -> list[Fault]:
    """Return so many of the faults, in their order; the same ones every time."""
    if size >= len(faults):
        return list(faults)
    chosen = random.Random(SEED).sample(range(len(faults)), size)
    return [faults[index] for index in sorted(chosen)]


def run(faults: Sequence[Fault], say: Say, *, seconds: int = SECONDS, seed: int = SEED, lanes: int = 1) -> int:
    """Let histories look for each fault, write the matrix, and return 0 only if enough are found.

    Args:
        faults: the faults to look for.
        say: shows the user a line.
        seconds: how long histories run for each fault.
        seed: what they are made of.
        lanes: the number of sandboxes.
    """
    folder = sandbox_settings().home / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [
        *("-D", "opt_in=yes", "-D", f"explore_minutes={seconds / 60:.4f}", "-D", f"explore_seed={seed}"),
        *("-D", "explore_tries=0", "--tags=@opt-in", _FEATURE),
    ]

    def look_for(fault: Fault) -> Any:
        def job(runner: FaultRunner) -> Trial:
            trial = runner.trial(fault, arguments)
            say("\n".join(_lines(trial)))
            return trial

        return job

    began = time.monotonic()
    with locked(folder / "lock", 1, lambda: say("Another run of the faults is under way")):
        trials = Lanes(lanes, folder, say).run([look_for(fault) for fault in faults])
    written = folder / "matrix-explore.json"
    written.write_text(json.dumps([row(trial) for trial in trials], indent=1, ensure_ascii=False))
    say(f"The matrix is in {written.relative_to(PROJECT) if written.is_relative_to(PROJECT) else written}")
    found = sum(_seconds(trial) is not None for trial in trials)
    say(f"It took {time.monotonic() - began:.0f} s")
    say(f"{len(trials)} faults: {found} found by a random history ({100 * found // max(1, len(trials))}%)")
    return 0 if len(trials) == len(faults) and found * 100 >= WANTED * len(trials) else 1


def _seconds(trial: Trial) -> int | None:
    """Return after how many seconds the fault was found; None if it was not."""
    found = _FOUND.search(trial.output)
    return int(found.group(1)) if found and trial.reds else None


def _said(trial: Trial) -> str:
    seconds = _seconds(trial)
    if seconds is None:
        return "not found" if trial.status == 0 else f"not judged (status {trial.status})"
    return f"found by a random history after {seconds} s"


def _message(trial: Trial) -> str:
    """Return the first line of what was found."""
    return (trial.reds[0].message.splitlines() or [""])[0] if trial.reds else " ".join(trial.output.split())[-300:]


def _lines(trial: Trial) -> list[str]:
    assert trial.fault is not None
    lines = [f"{_said(trial)}: {trial.fault.name}: {trial.fault.harm}"]
    return lines if trial.status == 0 else [*lines, f"          {_message(trial)[:300]}"]


def row(trial: Trial) -> dict[str, Any]:
    """Return the row of a trial in the matrix."""
    assert trial.fault is not None
    return {
        "fault": trial.fault.name,
        "harm": trial.fault.harm,
        "verdict": _said(trial),
        "message": "" if trial.status == 0 else _message(trial),
        "seconds": trial.seconds,
    }
