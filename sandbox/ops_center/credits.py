"""Balances, purchases and allocations (EP1 to EP6)."""

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from sandbox.ops_center import idempotency, organizations, quota
from sandbox.ops_center.database import Connection, Row
from sandbox.ops_center.organizations import Email
from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.services import Services, Used
from sandbox.ops_center.tokens import Caller, Person

router = APIRouter(prefix="/credits")

Credits = Annotated[int, Field(strict=True, gt=0, le=2**31 - 1)]
"""A whole number of credits that fits into PostgreSQL's integer."""


class Purchase(BaseModel):
    """The request of EP3."""

    amount: Credits


class NewAllocation(BaseModel):
    """The request of EP4."""

    user_email: Email
    credits: Credits


@router.get("/balance")
async def balance(caller: Caller, services: Used) -> dict[str, Any]:
    """Return the caller's own credits (EP1)."""
    standing = await quota.standing(services, caller.user_id)
    return {
        "user_id": caller.user_id,
        "credits": await remaining(services, caller.user_id),
        "api_calls_used": standing.used,
        "api_calls_limit": standing.limit,
        "tier": standing.tier,
    }


async def remaining(services: Services, user_id: UUID) -> int:
    """Return a user's own credits, 0 without a row."""
    async with services.database.connection() as db:
        found = await db.execute("SELECT credits_remaining FROM user_credits WHERE user_id = %s", (user_id,))
        row = await found.fetchone()
    return row["credits_remaining"] if row else 0


@router.get("/organization/{org_id}")
async def organization_balance(org_id: UUID, caller: Caller, services: Used) -> dict[str, Any]:
    """Return an organisation's credits, and how many are not allocated (EP2)."""
    async with services.database.transaction() as db:
        await organizations.require_member(db, org_id, caller)
        found = await db.execute("SELECT * FROM organization_credits WHERE org_id = %s", (org_id,))
        row = await found.fetchone()
    if row is None:
        raise organizations.unknown()
    return {
        "org_id": org_id,
        "total_credits": row["total_credits"],
        "allocated_credits": row["allocated_credits"],
        "unallocated_credits": unallocated(row),
    }


@router.post("/organization/{org_id}/purchase", status_code=201)
async def purchase(org_id: UUID, wanted: Purchase, request: Request, caller: Caller, services: Used) -> Response:
    """Buy credits for an organisation, once for each Idempotency-Key (EP3)."""
    claim = await idempotency.claim(services.database, caller.user_id, request)
    if isinstance(claim, idempotency.Kept):
        return claim.response()
    try:
        return await _purchase(services, org_id, wanted.amount, caller, claim)
    except Exception as error:
        await idempotency.close(services.database, claim, error)
        raise


async def _purchase(
    services: Services, org_id: UUID, amount: int, caller: Person, claim: idempotency.Claim | None
) -> Response:
    transaction_id = uuid4()
    async with services.database.transaction() as db:
        await organizations.require_admin(db, org_id, caller)
        bought = await db.execute(
            """UPDATE organization_credits SET total_credits = total_credits + %s, updated_at = LOCALTIMESTAMP
               WHERE org_id = %s RETURNING total_credits""",
            (amount, org_id),
        )
        row = await bought.fetchone()
        if row is None:
            raise organizations.unknown()
        await db.execute(
            """INSERT INTO credit_transactions (id, user_id, org_id, amount, transaction_type, description)
               VALUES (%s, %s, %s, %s, 'purchase', 'credits purchased')""",
            (transaction_id, caller.user_id, org_id, amount),
        )
        answer = JSONResponse(
            {
                "org_id": str(org_id),
                "amount": amount,
                "total_credits": row["total_credits"],
                "transaction_id": str(transaction_id),
            },
            201,
        )
        await idempotency.keep(db, claim, 201, "application/json", bytes(answer.body).decode())
    return answer


@router.post("/organization/{org_id}/allocate")
async def allocate(org_id: UUID, wanted: NewAllocation, caller: Caller, services: Used) -> dict[str, Any]:
    """Allocate more of the organisation's credits to a member (EP4)."""
    async with services.database.transaction() as db:
        await organizations.require_admin(db, org_id, caller)
        found = await db.execute("SELECT * FROM organization_credits WHERE org_id = %s FOR NO KEY UPDATE", (org_id,))
        row = await found.fetchone()
        if row is None:
            raise organizations.unknown()
        member = await _add_to_allocation(db, org_id, wanted)
        refuse_more_than_unallocated(row, wanted.credits)
        await db.execute(
            """UPDATE organization_credits
               SET allocated_credits = allocated_credits + %s, updated_at = LOCALTIMESTAMP
               WHERE org_id = %s""",
            (wanted.credits, org_id),
        )
    return {"user_email": wanted.user_email, **_shown(member)}


async def _add_to_allocation(db: Connection, org_id: UUID, wanted: NewAllocation) -> Row:
    changed = await db.execute(
        """UPDATE organization_members SET allocated_credits = allocated_credits + %s
           WHERE org_id = %s AND user_email = %s RETURNING *""",
        (wanted.credits, org_id, wanted.user_email),
    )
    member = await changed.fetchone()
    if member is None:
        raise ProblemError(
            404,
            "member_not_found",
            f"{wanted.user_email} is no member of this organisation. Invite them first, then allocate.",
        )
    return member


def unallocated(row: Row) -> int:
    """Return how many credits an organisation can still allocate."""
    total: int = row["total_credits"]
    allocated: int = row["allocated_credits"]
    return total - allocated


def refuse_more_than_unallocated(row: Row, credits: int) -> None:
    """Raise 409 when an organisation has fewer unallocated credits."""
    if credits > unallocated(row):
        raise ProblemError(
            409,
            "insufficient_unallocated_credits",
            f"{credits} credits are more than the {unallocated(row)} that are unallocated. "
            "Allocate fewer, or purchase more first.",
        )


@router.get("/organization/{org_id}/my-allocation")
async def my_allocation(org_id: UUID, caller: Caller, services: Used) -> dict[str, Any]:
    """Return the caller's own allocation (EP5)."""
    async with services.database.transaction() as db:
        membership = await organizations.require_member(db, org_id, caller)
        found = await db.execute("SELECT * FROM organization_members WHERE id = %s", (membership.member_id,))
        member = await found.fetchone()
    if member is None:
        raise organizations.not_a_member()
    return _shown(member)


def _shown(member: Row) -> dict[str, int]:
    allocated, used = member["allocated_credits"], member["used_credits"]
    return {"allocated": allocated, "used": used, "remaining": allocated - used}


@router.get("/organization/{org_id}/usage-attribution")
async def usage_attribution(org_id: UUID, caller: Caller, services: Used) -> list[dict[str, Any]]:
    """Return each member's used credits and calls (EP6)."""
    async with services.database.transaction() as db:
        await organizations.require_admin(db, org_id, caller)
        return await attribution(db, org_id)


async def attribution(db: Connection, org_id: UUID) -> list[Row]:
    """Return the used credits and calls of every member, those with none included."""
    found = await db.execute(
        """SELECT m.user_id, m.user_email, COALESCE(sum(u.credits), 0)::integer AS credits_used,
                      count(u.id)::integer AS api_calls
               FROM organization_members m
               LEFT JOIN usage_tracking u ON u.org_id = m.org_id AND u.user_id = m.user_id AND u.status <> 102
               WHERE m.org_id = %s GROUP BY m.id ORDER BY m.joined_at, m.user_email""",
        (org_id,),
    )
    return await found.fetchall()
