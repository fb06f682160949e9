"""The stand-in for OpenRouter and OpenAI as one application."""

from itertools import chain
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from sandbox.provider.accounts import Accounts, Money, bearer, fingerprint
from sandbox.provider.chat import Chat
from sandbox.provider.control import control_api
from sandbox.provider.dialects import AsciiJSON, OpenAI, OpenRouter
from sandbox.provider.journal import Journal
from sandbox.provider.outcomes import Outcome, RefusedError
from sandbox.provider.settings import Settings
from sandbox.provider.state import EventFile
from sandbox.provider.troubles import Troubles
from sandbox.provider.usage import Usage, dollars

TITLE = "Provider stand-in (OpenRouter and OpenAI)"


def make_app(settings: Settings) -> FastAPI:
    """Return the application, with the state of earlier processes.

    Raises:
        StateError: the state can't be read or written.
    """
    file = EventFile(settings.state)
    journal, troubles = Journal(file), Troubles(file)
    accounts = Accounts(
        file,
        {
            fingerprint(settings.openrouter_key.get_secret_value()): "openrouter",
            fingerprint(settings.openai_key.get_secret_value()): "openai",
        },
    )
    for event in file.replay():
        for part in (journal, troubles, accounts):
            part.replay(event)
    file.begin(chain(journal.events(), troubles.events(), accounts.events()))

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

    @app.get("/openrouter/api/v1/key", response_model=None)
    async def key(request: Request) -> Response:
        """Return OpenRouter's answer about a key; amounts in US dollars."""
        sent = bearer(request)
        mark = fingerprint(sent) if sent else ""
        account = accounts.of(mark, "openrouter")
        if account is None:
            refusal = openrouter.refusal(RefusedError(Outcome.REFUSED_KEY, missing_key=not sent))
            return AsciiJSON(refusal.body, refusal.status)
        spent = sum(
            Usage(call.prompt_tokens, call.completion_tokens).cost(call.model)
            for call in journal.calls(key=mark)
            if call.total_tokens and call.provider == "openrouter"
        )
        empty = account.state is Money.EMPTY
        data = {
            "label": f"key {mark}",
            "usage": dollars(spent),
            "limit": dollars(spent) if empty else None,
            "limit_remaining": 0 if empty else None,
            "is_free_tier": False,
        }
        return AsciiJSON({"data": data})

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
