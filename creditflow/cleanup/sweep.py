"""The sweep: removes what finished runs left on a target, and nothing else.

It finds the leftovers in the clean-up journals of this machine, and in the systems by the names that runs give, so it
also finds those of runs on other machines. It leaves the resources of live runs alone: the journal of a live run is
locked, or the run has sessions in PostgreSQL. Without PostgreSQL, live runs on other machines are unknown, and the
sweep removes only what the clean-up journals of this machine list.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from creditflow.cleanup import journal
from creditflow.cleanup.cleanup import INTERRUPTED, left_behind
from creditflow.cleanup.journal import JournalContent
from creditflow.cleanup.resources import (
    KINDS,
    Calls,
    CreatedOrganization,
    KeycloakUser,
    LagoCustomer,
    Membership,
    Outage,
    ProviderAccount,
    RedisKeys,
    Resource,
    Rows,
    SigningKey,
    StoppedClock,
    Trouble,
)
from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.expect import counted
from creditflow.core.interruption import SETTLES_S, RemovalInterruptedError, interruption
from creditflow.core.naming import PASSWORD, RUN, email_of, name_of, run_of, run_of_mark
from creditflow.core.run_limits import TimeLimitError, time_limits
from creditflow.core.workers import Shared
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.target import Target

LOOKS = 5
"""A sweep searches at most this often, then it reports what always comes back."""

_PREFIX = "cf-"


@dataclass
class Known:
    """What the sweep knows about finished runs, from clean-up journals and from the systems.

    Attributes:
        runs: the runs that it may sweep; None means all finished runs.
        live: the live runs.
        people: user names by user id; a lost name is replaced by the run with the number 0.
        organizations: from the clean-up journals.
        accounts: fingerprints of provider keys, from the clean-up journals.
        away: the kinds of resources that could not be searched, each with the reason.
    """

    runs: set[str] | None
    live: set[str]
    people: dict[str, str] = field(default_factory=dict)
    organizations: set[CreatedOrganization] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    away: dict[str, str] = field(default_factory=dict)
    _strangers: dict[str, bool] = field(default_factory=dict)

    def is_finished(self, run: str) -> bool:
        """Return whether a run is finished and may be swept; False for an empty name."""
        return bool(run) and run not in self.live and (self.runs is None or run in self.runs)

    def is_of_finished_run(self, name: str) -> bool:
        """Return whether a finished run gave this user name."""
        return self.is_finished(run_of(name))

    def is_user_of_finished_run(self, user: Mapping[str, Any]) -> bool:
        """Return whether a finished run made this user of Keycloak: both name and e-mail must be the run's.

        A person may have the former address of another one, or none.
        """
        name, email = str(user.get("username", "")), str(user.get("email") or "")
        return self.is_of_finished_run(name) and (not email or run_of(name_of(email)) == run_of(name))

    def is_stranger(self, target: Target, user: str) -> bool:
        """Return whether a user id belongs to a user of Keycloak that no finished run made."""
        if user not in self._strangers:
            found = target.keycloak.user(user)
            self._strangers[user] = found is not None and not self.is_user_of_finished_run(found)
        return self._strangers[user]


@dataclass(frozen=True)
class Swept:
    """The result of a sweep.

    Attributes:
        removed: the removed resources, or in a dry run those that it would remove.
        left: what is still there, each with the reason.
    """

    removed: tuple[Resource, ...]
    left: tuple[str, ...]


def sweep(target: Target, dry_run: bool = False, report: Callable[[str], None] = print) -> Swept:
    """Remove what finished runs left on a target.

    First it brings back the services that a run let fail: the search needs them. It repeats its search until it finds
    nothing new: requests of a killed run may still create resources.

    Args:
        target: the deployment.
        dry_run: search, and remove nothing.
        report: receives lines for the reader.

    Raises:
        ServiceUnavailableError: PostgreSQL does not answer, so the live runs are unknown.
    """
    journal.record_visit(target.settings.journal_dir, target.settings.ops_center_url)
    journals = _journals(target, report)
    outages: list[Resource] = [resource for one in journals for resource in one.left if isinstance(resource, Outage)]
    failed = {} if dry_run else _remove_all(target, outages, {})
    removed = dict.fromkeys(outage for outage in outages if outage not in failed)
    known = _known(target, journals, report)
    target.outages.close(of_others=not dry_run and known.live <= {RUN})
    for again in range(LOOKS):
        if again:
            threading.Event().wait(SETTLES_S)
        found = find(target, known)
        if dry_run:
            return Swept((*outages, *found), tuple(known.away.values()))
        if not (new := [resource for resource in found if resource not in failed]):
            break
        failed = _remove_all(target, new, failed)
        removed |= dict.fromkeys(resource for resource in new if resource not in failed)
    else:
        found = find(target, known)
    left = [f"{resource} ({failed.get(resource, 'it comes back')})" for resource in found]
    left += [f"{outage} ({failed[outage]})" for outage in outages if outage in failed]
    left += [*known.away.values(), *_in_unnamed_systems(target, journals)]
    if not left:
        for one in journals:
            one.path.unlink(missing_ok=True)
    journal.record_visit(target.settings.journal_dir, target.settings.ops_center_url)
    return Swept(tuple(resource for resource in removed if resource not in found), tuple(left))


class LostWorkers(Shared):
    """Removes what a worker that died has made, while the run goes on."""

    def __init__(self, target: Target, own: journal.Journal) -> None:
        self._target, self._journal = target, own

    def worker_died(self, worker: int) -> str:
        """Remove it, once requests under way have ended; return what can't be removed."""
        left = self._journal.take_over(worker)
        if not left:
            return ""
        threading.Event().wait(SETTLES_S)
        try:
            with interruption.removing(), time_limits.afterwards("The removal"):
                failed = _remove_all(self._target, _in_order(left.values()), {})
        except (RemovalInterruptedError, TimeLimitError) as why:
            failed = dict.fromkeys(left.values(), str(why) or INTERRUPTED)
        for number, resource in left.items():
            if resource not in failed:
                self._journal.gone(number)
        return left_behind(failed.items())


