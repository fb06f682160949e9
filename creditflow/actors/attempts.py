"""Attempts by the names of the features: what a person may not do, and malformed LLM requests.

The scenarios about permissions name an attempt. `ATTEMPTS` has its request, which returns the raw reply.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from creditflow.actors.cast import Cast
from creditflow.actors.people import Person
from creditflow.target.drivers.http import Reply
from creditflow.target.target import Target

Attempt = Callable[[Target, Cast, Person], Reply]


def _organization(cast: Cast) -> str:
    return cast.find_organization("the organisation").id


def _invite(target: Target, cast: Cast, person: Person, alias: str, role: str) -> Reply:
    email = cast.mentioned(alias).email
    return target.ops_center.invite(person.token, _organization(cast), email, role)


def _allocate(target: Target, cast: Cast, person: Person, alias: str, credits: int) -> Reply:
    email = person.email if alias == "themselves" else cast.mentioned(alias).email
    return target.ops_center.allocate(person.token, _organization(cast), email, credits)


ATTEMPTS: dict[str, Attempt] = {
    "see the organisation": lambda t, c, p: t.ops_center.organization(p.token, _organization(c)),
    "see the organisation's credits": lambda t, c, p: t.ops_center.organization_credits(p.token, _organization(c)),
    "see their allocation": lambda t, c, p: t.ops_center.my_allocation(p.token, _organization(c)),
    "see the usage breakdown": lambda t, c, p: t.ops_center.usage_attribution(p.token, _organization(c)),
    "remove the organisation": lambda t, c, p: t.ops_center.remove_organization(p.token, _organization(c)),
    "purchase credits": lambda t, c, p: t.ops_center.purchase(p.token, _organization(c), 100),
    "purchase 0 credits": lambda t, c, p: t.ops_center.purchase(p.token, _organization(c), 0),
    "purchase -5 credits": lambda t, c, p: t.ops_center.purchase(p.token, _organization(c), -5),
    "purchase half a credit": lambda t, c, p: t.ops_center.purchase(p.token, _organization(c), 0.5),
    "allocate credits to themselves": lambda t, c, p: _allocate(t, c, p, "themselves", 100),
    "allocate credits to the stranger": lambda t, c, p: _allocate(t, c, p, "the stranger", 100),
    "allocate 0 credits to the member": lambda t, c, p: _allocate(t, c, p, "the member", 0),
    "allocate -5 credits to the member": lambda t, c, p: _allocate(t, c, p, "the member", -5),
    "add the colleague": lambda t, c, p: _invite(t, c, p, "the colleague", "member"),
    "add the stranger": lambda t, c, p: _invite(t, c, p, "the stranger", "member"),
    "add the member again": lambda t, c, p: _invite(t, c, p, "the member", "member"),
    "give somebody an unknown role": lambda t, c, p: _invite(t, c, p, "the stranger", "owner"),
    "create an organisation": lambda t, c, p: c.create_organization("their own organisation", p),
    "create an organisation on an unknown tier": lambda t, c, p: c.create_organization("nowhere", p, "golden"),
}
"""Attempts with an organisation."""

UNKNOWN = {"that does not exist": str(uuid.uuid4()), "with a malformed id": "no-uuid"}
"""Organisation ids that do not exist."""

_VALID = {
    "model": "openai/gpt-3.5-turbo",
    "messages": [{"role": "user", "content": "Hello, this is a test."}],
}

MALFORMED: dict[str, Any] = {
    "no messages": {"model": "openai/gpt-3.5-turbo"},
    "an empty list of messages": _VALID | {"messages": []},
    "no model": {"messages": _VALID["messages"]},
    "an unknown model": _VALID | {"model": "openai/gpt-0"},
    "0 tokens of answer": _VALID | {"max_tokens": 0},
    "128,001 tokens of answer": _VALID | {"max_tokens": 128_001},
    "-1 tokens of answer": _VALID | {"max_tokens": -1},
    "-1 tokens of answer by the newer limit": _VALID | {"max_completion_tokens": -1},
    "-1 answers": _VALID | {"max_tokens": 100, "n": -1},
    "no content at all": {},
}
"""LLM requests that must not reach a provider, by their error (contract, "The LLM request", step 2)."""
