"""The cast of a scenario: its people and organisations by alias, made on demand, each with its removal registered.

In the features they have aliases ("the individual"); in the systems a name of run and number, so that scenarios and
runs never meet.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable

from creditflow.actors.people import Organization, Person, signing_in
from creditflow.cleanup.cleanup import Cleanup
from creditflow.cleanup.resources import (
    Calls,
    CreatedOrganization,
    KeycloakUser,
    LagoCustomer,
    ProviderAccount,
    RedisKeys,
    Resource,
    Rows,
    Trouble,
)
from creditflow.core.errors import NotTestableError
from creditflow.core.naming import PASSWORD, RUN, email_of
from creditflow.core.prices import PLAN, PriceList
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.target import Target

_numbers = itertools.count(1)


class Cast:
    """Who takes part in one scenario.

    Args:
        target: where they live.
        cleanup: where each removal is registered, before the thing is made.
        learn: told every secret that is made, so that no report shows it.

    Attributes:
        prices: the price list that the feature states; the plan's if it states none.
    """

    def __init__(self, target: Target, cleanup: Cleanup, learn: Callable[[str], None]) -> None:
        self.target, self._cleanup, self._learn = target, cleanup, learn
        self._people: dict[str, Person] = {}
        self._organizations: dict[str, Organization] = {}
        self._last: Person | None = None
        self.prices = PriceList(PLAN)

    def person(self, role: str, plan: str = "", credits: int = 0) -> Person:
        """Make somebody who can sign in, subscribed to a plan (none where it is empty) and holding credits.

        They become "they" of the sentences that follow.
        """
        name = f"{RUN}-{next(_numbers)}"
        email, password = email_of(name), PASSWORD
        keycloak = self.target.keycloak
        alias = f"the {role}"
        self._owe(KeycloakUser(name), lane=name)
        user_id = keycloak.create_user(name, email, password, {"subscription_tier": plan or "trial"})
        self.target.made.own(user_id, name)
        person = Person(alias, name, email, password, user_id, plan, signing_in(keycloak, name, password))
        self._owe_rows(person)
        person.sign_in_meanwhile()
        if plan:
            self._subscribe(person)
        if credits:
            self.target.grants.grant(user_id, credits, plan or "trial")
        self._people[alias] = self._last = person
        return person

    def organization(self, alias: str, admin: Person, credits: int = 0) -> Organization:
        """Make an organisation on the Platform tier through the API, as its admin, holding purchased credits."""
        _done(self.create_organization(alias, admin), 201, f"{admin.alias} could not create an organisation")
        organization = self.find_organization(alias)
        if credits:
            bought = self.target.ops_center.purchase(admin.token, organization.id, credits)
            _done(bought, 201, f"{admin.alias} could not purchase {credits:,} credits for {alias}")
        return organization

    def create_organization(self, alias: str, admin: Person, tier: str = "platform") -> Reply:
        """Create an organisation as its admin, its removal registered before; the reply as it came.

        An organisation of which the answer was lost is found by its admin's e-mail when it is removed.
        """
        name = f"{admin.name} {alias.removeprefix('the ')}"
        self._owe(CreatedOrganization(name, admin.name), alone=True)
        made = self.target.ops_center.create_organization(admin.token, name, tier)
        if made.status == 201:
            organization = Organization(alias, str(made.body.get("id", "")), name, admin)
            self.target.made.own(organization.id, name)
            self._owe(CreatedOrganization(name, admin.name, organization.id), alone=True)
            self._organizations[alias] = organization
        return made

    def member(self, role: str, organization: Organization, allocation: int = 0) -> Person:
        """Make a person on the Platform plan and a member of an organisation, with an allocation if it is not 0."""
        person = self.person(role, "platform")
        self.join(person, organization, allocation)
        return person

    def join(self, person: Person, organization: Organization, allocation: int = 0) -> None:
        """Make somebody a member of an organisation, with an allocation if it is not 0."""
        ops_center, admin = self.target.ops_center, organization.admin
        invited = ops_center.invite(admin.token, organization.id, person.email, "member")
        _done(invited, 201, f"{admin.alias} could not add {person.alias} to {organization.alias}")
        organization.members.append(person)
        if allocation:
            given = ops_center.allocate(admin.token, organization.id, person.email, allocation)
            _done(given, 200, f"{admin.alias} could not allocate {allocation:,} credits to {person.alias}")

    def provider_key(self, provider: str = "openrouter", known: bool = True) -> str:
        """A key that pays at the provider, or one of the right form that the provider does not know.

        On a stand-in a fresh account is opened for it; with a real provider the key is `TEST_OPENROUTER_KEY`.

        Raises:
            NotTestableError: a real provider, and no such key named.
        """
        form = "sk-or-v1-" if provider == "openrouter" else "sk-proj-"
        key = form + secrets.token_hex(24)
        self._learn(key)
        if not known:
            return key
        if self.target.has("PROVIDER_URL"):
            stand_in = self.target.provider
            self._owe(ProviderAccount(fingerprint(key)))
            stand_in.open_account(provider, key)
            return key
        own = self.target.settings.test_openrouter_key.get_secret_value()
        if provider != "openrouter" or not own:
            raise NotTestableError(f"a BYOK request needs a key that {provider} takes", "set TEST_OPENROUTER_KEY")
        return own

    def trouble(self, person: Person, kind: str, seconds: float = 30) -> None:
        """Have the provider answer one person with a trouble from now on."""
        stand_in = self.target.provider
        self._owe(Trouble(person.name))
        stand_in.trouble(person.name, kind, seconds)

    @property
    def people(self) -> list[Person]:
        """Everybody, in the order in which they were made."""
        return list(self._people.values())

    @property
    def organizations(self) -> list[Organization]:
        """Every organisation, in the order in which they were made."""
        return list(self._organizations.values())

    def subject(self, who: str) -> Person:
        """The person of an alias; "they" is whoever was named last."""
        if who in ("they", "them"):
            if self._last is None:
                raise LookupError("The feature says 'they' before anybody was named.")
            return self._last
        self._last = self.mentioned(who)
        return self._last

    def mentioned(self, alias: str) -> Person:
        """The person of an alias, mentioned in passing: "they" stays who it was."""
        if alias not in self._people:
            known = ", ".join(self._people) or "nobody"
            raise LookupError(f"The feature speaks of {alias}; this scenario has {known}.")
        return self._people[alias]

    def find_organization(self, alias: str) -> Organization:
        """The organisation of an alias."""
        if alias not in self._organizations:
            known = ", ".join(self._organizations) or "none"
            raise LookupError(f"The feature speaks of {alias}; this scenario has {known}.")
        return self._organizations[alias]

    def _subscribe(self, person: Person) -> None:
        lago = self.target.lago
        self._owe(LagoCustomer(person.id, person.name))
        lago.create_customer(person.id, person.name, person.email)
        lago.subscribe(person.id, person.subscription, person.plan)

    def _owe_rows(self, person: Person) -> None:
        """What the systems will keep of them; removed before they are, by whom it is found where all else is lost."""
        for resource in (Rows(person.id, person.name), RedisKeys(person.id, person.name), Calls(person.name)):
            if self.target.has(resource.needs):
                self._owe(resource, lane=person.name)

    def _owe(self, resource: Resource, alone: bool = False, lane: str = "") -> None:
        self._cleanup.owe(resource, lambda: resource.remove(self.target, self._token), alone, lane)

    def _token(self, name: str) -> str:
        return next((person.token for person in self._people.values() if person.name == name), "")


def _done(reply: Reply, status: int, otherwise: str) -> None:
    if reply.status != status:
        raise AssertionError(f"{otherwise}: Ops-Center answered {reply.status} {reply.text[:200]}")
