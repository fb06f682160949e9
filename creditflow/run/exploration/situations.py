"""The situations that histories reached: which clause of the contract decided, for whom, in which form, how near."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from creditflow.audit.oracle import Decision
from creditflow.audit.oracle_state import QUOTAS

HEADERS = ("decided by", "times", "tier", "payer", "form", "boundary", "never reached")

_TIERS = tuple(QUOTAS)
_LIMITED = tuple(tier for tier in QUOTAS if tier != "enterprise")
_OWN, _CLUB, _KEY = "own credits", "organisation", "own key"
_FORMS = ("whole", "stream")
_NEAR = ("exact", "one short", "one more", "far")
_SHORT = ("one short", "far")


@dataclass(frozen=True)
class Clause:
    """A clause that can decide, and with what: the tiers, payers, forms and boundaries that it can meet."""

    name: str
    tiers: tuple[str, ...] = _TIERS
    payers: tuple[str, ...] = ()
    forms: tuple[str, ...] = _FORMS
    boundaries: tuple[str, ...] = ()

    def known(self) -> set[tuple[str, str, str]]:
        """Return each situation as the clause, a kind of circumstance, and the circumstance."""
        parts = {"tier": self.tiers, "payer": self.payers, "form": self.forms, "boundary": self.boundaries}
        return {(self.name, kind, value) for kind, values in parts.items() for value in values}


CLAUSES = (
    Clause("body", forms=("whole",)),
    Clause("replay"),
    Clause("key reused"),
    Clause("first still running", tiers=(), forms=()),
    Clause("quota", _LIMITED, boundaries=("one short",)),
    Clause("organization required", ("platform",)),
    Clause("foreign organization"),
    Clause("byok key missing", payers=(_KEY,)),
    Clause("insufficient credits", payers=(_OWN,), boundaries=_SHORT),
    Clause("no allocation", ("platform",), (_CLUB,)),
    Clause("organisation's credits", ("platform",), (_CLUB,), boundaries=_SHORT),
    Clause("allocation exhausted", ("platform",), (_CLUB,), boundaries=_SHORT),
    Clause("answered", payers=(_OWN, _CLUB, _KEY), boundaries=("exact", "one more", "far")),
    Clause("a stream that breaks off", payers=(_OWN, _CLUB, _KEY), forms=("stream",)),
    Clause("key refused", payers=(_KEY,)),
    Clause("account of the key empty", payers=(_KEY,)),
    Clause("provider: server_error", payers=(_OWN, _CLUB, _KEY)),
    Clause("provider: bad_key", payers=(_OWN, _CLUB)),
    Clause("provider: out_of_money", payers=(_OWN, _CLUB, _KEY)),
    Clause("provider: rate_limited", payers=(_OWN, _CLUB, _KEY)),
    Clause("provider: broken_stream", payers=(_OWN, _CLUB, _KEY), forms=("whole",)),
    Clause("done", forms=("purchase", "allocate", "create organization", "invite", "store key", "remove key")),
    Clause("no admin", forms=("purchase", "allocate", "invite", "remove organization")),
    Clause("no member", ("platform",), forms=("allocate",)),
    Clause("unallocated credits", ("platform",), forms=("allocate",), boundaries=_SHORT),
)
"""Every clause that a history can meet where no service fails."""

KNOWN = frozenset().union(*(clause.known() for clause in CLAUSES))


class Situations:
    """Counts what decided the requests of histories."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._reached: Counter[tuple[str, str, str]] = Counter()

    def add(self, decided: Iterable[Decision]) -> None:
        """Count the decisions of a history."""
        for one in decided:
            self._times[one.clause] += 1
            parts = {"tier": one.tier, "payer": one.payer, "form": one.form, "boundary": one.boundary}
            self._reached.update((one.clause, kind, value) for kind, value in parts.items() if value)

    @property
    def reached(self) -> int:
        """How many of the known situations were reached."""
        return len(KNOWN & self._reached.keys())

    def rows(self) -> list[tuple[str, int, str, str, str, str, str]]:
        """Return a row for each clause: how often it decided, with what, and what it never met."""
        others = [Clause(name, (), (), (), ()) for name in sorted(self._times.keys() - {each.name for each in CLAUSES})]
        return [self._row(clause) for clause in (*CLAUSES, *others)]

    def _row(self, clause: Clause) -> tuple[str, int, str, str, str, str, str]:
        never = [value for _, kind, value in sorted(clause.known()) if not self._reached[clause.name, kind, value]]
        tier, payer, form, boundary = (self._met(clause.name, kind) for kind in ("tier", "payer", "form", "boundary"))
        times = self._times[clause.name]
        return clause.name, times, tier, payer, form, boundary, ", ".join(never) if times else "all of it"

    def _met(self, clause: str, kind: str) -> str:
        return ", ".join(
            f"{value} {times:,}"
            for (name, of, value), times in self._reached.most_common()
            if (name, of) == (clause, kind)
        )

    def lines(self) -> Iterator[str]:
        """Yield the table as text: what was reached, and what never was."""
        yield f"{self.reached:,} of {len(KNOWN):,} situations were reached. What decided, and what it never met:"
        for name, times, *_, never in self.rows():
            yield f"  {name}: {times:,} times" + (f"; never: {never}" if never else "")
