"""Finds the plan's endpoints that a target has, with one request to each before the first scenario (plan, Appendix A).

The requests have a new token, an invalid id and an empty body, so that they create nothing and call no model.
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
from creditflow.target.drivers.ops_center import BASE, ENDPOINTS
from creditflow.target.drivers.realm import SignInRefusedError
from creditflow.target.target import Target

NO_ID = "no-id"
"""Not an organisation. By the contract the answer is 422; an unknown path answers differently."""

OWN_FIELDS = {
    "EP1": {"credits", "api_calls_used", "tier"},
    "EP7": {"api_calls_used", "api_calls_remaining", "credits_used"},
    "EP8": {"items", "total"},
    "EP10": {"data"},
    "EP15": {"keys", "openrouter_configured"},
}
"""The endpoints that everybody may read, with their fields (contract). One of them shows that Ops-Center answered."""

_CHANGING = re.compile(r"(?:/[\w.-]+)+|[0-9a-f-]{8,}|\d+", re.I)


class Found(StrEnum):
    """The state of an endpoint."""

    THERE = "there"
    MISSING = "missing"
    REFUSED = "refused"
    MOVED = "moved"
    PAGE = "page"
    OTHER = "other"
    BROKEN = "broken"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint and its state.

    Attributes:
        id: its id in the plan, such as "EP1".
        found: its state.
        answer: its answer in a few words, such as "404"; empty if the endpoint exists.
    """

    id: str
    found: Found
    answer: str = ""

    @property
    def address(self) -> str:
        """Its method and path."""
        method, path = ENDPOINTS[self.id]
        return f"{method} {BASE}{path.replace('{org}', '{org_id}')}"

    @property
    def of_an_organization(self) -> bool:
        """Whether its path contains an organisation, so that 404 may mean an unknown organisation."""
        return "{org}" in ENDPOINTS[self.id][1]


_CURES = {
    Found.MOVED: ("leads somewhere else", "lead somewhere else", "set OPS_CENTER_URL to the address that answers"),
    Found.PAGE: ("answers with no JSON", "answer with no JSON", "check that OPS_CENTER_URL is not a web page"),
    Found.OTHER: (
        "answers unlike an Ops-Center", "answer unlike an Ops-Center", "check that OPS_CENTER_URL is an Ops-Center",
    ),
    Found.BROKEN: ("can't answer", "can't answer", "look into the log of Ops-Center"),
}  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """The states of the plan's endpoints on a target.

    Attributes:
        endpoints: all endpoints, in the plan's order.
    """

    endpoints: tuple[Endpoint, ...]

    @property
    def missing(self) -> dict[str, str]:
        """The missing endpoints, by id, each with the answer."""
        return {e.id: e.answer for e in self.endpoints if e.found in (Found.MISSING, Found.PAGE)}

    @property
    def surely_missing(self) -> dict[str, str]:
        """The missing endpoints whose 404 can't mean an unknown organisation."""
        return {e.id: e.answer for e in self.endpoints if e.id in self.missing and not self._unclear(e)}

    @property
    def judges_nothing(self) -> bool:
        """Whether no scenario could be judged, because no endpoint that everybody may read works."""
        own = [endpoint.found for endpoint in self.endpoints if endpoint.id in OWN_FIELDS]
        return Found.THERE not in [e.found for e in self.endpoints] or (
            Found.THERE not in own and set(own) != {Found.MISSING}
        )

    @property
    def sentences(self) -> list[str]:
        """The problems of the endpoints, one sentence for each state; empty if all exist."""
        sentences = [self._refused(), self._missing(), *(self._other(found) for found in _CURES)]
        return [sentence for sentence in sentences if sentence]

    def confirmed(self, target: Target, token: str, organization: str) -> Survey:
        """Return the survey with unclear endpoints asked again, by the admin of an organisation that exists."""
        known = (
            _judged(e.id, _send(target, e.id, token, organization), _nothing) if self._unclear(e) else e
            for e in self.endpoints
        )
        return replace(self, endpoints=tuple(known))

    def _unclear(self, endpoint: Endpoint) -> bool:
        return endpoint.found is Found.MISSING and endpoint.answer == "404" and endpoint.of_an_organization

    def _with(self, found: Found) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints if endpoint.found is found]

    def _refused(self) -> str:
        if not (refused := self._with(Found.REFUSED)):
            return ""
        where = f" at {len(refused)} of the plan's {len(self.endpoints)} endpoints" * (not self.judges_nothing)
        return (
            f"This Ops-Center does not accept the realm's access tokens{where}: "
            f"{_by_answer(refused, method=False)}; check that KEYCLOAK_URL, KEYCLOAK_REALM and KEYCLOAK_CLIENT_ID name "
            f"the realm and the client that it trusts, and that it expects the issuer and audience of their tokens."
        )

    def _missing(self) -> str:
        if not (missing := self._with(Found.MISSING)):
            return ""
        sentence = self._counted(missing, "is missing", "are missing")
        if len(missing) < len(self.endpoints):
            return f"{sentence}."
        return f"{sentence}; check that OPS_CENTER_URL is an Ops-Center, with everything before {BASE} in its paths."

    def _other(self, found: Found) -> str:
        one, several, cure = _CURES[found]
        endpoints = self._with(found)
        return f"{self._counted(endpoints, one, several)}; {cure}." if endpoints else ""

    def _counted(self, endpoints: list[Endpoint], one: str, several: str) -> str:
        verb = one if len(endpoints) == 1 else several
        return f"{len(endpoints)} of the plan's {len(self.endpoints)} endpoints {verb}: {_by_answer(endpoints)}"


