"""The stand-in as a FastAPI application: routes, errors and the job runner."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
from fastapi import Depends, FastAPI, Request
from psycopg_pool import PoolTimeout
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from sandbox import clock

from . import billing, customers, events, invoices, lifecycle, plans, seeds, subscriptions, usage
from .context import Lago, require_key
from .database import Pool, make_pool, prepare
from .errors import ApiError, bad_request, internal, not_found
from .jobs import JobQueue, JobRunner
from .routing import UndecodedPath
from .settings import Settings

VERSION = "stand-in for Lago, after lago-api of August 2026"

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Return the application. It prepares its database when it starts, and does its jobs until it stops."""
    clock.use(settings.clock)
    pool = make_pool(settings.database_url.get_secret_value())

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with pool:
            organization, billing_entity = await prepare(pool, settings.api_key.get_secret_value())
            await seeds.seed(pool, organization)
            queue = JobQueue(timedelta(milliseconds=settings.job_delay_ms))
            app.state.lago = Lago(pool, queue, organization, billing_entity)
            handlers = customers.JOBS | billing.JOBS | lifecycle.jobs_of(queue)
            runner = asyncio.create_task(JobRunner(pool, handlers).run())
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
    app.state.pool = pool
    app.add_middleware(UndecodedPath)
    app.add_api_route("/health", health, methods=["GET"])
    # The most frequent routes come first: the router tries them in this order.
    for concept in (events, subscriptions, customers, usage, invoices, plans):
        app.include_router(concept.router, prefix="/api/v1", dependencies=[Depends(require_key)])
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(psycopg.DataError, _data_error)
    app.add_exception_handler(UnicodeEncodeError, _data_error)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(PoolTimeout, _database_away)
    app.add_exception_handler(Exception, _failure)
    return app


async def health(request: Request) -> Response:
    """Report whether the database answers; this route needs no key."""
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
    """Answer 404 for an unknown path or method, as Rails does for both."""
    return not_found("resource").response()


async def _data_error(_request: Request, _error: Exception) -> Response:
    """Answer 400 for a value that PostgreSQL can't store, such as text with a NUL or half a character."""
    return bad_request("a value can't be stored").response()


async def _database_away(request: Request, error: Exception) -> Response:
    """Answer 500 and let the pool check its connections."""
    log.warning("PostgreSQL did not answer: %s", type(error).__name__)
    pool: Pool = request.app.state.pool
    response = internal().response()
    response.background = BackgroundTask(pool.check)
    return response


async def _failure(_request: Request, _error: Exception) -> Response:
    """Answer 500 for any other exception; the server logs it."""
    return internal().response()
