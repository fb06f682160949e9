"""The oracle of refusals: which answers the contract allows, by the state before and the requests in flight.

It is a second model beside the ledger, and shares no code with the product. The ledger takes the answers as given and
computes the books; the oracle says which answers were allowed. It is a pure function of a history.

Every quantity is an interval: the least and the most that there can have been while a request was under way. A request
that fits into the least must pass, one that does not fit into the most must be refused, and between them both answers
are allowed. A burst is also judged as a whole: if there was too little for all that passed, no order explains it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from creditflow.audit.history import ON_THE_WAY, Act, Asked, History
from creditflow.audit.ledger import Agreement
from creditflow.audit.oracle_state import (
    FOREIGN,
    PROVIDERS,
    QUOTAS,
    UNKNOWN,
    UNNAMED,
    Club,
    Flow,
    Payer,
    Quantity,
    World,
    breaks_off,
    goes_on,
    is_kept,
    key_of,
    same,
)
from creditflow.audit.request_forms import is_good, is_malformed, shape_of
from creditflow.core.prices import charge

MOST_CREDITS = 2_147_483_647
"""The most credits of an organisation (contract, EP3)."""

ANSWERED, BROKEN_OFF = "answered", "a stream that breaks off"
"""The clauses of what is no refusal."""

_SUCCESS = {
    "chat": 200,
    "purchase": 201,
    "allocate": 200,
    "create_organization": 201,
    "invite": 201,
    "remove_organization": 204,
    "store_key": 201,
    "store_key_in_address": 201,
    "remove_key": 204,
    "read": 200,
}
"""The operations that are judged, each with the status of its success."""

_NAMED = frozenset(
    "insufficient_credits no_credit_allocation insufficient_organization_credits allocation_exhausted quota_exceeded "
    "byok_key_missing organization_required idempotency_key_reused invalid_byok_key insufficient_unallocated_credits "
    "provider_error provider_timeout".split()
)
"""The codes that the contract names; a refusal for which it names none may have any other."""

_REFUSING = ("out_of_money", "rate_limited", "server_error", "bad_key", "broken_stream")
_BREAKING = ("slow", "stalled_stream", "broken_stream", "broken_end")
_WAITING = ("slow", "stalled_stream")
"""The troubles in which the provider refuses, breaks streams off, or keeps Ops-Center waiting."""


@dataclass(frozen=True)
class Decision:
    """What decided a judged request.

    Attributes:
        clause: the clause of the contract, such as "quota" or "insufficient credits".
        tier: the tier of the person.
        payer: "own credits", "organisation" or "own key"; empty if that was not decided.
        form: "whole" or "stream"; for other requests than those to a model the operation.
        shape: "plain", or what is unusual about the body.
        boundary: what was there, against what was needed: "exact", "one short", "one more" or "far".
        who: the user id.
        request: the id of the request.
    """

    clause: str
    tier: str
    payer: str
    form: str
    shape: str
    boundary: str
    who: str = ""
    request: str = ""


@dataclass(frozen=True)
class Verdict:
    """What was not allowed, what can't be known, and what decided each request."""

    wrong: tuple[str, ...]
    unknown: tuple[str, ...]
    decided: tuple[Decision, ...]

    @property
    def agreement(self) -> Agreement:
        """`YES` if every answer was allowed, `NO` if one was not, `UNKNOWN` if that can't be known."""
        return Agreement.NO if self.wrong else Agreement.UNKNOWN if self.unknown else Agreement.YES


@dataclass(frozen=True)
class _Allowed:
    """An allowed answer: what decides it, its status, its code (None for any that has no name), and why."""

    clause: str
    status: int | None
    code: str | None
    why: str
    payer: str = ""
    margin: float = math.inf

    def fits(self, act: Act) -> bool:
        if act.status != self.status or breaks_off(act) != (self.clause == BROKEN_OFF):
            return False
        return act.code not in _NAMED if self.code is None else act.code == self.code

    def __str__(self) -> str:
        if self.clause == BROKEN_OFF:
            return BROKEN_OFF
        return "an answer" if self.status == 200 else f"{self.status} {self.code or ''}".strip()


