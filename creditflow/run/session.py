"""Begins a run: its settings, its target (a deployment or a sandbox), and what the target can't show."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from creditflow.actors.bystanders import Bystanders
from creditflow.actors.cast import Cast
from creditflow.audit import answers, reconciliation, requests_table
from creditflow.audit.parties import Parties, history_of
from creditflow.audit.watch import Watch
from creditflow.checks import platform
from creditflow.checks.accounts import Accounts
from creditflow.cleanup import journal
from creditflow.cleanup.cleanup import Cleanup
from creditflow.cleanup.journal import Journal
from creditflow.cleanup.sweep import LostWorkers
from creditflow.core import polling
from creditflow.core.errors import CannotRunError, NotTestableError, ServiceUnavailableError
from creditflow.core.expect import holds, verdict
from creditflow.core.naming import PASSWORD, RUN
from creditflow.core.redaction import redactor
from creditflow.core.run_limits import time_limits
from creditflow.core.turns import turns
from creditflow.core.workers import workers
from creditflow.reporting.environment import environment
from creditflow.reporting.record import Service
from creditflow.reporting.recorder import recorder
from creditflow.run import endpoints
from creditflow.target import guard, health, sandbox_launcher
from creditflow.target.drivers.record import RecordedRequest
from creditflow.target.settings import Settings, load, readable_by_others
from creditflow.target.target import Target

NEEDS = {"needs.journal": "PROVIDER_URL"}
"""Systems beyond the plan's that a scenario may need: the tag of such scenarios, and the setting.

Without the setting, the scenario is red as "Not testable here". `--tags="not @needs.journal"` leaves it out.
"""

BRIEFLY_S = 0.2
"""The polling time of the audit, in seconds, for a scenario that has failed already."""

LEFT_FOR_THE_MESSAGE_S = 5.0
"""The seconds of a step's limit that are left for the message of a check that never passed."""

AddFinalizer = Callable[[Callable[[], object]], object]
"""Registers a function to call at the end of a run or a scenario; the last one is called first."""


@dataclass(frozen=True)
class Session:
    """The objects that all scenarios of a run share."""

    settings: Settings
    target: Target
    watch: Watch
    bystanders: Bystanders
    journal: Journal

    def soon(self, check: Callable[[], None], seconds: float = 0) -> None:
        """Repeat a check until it passes, or so many seconds are over; `POLL_TIMEOUT_S` without a number.

        It ends before the limit of the step, so that the message says what was seen, and after `LONGEST_POLL_S`.
        """
        settings = self.settings
        limits = (settings.longest_poll_s, settings.step_timeout_s - LEFT_FOR_THE_MESSAGE_S)
        polling.soon(check, min(seconds or settings.poll_timeout_s, *(limit for limit in limits if limit > 0)))

    def scene(self, add_finalizer: AddFinalizer) -> tuple[Cast, Accounts]:
        """Return the cast and the accounts of a scenario; a finalizer removes what the cast makes.

        Raises:
            CeilingReachedError: the run may send no more requests.
        """
        self.target.ceiling.check()
        cleanup = Cleanup(self.journal)
        cast = Cast(self.target, cleanup, redactor.learn)
        add_finalizer(lambda: self.watch.everything(cast.people))
        add_finalizer(self._settle)
        add_finalizer(cleanup.carry_out)
        self.target.record.take()
        self.target.outages.happened = False
        return cast, Accounts(self.target, cast)

    def _settle(self) -> None:
        """Wait until Ops-Center uses every service again that failed, so that the next scenario finds it so."""
        if self.target.outages.happened:
            with suppress(AssertionError, ServiceUnavailableError):
                self.soon(lambda: platform.require_status(self.target.ops_center.status()))

    def require_no_key_in_logs(self, cast: Cast) -> None:
        """Require that no log of the services shows a provider key of a scenario's people.

        Raises:
            NotTestableError: the settings name no log.
        """
        if not (self.settings.log_files or self.settings.access_log_files):
            raise NotTestableError("no log of the services is named", "set TARGET_LOGS and ACCESS_LOGS")
        exposed = verdict(lambda: self.watch.logs(cast.people, green=not self.target.outages.happened))
        holds(exposed is None, exposed or "")

    def audit(self, cast: Cast, green: bool) -> None:
        """Require allowed answers, systems that agree on what the scenario did, and that no service logged an error.

        Args:
            cast: the cast of the scenario.
            green: whether the scenario passed so far. If not, the audit polls only for :data:`BRIEFLY_S`, unless a
                client left early or got no answer, and does not miss an event that Lago may receive later.
        """
        recorder.current.prices = dict(cast.prices.credits)
        entries = self.target.record.take()
        may_wait = green or any(_unanswered(entry) for entry in entries)
        seconds = self.settings.poll_timeout_s if may_wait else BRIEFLY_S
        with requests_table.shown_if_red(cast, entries, green):
            parties = Parties.of(cast, self.bystanders)
            history = history_of(self.target, parties, entries)
            try:
                answers.require_allowed(history)
            finally:
                reconciliation.audit(self.target, parties, history, seconds, self.watch.judged, not green)
            self.watch.logs(cast.people, green and not self.target.outages.happened)


