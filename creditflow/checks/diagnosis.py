"""The diagnosis of a failure: what the systems recorded, with the hints of the plan's Appendix C."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from creditflow.actors.people import Organization, Person
from creditflow.core.errors import NotTestableError, ServiceUnavailableError
from creditflow.core.expect import counted, times
from creditflow.target.drivers.provider import ProviderCall, fingerprint
from creditflow.target.target import Target


def of_person(target: Target, person: Person) -> str:
    """Return what unicorn_db, the provider and the answers recorded about a person, joined by semicolons."""
    return _joined(
        lambda: _charges(target, person),
        lambda: _calls(target, person),
        lambda: _provider(target, person),
        lambda: _last_answer(person),
        lambda: why_not_deducted(target, person),
    )


def of_organization(target: Target, organization: Organization) -> str:
    """Return what unicorn_db recorded about an organisation, then about each member who sent a request."""
    askers = [p for p in (organization.admin, *organization.members) if p.answers]
    return _joined(
        lambda: _organization_rows(target, organization),
        lambda: why_no_organization_credits(target, organization),
        *[lambda p=p: of_person(target, p) for p in askers],
    )


def why_not_deducted(target: Target, person: Person) -> str:
    """Return the hint H2 if the provider answered a person on the platform's key and nothing was charged."""
    paid = [c for c in target.provider.calls(person.name) if c.outcome == "answered" and not _own(person, c)]
    charges = [m for m in target.unicorn.movements(user_id=person.id) if m["amount"] < 0]
    if paid and not charges:
        return (
            f"no credits were deducted although the provider was called {times(len(paid))} for {person.alias}: "
            f"the credit middleware may be off, check that it is enabled in the API router"
        )
    return ""


def why_no_organization_credits(target: Target, organization: Organization) -> str:
    """Return the hint H3 if nothing was purchased for an organisation."""
    bought = [m for m in target.unicorn.movements(org_id=organization.id) if m["transaction_type"] == "purchase"]
    if bought:
        return ""
    return f"nothing was purchased for {organization.alias}: its admin has to purchase credits first"


def why_no_key(target: Target, person: Person) -> str:
    """Return the hint H4: whether a provider key is stored for a person's user id."""
    stored = [row["provider"] for row in target.unicorn.keys(person.id)]
    if stored:
        return f"a key of {' and '.join(stored)} is stored for user id {person.id} (user_byok_keys)"
    return f"no key is stored for user id {person.id} (user_byok_keys): {person.alias} has to store one first"


def why_unauthorized(target: Target, username: str) -> str:
    """Return the hint H1: whether Keycloak answers and whether the user exists."""
    keycloak = target.keycloak
    if not keycloak.answers():
        return f"Keycloak does not answer at {keycloak.url}: start it, or correct KEYCLOAK_URL"
    if keycloak.find_user(username) is None:
        return f"Keycloak answers, but the realm {keycloak.realm} has no user {username}: create the user first"
    return f"Keycloak answers and the user {username} exists: check the password and the token's expiry"


def own_fingerprints(person: Person) -> set[str]:
    """Return the fingerprints of all provider keys that a person stored."""
    return {fingerprint(key) for key in person.keys}


def _charges(target: Target, person: Person) -> str:
    rows = [m for m in target.unicorn.movements(user_id=person.id) if m["transaction_type"] == "usage"]
    grouped = Counter((str(m.get("request_id") or "unknown"), m["amount"], bool(m["org_id"])) for m in rows)
    charges = []
    for (request, amount, organization), count in list(grouped.items())[-3:]:
        payer = ", paid by an organisation" if organization else ""
        charges.append(f"{counted(count, 'charge')} of {-amount:,} for request {request[:4]}{payer}")
    more = f" (the last 3 of {counted(len(rows), 'charge')})" if len(grouped) > 3 else ""
    return f"unicorn_db has {' and '.join(charges) or 'no charge'} (credit_transactions){more}"


def _calls(target: Target, person: Person) -> str:
    calls = target.unicorn.number_of_calls(person.id)
    return f"{counted(calls, 'call')} of {person.alias} {'is' if calls == 1 else 'are'} counted (usage_tracking)"


def _provider(target: Target, person: Person) -> str:
    calls = target.provider.calls(person.name)
    keys = Counter("their own key" if _own(person, c) else "the platform's key" for c in calls)
    with_keys = " and ".join(f"{times(n)} with {key}" for key, n in keys.items())
    return f"the provider was called {with_keys or 'never'}"


def _last_answer(person: Person) -> str:
    if not person.answers:
        return f"{person.alias} asked nothing"
    last = person.answers[-1]
    request = f"their last request ({last.request_id[:4]})"
    if last.reply.status == 200:
        return f"{request} was answered"
    detail = f": {last.detail.rstrip('.')}" if last.detail else ""
    return f"{request} was refused with {last.reply.status} {last.code}{detail}".strip()


def _organization_rows(target: Target, organization: Organization) -> str:
    row = target.unicorn.organization_credits(organization.id)
    if row is None:
        return f"unicorn_db has no credits row for {organization.alias} (organization_credits)"
    return (
        f"unicorn_db has {row['total_credits']:,} total and {row['allocated_credits']:,} allocated credits "
        f"for {organization.alias} (organization_credits)"
    )


def _own(person: Person, call: ProviderCall) -> bool:
    return call.key_fingerprint in own_fingerprints(person)


def _joined(*parts: Callable[[], str]) -> str:
    """Join the sentences of these parts; leave out what is not testable, and name a service that is away."""
    sentences = []
    for part in parts:
        try:
            sentences.append(part())
        except NotTestableError:
            continue
        except ServiceUnavailableError as away:
            sentences.append(str(away).rstrip("."))
    return "; ".join(filter(None, sentences))
