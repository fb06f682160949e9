"""The audit after every scenario: what the ledger expects, and what every system says, for everyone it made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from creditflow.actors.bystanders import Bystanders
from creditflow.actors.cast import Cast
from creditflow.actors.people import Organization, Person
from creditflow.audit import ledger
from creditflow.audit.history import Asked, Dissolved, Founded, History, Joined, Names, read
from creditflow.audit.ledger import Account, Call, Event, Line, Movement, Value, Verdict
from creditflow.checks import diagnosis
from creditflow.core import period, prices
from creditflow.core.errors import EndpointMissingError, NotTestableError, ServiceUnavailableError
from creditflow.core.expect import counted, written
from creditflow.core.polling import soon
from creditflow.reporting import evidence
from creditflow.target.drivers.grants import PLACED
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.postgres import Row
from creditflow.target.drivers.record import RecordedRequest
from creditflow.target.target import Target

TITLE = "The ledger agrees with every system"
"""By which the report names the audit."""

PAUSE = 0.005
"""Seconds between two looks at what differs: most of what comes later comes within a few of them."""

Seen = dict[Account, dict[str, Value]]
Look = Callable[[], Seen]
"""Reads what one system says."""

_hands = ThreadPoolExecutor(6, thread_name_prefix="audit")


class LedgerMismatchError(AssertionError):
    """Some system keeps other books than the ledger; the sentence begins with the first difference."""

    title = TITLE


def audit(
    target: Target,
    cast: Cast,
    entries: Iterable[RecordedRequest],
    bystanders: Bystanders | None,
    seconds: float,
    judged: Callable[[set[str]], object] = lambda events: None,
) -> None:
    """Require that every system keeps the books that the scenario's deeds make, for everyone of its cast.

    The bystanders are audited with them, in what can be read without signing in.

    What comes a moment later (an event, the charge of a stream that was left) is awaited.

    Args:
        target: whose systems are asked.
        cast: the people and organisations of the scenario.
        entries: the record of what was done.
        bystanders: whose books nothing may have changed.
        seconds: the deadline for what comes a moment later.
        judged: told the transaction ids of the events that Lago had, right or wrong.

    Raises:
        LedgerMismatchError: where they differ, or what can't be told.
    """
    if not cast.people:
        return
    parties = Parties.of(cast, bystanders)
    history = history_of(target, parties, entries)
    verdict: Verdict | None = None
    looks = looks_at(target, parties, history)
    said: list[Seen] = [{} for _ in looks]

    def look() -> None:
        nonlocal verdict
        again = _to_ask_again(said, verdict)
        for number, part in zip(again, _hands.map(shown, [looks[number] for number in again]), strict=True):
            said[number] = part
        verdict = ledger.judge(history, together(said))
        if verdict.answer == "no":
            raise LedgerMismatchError

    with evidence.section(TITLE):
        try:
            soon(look, seconds, PAUSE)
        except LedgerMismatchError as how_long:
            assert verdict
            raise LedgerMismatchError(f"{how_long}{_sentence(target, parties, verdict)}") from None
        finally:
            if verdict:
                _show(parties, verdict)
                judged(_events(verdict))
        assert verdict
        if verdict.answer == "unknown":
            raise LedgerMismatchError(f"The ledger can't tell: {'; '.join(verdict.unknown)}.")


@dataclass(frozen=True)
class Parties:
    """Who is audited.

    Attributes:
        cast: the people and organisations of the scenario.
        people: they and the bystanders.
        organizations: theirs and the bystanders'.
        before: what had been done to the bystanders.
    """

    cast: Cast
    people: tuple[Person, ...]
    organizations: tuple[Organization, ...]
    before: tuple[RecordedRequest, ...]

    @classmethod
    def of(cls, cast: Cast, bystanders: Bystanders | None) -> Parties:
        """The cast of a scenario, and the bystanders of the run."""
        if bystanders is None:
            return cls(cast, tuple(cast.people), tuple(cast.organizations), ())
        others = bystanders.cast
        return cls(
            cast, (*cast.people, *others.people), (*cast.organizations, *others.organizations), bystanders.entries
        )


def history_of(target: Target, parties: Parties, entries: Iterable[RecordedRequest]) -> History:
    """What was done to them, by the prices of the scenario's feature."""
    names = Names({p.email: p.id for p in parties.people}, {p.name: p.id for p in parties.people})
    return History(
        people={p.id: p.alias for p in parties.people},
        subscriptions={p.id: p.subscription for p in parties.people if p.plan},
        operations=read([*parties.before, *entries], names, target.provider_is_exact),
        prices={prices.MODELS[model]: rate for model, rate in parties.cast.prices.credits.items()},
    )


