"""Lists below a customer's path.

The official client asks for them without its key and so gets 401, as from Lago.
"""

from fastapi import Request
from starlette.responses import Response

from . import customers, invoices, subscriptions, wallets
from .context import lago
from .routing import make_router

router = make_router(prefix="/customers/{external_id:undotted}")


@router.get("/subscriptions")
async def customer_subscriptions(request: Request) -> Response:
    """The customer's subscriptions, filtered like the list of all."""
    return await subscriptions.list_for(request, await _known(request))


@router.get("/invoices")
async def customer_invoices(request: Request) -> Response:
    """The customer's invoices, filtered like the list of all."""
    return await invoices.list_for(request, {"external_customer_id": await _known(request)})


@router.get("/wallets")
async def customer_wallets(request: Request) -> Response:
    """The customer's wallets."""
    return await wallets.list_for(request, await _known(request))


async def _known(request: Request) -> str:
    """The `external_id` of the path, if it is a customer's; raises 404."""
    external_id: str = request.path_params["external_id"]
    async with lago(request).pool.connection() as connection:
        await customers.find(request, connection, external_id)
    return external_id
