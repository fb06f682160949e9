"""What people do with organisations, keys and pages, by the words of the features.

The scenarios about who may do what name an act; here is what each is as a request. An act returns the raw reply.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from creditflow.cast import Cast
from creditflow.drivers.http import Reply
from creditflow.people import Person
from creditflow.target import Target

Act = Callable[[Target, Cast, Person], Reply]


def _organization(cast: Cast) -> str:
    return cast.find_organization("the organisation").id


def _invite(target: Target, cast: Cast, who: Person, alias: str, role: str) -> Reply:
    email = cast.someone(alias).email
    return target.ops_center.invite(who.token, _organization(cast), email, role)


def _allocate(target: Target, cast: Cast, who: Person, alias: str, credits: int) -> Reply:
    email = who.email if alias == "themselves" else cast.someone(alias).email
    return target.ops_center.allocate(who.token, _organization(cast), email, credits)


ACTS: dict[str, Act] = {
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
    "add the member again": lambda t, c, p: _invite(t, c, p, "the member", "member"),
    "give somebody an unknown role": lambda t, c, p: _invite(t, c, p, "the stranger", "owner"),
    "create one on an unknown tier": lambda t, c, p: c.create_organization("nowhere", p, "golden"),
}
"""What somebody may try with an organisation."""

UNKNOWN = {"that does not exist": str(uuid.uuid4()), "by a malformed id": "no-uuid"}
"""Ids of organisations that nobody has."""
