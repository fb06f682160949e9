"""The stand-in as a FastAPI application: routes, errors, and what runs beside them."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
from fastapi import Depends, FastAPI, Request
from psycopg_pool import PoolTimeout
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from . import (
    billable_metrics,
    billing,
    customers,
    events,
    invoices,
    lifecycle,
    nested,
    plans,
    seeds,
    subscriptions,
    usage,
    wallets,
)
from . import troubles as troubles_module
from .context import Lago, require_key
from .database import Pool, make_pool, prepare
from .errors import ApiError, bad_request, internal, not_found
from .jobs import JobQueue, JobRunner
from .routing import UndecodedPath
from .settings import Settings

VERSION = "stand-in for Lago, after lago-api of August 2026"

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """The application, which prepares its database when it starts and does its jobs until it stops."""
    pool = make_pool(settings.database_url.get_secret_value())
    troubles = troubles_module.Troubles()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with pool:
            organization, billing_entity = await prepare(pool, settings.api_key.get_secret_value())
            await seeds.seed(pool, organization)
            queue = JobQueue(timedelta(milliseconds=settings.job_delay_ms))
            app.state.lago = Lago(pool, queue, organization, billing_entity)
            runner = asyncio.create_task(_job_runner(pool, queue).run())
            try:
                yield
            finally:
                runner.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await runner

    app = FastAPI(
        title="Lago stand-in",
        summary="Stands in for Lago in the sandbox; it is not Lago.",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.troubles = troubles
    app.state.pool = pool
    app.add_middleware(troubles_module.TroubleMiddleware, troubles=troubles)
    app.add_middleware(UndecodedPath)
    app.add_api_route("/health", health, methods=["GET"])
    # The routes asked most come first: the router tries them in this order.
    for concept in (
        events,
        subscriptions,
        customers,
        nested,
        usage,
        invoices,
        plans,
        wallets,
        billable_metrics,
    ):
        app.include_router(concept.router, prefix="/api/v1", dependencies=[Depends(require_key)])
    app.include_router(troubles_module.router, dependencies=[Depends(require_key)])
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(psycopg.DataError, _data_error)
    app.add_exception_handler(UnicodeEncodeError, _data_error)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(PoolTimeout, _database_away)
    app.add_exception_handler(Exception, _failure)
    return app


def _job_runner(pool: Pool, queue: JobQueue) -> JobRunner:
    return JobRunner(
        pool,
        {
            **customers.JOBS,
            **plans.JOBS,
            **billing.JOBS,
            **wallets.JOBS,
            lifecycle.START: functools.partial(lifecycle.start, queue),
            lifecycle.END: lifecycle.end,
        },
    )


async def health(request: Request) -> Response:
    """Whether the stand-in reaches its database; needs no key."""
    pool: Pool = request.app.state.pool
    try:
        async with pool.connection(timeout=2) as connection:
            await connection.execute("select 1")
    except (psycopg.Error, PoolTimeout):
        return JSONResponse(
            {"version": VERSION, "message": "Unhealthy", "details": "PostgreSQL does not answer"},
            status_code=500,
        )
    return JSONResponse({"version": VERSION, "github_url": "https://github.com/getlago/lago-api", "message": "Success"})


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _http_error(_request: Request, _error: Exception) -> Response:
    """An unknown path, or a known one with a method it does not have: Rails knows no difference."""
    return not_found("resource").response()


async def _data_error(_request: Request, _error: Exception) -> Response:
    """A value that PostgreSQL can't hold, such as text with a NUL or half a character."""
    return bad_request("a value can't be stored").response()


async def _database_away(request: Request, error: Exception) -> Response:
    """500, and the pool then looks which of its connections still live."""
    log.warning("PostgreSQL did not answer: %s", type(error).__name__)
    pool: Pool = request.app.state.pool
    response = internal().response()
    response.background = BackgroundTask(pool.check)
    return response


async def _failure(_request: Request, _error: Exception) -> Response:
    """Anything unforeseen; the server logs it."""
    return internal().response()
