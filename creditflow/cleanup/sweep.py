"""The sweep: removes what runs left that could not clean up after themselves, and touches nothing else.

What a run left is found twice: by the journals on this machine, and by the run's name in the systems themselves, so
that it is found from another machine too. What a run that still lives has made is left alone: its journal is locked,
or it has sessions in PostgreSQL. Where no PostgreSQL is named that can't be told of runs elsewhere, and only what the
journals here name is removed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from creditflow.cleanup import journal
from creditflow.cleanup.journal import Journalled
from creditflow.cleanup.resources import (
    KINDS,
    Calls,
    CreatedOrganization,
    KeycloakUser,
    LagoCustomer,
    Membership,
    ProviderAccount,
    RedisKeys,
    Resource,
    Rows,
    Trouble,
)
from creditflow.core.errors import ServiceUnavailableError
from creditflow.core.expect import counted
from creditflow.core.interruption import SETTLES_S
from creditflow.core.naming import PASSWORD, email_of, name_of, run_of, run_of_mark
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.target import Target

LOOKS = 5
"""How often a sweep looks whether all is gone, before it names what comes back again and again."""

_PREFIX = "cf-"


@dataclass
class Known:
    """What is known of the runs that are over, from journals and from the systems.

    Attributes:
        runs: those that may be swept; None where every run may be but those that live.
        living: the runs that are not over.
        people: user names by user id; number 0 of the run where the name is lost.
        organizations: those that the journals name.
        accounts: fingerprints of the provider keys that the journals name.
        away: what could not be looked at, and why.
    """

    runs: set[str] | None
    living: set[str]
    people: dict[str, str] = field(default_factory=dict)
    organizations: set[CreatedOrganization] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    away: dict[str, str] = field(default_factory=dict)
    _strangers: dict[str, bool] = field(default_factory=dict)

    def is_over(self, run: str) -> bool:
        """Whether what a run made may be removed; an empty name is no run's."""
        return bool(run) and run not in self.living and (self.runs is None or run in self.runs)

    def of_a_run_that_is_over(self, name: str) -> bool:
        """Whether a run that is over made whoever has this user name."""
        return self.is_over(run_of(name))

    def made(self, user: Mapping[str, Any]) -> bool:
        """Whether a run that is over made this user of Keycloak: by name and e-mail, which others do not have both."""
        name = str(user.get("username", ""))
        return self.of_a_run_that_is_over(name) and user.get("email") == email_of(name)

    def is_stranger(self, target: Target, user: str) -> bool:
        """Whether a user id is of somebody in Keycloak whom no run that is over made."""
        if user not in self._strangers:
            found = target.keycloak.user(user)
            self._strangers[user] = found is not None and not self.made(found)
        return self._strangers[user]


@dataclass(frozen=True)
class Swept:
    """What a sweep did.

    Attributes:
        removed: what is gone now, or would be where nothing was to be removed.
        left: what is still there, with the reason.
    """

    removed: tuple[Resource, ...]
    left: tuple[str, ...]


def sweep(target: Target, dry_run: bool = False, tell: Callable[[str], None] = print) -> Swept:
    """Remove what runs that are over left on a target.

    It looks until a look finds nothing more: a request that was under way when its run was killed may have made
    something anew.

    Args:
        target: opened for it.
        dry_run: only look.
        tell: shows the reader a line.

    Raises:
        ServiceUnavailableError: PostgreSQL does not answer, so that it can't be told which runs live.
    """
    journal.visit(target.settings.journal_dir, target.settings.ops_center_url)
    journals = _journals(target, tell)
    known = _known(target, journals, tell)
    removed: dict[Resource, None] = {}
    failed: dict[Resource, str] = {}
    for again in range(LOOKS):
        if again:
            threading.Event().wait(SETTLES_S)
        found = look(target, known)
        if dry_run:
            return Swept(tuple(found), tuple(known.away.values()))
        if not (new := [resource for resource in found if resource not in failed]):
            break
        for resource in new:
            if why := _remove(target, resource, failed):
                failed[resource] = why
        removed |= dict.fromkeys(resource for resource in new if resource not in failed)
    else:
        found = look(target, known)
    left = [f"{resource} ({failed.get(resource, 'it comes back')})" for resource in found]
    left += [*known.away.values(), *_beyond_sight(target, journals)]
    if not left:
        for one in journals:
            one.path.unlink(missing_ok=True)
    journal.visit(target.settings.journal_dir, target.settings.ops_center_url)
    return Swept(tuple(resource for resource in removed if resource not in found), tuple(left))


