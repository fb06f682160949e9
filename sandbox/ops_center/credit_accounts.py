"""The accounts that pay for a request (contract, EP9, steps 5 and 6).

An account reserves credits before the provider is called, and pays the charge afterwards. Row locks are always taken
in the same order: organisation, member. Available credits are those that are not reserved for another call.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sandbox.ops_center.database import Connection, Row
from sandbox.ops_center.problems import ProblemError


@dataclass(frozen=True)
class Payment:
    """The cost of a call, and the credits that the account has left."""

    credits: int
    remaining: int | None


class CreditAccount(Protocol):
    """The credits of an individual, or of a member of an organisation."""

    @property
    def org_id(self) -> UUID | None:
        """The organisation that pays, or None."""

    @property
    def member_id(self) -> UUID | None:
        """The member with the allocation that pays, or None."""

    async def reserve(self, db: Connection, credits: int) -> None:
        """Reserve credits. Raises 402 or 403."""

    async def release(self, db: Connection, reserved: int) -> None:
        """Release reserved credits."""

    async def pay(self, db: Connection, reserved: int, charge: int) -> Payment:
        """Release reserved credits and pay the charge, or as much of it as is available."""


@dataclass(frozen=True)
class Individual:
    """A user's own credits."""

    user_id: UUID
    upgrade_url: str
    org_id: None = None
    member_id: None = None

    async def reserve(self, db: Connection, credits: int) -> None:
        """Reserve credits. Raises 402."""
        reserved = await db.execute(
            """UPDATE user_credits SET credits_reserved = credits_reserved + %(credits)s
               WHERE user_id = %(user)s AND credits_remaining - credits_reserved >= %(credits)s""",
            {"user": self.user_id, "credits": credits},
        )
        if reserved.rowcount == 0:
            raise insufficient_credits(self, credits)

    async def release(self, db: Connection, reserved: int) -> None:
        """Release reserved credits."""
        await db.execute(
            "UPDATE user_credits SET credits_reserved = credits_reserved - %s WHERE user_id = %s",
            (reserved, self.user_id),
        )

    async def pay(self, db: Connection, reserved: int, charge: int) -> Payment:
        """Pay the charge from the remaining credits."""
        found = await db.execute(
            """SELECT credits_remaining, credits_reserved FROM user_credits
               WHERE user_id = %s FOR NO KEY UPDATE""",
            (self.user_id,),
        )
        row = await found.fetchone()
        if row is None:
            return Payment(0, 0)
        credits = payable(charge, row["credits_remaining"] - row["credits_reserved"] + reserved)
        await db.execute(
            """UPDATE user_credits SET credits_remaining = credits_remaining - %s,
                      credits_reserved = credits_reserved - %s, updated_at = LOCALTIMESTAMP
               WHERE user_id = %s""",
            (credits, reserved, self.user_id),
        )
        return Payment(credits, row["credits_remaining"] - credits)


@dataclass(frozen=True)
class Allocation:
    """A member's allocation of an organisation's credits."""

    org_id: UUID
    member_id: UUID
    upgrade_url: str

    async def reserve(self, db: Connection, credits: int) -> None:
        """Reserve credits of the organisation and of the allocation. Raises 402 or 403."""
        organization, member = await self._locked(db)
        refusal = refusal_of_allocation(self, organization, member, credits)
        if refusal:
            raise refusal
        await self._move(db, reserved=credits)

    async def release(self, db: Connection, reserved: int) -> None:
        """Release reserved credits."""
        await self._move(db, reserved=-reserved)

    async def pay(self, db: Connection, reserved: int, charge: int) -> Payment:
        """Pay from the organisation's total and the allocation; `remaining` is the allocation's."""
        _organization, member = await self._locked(db)
        left = member["allocated_credits"] - member["used_credits"]
        credits = payable(charge, left - member["reserved_credits"] + reserved)
        await self._move(db, reserved=-reserved, used=credits)
        return Payment(credits, left - credits)

    async def _locked(self, db: Connection) -> tuple[Row, Row]:
        organization = await db.execute(
            """SELECT total_credits, reserved_credits FROM organization_credits
               WHERE org_id = %s FOR NO KEY UPDATE""",
            (self.org_id,),
        )
        found = await organization.fetchone()
        member = await db.execute(
            """SELECT allocated_credits, used_credits, reserved_credits FROM organization_members
               WHERE id = %s FOR NO KEY UPDATE""",
            (self.member_id,),
        )
        found_member = await member.fetchone()
        if found is None or found_member is None:
            raise ProblemError(403, "not_a_member", "You are no longer a member of this organisation. Ask its admin.")
        return found, found_member

    async def _move(self, db: Connection, *, reserved: int, used: int = 0) -> None:
        change = {"org": self.org_id, "member": self.member_id, "reserved": reserved, "used": used}
        await db.execute(
            """UPDATE organization_credits SET total_credits = total_credits - %(used)s,
                      allocated_credits = allocated_credits - %(used)s,
                      reserved_credits = reserved_credits + %(reserved)s, updated_at = LOCALTIMESTAMP
               WHERE org_id = %(org)s""",
            change,
        )
        await db.execute(
            """UPDATE organization_members SET used_credits = used_credits + %(used)s,
                      reserved_credits = reserved_credits + %(reserved)s
               WHERE id = %(member)s""",
            change,
        )


def payable(charge: int, available: int) -> int:
    """Return the charge, limited to what is available: a call may cost more than estimated."""
    return min(charge, available)


def insufficient_credits(account: Individual, credits: int) -> ProblemError:
    """Return a 402 for an individual."""
    return ProblemError(
        402,
        "insufficient_credits",
        f"This request may cost {credits} credits, more than you have available. "
        f"Buy credits or upgrade your plan at {account.upgrade_url}, or ask for a shorter answer.",
        upgrade_url=account.upgrade_url,
    )


def refusal_of_allocation(account: Allocation, organization: Row, member: Row, credits: int) -> ProblemError | None:
    """Return the 402 or 403 if the organisation can't pay for this member, else None."""
    available = organization["total_credits"] - organization["reserved_credits"]
    if member["allocated_credits"] == 0:
        return no_credit_allocation(organization)
    if available < credits:
        return ProblemError(
            402,
            "insufficient_organization_credits",
            f"This request may cost {credits} credits, and your organisation has {available} available. "
            f"Ask its admin to buy credits or upgrade at {account.upgrade_url}.",
            upgrade_url=account.upgrade_url,
        )
    left = member["allocated_credits"] - member["used_credits"] - member["reserved_credits"]
    if left < credits:
        return ProblemError(
            402,
            "allocation_exhausted",
            f"This request may cost {credits} credits, and {left} of your allocation are available. "
            "Ask your organisation's admin to allocate more credits to you.",
        )
    return None


def no_credit_allocation(organization: Row) -> ProblemError:
    """Return a 403 for a member without any allocation."""
    empty = " The organisation has no credits either: it has to purchase some first."
    return ProblemError(
        403,
        "no_credit_allocation",
        "No credits were allocated to you in this organisation. Ask its admin to allocate credits to you."
        + (empty if organization["total_credits"] == 0 else ""),
    )
