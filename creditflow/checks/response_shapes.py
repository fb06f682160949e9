"""The shape of answers: the fields and their types, as the features' tables state them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from creditflow.actors.cast import Cast
from creditflow.core import period
from creditflow.core.expect import Finding, agree, holds
from creditflow.core.naming import RUN
from creditflow.target.drivers.http import Reply, objects
from creditflow.target.drivers.ops_center import OpsCenter

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RECENT = timedelta(minutes=15)
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})*")


def holds_fields(reply: Reply, stated: Mapping[str, str], cast: Cast, exactly: bool) -> None:
    """Require an answer's fields.

    Args:
        reply: a success; its time stamps are ISO 8601 in UTC and its figures whole numbers.
        stated: field to value, in the feature's words ("10,000", "yes", "their id", "a UUID", ...).
        cast: the people that "their" and "the member's" mean.
        exactly: whether the answer may have no other field.
    """
    holds(reply.status in (200, 201), f"Ops-Center answered {reply.status}: {reply.text[:300]}")
    holds(
        _UUID.fullmatch(reply.headers.get("X-Request-Id", "")) is not None,
        "the answer carries no X-Request-Id",
    )
    body = reply.body
    findings = []
    for name, value in stated.items():
        meaning, check = _meaning(value, cast)
        found = body.get(name)
        findings.append(Finding(f"the field {name} is", meaning if check(found) else found, meaning))
    if exactly:
        findings.append(Finding("the answer has the fields", sorted(body), sorted(stated)))
    agree(findings, lambda: f"the answer reads {reply.text[:300]}")


def _meaning(value: str, cast: Cast) -> tuple[Any, Callable[[Any], bool]]:
    """Return how a value of a feature is written for the reader, and the check of a found value."""
    exact: Any
    if value == "a UUID":
        return value, lambda found: isinstance(found, str) and _UUID.fullmatch(found) is not None
    if value == "a time":
        return value, is_time
    if value == "the first of this month":
        return value, lambda found: _is_at(found, period.start())
    if value == "the first of next month":
        return value, lambda found: _is_at(found, period.reset())
    if value == "the key's last four":
        last = cast.subject("they").keys[-1][-4:]
        return value, lambda found: isinstance(found, str) and found.lstrip(".*…•") == last
    if value == "their id":
        exact = cast.subject("they").id
    elif value == "its name":
        exact = cast.find_organization("the organisation").name
    elif value == "the organisation's id":
        exact = cast.find_organization("the organisation").id
    elif value.endswith("'s e-mail"):
        exact = cast.mentioned(value.removesuffix("'s e-mail")).email
    elif _NUMBER.fullmatch(value):
        exact = int(value.replace(",", ""))
    elif value in ("yes", "no"):
        exact = value == "yes"
    else:
        exact = value
    return exact, lambda found: type(found) is type(exact) and bool(found == exact)


def part_of(page: Reply, whole: Sequence[dict[str, Any]], first: int, last: int, who: str) -> None:
    """Require that a page of a person's history has these entries of the whole history, in the same order.

    Args:
        page: the reply with the page.
        whole: all entries of the history.
        first: the number of the first entry, from 1.
        last: the number of the last entry.
        who: the person's alias.
    """
    found = [item.get("request_id") for item in objects(page.body.get("items"))]
    ids = [item.get("request_id") for item in whole]
    places = [ids.index(request) + 1 if request in ids else None for request in found]
    agree(
        [Finding("the page shows the entries", places, [*range(first, last + 1)], f"of the history of {who}")],
        lambda: f"the page reads {page.text[:300]}",
    )


def is_time(found: Any) -> bool:
    """Return whether a value is a time in ISO 8601."""
    return _is_at(found, None)


def is_recent(found: Any) -> bool:
    """Return whether a value is a time in ISO 8601 within the last 15 minutes, which no scenario exceeds."""
    return is_time(found) and abs(_moment(found) - period.now()) < _RECENT


def _is_at(found: Any, moment: datetime | None) -> bool:
    try:
        at = _moment(found)
    except ValueError:
        return False
    return moment is None or at == moment


def _moment(found: Any) -> datetime:
    at = datetime.fromisoformat(str(found))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def every_endpoint(ops_center: OpsCenter, token: str | None) -> dict[str, Reply]:
    """Send a request with this token to every endpoint that needs one; return the replies by purpose."""
    nobody = "00000000-0000-4000-8000-000000000000"
    return {
        "the balance": ops_center.balance(token),
        "an organisation's credits": ops_center.organization_credits(token, nobody),
        "a purchase": ops_center.purchase(token, nobody, 1),
        "an allocation": ops_center.allocate(token, nobody, "nobody@example.com", 1),
        "the own allocation": ops_center.my_allocation(token, nobody),
        "the usage breakdown": ops_center.usage_attribution(token, nobody),
        "the usage": ops_center.usage(token),
        "the history": ops_center.history(token),
        "an LLM request": ops_center.chat(token, {"model": "openai/gpt-4", "messages": []}),
        "the models": ops_center.models(token),
        "a new organisation": ops_center.create_organization(token, f"{RUN}-0 nobody's", "platform"),
        "an organisation": ops_center.organization(token, nobody),
        "an invitation": ops_center.invite(token, nobody, "nobody@example.com", "member"),
        "a new key": ops_center.store_key(token, "openrouter", "no key"),
        "the keys": ops_center.keys(token),
        "the removal of a key": ops_center.remove_key(token, "openrouter"),
        "the removal of an organisation": ops_center.remove_organization(token, nobody),
    }


def all_turned_away(replies: Mapping[str, Reply], how: str) -> None:
    """Require 401 with a challenge for a bearer token from every endpoint (RFC 6750 section 3).

    Args:
        replies: the replies by purpose.
        how: the kind of request, such as "with an expired token".
    """
    findings = []
    for what, reply in replies.items():
        challenge = reply.headers.get("WWW-Authenticate", "none").split(" ")[0]
        findings.append(Finding(f"{what}, asked {how}, is answered with", reply.status, 401))
        findings.append(Finding(f"{what}, asked {how}, demands", challenge, "Bearer"))
    agree(findings)
