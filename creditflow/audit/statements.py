"""What answers say: the figures in an answer and its headers, and what a refusal tells its reader.

The ledger judges what was done, and the oracle whether an answer was allowed. This module judges what stands in it. It
is a pure function of the record. Figures are judged only where they can be known: nothing else was under way for the
same payer, and nothing can have come a moment later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from creditflow.audit import ledger
from creditflow.audit.history import Allocated, Asked, Founded, History, Purchased, subject
from creditflow.audit.ledger import Account, Call
from creditflow.audit.oracle_state import QUOTAS
from creditflow.checks import refusals
from creditflow.checks.refusals import Refusal
from creditflow.core.expect import Finding, verdict, written
from creditflow.target.drivers.http import Reply, an_object, objects
from creditflow.target.drivers.record import RecordedRequest

_ADVICE = {
    "insufficient_credits": "buy",
    "no_credit_allocation": "allocation",
    "insufficient_organization_credits": "admin",
    "allocation_exhausted": "admin",
    "quota_exceeded": "quota",
    "byok_key_missing": "no key",
    "invalid_byok_key": "check key",
}
"""What the message of each refusal has to advise, by its code."""
_UNCERTAIN = frozenset({"service_away", "set_clock"})
"""Operations after which no figure is judged: what counts may come late, or in another month."""
_QUOTA_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@dataclass(frozen=True)
class _Answered:
    """An LLM request of the record, with its operation and the operation's place in the history."""

    entry: RecordedRequest
    reply: Reply
    asked: Asked
    place: int
    who: str


def wrong(history: History, entries: Sequence[RecordedRequest], tiers: Mapping[str, str], since: int = 0) -> list[str]:
    """Return a sentence for each answer that says something wrong.

    Args:
        history: what was done.
        entries: the record of it, without what was done before the scenario.
        tiers: the tier by the id of a request; without those of people whose tier is not sure.
        since: how many entries were judged before; only what came after them is judged.
    """
    new = {id(entry) for entry in entries[since:]}
    chats = [entry for entry in entries if entry.operation == "chat"]
    places = [place for place, operation in enumerate(history.operations) if isinstance(operation, Asked)]
    found: list[str] = []
    sure = not any(entry.operation in _UNCERTAIN for entry in entries)
    for entry, place in zip(chats, places[len(places) - len(chats) :], strict=True):
        asked = history.operations[place]
        who = history.people.get(subject(entry.token), "")
        if id(entry) not in new or entry.reply is None or not who or not isinstance(asked, Asked) or asked.away:
            continue
        answered = _Answered(entry, entry.reply, asked, place, who)
        found += _form(answered)
        if asked.code == "insufficient_organization_credits" and not _names_an_organization(answered.reply, history):
            found.append(f"the upgrade link that {who} got is not the organisation's own")
        if sure and _is_alone(answered.entry, entries):
            found += _figures(history, answered, tiers)
    if sure:
        found += _of_organizations(history, entries, since)
    found += _ids(entries)
    for entry in entries[since:]:
        if entry.operation != "chat" and entry.reply is not None and entry.reply.status >= 400:
            found += _refusal(entry.reply, history.people.get(subject(entry.token), "somebody"))
    return found


def _form(answered: _Answered) -> Iterator[str]:
    """Yield what is wrong with an answer by itself."""
    reply, who = answered.reply, answered.who
    if reply.status >= 400:
        yield from _refusal(reply, who)
        yield from _advice(answered)
    elif answered.asked.whole and not answered.asked.left_early:
        yield from _completion(answered)
    signed_in = reply.status != 401 or answered.asked.code == "invalid_byok_key"
    if reply.status <= 429 and signed_in:
        lacking = [name for name in _QUOTA_HEADERS if name not in reply.headers]
        if lacking:
            yield f"the answer {reply.status} to {who} has no {' and no '.join(lacking)}"


