"""The cast of a scenario: creates its people and organisations on demand, each with a finalizer.

The features use aliases ("the individual"). The systems use names of run and number, so two scenarios or runs never
share a person.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from creditflow.actors.people import Organization, Person, signing_in
from creditflow.cleanup.cleanup import Cleanup
from creditflow.cleanup.resources import (
    Calls,
    CreatedOrganization,
    KeycloakUser,
    LagoCustomer,
    Outage,
    ProviderAccount,
    RedisKeys,
    Resource,
    Rows,
    SigningKey,
    StoppedClock,
    Trouble,
)
from creditflow.core.errors import NotTestableError
from creditflow.core.naming import PASSWORD, RUN, email_of, new_email_of, numbers
from creditflow.core.prices import PLAN, PriceList
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.outages import AWAY
from creditflow.target.target import Target

SIDE_BY_SIDE = 8
"""How many people are made at the same time."""


@dataclass(frozen=True)
class Account:
    """What is written about a person beside their subscription, which alone decides about their plan.

    Attributes:
        tier_in_keycloak: the tier in their Keycloak account.
        tier_of_the_credits: the tier in their row of `user_credits`.
        has_address: whether they have an e-mail address.
        address_is_verified: whether Keycloak knows that the address is theirs.
    """

    tier_in_keycloak: str = "trial"
    tier_of_the_credits: str = "trial"
    has_address: bool = True
    address_is_verified: bool = True


class Cast:
    """The people and organisations of one scenario.

    Args:
        target: the deployment.
        cleanup: receives a finalizer for each resource, before the resource is created.
        learn: receives each new secret, so that no report shows it.

    Attributes:
        prices: the price list that the feature states; the plan's if it states none.
    """

    def __init__(self, target: Target, cleanup: Cleanup, learn: Callable[[str], None]) -> None:
        self.target, self._cleanup, self._learn = target, cleanup, learn
        self._people: dict[str, Person] = {}
        self._organizations: dict[str, Organization] = {}
        self._outages: dict[str, Outage] = {}
        self._last: Person | None = None
        self._reserved: dict[str, str] = {}
        self._prepared: dict[str, Person] = {}
        self.prices = PriceList(PLAN)

    def person(self, role: str, plan: str = "", credits: int = 0, account: Account | None = None) -> Person:
        """Create a person who can sign in, with some credits, and with a subscription unless `plan` is empty.

        "They" refers to this person from then on.
        """
        alias, account = f"the {role}", account or _usual(plan)
        prepared = self._prepared.pop(alias, None)
        if prepared and account == _usual(prepared.plan):
            person = prepared
            if credits:
                self.target.grants.grant(person.id, credits, account.tier_of_the_credits)
        else:
            person = self._make(alias, plan, credits, account)
        self._people[person.alias] = self._last = person
        return person

    def prepare(self, plans: Mapping[str, str]) -> None:
        """Create people side by side who come into the scenario later, when `person` is called for them.

        Args:
            plans: the plan of each by alias.
        """
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            people = list(pool.map(lambda alias: self._make(alias, plans[alias], 0, _usual(plans[alias])), plans))
        self._prepared = {person.alias: person for person in people}

    def people_at_once(self, role: str, count: int, plan: str = "", credits: int = 0) -> list[Person]:
        """Create many people side by side, with the aliases "the {role} 1" and so on; "they" keeps its meaning."""
        aliases = [f"the {role} {number}" for number in range(1, count + 1)]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            account = _usual(plan)
            people = list(pool.map(lambda alias: self._make(alias, plan, credits, account), aliases))
        self._people |= {person.alias: person for person in people}
        return people

    def organization(self, alias: str, admin: Person, credits: int = 0) -> Organization:
        """Create an organisation on the Platform tier as its admin, and purchase credits for it unless they are 0."""
        _require(self.create_organization(alias, admin), 201, f"{admin.alias} could not create an organisation")
        organization = self.find_organization(alias)
        if credits:
            bought = self.target.ops_center.purchase(admin.token, organization.id, credits)
            _require(bought, 201, f"{admin.alias} could not purchase {credits:,} credits for {alias}")
        return organization

    def create_organization(self, alias: str, admin: Person, tier: str = "platform") -> Reply:
        """Create an organisation as its admin, and return the raw reply.

        If the reply is lost, the finalizer finds the organisation by its admin's e-mail.
        """
        name = f"{admin.name} {alias.removeprefix('the ')}"
        self._add_finalizer(CreatedOrganization(name, admin.name), alone=True)
        reply = self.target.ops_center.create_organization(admin.token, name, tier)
        if reply.status == 201:
            organization = Organization(alias, str(reply.body.get("id", "")), name, admin)
            self.target.writable.add(organization.id, name)
            self._add_finalizer(CreatedOrganization(name, admin.name, organization.id), alone=True)
            self._organizations[alias] = organization
        return reply

    def member(self, role: str, organization: Organization, allocation: int = 0) -> Person:
        """Create a person on the Platform plan and add them to an organisation, with an allocation unless it is 0."""
        person = self.person(role, "platform")
        self.join(person, organization, allocation)
        return person

    def join(self, person: Person, organization: Organization, allocation: int = 0) -> None:
        """Add a person to an organisation, with an allocation unless it is 0."""
        ops_center, admin = self.target.ops_center, organization.admin
        invited = ops_center.invite(admin.token, organization.id, person.email, "member")
        _require(invited, 201, f"{admin.alias} could not add {person.alias} to {organization.alias}")
        organization.members.append(person)
        if allocation:
            given = ops_center.allocate(admin.token, organization.id, person.email, allocation)
            _require(given, 200, f"{admin.alias} could not allocate {allocation:,} credits to {person.alias}")

    def address_of_the_future(self, role: str) -> str:
        """Return the e-mail address of a person who is created later; their account does not exist yet."""
        return email_of(self._reserved.setdefault(f"the {role}", f"{RUN}-{next(numbers)}"))

    def change_address(self, person: Person) -> None:
        """Give a person another, verified e-mail address in Keycloak, and let them sign in again."""
        self._set_address(person, new_email_of(person.name))

    def take_over_address(self, person: Person, former: Person) -> None:
        """Give a person the verified e-mail address that another one has given up, and let them sign in again."""
        self._set_address(person, former.email)

    def verify_address(self, person: Person) -> None:
        """Make Keycloak know that a person's e-mail address is theirs, and let them sign in again."""
        self._set_address(person, person.email)

    def _set_address(self, person: Person, email: str) -> None:
        self.target.keycloak.set_address(person.id, email)
        person.sign_in_again()

    def change_plan(self, person: Person, plan: str) -> None:
        """Change a person's subscription in Lago to another plan."""
        self.target.lago.subscribe(person.id, person.subscription, plan)

    def end_subscription(self, person: Person) -> None:
        """End a person's subscription in Lago immediately."""
        self.target.lago.end_subscription(person.id, person.subscription)

    def stop_the_clock(self, moment: datetime) -> None:
        """Make Ops-Center's clock stand still at a moment (UTC); it goes on when the scenario ends, if not before."""
        clock = self.target.clock
        self._add_finalizer(StoppedClock(), alone=True)
        clock.stop_at(moment)

    def provider_key(self, provider: str = "openrouter", known: bool = True) -> str:
        """Return a provider key with a working account, or with `known=False` one that the provider does not know.

        A stand-in gets a new account for the key. For a real provider the key is `TEST_OPENROUTER_KEY`.

        Raises:
            NotTestableError: the provider is real, and the settings name no key for it.
        """
        form = "sk-or-v1-" if provider == "openrouter" else "sk-proj-"
        key = form + secrets.token_hex(24)
        self._learn(key)
        if not known:
            return key
        if self.target.has("PROVIDER_URL"):
            stand_in = self.target.provider
            self._add_finalizer(ProviderAccount(fingerprint(key)))
            stand_in.open_account(provider, key)
            return key
        own = self.target.settings.test_openrouter_key.get_secret_value()
        if provider != "openrouter" or not own:
            raise NotTestableError(f"a BYOK request needs a key that {provider} accepts", "set TEST_OPENROUTER_KEY")
        return own

    def trouble(self, person: Person, kind: str, seconds: float = 30) -> None:
        """Make the provider answer one person with a trouble from now on."""
        stand_in = self.target.provider
        self._add_finalizer(Trouble(person.name))
        stand_in.trouble(person.name, kind, seconds)

    def take_away(self, service: str, way: str = AWAY) -> None:
        """Make a service of the target fail in a way; it comes back when the scenario ends, if not before."""
        self.target.outages.require_possible(service, way)
        outage = self._outages[service] = Outage(service, way)
        self._add_finalizer(outage, alone=True)
        self.target.outages.begin(service, way)

    def bring_back(self, service: str) -> None:
        """End the outage of a service, and wait until it answers.

        Raises:
            ExpectedError: it does not.
        """
        self._outages[service].remove(self.target, self._token)

    def change_signing_key(self) -> None:
        """Give the realm a new signing key, which is removed when the scenario ends.

        Raises:
            NotTestableError: the settings name no administrator of Keycloak, or do not allow it.
        """
        keys = self.target.realm_keys
        self.target.outages.require_allowed()
        self._signing_key = SigningKey(f"{RUN}-{next(numbers)}")
        self._add_finalizer(self._signing_key, alone=True)
        keys.add(self._signing_key.name)

    def withdraw_signing_key(self) -> None:
        """Remove the realm's new signing key."""
        self._signing_key.remove(self.target, self._token)
        self.target.record.add("withdraw_signing_key", None, None)

    def lengthen(self, person: Person, words: int, seconds: float = 0) -> None:
        """Make the provider answer one person after some seconds, with so many words where a request sets no limit."""
        stand_in = self.target.provider
        self._add_finalizer(Trouble(person.name))
        stand_in.lengthen(person.name, words, seconds)

    @property
    def people(self) -> list[Person]:
        """All people, in the order of their creation."""
        return list(self._people.values())

    @property
    def organizations(self) -> list[Organization]:
        """All organisations, in the order of their creation."""
        return list(self._organizations.values())

    def subject(self, who: str) -> Person:
        """Return the person that a sentence is about, by alias; "they" refers to this person from then on.

        Raises:
            LookupError: the scenario has no such person, or "they" refers to nobody yet.
        """
        if who in ("they", "them"):
            if self._last is None:
                raise LookupError("The feature says 'they' before it names a person.")
            return self._last
        self._last = self.mentioned(who)
        return self._last

    def mentioned(self, alias: str) -> Person:
        """Return a person by alias; unlike with `subject`, "they" keeps its meaning.

        Raises:
            LookupError: the scenario has no such person.
        """
        if alias not in self._people:
            known = ", ".join(self._people) or "nobody"
            raise LookupError(f"The feature names {alias}, but this scenario has {known}.")
        return self._people[alias]

    def find_organization(self, alias: str) -> Organization:
        """Return an organisation by alias.

        Raises:
            LookupError: the scenario has no such organisation.
        """
        if alias not in self._organizations:
            known = ", ".join(self._organizations) or "none"
            raise LookupError(f"The feature names {alias}, but this scenario has {known}.")
        return self._organizations[alias]

    def _make(self, alias: str, plan: str, credits: int, account: Account) -> Person:
        """Create a person and add their finalizers; several threads may do so."""
        name = self._reserved.pop(alias, "") or f"{RUN}-{next(numbers)}"
        email, password = email_of(name), PASSWORD
        keycloak = self.target.keycloak
        self._add_finalizer(KeycloakUser(name), lane=name)
        user_id = keycloak.create_user(
            name,
            email if account.has_address else "",
            password,
            {"subscription_tier": account.tier_in_keycloak},
            account.address_is_verified,
        )
        self.target.writable.add(user_id, name)
        person = Person(alias, name, email, password, user_id, plan, signing_in(keycloak, name, password))
        self._add_data_finalizers(person)
        person.sign_in_meanwhile()
        if plan:
            self._subscribe(person)
        if credits:
            self.target.grants.grant(user_id, credits, account.tier_of_the_credits)
        return person

    def _subscribe(self, person: Person) -> None:
        lago = self.target.lago
        self._add_finalizer(LagoCustomer(person.id, person.name))
        lago.create_customer(person.id, person.name, person.email)
        lago.subscribe(person.id, person.subscription, person.plan)

    def _add_data_finalizers(self, person: Person) -> None:
        """Add finalizers for a person's data; they run before the user's, whom the sweep needs to find data."""
        for resource in (Rows(person.id, person.name), RedisKeys(person.id, person.name), Calls(person.name)):
            if self.target.has(resource.needs):
                self._add_finalizer(resource, lane=person.name)

    def _add_finalizer(self, resource: Resource, alone: bool = False, lane: str = "") -> None:
        self._cleanup.add_finalizer(resource, lambda: resource.remove(self.target, self._token), alone, lane)

    def _token(self, name: str) -> str:
        return next((person.token for person in self._people.values() if person.name == name), "")


def _usual(plan: str) -> Account:
    """Return what is usually written about somebody on a plan: the same plan everywhere."""
    return Account(plan or "trial", plan or "trial")


def _require(reply: Reply, status: int, failure: str) -> None:
    if reply.status != status:
        raise AssertionError(f"{failure}: Ops-Center answered {reply.status} {reply.text[:200]}")