def look(target: Target, known: Known) -> list[Resource]:
    """What runs that are over left, in the order in which it has to be removed; whoever is found is known from then.

    Which runs live is asked after things were found: one that began meanwhile may have made them.
    """
    while True:
        found = _found(target, known)
        living = _living(target)
        if living <= known.living:
            break
        known.living |= living
        known.people = {user: name for user, name in known.people.items() if known.of_a_run_that_is_over(name)}
    ranks = {kind: rank for rank, kind in enumerate(KINDS)}
    return sorted(found, key=lambda resource: ranks[type(resource)])


def _found(target: Target, known: Known) -> list[Resource]:
    found: dict[Resource, None] = {}
    known.away.clear()
    for kind, finds in _FINDS:
        if target.has(kind.needs):
            try:
                found |= dict.fromkeys(finds(target, known))
            except ServiceUnavailableError as away:
                known.away[kind.plural] = f"{kind.plural} can't be looked for: {away}"
    return list(found)


def told(resources: Iterable[Resource]) -> str:
    """How many of each kind."""
    kinds = Counter(type(resource) for resource in resources)
    return ", ".join(f"{kinds[kind]} {kind.plural}" for kind in KINDS if kinds[kind])


def _journals(target: Target, tell: Callable[[str], None]) -> list[Journalled]:
    """Those of runs that are over on this target; of the others those that can't be read are told."""
    of_target = []
    for one in journal.over(target.settings.journal_dir):
        if one.target == target.settings.ops_center_url:
            of_target.append(one)
        if one.unread:
            what = "is of another version" if one.of_another_version else f"has {counted(one.unread, 'unknown line')}"
            tell(f"{journal.shown(one.path)} {what}: what it names is found only as far as it carries a run's name.")
    return of_target


def _known(target: Target, journals: list[Journalled], tell: Callable[[str], None]) -> Known:
    runs = None
    if not _shows_who_lives(target):
        tell("Which runs live elsewhere can't be told without UNICORN_DB_URL: only what journals here name is removed.")
        runs = {one.run for one in journals}
    known = Known(runs, _living(target))
    for one in journals:
        for resource in one.left:
            _take(known, one.run, resource)
    return known


def _living(target: Target) -> set[str]:
    living = journal.alive(target.settings.journal_dir)
    return living | target.unicorn.runs() if _shows_who_lives(target) else living


def _shows_who_lives(target: Target) -> bool:
    return target.has("UNICORN_DB_URL") or target.has("UNICORN_DB_READ_URL")


def _take(known: Known, run: str, resource: Resource) -> None:
    """Take in what a journal names, as far as it is of the run that wrote it."""
    if not known.is_over(run):
        return
    match resource:
        case Rows(user, name) | RedisKeys(user, name) | LagoCustomer(user, name) if run_of(name) == run:
            known.people[user] = name
        case CreatedOrganization(_, admin, org_id) if run_of(admin) == run and org_id:
            known.organizations.add(resource)
        case ProviderAccount(mark):
            known.accounts.add(mark)


def _remove(target: Target, resource: Resource, failed: Collection[Resource]) -> str:
    """Why a thing could not be removed; empty when it is gone."""
    if isinstance(resource, KeycloakUser) and any(_is_found_by(resource, other) for other in failed):
        return "what is left of theirs is found by them"
    if isinstance(resource, Rows):
        target.made.earlier(resource.user, resource.name)
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
    """The token of somebody whom an earlier run made, whose password is lost; empty where rows can be removed."""
    if target.has("UNICORN_DB_URL") or not run_of(name) or not target.keycloak.set_password(name, PASSWORD):
        return ""
    return str(target.keycloak.token(name, PASSWORD)["access_token"])


def _users(target: Target, known: Known) -> list[Resource]:
    found = list[Resource]()
    for user in target.keycloak.users(_PREFIX):
        if known.made(user):
            known.people[str(user["id"])] = str(user["username"])
            found.append(KeycloakUser(str(user["username"])))
    return found


