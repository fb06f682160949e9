"""The application: the contract's endpoints under /api/v1, and the rules for every answer."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import clock
from sandbox.ops_center import byok, chat, credits, organizations, pages, problems, status, tokens, usage
from sandbox.ops_center.problems import ProblemError, UnavailableError
from sandbox.ops_center.services import Services
from sandbox.ops_center.settings import Settings

PREFIX = "/api/v1"
ENDPOINTS = (credits, usage, chat, organizations, byok, status)

log = logging.getLogger("ops_center")


class EveryAnswer:
    """Middleware that adds X-Request-Id to every answer, forbids caching, and hides unexpected errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid4()
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False

        async def send_marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = str(request_id)
                headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:
            log.exception("request %s failed", request_id)
            if begun:
                raise
            await problems.internal().response()(scope, receive, send_marked)


def create_app(settings: Settings) -> FastAPI:
    """Return an Ops-Center on the systems in the settings; it connects when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(settings)
        try:
            await services.open()
        except (psycopg.Error, UnavailableError):
            log.critical("PostgreSQL can't be used: check that it is up, and check OPS_DATABASE_URL")
            raise
        app.state.services = services
        yield
        await services.close()

    clock.use(settings.clock)
    app = FastAPI(title="Ops-Center (reference)", lifespan=lifespan, openapi_url=None)
    app.add_middleware(EveryAnswer)
    for endpoints in ENDPOINTS:
        app.include_router(endpoints.router, prefix=PREFIX)
    app.include_router(pages.router)
    app.exception_handler(ProblemError)(_problem)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_refused)
    return app


async def _problem(_request: Request, problem: ProblemError) -> Response:
    return problem.response()


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    """Answer 401 for a bad token, and only then 422, even if the body is not JSON."""
    try:
        await tokens.authenticate(request)
    except ProblemError as problem:
        return problem.response()
    return problems.invalid(error.errors()).response()


async def _refused(request: Request, error: HTTPException) -> Response:
    problem = problems.from_http_exception(error)
    if problem.status == 405:
        problem.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem.response()


def _methods(request: Request) -> set[str]:
    """Return the methods of all endpoints at an address (RFC 9110, 10.2.1); the framework names only one's."""
    scope = {"type": "http", "method": request.method, "path": request.url.path.removeprefix(PREFIX)}
    routes = (route for endpoints in ENDPOINTS for route in endpoints.router.routes if isinstance(route, Route))
    at_address = (route for route in routes if route.matches(scope)[0] is not Match.NONE)
    return {method for route in at_address for method in route.methods or ()}
