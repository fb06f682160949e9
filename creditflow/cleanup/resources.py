"""The things that a run makes on a target, as data: written to the journal, and removed again by whoever reads it.

A thing says what it is (`str`), where it is kept, and how it is removed. To remove one that is gone does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from creditflow.core.naming import email_of
from creditflow.target.target import Target

SignIn = Callable[[str], str]
"""The access token of whom a run gave a user name; empty where nobody can sign in as them."""


class NotAResourceError(ValueError):
    """What was read as a thing is none that this version of the suite makes."""


@dataclass(frozen=True)
class Resource:
    """One thing on a target.

    Attributes:
        needs: the setting that names the system it is in.
        plural: the kind, in the words of the sweep.
    """

    needs: ClassVar[str] = ""
    plural: ClassVar[str] = ""

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove it; nothing where it is gone."""
        raise NotImplementedError

    def written(self) -> dict[str, str]:
        """The thing as plain data, its kind among it."""
        return {"kind": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class KeycloakUser(Resource):
    """Somebody who can sign in."""

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
    """What `unicorn_db` keeps of a person, in every table with a `user_id`."""

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
    """What Redis keeps of a person."""

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
    """The calls of a person in the journal of the provider stand-in."""

    caller: str
    needs: ClassVar[str] = "PROVIDER_URL"
    plural: ClassVar[str] = "people's calls in the provider's journal"

    def __str__(self) -> str:
        return f"the journal of {self.caller}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the calls."""
        target.provider.forget(self.caller)


@dataclass(frozen=True)
class Trouble(Resource):
    """A trouble that the provider stand-in makes for a person."""

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
    """A key that the provider stand-in knows, by its fingerprint."""

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
    """A customer of Lago with their subscription."""

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
    """An organisation with its credits and members; where its id is not known, those that the admin is an admin of."""

    name: str
    admin: str
    id: str = ""
    needs: ClassVar[str] = "OPS_CENTER_URL"
    plural: ClassVar[str] = "organisations"

    def __str__(self) -> str:
        return f"the organisation {self.name}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove it as its admin, then the rows that it left.

        Raises:
            RuntimeError: Ops-Center refuses its removal, or nobody is left to ask for it.
        """
        in_database = target.has("UNICORN_DB_URL")
        ids = [self.id] if self.id else target.unicorn.organizations_of(email_of(self.admin)) if in_database else []
        for org_id in ids:
            if token := sign_in(self.admin):
                status = target.ops_center.remove_organization(token, org_id).status
                if status not in (204, 404) and not (in_database and status in (405, 501)):
                    raise RuntimeError(f"Ops-Center answered {status} to its removal")
            elif not in_database:
                raise RuntimeError("its admin is gone: set UNICORN_DB_URL")
            if in_database:
                target.made.earlier(org_id, self.name)
                target.grants.remove_organization(org_id)


@dataclass(frozen=True)
class Membership(Resource):
    """What makes a person of a run a member of an organisation that is not the run's."""

    email: str
    needs: ClassVar[str] = "UNICORN_DB_URL"
    plural: ClassVar[str] = "members of organisations"

    def __str__(self) -> str:
        return f"the memberships of {self.email}"

    def remove(self, target: Target, sign_in: SignIn) -> None:
        """Remove the member from every organisation."""
        target.grants.remove_member(self.email)


KINDS: tuple[type[Resource], ...] = (
    Trouble, CreatedOrganization, Membership, Rows, RedisKeys, LagoCustomer, Calls, ProviderAccount, KeycloakUser,
)  # fmt: skip
"""Every kind, in the order in which a sweep removes them: a person last, by whom all the others are found."""

_BY_NAME = {kind.__name__: kind for kind in KINDS}


def read(written: Mapping[str, Any]) -> Resource:
    """The thing that `Thing.written` has written.

    Raises:
        NotAResourceError: it is none that this version makes.
    """
    ids = {name: value for name, value in written.items() if name != "kind"}
    kind = _BY_NAME.get(str(written.get("kind")))
    if kind is None or not all(isinstance(value, str) for value in ids.values()):
        raise NotAResourceError(f"{written.get('kind')!r} is no thing that a run makes")
    try:
        return kind(**ids)
    except TypeError:
        raise NotAResourceError(f"a {kind.__name__} is not told by {', '.join(ids) or 'nothing'}") from None
