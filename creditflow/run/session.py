"""One run: its settings, its target (a named deployment or a sandbox), and what the target can't show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from creditflow.actors.bystanders import Bystanders
from creditflow.actors.cast import Cast
from creditflow.audit import reconciliation
from creditflow.audit.watch import Watch
from creditflow.checks.accounts import Accounts
from creditflow.cleanup import journal
from creditflow.cleanup.cleanup import Cleanup
from creditflow.cleanup.journal import Journal
from creditflow.core import polling
from creditflow.core.errors import CannotRunError, ServiceUnavailableError
from creditflow.core.naming import PASSWORD, RUN
from creditflow.core.redaction import redactor
from creditflow.core.run_limits import deadlines
from creditflow.reporting.environment import environment
from creditflow.run import endpoints
from creditflow.target import guard, health, sandbox_launcher
from creditflow.target.settings import Settings, load, readable_by_others
from creditflow.target.target import Target

NEEDS = {"needs.journal": "PROVIDER_URL"}
"""What a scenario may need of a target beyond the plan's systems, by tag, and the setting that names it.

Where it is not named, the step that needs it is red as "Not testable here"; `--tags="not @needs.journal"` leaves such
scenarios out knowingly.
"""

BRIEFLY_S = 0.2
"""Seconds that the audit of a scenario that is red already waits for what comes a moment later."""

Owe = Callable[[Callable[[], object]], object]


@dataclass(frozen=True)
class Session:
    """What every scenario of a run shares."""

    settings: Settings
    target: Target
    watch: Watch
    bystanders: Bystanders
    journal: Journal

    def soon(self, check: Callable[[], None]) -> None:
        """Require what comes a moment later: asked again until it holds or the deadline of the settings is over."""
        polling.soon(check, self.settings.poll_timeout_s)

    def scene(self, owe: Owe) -> tuple[Cast, Accounts]:
        """The cast and the accounts of one scenario; what it makes is removed by what `owe` is given.

        Raises:
            CeilingReachedError: the run may send no more requests, so that no further scenario can be judged.
        """
        self.target.ceiling.check()
        cleanup = Cleanup(self.journal)
        cast = Cast(self.target, cleanup, redactor.learn)
        owe(lambda: self.watch.everything(cast.people))
        owe(cleanup.carry_out)
        self.target.record.take()
        return cast, Accounts(self.target, cast)

    def audit(self, cast: Cast, green: bool) -> None:
        """Require that every system keeps the books of what the scenario did, and that no service logged an error.

        Args:
            cast: of the scenario.
            green: whether all went well so far; else what comes a moment later is hardly waited for.
        """
        entries, seconds = self.target.record.take(), self.settings.poll_timeout_s if green else BRIEFLY_S
        reconciliation.audit(self.target, cast, entries, self.bystanders, seconds, self.watch.judged)
        self.watch.logs(cast.people, green)


def begin(userdata: Mapping[str, str], owe: Owe, tell: Callable[[str], None] = print) -> Session:
    """Read the settings, find or start the target, and make sure that it can be judged.

    Args:
        userdata: what `behave -D` gave.
        owe: takes what has to be done when the run ends, the last thing first.
        tell: shows the reader a line.

    Raises:
        CannotRunError: a setting is wrong, the sandbox does not start, the target may not be written to, services or
            tables are missing (X3, X4), or Ops-Center answers so that no scenario could be judged.
    """
    settings = load(userdata)
    on_sandbox = not settings.names_a_target
    if on_sandbox:
        settings = load(userdata, sandbox_launcher.start(owe, tell))
    redactor.learn(*settings.secrets(), PASSWORD)
    if exposed := readable_by_others():
        tell(exposed)
    deadlines.begin(settings)
    guard.require_allowed(settings)
    target = Target(settings)
    owe(target.close)
    tell(f"Target {settings.ops_center_url}, run {RUN}")
    if proxy := health.proxy(settings):
        tell(proxy)
    if left := journal.leftovers(settings.journal_dir, settings.ops_center_url):
        tell(left)
    check(target, tell)
    for line in guard.announcement(settings, RUN):
        tell(line)
    for limit in target.limits():
        tell(f"Not testable here: {limit}")
    for tag, setting in NEEDS.items():
        if not target.has(setting):
            tell(f"Scenarios that need it will be red; --tags='not @{tag}' leaves them out.")
    journalled = Journal.begin(settings.journal_dir, settings.ops_center_url, on_sandbox)
    owe(lambda: journalled.end(tell))
    bystanders = survey(target, owe, journalled, tell)
    watch = Watch(target)
    watch.begin()
    owe(lambda: tell(watch.said()) if watch.said() else None)
    owe(lambda: watch.everything([]))
    return Session(settings, target, watch, bystanders, journalled)


def survey(target: Target, owe: Owe, journalled: Journal, tell: Callable[[str], None]) -> Bystanders:
    """Ask which of the plan's endpoints there are, make the bystanders with those, and say what is missing.

    Raises:
        CannotRunError: no scenario could be judged with what there is.
    """
    found, said = endpoints.require(target, redactor.learn, journalled), list[str]()
    target.ops_center.missing = found.surely_missing
    bystanders = Bystanders.make(target, owe, redactor.learn, journalled, said.append)
    if found.missing and (theirs := bystanders.cast.organizations):
        found = found.confirmed(target, theirs[0].admin.token, theirs[0].id)
    target.ops_center.missing = found.missing
    for sentence in [*found.sentences, *said]:
        tell(sentence)
    if found.missing:
        tell("Scenarios that need what is missing will be red as errors that name it.")
        environment.tell({"Endpoints missing": ", ".join(e.address for e in found.endpoints if e.id in found.missing)})
    return bystanders


def check(target: Target, tell: Callable[[str], None]) -> None:
    """Make sure that every named service is up and every table is there (X3, X4).

    Raises:
        CannotRunError: with the list of all that is missing.
    """
    found = health.services(target)
    wrong = [h.message for h in found if h.state == "down"]
    if not any(h.state == "down" and h.service == "PostgreSQL" for h in found):
        try:
            wrong += health.tables(target)
        except ServiceUnavailableError as away:
            wrong.append(str(away))
    if wrong:
        raise CannotRunError("The run can't begin:\n" + "\n".join(f"  - {sentence}" for sentence in wrong))
    environment.tell({h.service: f"{h.address} {h.message}" for h in found if h.state == "up"})
    tell("Services: " + ", ".join(f"{h.service} {h.message}" for h in found if h.state == "up"))
