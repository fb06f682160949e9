"""The stand-in for OpenRouter and OpenAI as one application."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError

from sandbox.provider.accounts import Accounts, fingerprint
from sandbox.provider.chat import Chat
from sandbox.provider.control import control_api
from sandbox.provider.dialects import AsciiJSON, OpenAI, OpenRouter
from sandbox.provider.journal import Journal
from sandbox.provider.settings import Settings
from sandbox.provider.troubles import Troubles

TITLE = "Provider stand-in (OpenRouter and OpenAI)"


def make_app(settings: Settings) -> FastAPI:
    """Return the application."""
    journal, troubles = Journal(), Troubles()
    accounts = Accounts(
        {
            fingerprint(settings.openrouter_key.get_secret_value()): "openrouter",
            fingerprint(settings.openai_key.get_secret_value()): "openai",
        },
    )
    app = FastAPI(title=TITLE, openapi_url=None, default_response_class=AsciiJSON)
    app.add_exception_handler(RequestValidationError, _invalid)
    openrouter = OpenRouter()
    app.add_api_route(
        "/openrouter/api/v1/chat/completions",
        Chat(openrouter, accounts, journal, troubles).complete,
        methods=["POST"],
        response_model=None,
    )
    app.add_api_route(
        "/openai/v1/chat/completions",
        Chat(OpenAI(), accounts, journal, troubles).complete,
        methods=["POST"],
        response_model=None,
    )
    app.include_router(control_api(settings.control_token.get_secret_value(), accounts, journal, troubles))

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Report that the stand-in runs."""
        return {"status": "ok", "service": TITLE}

    return app


async def _invalid(_request: Request, error: Exception) -> AsciiJSON:
    """Answer 422 for a wrong control request, without its values: they may contain a key."""
    parts: Any = error.errors() if isinstance(error, RequestValidationError) else ()
    detail = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in parts)
    return AsciiJSON({"detail": detail}, 422)