def _refusal(reply: Reply, who: str) -> Iterator[str]:
    code = reply.body.get("code")
    if not isinstance(code, str) or not code:
        yield f"{who} got the status {reply.status} without a code"
    for check in (
        lambda: refusals.refused(reply, Refusal(reply.status), who, lambda: ""),
        lambda: refusals.clear(reply),
    ):
        if said := verdict(check):
            yield f"the refusal {reply.status} {code} of {who}: {said.rstrip('.')}"


def _advice(answered: _Answered) -> Iterator[str]:
    reply, asked = answered.reply, answered.asked
    checks: list[Callable[[], None]] = []
    if topic := _ADVICE.get(asked.code):
        checks.append(lambda: refusals.says(reply, topic))
    if asked.code in ("insufficient_credits", "insufficient_organization_credits"):
        checks.append(lambda: refusals.offers_upgrade(reply))
    elif asked.code == "quota_exceeded":
        checks.append(lambda: refusals.names_reset_date(reply))
    elif asked.code == "provider_error" and not asked.own_key:
        checks.append(lambda: refusals.says(reply, "not charged"))
    for check in checks:
        if said := verdict(check):
            yield f"the refusal {reply.status} {asked.code} of {answered.who}: {said.rstrip('.')}"


def _names_an_organization(reply: Reply, history: History) -> bool:
    made = [operation.organization for operation in history.operations if isinstance(operation, Founded)]
    return any(organization in str(reply.body.get("upgrade_url", "")) for organization in made)


def _completion(answered: _Answered) -> Iterator[str]:
    """Yield what is not OpenAI's form in a complete answer."""
    body, reply, who = answered.entry.values["body"], answered.reply, answered.who
    streamed = bool(body.get("stream"))
    events = [event for event in reply.events if isinstance(event, dict)] if streamed else [reply.body]
    kind = "chat.completion.chunk" if streamed else "chat.completion"
    if not events or any(event.get("object") != kind for event in events):
        yield f"not every part of the answer to {who} is a {kind}"
        return
    if any(event.get("model") != body.get("model") for event in events):
        yield f"the answer to {who} names the model {events[0].get('model')}, expected {body.get('model')}"
    choices = [choice for event in events for choice in objects(event.get("choices"))]
    words = [an_object(choice.get("delta" if streamed else "message")).get("content") for choice in choices]
    if not any(words):
        yield f"the answer to {who} has no words"
    if streamed:
        reports = [event for event in events if event.get("usage")]
        wanted = 1 if an_object(body.get("stream_options")).get("include_usage") is True else 0
        if len(reports) != wanted or (wanted and reports[0] is not events[-1]):
            yield f"the stream of {who} has {len(reports)} reports of its usage, expected {wanted}, as the last part"
    fields = events[-1]
    if fields.get("byok_used") is not answered.asked.own_key:
        yield (
            f"the answer to {who} says 'own key used': {written(fields.get('byok_used'))}, "
            f"expected {written(answered.asked.own_key)}"
        )
    for name in ("cost_credits",) if answered.asked.own_key else ("cost_credits", "credits_remaining"):
        if type(fields.get(name)) is not int:
            yield f"the answer to {who} has the {name} {fields.get(name)!r}, expected a whole number"


