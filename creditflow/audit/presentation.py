"""How a verdict of the ledger is shown: the sentences of a mismatch, and the table in the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from creditflow.actors.llm_requests import Answer
from creditflow.audit import ledger
from creditflow.audit.ledger import Account, Line, Value, Verdict
from creditflow.audit.parties import Parties
from creditflow.checks import diagnosis
from creditflow.core.expect import counted, first_few, written
from creditflow.reporting import evidence, record
from creditflow.reporting.recorder import recorder
from creditflow.target.drivers.provider import ProviderCall
from creditflow.target.target import Target

MOST = 10
"""How many sentences a message contains; the table has all."""

MOST_COSTS = 40
"""How many answers the table of costs has."""


def sentence(parties: Parties, verdict: Verdict) -> str:
    """Return what is wrong, the first difference first, without a full stop."""
    differences = [_difference(parties, line) for line in verdict.lines if line.differs]
    wrong = [*verdict.wrong, *differences, *verdict.unknown]
    return f"The ledger disagrees: {in_short(wrong)}"


def in_short(sentences: Sequence[str]) -> str:
    """Return the first sentences, and how many more the table has."""
    table = ", which the table shows" if len(sentences) > MOST else ""
    return "; ".join(first_few(sentences, MOST)) + table


def recorded(target: Target, parties: Parties, verdict: Verdict) -> list[str]:
    """Return what the systems recorded about the owner of the first account that differs."""
    owner = next((line.account.owner for line in verdict.lines if line.differs), "")
    people = [diagnosis.of_person(target, person) for person in parties.people if person.id == owner]
    organizations = [diagnosis.of_organization(target, o) for o in parties.organizations if o.id == owner]
    return people + organizations


def show(parties: Parties, verdict: Verdict) -> None:
    """Attach the table of all accounts to the report, and add its rows to the record of the run."""
    rows = accounts(parties, verdict)
    recorder.current.accounts = rows
    evidence.attach_table(
        "Ledger: who, before, after, expected, where it differs",
        ("who", "what", "before", "after", "expected", "where it differs"),
        [(row.who, row.what, row.before, row.after, row.expected, _where(row)) for row in rows],
        [index for index, row in enumerate(rows) if row.differs],
    )


def accounts(parties: Parties, verdict: Verdict) -> tuple[record.Account, ...]:
    """Return the rows of the table: the accounts with figures; what did not change for bystanders is one row."""
    ours = {p.id for p in parties.cast.people} | {o.id for o in parties.cast.organizations}
    others = [line for line in verdict.lines if not ours & {line.account.owner, line.account.organization}]
    shown = [line for line in verdict.lines if line.differs or (line not in others and _has_figures(line))]
    rows = [
        record.Account(
            who=_name(parties, line.account),
            what=line.account.what,
            before=_cell(line.before),
            after=_after(line),
            expected=_cell(line.expected),
            systems=tuple(line.seen),
            differs={system: _cell(line.seen[system]) for system in line.differs},
        )
        for line in shown
    ]
    if unchanged := [line for line in others if not line.differs]:
        rows.append(
            record.Account(
                who="the bystanders",
                what="everything" if unchanged == others else "everything else",
                before=None,
                after="as before",
                expected="as before",
                systems=tuple(sorted({system for line in unchanged for system in line.seen})),
            )
        )
    return tuple(rows)


def attach_costs(parties: Parties, found: Iterable[ProviderCall]) -> None:
    """Attach what the answers cost: the credits, and beside them the US dollars that the owner of the key paid."""
    answers = {answer.request.mark: answer for person in parties.cast.people for answer in person.answers}
    calls = [call for call in found if call.request in answers and call.total_tokens]
    rows = [_cost(answers[call.request], call) for call in calls[:MOST_COSTS]]
    if rows:
        more = f", the first {MOST_COSTS:,} of {len(calls):,}" if len(calls) > MOST_COSTS else ""
        evidence.attach_table(
            f"Costs{more}: credits, and US dollars at the provider",
            ("who", "model", "tokens", "credits", "provider", "US dollars", "paid with"),
            rows,
        )


def _cost(answer: Answer, call: ProviderCall) -> tuple[object, ...]:
    own = call.key_fingerprint in diagnosis.own_fingerprints(answer.person)
    return (
        answer.person.alias,
        answer.request.model,
        call.total_tokens,
        answer.fields.get("cost_credits"),
        call.provider,
        f"{call.nano_dollars / 1_000_000_000:.6f}",
        "their own key" if own else "the platform's key",
    )


def _difference(parties: Parties, line: Line) -> str:
    systems = []
    for system in line.differs:
        lacking, extra = ledger.apart(line.expected, line.seen[system])
        if lacking or extra:
            rows = [f"lacks {_rows(lacking)}"] * bool(lacking) + [f"has {_rows(extra)} too many"] * bool(extra)
            systems.append(f"{system} {' and '.join(rows)}")
        else:
            systems.append(f"{written(line.seen[system])} in {system}")
    expected = "" if isinstance(line.expected, tuple) else f", expected {written(line.expected)}"
    return f"{_name(parties, line.account)}: {line.account.what}: {'; '.join(systems)}{expected}"


def _rows(rows: list[Any]) -> str:
    return " and ".join(map(str, rows[:3])) + (f" and {len(rows) - 3:,} more" if len(rows) > 3 else "")


def _name(parties: Parties, account: Account) -> str:
    """Return the owner's alias, for a member with the organisation's alias."""
    names = {person.id: person.alias for person in parties.people}
    names |= {organization.id: organization.alias for organization in parties.organizations}
    return " in ".join(names.get(part, part) for part in (account.owner, account.organization) if part)


def _has_figures(line: Line) -> bool:
    return bool(line.before or line.expected or line.account.what == ledger.CREDITS)


def _after(line: Line) -> int | str | None:
    """Return the present value, in a system that differs if one does; None if no system shows it."""
    return _cell(line.seen[next(iter(line.differs or line.seen))]) if line.seen else None


def _where(row: record.Account) -> str:
    if not row.systems:
        return "not testable here"
    if not row.differs:
        return f"nowhere: {', '.join(row.systems)}"
    return "; ".join(f"{system}: {value}" for system, value in row.differs.items())


def _cell(value: Value) -> int | str | None:
    if not isinstance(value, tuple):
        return value
    if len(value) > 5:
        return f"{counted(len(value), 'row')}, the first {value[0]}"
    return "; ".join(map(str, value)) or "none"
