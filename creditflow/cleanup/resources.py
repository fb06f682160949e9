"""The resources that a run creates on a target, as data: written to the clean-up journal, and removed with its help.

A resource has a description (`str`), a system, and a removal. The removal of a missing resource does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from creditflow.core.naming import email_of
from creditflow.target import health
from creditflow.target.outages import AWAY
from creditflow.target.target import Target

LONGEST_RETURN_S = 60.0
"""The deadline of a service to answer again after an outage, in seconds."""

SignIn = Callable[[str], str]
"""Returns the access token for a user name that a run gave; empty if nobody can sign in with it."""


class NotAResourceError(ValueError):
    """The data describes no resource that this version of the suite creates."""


@dataclass(frozen=True)
class Resource:
    """One resource on a target.

    Attributes:
        needs: the setting that names its system.
        plural: the name of its kind in the report of the sweep.
    """

    needs: ClassVar[str] = ""
    plural: ClassVar[str] = ""

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the resource; do nothing if it is missing."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, str]:
        """Return the resource as plain data, with its kind."""
        return {"kind": type(self).__name__, **vars(self)}


@dataclass(frozen=True)
class KeycloakUser(Resource):
    """A user who can sign in."""

    name: str
    needs: ClassVar[str] = "KEYCLOAK_URL"
    plural: ClassVar[str] = "Keycloak users"

    def __str__(self) -> str:
        return f"the Keycloak user {self.name}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the user."""
        target.keycloak.remove_user(self.name)


@dataclass(frozen=True)
class Rows(Resource):
    """A person's rows in all tables of `unicorn_db` that have a `user_id`."""

    user: str
    name: str
    needs: ClassVar[str] = "UNICORN_DB_URL"
    plural: ClassVar[str] = "people's rows in unicorn_db"

    def __str__(self) -> str:
        return f"the rows of {self.name or self.user}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the rows."""
        target.grants.remove_person(self.user)


@dataclass(frozen=True)
class RedisKeys(Resource):
    """A person's keys in Redis."""

    user: str
    name: str
    needs: ClassVar[str] = "REDIS_URL"
    plural: ClassVar[str] = "people's keys in Redis"

    def __str__(self) -> str:
        return f"the Redis keys of {self.name or self.user}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the keys."""
        target.counters.forget(self.user)


@dataclass(frozen=True)
class Calls(Resource):
    """A person's calls in the provider's journal."""

    caller: str
    needs: ClassVar[str] = "PROVIDER_URL"
    plural: ClassVar[str] = "people's calls in the provider's journal"

    def __str__(self) -> str:
        return f"the calls of {self.caller} in the provider's journal"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the calls."""
        target.provider.forget(self.caller)


@dataclass(frozen=True)
class Trouble(Resource):
    """A trouble that the provider stand-in causes for a person."""

    caller: str
    needs: ClassVar[str] = "PROVIDER_URL"
    plural: ClassVar[str] = "troubles of the provider"

    def __str__(self) -> str:
        return f"the provider's trouble for {self.caller}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """End the trouble."""
        target.provider.end_trouble(self.caller)


@dataclass(frozen=True)
class ProviderAccount(Resource):
    """A key known to the provider stand-in, by its fingerprint."""

    fingerprint: str
    needs: ClassVar[str] = "PROVIDER_URL"
    plural: ClassVar[str] = "accounts at the provider"

    def __str__(self) -> str:
        return f"the provider account {self.fingerprint}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Make the key unknown."""
        target.provider.close_account(self.fingerprint)