def _figures(history: History, answered: _Answered, tiers: Mapping[str, str]) -> Iterator[str]:
    """Yield the figures that are not those of the books."""
    asked, reply, who = answered.asked, answered.reply, answered.who
    books = ledger.expected(replace(history, operations=history.operations[: answered.place + 1]))
    if asked.request in books.same:  # a repetition says what the first answer said
        return
    findings: list[Finding] = []
    counted = books.figures.get(Account(asked.who, ledger.COUNTED))
    call = (
        next((c for c in counted if isinstance(c, Call) and c.request == asked.request), None)
        if isinstance(counted, tuple)
        else None
    )
    fields = reply.fields
    if call and asked.whole and reply.status == 200 and not asked.left_early:
        findings.append(
            Finding(f"{who} reads in the answer that it cost", fields.get("cost_credits"), call.credits, "credits")
        )
        if not call.own_key:
            left = (
                Account(asked.who, ledger.LEFT, call.organization)
                if call.organization
                else Account(asked.who, ledger.CREDITS)
            )
            findings.append(
                Finding(
                    f"{who} reads in the answer that",
                    fields.get("credits_remaining"),
                    books.figures[left],
                    "credits are left",
                )
            )
    limit = QUOTAS.get(tiers.get(asked.request, ""), math.inf)
    used = books.figures.get(Account(asked.who, ledger.CALLS))
    if isinstance(limit, int) and isinstance(used, int) and reply.status <= 429 and reply.status not in (401, 409, 422):
        said = verdict(lambda: refusals.rate_limit(reply, max(0, limit - used), limit))
        if said:
            yield f"the answer {reply.status} to {who}: {said.rstrip('.')}"
    yield from (finding.sentence() for finding in findings if not finding.agrees)


def _of_organizations(history: History, entries: Sequence[RecordedRequest], since: int) -> Iterator[str]:
    """Yield what the answers to purchases and allocations say wrong."""
    keys: set[object] = set()
    for operation, kind, status in (("purchase", Purchased, 201), ("allocate", Allocated, 200)):
        done = [each for each in entries if each.operation == operation and each.reply and each.reply.status == status]
        places = [place for place, each in enumerate(history.operations) if isinstance(each, kind)]
        for entry, place in zip(done, places[len(places) - len(done) :], strict=True):
            key = (subject(entry.token), entry.values["organization"], entry.values.get("key"))
            repeated = key in keys
            keys.add(key)
            judged = any(entry is each for each in entries[since:]) and _is_alone(entry, entries)
            if entry.reply is None or not judged or (repeated and key[2]):
                continue
            who = history.people.get(subject(entry.token), "somebody")
            books = ledger.expected(replace(history, operations=history.operations[: place + 1])).figures
            yield from _figures_of_organization(entry, entry.reply, history.operations[place], books, who)


def _figures_of_organization(
    entry: RecordedRequest, reply: Reply, operation: object, books: Mapping[Account, ledger.Value], who: str
) -> Iterator[str]:
    body, said = reply.body, list[Finding]()
    if isinstance(operation, Purchased):
        total, after = (
            books.get(Account(operation.organization, ledger.CREDITS)),
            f"{who} reads after the purchase that",
        )
        said.append(Finding(after, body.get("total_credits"), total, "credits are there"))
        said.append(Finding(after, body.get("amount"), entry.values["credits"], "credits were purchased"))
    elif isinstance(operation, Allocated):
        after = f"{who} reads after the allocation that"
        for name, what in (("remaining", ledger.LEFT), ("used", ledger.USED)):
            due = books.get(Account(operation.who, what, operation.organization))
            said.append(Finding(after, body.get(name), due, f"credits are {name}"))
    yield from (finding.sentence() for finding in said if not finding.agrees)


def _is_alone(entry: RecordedRequest, entries: Sequence[RecordedRequest]) -> bool:
    """Return whether nothing else was under way, and nobody left a request before that may end later."""
    for other in entries:
        if other is entry:
            continue
        if other.began < entry.ended and other.ended > entry.began:
            return False
        if other.ended <= entry.began and (
            other.values.get("left_early") or (other.operation == "chat" and other.reply is None)
        ):
            return False
    return True


def _ids(entries: Sequence[RecordedRequest]) -> Iterator[str]:
    """Yield the request ids that two answers have."""
    seen: set[str] = set()
    for entry in entries:
        if entry.reply is None:
            continue
        request = entry.reply.headers.get("X-Request-Id", "")
        if not request:
            yield f"the answer {entry.reply.status} has no X-Request-Id"
        elif request in seen:
            yield f"two answers have the X-Request-Id {request[:8]}"
        seen.add(request)