def _customers(target: Target, known: Known) -> list[Resource]:
    """By name and e-mail, and by the external id: that of nobody who is in Keycloak under another name."""
    found = list[Resource]()
    for customer in target.lago.customers():
        name, user = str(customer.get("name") or ""), str(customer["external_id"])
        of_a_run = known.of_a_run_that_is_over(name) and customer.get("email") == email_of(name)
        if of_a_run and not known.is_stranger(target, user):
            known.people[user] = name
            found.append(LagoCustomer(user, name))
    return found


def _organizations(target: Target, known: Known) -> list[Resource]:
    """Those of which every member is of one run and one of them an admin; and what journals say was one."""
    if not _shows_who_lives(target):
        return [one for one in known.organizations if target.keycloak.find_user(one.admin)]
    members: dict[str, list[dict[str, str]]] = {}
    for row in target.unicorn.members_of_runs():
        members.setdefault(row["org_id"], []).append(row)
    found = list[Resource]()
    for org_id, rows in members.items():
        runs = {run_of(name_of(row["user_email"])) for row in rows}
        admins = [name_of(row["user_email"]) for row in rows if row["role"] == "admin"]
        name = rows[0]["name"] or ""
        if len(runs) == 1 and admins and known.is_over(run := runs.pop()) and name.startswith(f"{run}-"):
            found.append(CreatedOrganization(name, admins[0], org_id))
    here = {resource.id for resource in found if isinstance(resource, CreatedOrganization)}
    lost = [one for one in known.organizations if one.id not in here and one.id not in members]
    kept = target.unicorn.kept_of("org_id", [one.id for one in lost])
    return [*found, *(one for one in lost if one.id in kept)]


def _members(target: Target, known: Known) -> list[Resource]:
    """Of organisations that are not the run's own: those go whole."""
    own = {resource.id for resource in _organizations(target, known) if isinstance(resource, CreatedOrganization)}
    emails = {row["user_email"] for row in target.unicorn.members_of_runs() if row["org_id"] not in own}
    return [Membership(email) for email in sorted(emails) if known.of_a_run_that_is_over(name_of(email))]


def _rows(target: Target, known: Known) -> list[Resource]:
    """Of everybody who is known, and of whoever has a row with the mark of a run."""
    for user, mark in target.unicorn.marked().items():
        if user not in known.people and known.is_over(run_of_mark(mark)) and not known.is_stranger(target, user):
            known.people[user] = f"{run_of_mark(mark)}-0"
    people = [user for user in known.people if not known.is_stranger(target, user)]
    kept = target.unicorn.kept_of("user_id", people)
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
    """The fingerprints of the keys with which people of a run that is over asked, by caller."""
    found: dict[str, set[str]] = {}
    for call in target.provider.all_calls():
        if known.of_a_run_that_is_over(call.caller):
            found.setdefault(call.caller, set()).add(call.key_fingerprint)
    return found


def _troubles(target: Target, known: Known) -> list[Resource]:
    return [Trouble(caller) for caller in target.provider.troubles() if known.of_a_run_that_is_over(caller)]


def _accounts(target: Target, known: Known) -> list[Resource]:
    """Those that the journals name, and those with which people of a run asked; never those of the deployment."""
    settings = target.settings
    deployment = {settings.platform_key_fingerprint, fingerprint(settings.test_openrouter_key.get_secret_value())}
    used = known.accounts.union(*_callers(target, known).values()) - deployment
    return [ProviderAccount(mark) for mark in sorted(used & target.provider.accounts())]


_FINDS: tuple[tuple[type[Resource], Callable[[Target, Known], list[Resource]]], ...] = (
    (KeycloakUser, _users),
    (LagoCustomer, _customers),
    (CreatedOrganization, _organizations),
    (Membership, _members),
    (Rows, _rows),
    (RedisKeys, _keys),
    (ProviderAccount, _accounts),
    (Calls, _calls),
    (Trouble, _troubles),
)
"""How each kind is found, whoever tells of people first."""


def _beyond_sight(target: Target, journals: list[Journalled]) -> list[str]:
    """What the journals name in systems that the settings do not."""
    owed = [resource for one in journals for resource in one.left if not target.has(resource.needs)]
    return [f"{resource} (it can't be looked for: set {resource.needs})" for resource in owed]