def looks_at(target: Target, parties: Parties, history: History) -> list[Look]:
    """What there is to read of them: the tables, the counters, the events, the journal, and the API of each."""
    there = _organizations(history)
    return [
        *(partial(look, target, parties, history) for look in (_database, _redis, _lago, _provider)),
        *(partial(_api_of_person, target, person) for person in parties.cast.people),
        *(partial(_api_of_organization, target, o) for o in parties.cast.organizations if o.id in there),
    ]


def together(said: Iterable[Seen]) -> Seen:
    """What all systems say, by account and system."""
    seen: Seen = defaultdict(dict)
    for part in said:
        for account, value in part.items():
            seen[account] |= value
    return seen


def _to_ask_again(said: list[Seen], verdict: Verdict | None) -> list[int]:
    """The places of those whose words have something to do with what was wrong; all where that can't be told."""
    if verdict is None or verdict.wrong:
        return list(range(len(said)))
    differing = {(line.whose, line.what, system) for line in verdict.lines for system in line.differs}
    return [
        number
        for number, part in enumerate(said)
        if any((*account, system) in differing for account, values in part.items() for system in values)
    ]


def shown(look: Look) -> Seen:
    """What a system says; nothing where the target does not show it."""
    try:
        return look()
    except (NotTestableError, EndpointMissingError):
        return {}


def _organizations(history: History) -> list[str]:
    gone = {operation.organization for operation in history.operations if isinstance(operation, Dissolved)}
    return [d.organization for d in history.operations if isinstance(d, Founded) and d.organization not in gone]


def _database(target: Target, parties: Parties, history: History) -> Seen:
    organizations = _organizations(history)
    tables = target.unicorn.accounts_of({p.id: p.email for p in parties.people}, organizations)
    seen: Seen = defaultdict(dict)
    movements: dict[str, list[Row]] = defaultdict(list)
    for row in tables.get("credit_transactions", []):
        movements[row["org_id"] or row["user_id"]].append(row)
    for whose in {*history.people, *organizations, *movements}:
        rows = movements[whose]
        seen[whose, ledger.MOVEMENTS]["credit_transactions"] = tuple(sorted(map(_movement, rows)))
        if whose in history.people or whose in organizations:
            seen[whose, ledger.CREDITS]["the sum of credit_transactions"] = sum(row["amount"] for row in rows)
    for who in history.people:
        purse = next((row for row in tables.get("user_credits", []) if row["user_id"] == who), {})
        seen[who, ledger.CREDITS]["user_credits"] = purse.get("credits_remaining", 0)
        calls = [row for row in tables.get("usage_tracking", []) if row["user_id"] == who]
        this_month = [row for row in calls if row["created_at"] >= f"{period.name()}-01"]
        made = tuple(sorted(_call(row) for row in calls if row["endpoint"] != PLACED))
        seen[who, ledger.CALLS]["usage_tracking"] = len(this_month)
        seen[who, ledger.COUNTED]["usage_tracking"] = made
    ids = {person.email: person.id for person in parties.people}
    rows = tables.get("organization_members", [])
    members = [(ids.get(row["user_email"], str(row["user_email"])), row) for row in rows]
    pools = tables.get("organization_credits", [])
    memberships = [d for d in history.operations if isinstance(d, Founded | Joined) and d.organization in organizations]
    _shared(seen, members, pools, memberships)
    purses = [(row["user_id"], row) for row in tables.get("user_credits", [])]
    _held(seen, [*purses, *((who, row) for who, row in members if who in history.people)])
    _held(seen, [(row["org_id"], row) for row in pools])
    return seen


