"""Faults of the gateway: what it serves, whether it is ready, and what its pages show.

They change the real LiteLLM, in whose environment alone they can be switched on. It then runs with one worker, so that
every request meets the same process.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sandbox.faults import fault, replace

_CONFIG, _WORKERS = "--config=", "--num_workers="


@fault("I5", "LiteLLM does not serve anthropic/claude-3-sonnet")
def a_model_is_not_served() -> None:
    """Leave a model of the price list out of the gateway, so that its users always read of a failure."""
    _with_one_worker()
    for place, argument in enumerate(sys.argv):
        if argument.startswith(_CONFIG):
            written = Path(argument.removeprefix(_CONFIG))
            config = json.loads(written.read_text("utf-8"))
            config["model_list"] = [m for m in config["model_list"] if m["model_name"] != "anthropic/claude-3-sonnet"]
            changed = written.with_suffix(".faulty.yaml")
            changed.write_text(json.dumps(config), "utf-8")
            sys.argv[place] = f"{_CONFIG}{changed}"


@fault("I5", "LiteLLM is down, expected up", "reports that it is not ready")
def gateway_is_not_ready_after_a_request() -> None:
    """Report not to be ready after the first request, so that a load balancer takes the gateway from its users."""
    _with_one_worker()
    _proxy().app.add_middleware(_NotReadyAfterRequest)


@fault("R3", "LiteLLM shows the key of the BYOK user (/model/info)")
def key_of_a_request_becomes_a_model() -> None:
    """Keep the key of a request as one of its model, so that everybody who may list the models can read it."""
    _with_one_worker()
    kept: list[str] = []
    router = import_module("litellm.router").Router
    use, show = router._handle_clientside_credential, _proxy().remove_sensitive_info_from_deployment

    def keep(self: Any, deployment: dict[str, Any], kwargs: dict[str, Any], *more: Any, **named: Any) -> Any:
        kept.append(str(kwargs.get("api_key")))
        return use(self, deployment, kwargs, *more, **named)

    replace(router, "_handle_clientside_credential", keep)
    replace(_proxy(), "remove_sensitive_info_from_deployment", lambda *a, **named: {**show(*a, **named), "keys": kept})


class _NotReadyAfterRequest:
    """ASGI middleware that answers 503 to the question whether the gateway is ready, once it has had a request."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app, self._asked = app, False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = str(scope.get("path", ""))
        self._asked = self._asked or path.endswith("/chat/completions")
        if path != "/health/readiness" or not self._asked:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def _proxy() -> Any:
    return import_module("litellm.proxy.proxy_server")


def _with_one_worker() -> None:
    sys.argv[:] = [f"{_WORKERS}1" if each.startswith(_WORKERS) else each for each in sys.argv]
