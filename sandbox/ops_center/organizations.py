"""Organisations and their members (EP11 to EP13)."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter
from psycopg.errors import UniqueViolation
from pydantic import AfterValidator, BaseModel, StringConstraints

from sandbox.ops_center import periods, tiers
from sandbox.ops_center.database import Connection, Database, Row
from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.services import Used
from sandbox.ops_center.tokens import Caller, Person

router = APIRouter(prefix="/org")


def _known_tier(tier: str) -> str:
    if tier not in tiers.QUOTAS:
        raise ValueError(f"choose one of {', '.join(tiers.QUOTAS)}")
    return tier


Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=255, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$"),
]
"""An address, compared in lower case."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Tier = Annotated[str, AfterValidator(_known_tier)]


class NewOrganization(BaseModel):
    """The request of EP11."""

    name: Name
    subscription_tier: Tier


class Invitation(BaseModel):
    """The request of EP13."""

    email: Email
    role: Literal["admin", "member"] = "member"


@dataclass(frozen=True)
class Membership:
    """The membership of one person in one organisation."""

    org_id: UUID
    member_id: UUID
    role: str


@router.post("", status_code=201)
async def create(new: NewOrganization, caller: Caller, services: Used) -> dict[str, Any]:
    """Create an organisation with the caller as its admin (EP11)."""
    if caller.email is None:
        raise ProblemError(
            422, "email_required", "Your account has no e-mail address. Add one to it and sign in again."
        )
    org_id = uuid4()
    async with services.database.transaction() as db:
        created = await db.execute(
            "INSERT INTO organizations (id, name, subscription_tier) VALUES (%s, %s, %s) RETURNING *",
            (org_id, new.name, new.subscription_tier),
        )
        organization = await created.fetchone()
        await db.execute("INSERT INTO organization_credits (org_id) VALUES (%s)", (org_id,))
        await db.execute(
            """INSERT INTO organization_members (id, org_id, user_email, role, user_id)
               VALUES (%s, %s, %s, 'admin', %s)""",
            (uuid4(), org_id, caller.email, caller.user_id),
        )
    assert organization is not None
    return _shown(organization)


@router.get("/{org_id}")
async def show(org_id: UUID, caller: Caller, services: Used) -> dict[str, Any]:
    """Show an organisation and its members (EP12)."""
    async with services.database.transaction() as db:
        await require_member(db, org_id, caller)
        found = await db.execute("SELECT * FROM organizations WHERE id = %s", (org_id,))
        organization = await found.fetchone()
        members = await db.execute(
            """SELECT user_email, role, allocated_credits AS allocated, used_credits AS used
               FROM organization_members WHERE org_id = %s ORDER BY joined_at, user_email""",
            (org_id,),
        )
        if organization is None:
            raise unknown()
        return {**_shown(organization), "members": await members.fetchall()}


@router.post("/{org_id}/invite", status_code=201)
async def invite(org_id: UUID, invitation: Invitation, caller: Caller, services: Used) -> dict[str, Any]:
    """Add a member by e-mail (EP13)."""
    try:
        async with services.database.transaction() as db:
            await require_admin(db, org_id, caller)
            await db.execute(
                "INSERT INTO organization_members (id, org_id, user_email, role) VALUES (%s, %s, %s, %s)",
                (uuid4(), org_id, invitation.email, invitation.role),
            )
    except UniqueViolation as error:
        raise ProblemError(
            409, "already_a_member", f"{invitation.email} is a member already. Allocate credits instead."
        ) from error
    return {"org_id": org_id, "user_email": invitation.email, "role": invitation.role}


@router.delete("/{org_id}", status_code=204)
async def delete(org_id: UUID, caller: Caller, services: Used) -> None:
    """Remove an organisation with its members and credits; the money journal stays."""
    async with services.database.transaction() as db:
        await require_admin(db, org_id, caller)
        await db.execute(
            """DELETE FROM credit_reservations
               WHERE member_id IN (SELECT id FROM organization_members WHERE org_id = %s)""",
            (org_id,),
        )
        await db.execute("DELETE FROM organizations WHERE id = %s", (org_id,))


async def memberships(database: Database, caller: Person) -> list[Membership]:
    """Return the caller's memberships, and bind those known by a verified address to the user id."""
    async with database.connection() as db:
        return await _memberships(db, caller)


async def _memberships(db: Connection, caller: Person) -> list[Membership]:
    found = await db.execute(
        """SELECT DISTINCT ON (org_id) id, org_id, role, user_id FROM organization_members
           WHERE user_id = %s OR (user_id IS NULL AND user_email = %s) ORDER BY org_id, user_id NULLS LAST""",
        (caller.user_id, caller.verified_email),
    )
    rows = await found.fetchall()
    if any(row["user_id"] is None for row in rows):
        await db.execute(
            """UPDATE organization_members SET user_id = %(user)s
               WHERE user_id IS NULL AND user_email = %(email)s AND NOT EXISTS (
                   SELECT FROM organization_members other
                   WHERE other.org_id = organization_members.org_id AND other.user_id = %(user)s)""",
            {"user": caller.user_id, "email": caller.verified_email},
        )
    return [Membership(row["org_id"], row["id"], row["role"]) for row in rows]


async def require_member(db: Connection, org_id: UUID, caller: Person) -> Membership:
    """Return the caller's membership. Raises 404 for an unknown organisation, 403 for a non-member.

    The caller opens a transaction, so that a refused request takes no invitation up.
    """
    for membership in await _memberships(db, caller):
        if membership.org_id == org_id:
            return membership
    found = await db.execute("SELECT FROM organizations WHERE id = %s", (org_id,))
    raise not_a_member() if await found.fetchone() is not None else unknown()


async def require_admin(db: Connection, org_id: UUID, caller: Person) -> Membership:
    """Return the caller's membership as an admin. Raises 404 or 403."""
    membership = await require_member(db, org_id, caller)
    if membership.role != "admin":
        raise ProblemError(403, "admin_required", "Only an admin of the organisation may do this. Ask one of them.")
    return membership


def not_a_member() -> ProblemError:
    """Return a 403 for a non-member."""
    return ProblemError(
        403,
        "not_a_member",
        "You are no member of this organisation. Ask its admin to invite your e-mail address.",
    )


def unknown() -> ProblemError:
    """Return a 404 for an unknown organisation."""
    return ProblemError(404, "organization_not_found", "There is no such organisation. Check the organisation's id.")


def _shown(organization: Row) -> dict[str, Any]:
    return {**organization, "created_at": periods.iso(organization["created_at"])}