def _shared(
    seen: Seen, members: list[tuple[str, Row]], pools: list[Row], memberships: Iterable[Founded | Joined]
) -> None:
    """What organisations have and their members may use; a row that is not there is seen as one without figures."""
    for operation in memberships:
        for what in (ledger.LEFT, ledger.USED):
            seen[f"{operation.who} {operation.organization}", what]["organization_members"] = None
        for what in (ledger.CREDITS, ledger.ALLOCATED):
            seen[operation.organization, what]["organization_credits"] = None
    for who, row in members:
        whose, left = f"{who} {row['org_id']}", row["allocated_credits"] - row["used_credits"]
        seen[whose, ledger.LEFT]["organization_members"] = left
        seen[whose, ledger.USED]["organization_members"] = row["used_credits"]
    for row in pools:
        org_id = row["org_id"]
        left = sum(m["allocated_credits"] - m["used_credits"] for _, m in members if m["org_id"] == org_id)
        seen[org_id, ledger.CREDITS]["organization_credits"] = row["total_credits"]
        seen[org_id, ledger.ALLOCATED]["organization_credits"] = row["allocated_credits"]
        seen[org_id, ledger.ALLOCATED]["organization_members"] = left


def _held(seen: Seen, rows: Iterable[tuple[str, Row]]) -> None:
    """What is reserved, where a table has a column for it."""
    held: dict[str, int] = defaultdict(int)
    for whose, row in rows:
        for name in row:
            if "reserved" in name:
                held[whose] += row[name]
    for whose, value in held.items():
        seen[whose, ledger.HELD]["unicorn_db"] = value


def _api_of_person(target: Target, person: Person) -> Seen:
    said = _answered(target, target.ops_center.balance(person.token)).body
    return {
        (person.id, ledger.CREDITS): {"the API": said.get("credits")},
        (person.id, ledger.CALLS): {"the API": said.get("api_calls_used")},
    }


def _api_of_organization(target: Target, organization: Organization) -> Seen:
    asked = target.ops_center.organization_credits(organization.admin.token, organization.id)
    said = _answered(target, asked).body
    return {
        (organization.id, ledger.CREDITS): {"the API": said.get("total_credits")},
        (organization.id, ledger.ALLOCATED): {"the API": said.get("allocated_credits")},
    }


def _answered(target: Target, reply: Reply) -> Reply:
    """The answer of Ops-Center; where it is an error of its own, nothing can be read from it."""
    if reply.status >= 500:
        raise ServiceUnavailableError(
            "Ops-Center", target.ops_center.http.url, f"answered {reply.status} when asked for credits"
        )
    return reply


def _redis(target: Target, _parties: Parties, history: History) -> Seen:
    counters = target.counters.calls_of(list(history.people), period.name())
    return {
        (who, ledger.COUNTER): {"Redis": int(value) if value and value.isdecimal() else None}
        for who, value in counters.items()
    }


def _lago(target: Target, _parties: Parties, history: History) -> Seen:
    askers = {operation.request: operation.who for operation in history.operations if isinstance(operation, Asked)}
    whose = {subscription: who for who, subscription in history.subscriptions.items()}
    found: dict[str, list[Event]] = {who: [] for who in history.people}
    for row in target.lago_db.events(list(whose), list(askers)):
        request, subscription = row["transaction_id"], row["external_subscription_id"]
        asker = askers.get(request) or whose[subscription]
        named = subscription if asker in history.subscriptions else ""
        found.setdefault(asker, []).append(Event(request, named))
    return {(who, ledger.EVENTS): {"Lago": tuple(sorted(events))} for who, events in found.items()}


def _events(verdict: Verdict) -> set[str]:
    seen = [line.seen.get("Lago") for line in verdict.lines if line.what == ledger.EVENTS]
    return {event.request for events in seen if isinstance(events, tuple) for event in events if type(event) is Event}


def _provider(target: Target, parties: Parties, _history: History) -> Seen:
    people = {person.name: person for person in parties.people}
    keys = dict.fromkeys(((p.id, what) for p in parties.people for what in (ledger.OWN_KEY, ledger.PLATFORM_KEY)), 0)
    for call in target.provider.all_calls():
        if person := people.get(call.caller):
            own = call.key_fingerprint in diagnosis.own_fingerprints(person)
            keys[person.id, ledger.OWN_KEY if own else ledger.PLATFORM_KEY] += 1
    return {account: {"the provider's journal": count} for account, count in keys.items()}


