"""Who pays for a request (contract, EP9, step 5)."""

from uuid import UUID

from fastapi import Request

from sandbox.ops_center import organizations
from sandbox.ops_center.credit_accounts import Allocation, CreditAccount, Individual
from sandbox.ops_center.organizations import Membership
from sandbox.ops_center.problems import ProblemError
from sandbox.ops_center.services import Services
from sandbox.ops_center.tokens import Person


def uses_own_key(request: Request) -> bool:
    """Return whether the user's own key pays. Raises 422 for a value other than true or false."""
    value = request.headers.get("X-Use-BYOK", "false").strip().lower()
    if value not in ("true", "false"):
        raise ProblemError(
            422, "invalid_request", "Send X-Use-BYOK: true to use your own key, or leave the header out."
        )
    return value == "true"


def named_organization(request: Request) -> UUID | None:
    """Return the organisation in X-Organization-Id. Raises 422 for a malformed id."""
    value = request.headers.get("X-Organization-Id")
    try:
        return UUID(value) if value else None
    except ValueError as error:
        raise ProblemError(
            422, "invalid_request", "Send the organisation's id, a UUID, as X-Organization-Id."
        ) from error


def named_payer(request: Request) -> str:
    """Return the payer that a request names: the user's own key, an organisation, or nobody. Raises 422."""
    return f"own key: {uses_own_key(request)}, organisation: {named_organization(request)}"


async def account_of(services: Services, caller: Person, org_id: UUID | None) -> CreditAccount:
    """Return the account that pays with platform credits. Raises 400 `organization_required` or 403."""
    membership = choose(await organizations.memberships(services.database, caller), org_id)
    url = services.settings.public_url
    if membership is None:
        return Individual(caller.user_id, f"{url}/billing/upgrade")
    return Allocation(
        membership.org_id, membership.member_id, f"{url}/organizations/{membership.org_id}/billing/upgrade"
    )


def choose(memberships: list[Membership], org_id: UUID | None) -> Membership | None:
    """Return the membership that pays, None for the individual. Raises 400 `organization_required` or 403."""
    if org_id is not None:
        for membership in memberships:
            if membership.org_id == org_id:
                return membership
        raise organizations.not_a_member()
    if len(memberships) > 1:
        raise ProblemError(
            400,
            "organization_required",
            "You are a member of several organisations. Name the one that pays: X-Organization-Id.",
        )
    return memberships[0] if memberships else None