def _unanswered(entry: RecordedRequest) -> bool:
    """Return whether somebody sent an LLM request whose end they did not wait for, so that it may still be charged."""
    return entry.operation == "chat" and (entry.reply is None or bool(entry.values.get("left_early")))


def begin(userdata: Mapping[str, str], add_finalizer: AddFinalizer, report: Callable[[str], None] = print) -> Session:
    """Read the settings, find or start the target, and check that it can be tested.

    Args:
        userdata: the values of `behave -D`.
        add_finalizer: registers functions to call at the end of the run.
        report: prints a line.

    Raises:
        CannotRunError: a setting is wrong, the sandbox does not start, the target may not be changed, services or
            tables are missing (X3, X4), or Ops-Center's answers allow no scenario to be judged.
    """
    settings = load(userdata)
    on_sandbox = not settings.names_a_target
    if on_sandbox:
        settings = load(userdata, sandbox_launcher.start(add_finalizer, report))
    redactor.learn(*settings.secrets(), PASSWORD)
    if exposed := readable_by_others():
        report(exposed)
    time_limits.begin(settings)
    guard.require_allowed(settings)
    target = Target(settings)
    add_finalizer(target.close)
    recorder.target, recorder.on_sandbox = settings.ops_center_url, on_sandbox
    recorder.report_dir = settings.report_dir
    report(f"Target {settings.ops_center_url}, run {RUN}")
    if proxy := health.proxy(settings):
        report(proxy)
    if left := journal.leftovers(settings.journal_dir, settings.ops_center_url):
        report(left)
    check(target, report)
    for line in guard.announcement(settings, RUN):
        report(line)
    recorder.not_testable += target.limits()
    for limit in target.limits():
        report(f"Not testable here: {limit}")
    for tag, setting in NEEDS.items():
        if not target.has(setting):
            report(f"Scenarios that need {setting} will be red; --tags='not @{tag}' leaves them out.")
    journalled = Journal.begin(settings.journal_dir, settings.ops_center_url, on_sandbox)
    add_finalizer(lambda: journalled.end(report))
    recorder.journal_dir = settings.journal_dir
    turns.begin(_folder_of_turns(settings))
    bystanders = survey(target, add_finalizer, journalled, report)
    watch = Watch(target, journalled.made_by_others)
    watch.begin()
    workers.join(target, journalled, LostWorkers(target, journalled), watch)
    add_finalizer(lambda: report(watch.said()) if watch.said() else None)
    add_finalizer(lambda: watch.everything([]))
    importlib.import_module("creditflow.target.drivers.server_sent_events")  # here, and not in each worker
    return Session(settings, target, watch, bystanders, journalled)


def _folder_of_turns(settings: Settings) -> Path:
    """Return the folder of a sandbox's clock, which all runs on it share; without one, the folder of the journals."""
    folder = Path(settings.ops_center_clock).parent
    return folder if settings.ops_center_clock and os.access(folder, os.W_OK) else settings.journal_dir


def survey(
    target: Target, add_finalizer: AddFinalizer, journalled: Journal, report: Callable[[str], None]
) -> Bystanders:
    """Find the plan's endpoints that exist, make the bystanders with them, and report what is missing.

    Raises:
        CannotRunError: no scenario could be judged.
    """
    found, messages = endpoints.require(target, redactor.learn, journalled), list[str]()
    target.ops_center.missing = found.surely_missing
    bystanders = Bystanders.make(target, add_finalizer, redactor.learn, journalled, messages.append)
    if found.missing and (organizations := bystanders.cast.organizations):
        found = found.confirmed(target, organizations[0].admin.token, organizations[0].id)
    target.ops_center.missing = found.missing
    recorder.not_testable += found.sentences
    for sentence in [*found.sentences, *messages]:
        report(sentence)
    if found.missing:
        report("Scenarios that need a missing endpoint will be red and name it.")
        environment.add({"Endpoints missing": ", ".join(e.address for e in found.endpoints if e.id in found.missing)})
    return bystanders


def check(target: Target, report: Callable[[str], None]) -> None:
    """Require that every named service is up and every table exists (X3, X4).

    Raises:
        CannotRunError: with the list of everything that is missing.
    """
    found = health.services(target)
    recorder.services = [
        Service(name=h.service, address=h.address, version=h.message if h.state == "up" else "", state=h.state)
        for h in found
    ]
    wrong = [h.message for h in found if h.state == "down"]
    if not any(h.state == "down" and h.service == "PostgreSQL" for h in found):
        try:
            wrong += health.tables(target)
        except ServiceUnavailableError as away:
            wrong.append(str(away))
    if wrong:
        raise CannotRunError("The run can't begin:\n" + "\n".join(f"  - {sentence}" for sentence in wrong))
    environment.add({h.service: f"{h.address} {h.message}" for h in found if h.state == "up"})
    report("Services: " + ", ".join(f"{h.service} {h.message}" for h in found if h.state == "up"))
