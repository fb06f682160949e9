"""The pages that links in messages lead to. They belong to the website; here each is one sentence."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter()

SIGN_IN = "<!doctype html><title>Credits</title><p>Sign in to buy credits or to change the plan.</p>"


@router.get("/billing/upgrade", response_class=HTMLResponse)
async def upgrade() -> str:
    """Show the page of an individual's `upgrade_url`."""
    return SIGN_IN


@router.get("/organizations/{org_id}/billing/upgrade", response_class=HTMLResponse)
async def organization_upgrade(org_id: UUID) -> str:
    """Show the page of an organisation's `upgrade_url`, which exists for every id."""
    return SIGN_IN