@dataclass(frozen=True)
class LagoCustomer(Resource):
    """A customer of Lago, with the subscription and the plan that is to follow."""

    id: str
    name: str
    needs: ClassVar[str] = "LAGO_API_URL"
    plural: ClassVar[str] = "Lago customers"

    def __str__(self) -> str:
        return f"the Lago customer {self.id}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """End the subscription and remove the customer."""
        target.lago.remove_customer(self.id, f"{self.name}-subscription")


@dataclass(frozen=True)
class CreatedOrganization(Resource):
    """An organisation with its credits and members; with an unknown id, all organisations of its admin."""

    name: str
    admin: str
    id: str = ""
    needs: ClassVar[str] = "OPS_CENTER_URL"
    plural: ClassVar[str] = "organisations"

    def __str__(self) -> str:
        return f"the organisation {self.name}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the organisation as its admin, then the rows that remain.

        Raises:
            RuntimeError: Ops-Center refuses the removal, or the admin can't sign in.
        """
        in_database = target.has("UNICORN_DB_URL")
        ids = [self.id] if self.id else target.unicorn.organizations_of(email_of(self.admin)) if in_database else []
        for org_id in ids:
            if token := sign_in(self.admin):
                status = target.ops_center.remove_organization(token, org_id).status
                if status not in (204, 404) and not (in_database and status in (405, 501)):
                    raise RuntimeError(f"Ops-Center answered {status} to its removal")
            elif not in_database:
                raise RuntimeError("its admin can't sign in any more: set UNICORN_DB_URL")
            if in_database:
                target.writable.add_removable(org_id, self.name)
                target.grants.remove_organization(org_id)


@dataclass(frozen=True)
class Membership(Resource):
    """The memberships of a person of a run in organisations of others."""

    email: str
    needs: ClassVar[str] = "UNICORN_DB_URL"
    plural: ClassVar[str] = "members of organisations"

    def __str__(self) -> str:
        return f"the memberships of {self.email}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the person from all organisations."""
        target.grants.remove_member(self.email)


@dataclass(frozen=True)
class Outage(Resource):
    """A service that a scenario lets fail, in a way of `creditflow.target.outages.WAYS`."""

    service: str
    way: str = AWAY
    needs: ClassVar[str] = "OPS_CENTER_URL"
    plural: ClassVar[str] = "services that fail"

    def __str__(self) -> str:
        return f"the outage of {self.service}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Bring the service back, and wait until it answers.

        Raises:
            ServiceUnavailableError: it does not answer within `LONGEST_RETURN_S`.
        """
        if target.outages.end(self.service, self.way):
            health.await_up(target, self.service, LONGEST_RETURN_S)


@dataclass(frozen=True)
class SigningKey(Resource):
    """A signing key of the realm."""

    name: str
    needs: ClassVar[str] = "KEYCLOAK_ADMIN_PASSWORD"
    plural: ClassVar[str] = "signing keys of Keycloak"

    def __str__(self) -> str:
        return f"the signing key {self.name}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the key; tokens that it signed are refused from then on."""
        target.realm_keys.remove(self.name)
        target.keycloak.sign_in_again()


@dataclass(frozen=True)
class StoppedClock(Resource):
    """The clock of a sandbox's Ops-Center, which a scenario stopped."""

    needs: ClassVar[str] = "OPS_CENTER_CLOCK"
    plural: ClassVar[str] = "clocks that stand still"

    def __str__(self) -> str:
        return "the clock of Ops-Center, which stands still"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Let the clock go on."""
        target.clock.go_on()


KINDS: tuple[type[Resource], ...] = (
    Outage, SigningKey, StoppedClock, Trouble, CreatedOrganization, Membership, Rows, RedisKeys, LagoCustomer, Calls,
    ProviderAccount, KeycloakUser,
)  # fmt: skip
"""All kinds, in the order in which a sweep removes them: users last, because the others are found with their help."""

_BY_NAME = {kind.__name__: kind for kind in KINDS}


def from_dict(data: Mapping[str, Any]) -> Resource:
    """Return the resource that `Resource.as_dict` turned into data.

    Raises:
        NotAResourceError: this version of the suite creates no such resource.
    """
    ids = {name: value for name, value in data.items() if name != "kind"}
    kind = _BY_NAME.get(str(data.get("kind")))
    if kind is None or not all(isinstance(value, str) for value in ids.values()):
        raise NotAResourceError(f"a run creates no resource of the kind {data.get('kind')!r}")
    try:
        return kind(**ids)
    except TypeError:
        raise NotAResourceError(f"a {kind.__name__} has other fields than {', '.join(ids) or 'none'}") from None
