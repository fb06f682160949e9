"""Which of the plan's endpoints a target has: each is asked once, before anything is judged (plan, Appendix A).

They are asked with a fresh token, an id that is none and an empty body, so that nothing is made and no model is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from urllib.parse import urlsplit

from creditflow.actors.cast import Cast
from creditflow.cleanup.cleanup import Cleanup, LeftBehindError
from creditflow.cleanup.journal import Journal
from creditflow.core.errors import CannotRunError, ServiceUnavailableError
from creditflow.core.naming import RUN
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.keycloak import SignInRefusedError
from creditflow.target.drivers.ops_center import BASE, ENDPOINTS
from creditflow.target.target import Target

NO_ID = "no-id"
"""Names no organisation. The contract refuses it as 422; an address that there is not answers otherwise."""

OWN_FIELDS = {
    "EP1": {"credits", "api_calls_used", "tier"},
    "EP7": {"api_calls_used", "api_calls_remaining", "credits_used"},
    "EP8": {"items", "total"},
    "EP10": {"data"},
    "EP15": {"keys", "openrouter_configured"},
}
"""What everybody may read, and the fields by one of which an answer is known as Ops-Center's (contract)."""

_CHANGING = re.compile(r"(?:/[\w.-]+)+|[0-9a-f-]{8,}|\d+", re.I)