def require(target: Target, learn: Callable[[str], None], journal: Journal | None = None) -> Survey:
    """Ask every endpoint like :func:`ask`, and require that scenarios can be judged.

    Raises:
        CannotRunError: no scenario could be judged; the message says why.
    """
    survey = ask(target, learn, journal)
    if survey.judges_nothing:
        raise CannotRunError("\n".join([*survey.sentences, "No scenario could be judged, so nothing was run."]))
    return survey


def ask(target: Target, learn: Callable[[str], None], journal: Journal | None = None) -> Survey:
    """Ask every endpoint once, as a person who is made for it and then removed.

    Args:
        target: the deployment to ask.
        learn: takes every new secret.
        journal: records the person before they are made.

    Raises:
        CannotRunError: the person can't be made, signed in or removed.
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
    """Return the state of an endpoint by its answer; `unknown` returns whether 404 means an unknown organisation."""
    endpoint = Endpoint(number, Found.THERE)
    status, answer = reply.status, str(reply.status)
    if status == 401 or (status == 403 and not endpoint.of_an_organization):
        return replace(endpoint, found=Found.REFUSED, answer=answer)
    if status in (405, 501) or (status == 404 and not (endpoint.of_an_organization and unknown())):
        return replace(endpoint, found=Found.MISSING, answer=answer)
    if 300 <= status < 400:
        return replace(endpoint, found=Found.MOVED, answer=f"{answer} to {_place(reply)}")
    if status >= 500:
        return replace(endpoint, found=Found.BROKEN, answer=answer)
    return _by_content(endpoint, reply)


def _by_content(endpoint: Endpoint, reply: Reply) -> Endpoint:
    """Return the state of an endpoint by the content of its answer."""
    kind = reply.headers.get("Content-Type", "").partition(";")[0]
    if reply.status < 300 and reply.text and "json" not in kind:
        return replace(endpoint, found=Found.PAGE, answer=f"{reply.status} {kind or 'of no media type'}")
    fields = OWN_FIELDS.get(endpoint.id)
    if fields and not fields & reply.body.keys():
        return replace(endpoint, found=Found.OTHER, answer=f"{reply.status} {reply.text[:60]}".strip())
    return endpoint


def _of_an_unknown_organization(reply: Reply, nowhere: Callable[[], Reply]) -> bool:
    """Return whether a 404 mentions the organisation and differs from the answer of an unknown path."""
    text = _plain(reply)
    return bool(re.search(r"organi[sz]ation", text, re.I)) and text != _plain(nowhere())


def _nothing() -> bool:
    return False


def _plain(reply: Reply) -> str:
    """Return the text of an answer without numbers, ids and paths."""
    return _CHANGING.sub("#", reply.text)


def _place(reply: Reply) -> str:
    """Return the address of a redirection without query and fragment."""
    return urlsplit(reply.headers.get("Location", ""))._replace(query="", fragment="").geturl() or "no address"


def _by_answer(endpoints: list[Endpoint], method: bool = True) -> str:
    by: dict[str, list[str]] = {}
    for endpoint in endpoints:
        by.setdefault(endpoint.answer, []).append(endpoint.address if method else endpoint.address.partition(" ")[2])
    return "; ".join(f"{answer} at {', '.join(dict.fromkeys(paths))}" for answer, paths in by.items())