def find(target: Target, known: Known) -> list[Resource]:
    """Return the leftovers of finished runs in the order of their removal, and add the people found to `known`.

    The live runs are read after the search, because a run that began meanwhile may have created what was found.
    """
    while True:
        found = _found(target, known)
        live = _live_runs(target)
        if live <= known.live:
            break
        known.live |= live
        known.people = {user: name for user, name in known.people.items() if known.is_of_finished_run(name)}
    return _in_order(found)


def _in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Return resources in the order of their removal."""
    ranks = {kind: rank for rank, kind in enumerate(KINDS)}
    return sorted(resources, key=lambda resource: ranks[type(resource)])


def _found(target: Target, known: Known) -> list[Resource]:
    found: dict[Resource, None] = {}
    known.away.clear()
    for kind, finds in _FINDS:
        if target.has(kind.needs):
            try:
                found |= dict.fromkeys(finds(target, known))
            except ServiceUnavailableError as away:
                known.away[kind.plural] = f"can't search for {kind.plural}: {away}"
    return list(found)


def summary(resources: Iterable[Resource]) -> str:
    """Return the number of resources of each kind, as a text."""
    kinds = Counter(type(resource) for resource in resources)
    return ", ".join(f"{kinds[kind]} {kind.plural}" for kind in KINDS if kinds[kind])


def _journals(target: Target, report: Callable[[str], None]) -> list[JournalContent]:
    """Return the clean-up journals of finished runs on this target, and report all unreadable ones."""
    of_target = []
    for one in journal.finished(target.settings.journal_dir):
        if one.target == target.settings.ops_center_url:
            of_target.append(one)
        if one.unread:
            what = "is of another version" if one.of_another_version else f"has {counted(one.unread, 'unknown line')}"
            report(f"{journal.display_path(one.path)} {what}: the sweep finds its resources only by the names of runs.")
    return of_target


def _known(target: Target, journals: list[JournalContent], report: Callable[[str], None]) -> Known:
    runs = None
    if not _shows_live_runs(target):
        report(
            "Without UNICORN_DB_URL the live runs on other machines are unknown: "
            "only what the clean-up journals here list is removed."
        )
        runs = {one.run for one in journals}
    known = Known(runs, _live_runs(target))
    for one in journals:
        for resource in one.left:
            _take(known, one.run, resource)
    return known


def _live_runs(target: Target) -> set[str]:
    live = journal.live_runs(target.settings.journal_dir)
    return live | target.unicorn.runs() if _shows_live_runs(target) else live


def _shows_live_runs(target: Target) -> bool:
    return target.has("UNICORN_DB_URL") or target.has("UNICORN_DB_READ_URL")


def _take(known: Known, run: str, resource: Resource) -> None:
    """Add a resource from a clean-up journal, if it belongs to the run that wrote the journal."""
    if not known.is_finished(run):
        return
    match resource:
        case Rows(user, name) | RedisKeys(user, name) | LagoCustomer(user, name) if run_of(name) == run:
            known.people[user] = name
        case CreatedOrganization(_, admin, org_id) if run_of(admin) == run and org_id:
            known.organizations.add(resource)
        case ProviderAccount(mark):
            known.accounts.add(mark)


def _remove_all(target: Target, resources: Iterable[Resource], failed: Mapping[Resource, str]) -> dict[Resource, str]:
    """Remove resources; return the error messages of those that are left, with those that failed before."""
    all_failed = dict(failed)
    for resource in resources:
        if why := _remove(target, resource, all_failed):
            all_failed[resource] = why
    return all_failed


def _remove(target: Target, resource: Resource, failed: Collection[Resource]) -> str:
    """Remove a resource; return the error message, or an empty text."""
    if isinstance(resource, KeycloakUser) and any(_is_found_by(resource, other) for other in failed):
        return "kept, because other leftovers are found with its help"
    if isinstance(resource, Rows):
        target.writable.add_removable(resource.user, resource.name)
    try:
        resource.remove(target, lambda name: _sign_in(target, name))
    except Exception as error:
        return str(error)
    return ""


def _is_found_by(user: KeycloakUser, resource: Resource) -> bool:
    match resource:
        case Rows(_, name) | RedisKeys(_, name) | CreatedOrganization(_, name, _):
            return name == user.name
    return False


def _sign_in(target: Target, name: str) -> str:
    """Set a new password for a user of an earlier run and return the token; empty if rows can be removed instead."""
    if target.has("UNICORN_DB_URL") or not run_of(name) or not target.keycloak.set_password(name, PASSWORD):
        return ""
    return str(target.keycloak.token(name, PASSWORD)["access_token"])


def _users(target: Target, known: Known) -> list[Resource]:
    found = list[Resource]()
    for user in target.keycloak.users(_PREFIX):
        if known.is_user_of_finished_run(user):
            known.people[str(user["id"])] = str(user["username"])
            found.append(KeycloakUser(str(user["username"])))
    return found


def _customers(target: Target, known: Known) -> list[Resource]:
    """Find customers by name and e-mail; the external id must not be the id of a user of somebody else."""
    found = list[Resource]()
    for customer in target.lago.customers():
        name, user = str(customer.get("name") or ""), str(customer["external_id"])
        of_a_run = known.is_of_finished_run(name) and customer.get("email") == email_of(name)
        if of_a_run and not known.is_stranger(target, user):
            known.people[user] = name
            found.append(LagoCustomer(user, name))
    return found


def _organizations(target: Target, known: Known) -> list[Resource]:
    """Find organisations with an admin and only members of one run, and those that the clean-up journals list."""
    if not _shows_live_runs(target):
        return [one for one in known.organizations if target.keycloak.find_user(one.admin)]
    members: dict[str, list[dict[str, str]]] = {}
    for row in target.unicorn.members_of_runs():
        members.setdefault(row["org_id"], []).append(row)
    found = list[Resource]()
    for org_id, rows in members.items():
        runs = {run_of(name_of(row["user_email"])) for row in rows}
        admins = [name_of(row["user_email"]) for row in rows if row["role"] == "admin"]
        name = rows[0]["name"] or ""
        if len(runs) == 1 and admins and known.is_finished(run := runs.pop()) and name.startswith(f"{run}-"):
            found.append(CreatedOrganization(name, admins[0], org_id))
    here = {resource.id for resource in found if isinstance(resource, CreatedOrganization)}
    lost = [one for one in known.organizations if one.id not in here and one.id not in members]
    kept = target.unicorn.ids_with_rows("org_id", [one.id for one in lost])
    return [*found, *(one for one in lost if one.id in kept)]


def _members(target: Target, known: Known) -> list[Resource]:
    """Find memberships of runs' people in organisations of others; a run's own organisations are removed completely."""
    own = {resource.id for resource in _organizations(target, known) if isinstance(resource, CreatedOrganization)}
    emails = {row["user_email"] for row in target.unicorn.members_of_runs() if row["org_id"] not in own}
    return [Membership(email) for email in sorted(emails) if known.is_of_finished_run(name_of(email))]


def _rows(target: Target, known: Known) -> list[Resource]:
    """Find the rows of all known people, and of people with a row that has the mark of a run."""
    for user, mark in target.unicorn.marks().items():
        if user not in known.people and known.is_finished(run_of_mark(mark)) and not known.is_stranger(target, user):
            known.people[user] = f"{run_of_mark(mark)}-0"
    people = [user for user in known.people if not known.is_stranger(target, user)]
    kept = target.unicorn.ids_with_rows("user_id", people)
    return [Rows(user, known.people[user]) for user in people if user in kept]


def _keys(target: Target, known: Known) -> list[Resource]:
    kept = target.counters.people()
    return [
        RedisKeys(user, name)
        for user, name in known.people.items()
        if user in kept and not known.is_stranger(target, user)
    ]


def _calls(target: Target, known: Known) -> list[Resource]:
    return [Calls(caller) for caller in sorted(_callers(target, known))]


def _callers(target: Target, known: Known) -> dict[str, set[str]]:
    """Return, by caller, the fingerprints of the keys that paid for the calls of finished runs' people."""
    found: dict[str, set[str]] = {}
    for call in target.provider.all_calls():
        if known.is_of_finished_run(call.caller):
            found.setdefault(call.caller, set()).add(call.key_fingerprint)
    return found


