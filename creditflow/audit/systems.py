"""What every system records about the audited people and organisations, by the ledger's accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial

from creditflow.actors.people import Organization, Person
from creditflow.audit import ledger
from creditflow.audit.history import Asked, Dissolved, Founded, History, Joined, Unsubscribed
from creditflow.audit.ledger import Account, Call, Event, Movement, Value
from creditflow.audit.parties import Parties
from creditflow.checks import diagnosis
from creditflow.checks.account_base import readable
from creditflow.core import period
from creditflow.core.errors import EndpointMissingError, NotTestableError
from creditflow.target.drivers.postgres import Row
from creditflow.target.drivers.provider import ProviderCall
from creditflow.target.target import Target

Seen = dict[Account, dict[str, Value]]
"""The value of each account in each system."""

Look = Callable[[], Seen]
"""Reads one system."""


def looks_at(target: Target, parties: Parties, history: History, calls: list[ProviderCall]) -> list[Look]:
    """Return what reads the tables, the counters, the events, the provider's journal, and the API of each party.

    `calls` receives what the provider's journal shows.
    """
    there = _organizations(history)
    return [
        *(partial(look, target, parties, history) for look in (_database, _redis, _lago)),
        partial(_provider, target, parties, calls),
        *(partial(_api_of_person, target, person) for person in parties.cast.people),
        *(partial(_api_of_organization, target, o) for o in parties.cast.organizations if o.id in there),
    ]


def together(readings: Iterable[Seen]) -> Seen:
    """Return the values of all systems by account and system."""
    seen: Seen = defaultdict(dict)
    for reading in readings:
        for account, value in reading.items():
            seen[account] |= value
    return seen


def shown(look: Look) -> Seen:
    """Return what a system records, or nothing if the target does not show it."""
    try:
        return look()
    except (NotTestableError, EndpointMissingError):
        return {}


def _organizations(history: History) -> list[str]:
    """Return the ids of the organisations that still exist."""
    gone = {operation.organization for operation in history.operations if isinstance(operation, Dissolved)}
    return [d.organization for d in history.operations if isinstance(d, Founded) and d.organization not in gone]


def _database(target: Target, parties: Parties, history: History) -> Seen:
    organizations = _organizations(history)
    tables = target.unicorn.accounts_of(
        {p.id: p.email for p in parties.people}, organizations, period.start().replace(tzinfo=None)
    )
    seen: Seen = defaultdict(dict)
    movements: dict[str, list[Row]] = defaultdict(list)
    for row in tables.get("credit_transactions", []):
        movements[row["org_id"] or row["user_id"]].append(row)
    for owner in {*history.people, *organizations, *movements}:
        rows = movements[owner]
        seen[Account(owner, ledger.MOVEMENTS)]["credit_transactions"] = tuple(sorted(map(_movement, rows)))
        if owner in history.people or owner in organizations:
            total = sum(row["amount"] for row in rows)
            seen[Account(owner, ledger.CREDITS)]["the sum of credit_transactions"] = total
    placed = {row["user_id"]: row["calls"] for row in tables.get("placed calls", [])}
    for who in history.people:
        own = next((row for row in tables.get("user_credits", []) if row["user_id"] == who), {})
        seen[Account(who, ledger.CREDITS)]["user_credits"] = own.get("credits_remaining", 0)
        calls = [row for row in tables.get("usage_tracking", []) if row["user_id"] == who]
        this_month = [row for row in calls if row["created_at"] >= f"{period.name()}-01"]
        made = tuple(sorted(map(_call, calls)))
        seen[Account(who, ledger.CALLS)]["usage_tracking"] = len(this_month) + placed.get(who, 0)
        seen[Account(who, ledger.COUNTED)]["usage_tracking"] = made
    ids = {person.email: person.id for person in parties.people}
    rows = tables.get("organization_members", [])
    members = [(ids.get(row["user_email"].lower(), str(row["user_email"])), row) for row in rows]
    pools = tables.get("organization_credits", [])
    joined = [o for o in history.operations if isinstance(o, Founded | Joined) and o.organization in organizations]
    _shared(seen, members, pools, joined)
    own_credits = [(row["user_id"], row) for row in tables.get("user_credits", [])]
    _reserved(seen, [*own_credits, *((who, row) for who, row in members if who in history.people)])
    _reserved(seen, [(row["org_id"], row) for row in pools])
    return seen


def _shared(seen: Seen, members: list[tuple[str, Row]], pools: list[Row], joined: Iterable[Founded | Joined]) -> None:
    """Add the credits of organisations and the allocations of members; a missing row is an account without a figure."""
    for operation in joined:
        for what in (ledger.LEFT, ledger.USED):
            seen[Account(operation.who, what, operation.organization)]["organization_members"] = None
        for what in (ledger.CREDITS, ledger.ALLOCATED):
            seen[Account(operation.organization, what)]["organization_credits"] = None
    for who, row in members:
        org_id, used = row["org_id"], row["used_credits"]
        seen[Account(who, ledger.LEFT, org_id)]["organization_members"] = row["allocated_credits"] - used
        seen[Account(who, ledger.USED, org_id)]["organization_members"] = used
    for row in pools:
        org_id = row["org_id"]
        left = sum(m["allocated_credits"] - m["used_credits"] for _, m in members if m["org_id"] == org_id)
        seen[Account(org_id, ledger.CREDITS)]["organization_credits"] = row["total_credits"]
        seen[Account(org_id, ledger.ALLOCATED)]["organization_credits"] = row["allocated_credits"]
        seen[Account(org_id, ledger.ALLOCATED)]["organization_members"] = left


def _reserved(seen: Seen, rows: Iterable[tuple[str, Row]]) -> None:
    """Add the reserved credits of each owner, if a table has a column for them."""
    reserved: dict[str, int] = defaultdict(int)
    for owner, row in rows:
        for name in row:
            if "reserved" in name:
                reserved[owner] += row[name]
    for owner, credits in reserved.items():
        seen[Account(owner, ledger.RESERVED)]["unicorn_db"] = credits


def _api_of_person(target: Target, person: Person) -> Seen:
    balance = readable(target, target.ops_center.balance(person.token)).body
    return {
        Account(person.id, ledger.CREDITS): {"the API": balance.get("credits")},
        Account(person.id, ledger.CALLS): {"the API": balance.get("api_calls_used")},
    }


def _api_of_organization(target: Target, organization: Organization) -> Seen:
    reply = target.ops_center.organization_credits(organization.admin.token, organization.id)
    credits = readable(target, reply).body
    return {
        Account(organization.id, ledger.CREDITS): {"the API": credits.get("total_credits")},
        Account(organization.id, ledger.ALLOCATED): {"the API": credits.get("allocated_credits")},
    }


def _redis(target: Target, _parties: Parties, history: History) -> Seen:
    counters = target.counters.calls_of(list(history.people), period.name())
    return {
        Account(who, ledger.COUNTER): {"Redis": int(value) if value and value.isdecimal() else None}
        for who, value in counters.items()
    }


def _lago(target: Target, _parties: Parties, history: History) -> Seen:
    askers: dict[str, str] = {}
    ended: set[str] = set()
    of_nothing: set[str] = set()
    unnamed: set[str] = set()  # who never learned a request's id, by which alone its event can be found
    for operation in history.operations:
        if isinstance(operation, Unsubscribed):
            ended.add(operation.who)
        elif isinstance(operation, Asked) and operation.request:
            askers[operation.request] = operation.who
            of_nothing |= {operation.request} if operation.who in ended else set()
        elif isinstance(operation, Asked) and (operation.who not in history.subscriptions or operation.who in ended):
            unnamed.add(operation.who)
    for who in unnamed & history.people.keys():
        for row in target.unicorn.calls(who):
            if (request := str(row["request_id"])) not in askers:
                askers[request] = who
                of_nothing |= {request} if who in ended else set()
    whose = {subscription: who for who, subscription in history.subscriptions.items()}
    found: dict[str, list[Event]] = {who: [] for who in history.people}
    for row in target.lago_db.events(list(whose), list(askers)):
        request, subscription = row["transaction_id"], row["external_subscription_id"]
        asker = askers.get(request) or whose[subscription]
        named = subscription if asker in history.subscriptions and request not in of_nothing else ""
        found.setdefault(asker, []).append(Event(request, named))
    return {Account(who, ledger.EVENTS): {"Lago": tuple(sorted(events))} for who, events in found.items()}


def _provider(target: Target, parties: Parties, calls: list[ProviderCall]) -> Seen:
    people = {person.name: person for person in parties.people}
    kinds = ledger.OWN_KEY, ledger.PLATFORM_KEY
    counts = {Account(person.id, kind): 0 for person in parties.people for kind in kinds}
    calls[:] = target.provider.calls(*people)
    for call in calls:
        if person := people.get(call.caller):
            own = call.key_fingerprint in diagnosis.own_fingerprints(person)
            counts[Account(person.id, ledger.OWN_KEY if own else ledger.PLATFORM_KEY)] += 1
    return {account: {"the provider's journal": count} for account, count in counts.items()}


def _movement(row: Row) -> Movement:
    return Movement(row["transaction_type"], row["amount"], row["user_id"] or "", row.get("request_id") or "")


def _call(row: Row) -> Call:
    answered = row["status"] == 200
    return Call(
        row["request_id"], row["model"], row["tokens"] if answered else 0, row["credits"],
        row["byok"], answered, row["org_id"] or "",
    )  # fmt: skip