def judge(history: History, known: int = 0) -> Verdict:
    """Judge the answers of a history by the contract.

    Args:
        history: what was done.
        known: how many of the first acts were judged before, and are not judged again.
    """
    judging = _Judge(World(history))
    for act in history.acts[known:]:
        if act.what in _SUCCESS:
            judging.judge(act)
    judging.judge_bursts()
    return Verdict(tuple(judging.wrong), tuple(dict.fromkeys(judging.unknown)), tuple(judging.decided))


class _Judge:
    """Judges one act after the other, then the bursts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wrong: list[str] = []
        self.unknown: list[str] = []
        self.decided: list[Decision] = []
        self._red: list[Act] = []

    def judge(self, act: Act) -> None:
        """Add what decided an act, and a sentence if its answer was not allowed or can't be judged."""
        wanted = self._request(act)
        if act.status is None:
            if not (act.given.get("left_early") or self.world.is_away(act, "Ops-Center")):
                self.unknown.append(f"no answer came to {wanted}")
            return
        if act.who not in self.world.history.people and act.token in ("good", "unsure"):
            self.unknown.append(f"{wanted}, who is nobody of this scenario, was answered {_came(act)}")
            return
        allowed = list(self._allowed(act))
        by = next((each for each in allowed if each.fits(act)), None)
        if by is None:
            by = allowed[0]
            self._red.append(act)
            expected = " or ".join(dict.fromkeys(map(str, allowed)))
            of = f" ({_wanted(act)}, request {act.asked.request[:8]})" if act.asked else ""
            self.wrong.append(f"{by.why} was answered {_came(act)}; expected {expected}{of}")
        tier = str(self.world.tiers[act.who].during(act)[0])
        form = ("stream" if _streams(act) else "whole") if act.asked else act.what.replace("_", " ")
        shape = shape_of(_body(act)) if act.asked else "plain"
        request = act.asked.request if act.asked else ""
        self.decided.append(Decision(by.clause, tier, by.payer, form, shape, _boundary(by.margin), act.who, request))

    def _allowed(self, act: Act) -> Iterator[_Allowed]:
        """Yield every allowed answer, the most probable one first."""
        wanted = self._request(act)
        if act.token != "good":  # noqa: S105
            yield _Allowed("token", 401, None, f"{wanted} with a token that is {act.token}")
            if act.token != "unsure":  # noqa: S105
                return
        yield from self._chat(act, act.asked) if act.asked else self._other(act)
        if self.world.is_away(act, "PostgreSQL"):
            yield _Allowed("PostgreSQL away", 503, None, f"{wanted}, while PostgreSQL was away,")
            if _streams(act):
                yield _Allowed(BROKEN_OFF, 200, "", f"{wanted}, while PostgreSQL was away,")

    def _chat(self, act: Act, asked: Asked) -> Iterator[_Allowed]:
        """Yield the allowed answers to an LLM request, in the contract's order of checks (EP9)."""
        who, headers = self._who(act), act.given["headers"]
        good = is_good(act.given["body"], self.world.rates)
        malformed = [name for name in ("X-Organization-Id", "Idempotency-Key") if is_malformed(name, headers)]
        if good is not True or malformed:
            what = f"a malformed {malformed[0]}" if malformed else "a body that is not allowed"
            yield _Allowed("body", 422, None, f"a request of {who} with {what}")
        if good is False or malformed:
            return
        replays, decide = self._replays(act)
        yield from replays
        if decide:
            return
        used, limits = self.world.calls_of(act).during(act), self._limits(act)
        least, most = min(limits) + used[0], max(limits) + used[1]
        why = f"{who} has used {_number(-used[0])} of {_number(min(limits))} calls and a request"
        if least <= 0:
            yield _Allowed("quota", 429, "quota_exceeded", why, margin=most - 1)
        if most <= 0:
            return
        for each in self._paid(act, asked, most - 1):
            yield replace(each, why=why) if act.code == "quota_exceeded" else each

    def _paid(self, act: Act, asked: Asked, calls: float) -> Iterator[_Allowed]:
        """Yield the allowed answers to a request within the quota, by who pays for it (EP9, step 5)."""
        who = self._who(act)
        if asked.own_key:
            yield from self._own_key(act, asked, calls)
            return
        for payer in self.world.payers(act, asked):
            if payer == FOREIGN:
                yield _Allowed(
                    FOREIGN, 403, None, f"{who} is no member of the organisation that is named and a request"
                )
            elif payer == UNKNOWN:
                yield _Allowed(UNKNOWN, 404, None, f"the organisation that {who} names does not exist and a request")
            elif payer == UNNAMED:
                why = f"{who} is a member of several organisations and a request that names none"
                yield _Allowed(UNNAMED, 400, "organization_required", why)
            else:
                yield from self._reservation(act, asked, payer, calls)

    def _limits(self, act: Act) -> list[float]:
        """Return the calls that the caller's tier may allow; while Lago is away, the last known tier may be any."""
        tiers = QUOTAS if self.world.is_away(act, "Lago") else self.world.tiers[act.who].during(act)
        return [QUOTAS.get(tier, QUOTAS["trial"]) for tier in tiers]

    def _replays(self, act: Act) -> tuple[list[_Allowed], bool]:
        """Return the answers that an idempotency key allows, and whether there are no others (EP9, step 3)."""
        key = key_of(act)
        others = [each for each in self.world.under[key] if each is not act] if key else []
        why = f"{self._who(act)} repeats an idempotency key and the request"
        reused = _Allowed("key reused", 422, "idempotency_key_reused", f"{why}, with another body or payer,")

        def replay(first: Act) -> _Allowed:
            if same(first) != same(act):
                return reused
            return _Allowed("replay", first.status, first.code, f"{why}, first answered {_came(first)},")

        for first in others:
            if first.ended <= act.began and is_kept(first) and not goes_on(first):
                return [replay(first)], True
        running = [each for each in others if each.began < act.ended and (each.ended > act.began or goes_on(each))]
        conflict = [_Allowed("first still running", 409, None, f"{why}, while the first one may be running,")]
        return [*map(replay, filter(is_kept, running)), *(conflict if running else [])], False

    def _own_key(self, act: Act, asked: Asked, calls: float) -> Iterator[_Allowed]:
        """Yield the allowed answers to a request that the caller's own key pays ("Own keys")."""
        who, keys = self._who(act), self.world.keys
        router = keys[act.who, "openrouter"].during(act)
        direct = keys[act.who, "openai"].during(act) if asked.model.startswith("openai/") else [None]
        used = dict.fromkeys(first or second for first in router for second in direct)
        for key in used:
            if key is None:
                why = f"{who} has no key for {asked.model} and a request with their own key"
                yield _Allowed("byok key missing", 400, "byok_key_missing", why, "own key")
                continue
            exact = self.world.history.exact
            for state in self.world.accounts[key].during(act) if exact else ("good", "empty", "unknown"):
                why = f"{who} has a key, the account of which is {state}, and a request with it"
                if state == "unknown":
                    yield _Allowed("key refused", 401, "invalid_byok_key", why, "own key", calls)
                elif state == "empty":
                    yield _Allowed("account of the key empty", 502, "provider_error", why, "own key", calls)
                else:
                    yield from self._provider(act, why, "own key", calls)

    def _reservation(self, act: Act, asked: Asked, payer: Payer, margin: float) -> Iterator[_Allowed]:
        """Yield the refusals of step 6 that are possible, and the provider's answers if the request can pass."""
        who, world, kind = self._who(act), self.world, "organisation" if payer else "own credits"
        if asked.estimate is None:
            self.unknown.append(f"what {self._request(act)} reserves is not known")
            yield _Allowed("not known", act.status, act.code, "a request")
            return
        needs, why = charge(world.rates[asked.model], asked.estimate), ""
        checks: list[tuple[str, int, str, Quantity, float, str]]
        if isinstance(payer, tuple):
            (club, row), of = payer, f"the organisation of {who} has"
            checks = [
                ("no allocation", 403, "no_credit_allocation", row.given, 1, f"{who} was allocated"),
                ("organisation's credits", 402, "insufficient_organization_credits", club.total, needs, of),
                ("allocation exhausted", 402, "allocation_exhausted", row.left, needs, f"the allocation of {who} has"),
            ]
        else:
            checks = [("insufficient credits", 402, "insufficient_credits", world.own[act.who], needs, f"{who} has")]
        for clause, status, code, quantity, needed, has in checks:
            least, most = quantity.during(act)
            there = _number(least) if least == most else f"{_number(least)} to {_number(most)}"
            why = f"{has} {there} credits and a request that reserves {needs:,}"
            if needed > least:
                yield _Allowed(clause, status, code, why, kind, most - needed)
            if needed > most:
                return
            if status == 402:
                margin = min(margin, most - needed, key=abs)
        yield from self._provider(act, why, kind, margin)

    def _provider(self, act: Act, why: str, payer: str, margin: float) -> Iterator[_Allowed]:
        """Yield the answers to a request that was sent ("Provider trouble", "When a service is away")."""
        may_fail = self.world.is_away(act, *ON_THE_WAY) or not self.world.history.exact
        for trouble in self.world.troubles[act.who].during(act):
            told = f"{why}, while the provider had the trouble {trouble}," if trouble else why
            if trouble == "bad_key" and payer == "own key":
                yield _Allowed("key refused", 401, "invalid_byok_key", told, payer, margin)
            elif trouble in _REFUSING:
                yield _Allowed(f"provider: {trouble}", 502, "provider_error", told, payer, margin)
            else:
                yield _Allowed(ANSWERED, 200, "", told, payer, margin)
            if _streams(act) and (trouble in _BREAKING or may_fail):
                yield _Allowed(BROKEN_OFF, 200, "", told, payer, margin)
            if trouble in _WAITING or may_fail:
                yield _Allowed("provider: no answer in time", 504, "provider_timeout", told, payer, margin)
            if may_fail:
                yield _Allowed("provider away", 502, "provider_error", told, payer, margin)

    def _other(self, act: Act) -> Iterator[_Allowed]:
        """Yield the allowed answers to other requests; the contract gives their checks no order."""
        if act.what == "purchase":
            replays, decide = self._replays(act)
            yield from replays
            if decide:
                return
        wanted, passes = self._request(act), True
        for clause, status, code, possible, why, margin in [*self._checks(act), *self._checks_of_a_club(act)]:
            if True in possible:
                passes = passes and False in possible
                yield _Allowed(clause, status, code, f"{wanted}, where {why},", margin=margin)
        if passes:
            yield _Allowed("done", _SUCCESS[act.what], "", f"{wanted}, which nothing forbids,")

    def _checks(self, act: Act) -> Iterator[_Check]:
        """Yield the checks of a request itself."""
        given, amount = act.given, act.given.get("credits")
        if act.what in ("purchase", "allocate"):
            yield "body", 422, None, [type(amount) is not int or amount <= 0], f"{amount} is no number", math.inf
        if act.what == "create_organization":
            yield "body", 422, None, [given["tier"] not in QUOTAS], f"{given['tier']} is no tier", math.inf
            yield "address", 422, "email_required", [not act.address], "the token has no address", math.inf
        if act.what == "read" and not (1 <= given.get("limit", 1) <= 100 and 0 <= given.get("offset", 0) < 1_000):
            yield "body", 422, None, [True, False], "the page is unusual", math.inf
        if act.what == "store_key_in_address":
            yield "body", 422, None, [True], "the key is in the address", math.inf
        if act.what in ("store_key", "remove_key"):
            yield "body", 422, None, [given["provider"] not in PROVIDERS], "there is no such provider", math.inf
        if act.what == "store_key":
            begin, form = PROVIDERS.get(given["provider"], ""), given["form"]
            rest = form.removeprefix(begin)
            bad = not form.startswith(begin) or not re.fullmatch("[A-Za-z0-9_-]+", rest)
            yield "body", 422, None, [bad] if bad or len(rest) >= 8 else [True, False], "the form is wrong", math.inf

    def _checks_of_a_club(self, act: Act) -> Iterator[_Check]:
        """Yield the checks of a request about an organisation."""
        given, amount, name = act.given, act.given.get("credits"), act.given.get("organization")
        if name is None:
            return
        club = self.world.clubs.get(name, Club())
        exists, rows = club.exists.during(act), club.memberships(act)
        malformed = is_malformed("X-Organization-Id", {"X-Organization-Id": name})
        yield "body", 422, None, [malformed], "the id is malformed", math.inf
        yield UNKNOWN, 404, None, [not each for each in exists], "there is no such organisation", math.inf
        may = "member" if act.what == "read" and given["endpoint"] != "EP6" else "admin"
        strange = [not row or may not in ("member", row.role) for row in rows] if True in exists else [False]
        yield f"no {may}", 403, None, strange, f"the caller is no {may} of it", math.inf
        email = str(given.get("email", "")).strip().lower()
        row = club.rows.get(email)
        invited = row.is_there(act) if row and row.invited is not act else {False}
        if act.what == "invite":
            odd = not re.fullmatch(r"[^@\s]+@[^@\s]+", email) or given["role"] not in ("admin", "member")
            yield "body", 422, None, [odd], "the address or the role is wrong", math.inf
            yield "invited already", 409, None, invited, "the address is invited already", math.inf
        elif act.what == "purchase" and type(amount) is int:
            over = [there + amount > MOST_CREDITS for there in club.total.during(act)]
            yield "body", 422, None, over, "the total would be too large", math.inf
        elif act.what == "allocate" and type(amount) is int:
            yield "no member", 404, None, [not each for each in invited], "the address is not a member's", math.inf
            least, most = club.unallocated.during(act)
            over, code = [amount > least, amount > most], "insufficient_unallocated_credits"
            why = f"{_number(most)} credits are unallocated and {amount:,} are asked for"
            yield "unallocated credits", 409, code, over, why, most - amount

    def judge_bursts(self) -> None:
        """Judge what passed at the same time as a whole."""
        world = self.world
        for who, own in world.own.items():
            self._judge_burst(own, f"{world.name(who)} had", "credits")
        for (who, _), calls in world.calls.items():
            self._judge_burst(calls, f"{world.name(who)} had", "calls", self._most_calls(who))
        for club in world.clubs.values():
            self._judge_burst(club.total, "the organisation had", "credits")
            self._judge_burst(club.unallocated, "the organisation had", "unallocated credits")
            for row in club.rows.values():
                self._judge_burst(row.left, f"the allocation of {world.name(row.user)} had", "credits")

    def _most_calls(self, who: str) -> Callable[[Act], float]:
        return lambda span: max(self._limits(Act(span.what, who, span.began, span.ended)))

    def _judge_burst(
        self, quantity: Quantity, has: str, what: str, more: Callable[[Act], float] = lambda span: 0
    ) -> None:
        for burst, there in quantity.overdrawn(more):
            if not any(flow.act is act for flow in burst for act in self._red):
                self.wrong.append(
                    f"{has} {_number(there)} {what} and {len(burst)} requests at the same time that each need "
                    f"{_needs(burst)} were answered {_came(burst[0].act)}; expected a refusal of at least one"
                )

    def _who(self, act: Act) -> str:
        return self.world.name(act.who)

    def _request(self, act: Act) -> str:
        return f"{_wanted(act)} of {self._who(act)}"


_Check = tuple[str, int, str | None, Iterable[bool], str, float]
"""A check: its clause, status and code, whether it may have failed, why, and what was there beyond what was needed."""


def _streams(act: Act) -> bool:
    return act.asked is not None and bool(_body(act).get("stream"))


def _body(act: Act) -> Mapping[str, Any]:
    body = act.given["body"]
    return body if isinstance(body, dict) else {}


def _wanted(act: Act) -> str:
    if act.asked:
        return f"a {'stream' if _streams(act) else 'request'} to {act.asked.model or 'no model'}"
    return f"the request to {act.what.replace('_', ' ')} {act.given.get('endpoint', '')}".rstrip()


def _came(act: Act) -> str:
    return BROKEN_OFF if breaks_off(act) else f"{act.status} {act.code}".strip()


def _needs(burst: list[Flow]) -> str:
    least, most = (choice(flow.needs for flow in burst) for choice in (min, max))
    return _number(least) if least == most else f"{_number(least)} to {_number(most)}"


def _number(number: float) -> str:
    return "unlimited" if math.isinf(number) else f"{int(number):,}"


def _boundary(margin: float) -> str:
    return {0.0: "exact", -1.0: "one short", 1.0: "one more"}.get(margin, "far")