def _troubles(target: Target, known: Known) -> list[Resource]:
    return [Trouble(caller) for caller in target.provider.troubles() if known.is_of_finished_run(caller)]


def _signing_keys(target: Target, known: Known) -> list[Resource]:
    return [SigningKey(name) for name in target.realm_keys.names() if known.is_of_finished_run(name)]


def _clock(target: Target, known: Known) -> list[Resource]:
    """Find a clock that stands still while no live run can have stopped it."""
    return [] if known.live or not target.clock.stands_still else [StoppedClock()]


def _accounts(target: Target, known: Known) -> list[Resource]:
    """Find accounts in the clean-up journals and in the calls of runs' people; never those of the deployment."""
    settings = target.settings
    deployment = {settings.platform_key_fingerprint, fingerprint(settings.test_openrouter_key.get_secret_value())}
    used = known.accounts.union(*_callers(target, known).values()) - deployment
    return [ProviderAccount(key) for key in sorted(used & target.provider.accounts())]


_FINDS: tuple[tuple[type[Resource], Callable[[Target, Known], list[Resource]]], ...] = (
    (SigningKey, _signing_keys),
    (KeycloakUser, _users),
    (LagoCustomer, _customers),
    (CreatedOrganization, _organizations),
    (Membership, _members),
    (Rows, _rows),
    (RedisKeys, _keys),
    (ProviderAccount, _accounts),
    (Calls, _calls),
    (Trouble, _troubles),
    (StoppedClock, _clock),
)
"""The search for each kind; those that add people to `known` come first."""


def _in_unnamed_systems(target: Target, journals: list[JournalContent]) -> list[str]:
    """Return the resources in the clean-up journals that are in systems that the settings do not name."""
    hidden = [resource for one in journals for resource in one.left if not target.has(resource.needs)]
    return [f"{resource} (can't search for it: set {resource.needs})" for resource in hidden]