def _movement(row: Row) -> Movement:
    return Movement(row["transaction_type"], row["amount"], row["user_id"] or "", row.get("request_id") or "")


def _call(row: Row) -> Call:
    answered = row["status"] == 200
    return Call(
        row["request_id"], row["model"], row["tokens"] if answered else 0, row["credits"],
        row["byok"], answered, row["org_id"] or "",
    )  # fmt: skip


def _sentence(target: Target, parties: Parties, verdict: Verdict) -> str:
    """What is wrong, the first difference first; then what the systems recorded of those concerned."""
    said = [*verdict.wrong, *(_difference(parties, line) for line in verdict.lines if line.differs)]
    first = next((line.whose.partition(" ")[0] for line in verdict.lines if line.differs), "")
    person = next((p for p in parties.people if p.id == first), None)
    organization = next((o for o in parties.organizations if o.id == first), None)
    recorded = [diagnosis.of_person(target, person)] if person else []
    recorded += [diagnosis.of_organization(target, organization)] if organization else []
    return "The ledger disagrees: " + "; ".join([*said, *verdict.unknown, *recorded]) + "."


def _difference(parties: Parties, line: Line) -> str:
    told = []
    for system in line.differs:
        lacking, extra = ledger.apart(line.expected, line.seen[system])
        if lacking or extra:
            rows = [f"lacks {_rows(lacking)}"] * bool(lacking) + [f"has {_rows(extra)} too many"] * bool(extra)
            told.append(f"{system} {' and '.join(rows)}")
        else:
            told.append(f"{written(line.seen[system])} in {system}")
    expected = "" if isinstance(line.expected, tuple) else f", expected {written(line.expected)}"
    return f"{_name(parties, line.whose)}: {line.what}: {'; '.join(told)}{expected}"


def _rows(rows: list[Any]) -> str:
    return " and ".join(map(str, rows[:3])) + (f" and {len(rows) - 3:,} more" if len(rows) > 3 else "")


def _name(parties: Parties, whose: str) -> str:
    names = {person.id: person.alias for person in parties.people}
    names |= {organization.id: organization.alias for organization in parties.organizations}
    return " in ".join(names.get(part, part) for part in whose.split(" "))


def _show(parties: Parties, verdict: Verdict) -> None:
    ours = {p.id for p in parties.cast.people} | {o.id for o in parties.cast.organizations}
    others = [line for line in verdict.lines if not ours & set(line.whose.split(" "))]
    shown = [line for line in verdict.lines if line.differs or (line not in others and _says_something(line))]
    evidence.attach_table(
        "Ledger: who, before, after, expected, where it differs",
        ("who", "what", "before", "after", "expected", "where it differs"),
        [
            (
                _name(parties, line.whose),
                line.what,
                _cell(line.before),
                _after(line),
                _cell(line.expected),
                _where(line),
            )
            for line in shown
        ]
        + [("the bystanders", "everything", "", "", "as before", _bystanders(others))] * bool(others),
        [index for index, line in enumerate(shown) if line.differs],
    )


def _bystanders(lines: list[Line]) -> str:
    changed = [line for line in lines if line.differs]
    return f"in {counted(len(changed), 'account')} above" if changed else "nowhere"


def _says_something(line: Line) -> bool:
    return bool(line.before or line.expected or line.what == ledger.CREDITS)


def _after(line: Line) -> int | str | None:
    """What there is now, by a system that differs if one does."""
    return _cell(line.seen[next(iter(line.differs or line.seen))]) if line.seen else "not testable here"


def _where(line: Line) -> str:
    if not line.differs:
        return f"nowhere: {', '.join(line.seen)}" if line.seen else ""
    return "; ".join(f"{system}: {_cell(line.seen[system])}" for system in line.differs)


def _cell(value: Value) -> int | str | None:
    if not isinstance(value, tuple):
        return value
    if len(value) > 5:
        return f"{counted(len(value), 'row')}, the first {value[0]}"
    return "; ".join(map(str, value)) or "none"