class Found(StrEnum):
    """What an endpoint was found to be."""

    THERE = "there"
    MISSING = "missing"
    REFUSED = "refused"
    MOVED = "moved"
    PAGE = "page"
    OTHER = "other"
    BROKEN = "broken"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint as it was found.

    Attributes:
        id: of the plan, such as "EP1".
        found: what it is.
        said: its answer in a few words, such as "404"; empty where it is there.
    """

    id: str
    found: Found
    said: str = ""

    @property
    def address(self) -> str:
        """Its method and path."""
        method, path = ENDPOINTS[self.id]
        return f"{method} {BASE}{path.replace('{org}', '{org_id}')}"

    @property
    def of_an_organization(self) -> bool:
        """Whether its path names an organisation, which may be what is unknown where it answers 404."""
        return "{org}" in ENDPOINTS[self.id][1]


_CURES = {
    Found.MOVED: ("leads somewhere else", "lead somewhere else", "name in OPS_CENTER_URL the address that answers"),
    Found.PAGE: ("answers with no JSON", "answer with no JSON", "see that OPS_CENTER_URL names no web page"),
    Found.OTHER: (
        "answers as no Ops-Center does", "answer as no Ops-Center does", "see that OPS_CENTER_URL names an Ops-Center",
    ),
    Found.BROKEN: ("can't answer", "can't answer", "look into the log of Ops-Center"),
}  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """The plan's endpoints as a target answers them.

    Attributes:
        endpoints: every one, in the plan's order.
    """

    endpoints: tuple[Endpoint, ...]

    @property
    def missing(self) -> dict[str, str]:
        """The endpoints that are not there, by id, each with what was answered instead."""
        return {e.id: e.said for e in self.endpoints if e.found in (Found.MISSING, Found.PAGE)}

    @property
    def surely_missing(self) -> dict[str, str]:
        """Those of them that are missing also where 404 may mean that the organisation is unknown."""
        return {e.id: e.said for e in self.endpoints if e.id in self.missing and not self._unclear(e)}

    @property
    def judges_nothing(self) -> bool:
        """Whether no scenario could be judged: none of the endpoints that everybody may read answers as they do."""
        own = [endpoint.found for endpoint in self.endpoints if endpoint.id in OWN_FIELDS]
        return Found.THERE not in [e.found for e in self.endpoints] or (
            Found.THERE not in own and set(own) != {Found.MISSING}
        )

    @property
    def sentences(self) -> list[str]:
        """What is wrong with them, one sentence a kind; none where every endpoint is there."""
        said = [self._refused(), self._missing(), *(self._otherwise(found) for found in _CURES)]
        return [sentence for sentence in said if sentence]

    def confirmed(self, target: Target, token: str, organization: str) -> Survey:
        """The same once an organisation exists, asked for by its admin: what was unclear without one is then known."""
        known = (
            _judged(e.id, _send(target, e.id, token, organization), _nothing) if self._unclear(e) else e
            for e in self.endpoints
        )
        return replace(self, endpoints=tuple(known))

    def _unclear(self, endpoint: Endpoint) -> bool:
        return endpoint.found is Found.MISSING and endpoint.said == "404" and endpoint.of_an_organization

    def _those(self, found: Found) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints if endpoint.found is found]

    def _refused(self) -> str:
        if not (those := self._those(Found.REFUSED)):
            return ""
        where = f" at {len(those)} of the plan's {len(self.endpoints)} endpoints" * (not self.judges_nothing)
        return (
            f"This Ops-Center does not accept the realm's access tokens{where}: "
            f"{_by_answer(those, method=False)}; check that KEYCLOAK_URL, KEYCLOAK_REALM and KEYCLOAK_CLIENT_ID name "
            f"the realm and the client that it trusts, and that it expects the issuer and audience of their tokens."
        )

    def _missing(self) -> str:
        if not (those := self._those(Found.MISSING)):
            return ""
        sentence = self._told(those, "is missing", "are missing")
        if len(those) < len(self.endpoints):
            return f"{sentence}."
        return (
            f"{sentence}; check that OPS_CENTER_URL names an Ops-Center, with what stands before {BASE} in its paths."
        )

    def _otherwise(self, found: Found) -> str:
        one, several, cure = _CURES[found]
        those = self._those(found)
        return f"{self._told(those, one, several)}; {cure}." if those else ""

    def _told(self, those: list[Endpoint], one: str, several: str) -> str:
        verb = one if len(those) == 1 else several
        return f"{len(those)} of the plan's {len(self.endpoints)} endpoints {verb}: {_by_answer(those)}"


def require(target: Target, learn: Callable[[str], None], journal: Journal | None = None) -> Survey:
    """Ask every endpoint, and make sure that something can be judged; see `ask`.

    Raises:
        CannotRunError: no scenario could be judged; the sentences say why.
    """
    survey = ask(target, learn, journal)
    if survey.judges_nothing:
        raise CannotRunError("\n".join([*survey.sentences, "No scenario could be judged, so nothing was run."]))
    return survey


def ask(target: Target, learn: Callable[[str], None], journal: Journal | None = None) -> Survey:
    """Ask every endpoint once, as somebody who is made for it and removed again.

    Args:
        target: whose Ops-Center is asked.
        learn: told every secret that is made.
        journal: where the person is written before they are made.

    Raises:
        CannotRunError: nobody can be made, signed in or removed.
    """
    cleanup = Cleanup(journal)
    try:
        try:
            return ask_with(target, Cast(target, cleanup, learn).person("one who asks every endpoint").token)
        finally:
            cleanup.carry_out()
            target.record.take()
    except SignInRefusedError as refusal:
        raise CannotRunError(
            f"Nobody can sign in to the client {target.keycloak.client}: {refusal}; allow it direct access grants, or "
            f"correct KEYCLOAK_CLIENT_ID."
        ) from None
    except (ServiceUnavailableError, LeftBehindError) as why:
        raise CannotRunError(str(why)) from None


def ask_with(target: Target, token: str) -> Survey:
    """Ask every endpoint once with an access token."""
    known: dict[str, Reply] = {}

    def nowhere(method: str) -> Reply:
        if method not in known:
            path = f"{BASE}/{RUN}-{NO_ID}"
            known[method] = target.ops_center.http.send(method, path, token=token, body=_body(method))
        return known[method]

    found = []
    for number, (method, _) in ENDPOINTS.items():
        try:
            reply = _send(target, number, token, NO_ID)
            found.append(_judged(number, reply, partial(_of_an_unknown_organization, reply, partial(nowhere, method))))
        except ServiceUnavailableError as away:
            found.append(Endpoint(number, Found.BROKEN, away.what))
    return Survey(tuple(found))


def _send(target: Target, number: str, token: str, organization: str) -> Reply:
    method, path = ENDPOINTS[number]
    whole = BASE + path.format(org=organization)
    reply = target.ops_center.http.send(method, whole, token=token, body=_body(method))
    if number == "EP11" and reply.status == 201:  # an organisation without a name
        target.ops_center.remove_organization(token, str(reply.body.get("id", "")))
    return reply


def _body(method: str) -> dict[str, str] | None:
    return {} if method == "POST" else None


def _judged(number: str, reply: Reply, unknown: Callable[[], bool]) -> Endpoint:
    """What an endpoint is by its answer; `unknown` says whether 404 is due to the organisation."""
    endpoint = Endpoint(number, Found.THERE)
    status, said = reply.status, str(reply.status)
    if status == 401 or (status == 403 and not endpoint.of_an_organization):
        return replace(endpoint, found=Found.REFUSED, said=said)
    if status in (405, 501) or (status == 404 and not (endpoint.of_an_organization and unknown())):
        return replace(endpoint, found=Found.MISSING, said=said)
    if 300 <= status < 400:
        return replace(endpoint, found=Found.MOVED, said=f"{said} to {_place(reply)}")
    if status >= 500:
        return replace(endpoint, found=Found.BROKEN, said=said)
    return _read(endpoint, reply)


def _read(endpoint: Endpoint, reply: Reply) -> Endpoint:
    """What an endpoint is that answered neither with a redirection nor that it can't."""
    kind = reply.headers.get("Content-Type", "").partition(";")[0]
    if reply.status < 300 and reply.text and "json" not in kind:
        return replace(endpoint, found=Found.PAGE, said=f"{reply.status} {kind or 'of no media type'}")
    fields = OWN_FIELDS.get(endpoint.id)
    if fields and not fields & reply.body.keys():
        return replace(endpoint, found=Found.OTHER, said=f"{reply.status} {reply.text[:60]}".strip())
    return endpoint


def _of_an_unknown_organization(reply: Reply, nowhere: Callable[[], Reply]) -> bool:
    """Whether a 404 speaks of the organisation, and otherwise than an address that there is not answers."""
    said = _plain(reply)
    return bool(re.search(r"organi[sz]ation", said, re.I)) and said != _plain(nowhere())


def _nothing() -> bool:
    return False


def _plain(reply: Reply) -> str:
    """What an answer says, but for numbers, ids and the address that was asked."""
    return _CHANGING.sub("#", reply.text)


def _place(reply: Reply) -> str:
    """Where a redirection leads, without what it carries along."""
    return urlsplit(reply.headers.get("Location", ""))._replace(query="", fragment="").geturl() or "no address"


def _by_answer(endpoints: list[Endpoint], method: bool = True) -> str:
    by: dict[str, list[str]] = {}
    for endpoint in endpoints:
        by.setdefault(endpoint.said, []).append(endpoint.address if method else endpoint.address.partition(" ")[2])
    return "; ".join(f"{said} at {', '.join(dict.fromkeys(those))}" for said, those in by.items())
