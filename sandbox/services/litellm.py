"""LiteLLM, the real proxy, in a virtual environment of its own; its providers are the sandbox's stand-in."""

import json
import signal
from typing import Any, ClassVar

from sandbox.ports import HOST
from sandbox.services.base import HttpService
from sandbox.services.provider import provider_keys
from sandbox.settings import PROJECT

ENVIRONMENT = "litellm-venv"
"""The prepared folder of its virtual environment."""
WORKERS = 2
PROVIDER_TIMEOUT = 5
"""Seconds that a provider may take; Ops-Center waits 8 s for LiteLLM."""
PLATFORM_MODELS = ("openai/gpt-3.5-turbo", "openai/gpt-4", "openai/gpt-4-turbo", "anthropic/claude-3-sonnet")
"""The contract's models, through OpenRouter."""
DIRECT_MODELS = ("openai/gpt-3.5-turbo", "openai/gpt-4", "openai/gpt-4-turbo")
"""The same models at OpenAI, as `direct/...`, for users with their own OpenAI key."""


class LiteLLM(HttpService):
    """The proxy, without retries and cooldowns: a request is at most one call of the provider."""

    name = "litellm"
    version = "1.106.2"
    log_shows_errors = False
    deadline = 90
    end_signal: ClassVar[int] = signal.SIGKILL  # it would wait for open connections
    health_path = "/health/liveliness"
    cure: ClassVar[str] = (
        f"read the log; when its packages are at fault, remove the folder `{ENVIRONMENT}` in the sandbox's "
        "folder and run `python -m sandbox prepare`."
    )

    def make_state(self) -> None:
        """Write the configuration as JSON, which is YAML too; it names the keys' variables, not the keys."""
        (self.folder / "config.yaml").write_text(json.dumps(self._configuration(), indent=2))

    def command(self) -> list[str]:
        """Run the proxy."""
        return [
            str(self.layout.settings.prepared / ENVIRONMENT / "bin" / "python"),
            str(PROJECT / "sandbox" / "litellm" / "serve.py"),
            f"--config={self.folder / 'config.yaml'}",
            f"--host={HOST}",
            f"--port={self.port}",
            f"--num_workers={WORKERS}",
            "--run_gunicorn",
            "--telemetry=False",
        ]

    def environment(self) -> dict[str, str]:
        """Return the keys, and the options that keep it offline and quiet."""
        return {
            "LITELLM_MASTER_KEY": self.layout.credentials.litellm_master_key,
            **provider_keys(self.layout.credentials),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "NO_DOCS": "True",
        }

    def target(self) -> dict[str, str]:
        """Return its address and its key."""
        return {"LITELLM_URL": self.url, "LITELLM_MASTER_KEY": self.layout.credentials.litellm_master_key}

    def _configuration(self) -> dict[str, Any]:
        provider = self.layout.url("provider")
        models = [
            _model(name, f"openrouter/{name}", f"{provider}/openrouter/api/v1", "PROVIDER_OPENROUTER_KEY")
            for name in PLATFORM_MODELS
        ] + [_model(f"direct/{name}", name, f"{provider}/openai/v1", "PROVIDER_OPENAI_KEY") for name in DIRECT_MODELS]
        return {
            "model_list": models,
            "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
            "litellm_settings": {
                "num_retries": 0,
                "telemetry": False,
                "include_cost_in_streaming_usage": True,
            },
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        }


def _model(name: str, model: str, address: str, key: str) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {
            "model": model,
            "api_base": address,
            "api_key": f"os.environ/{key}",
            "timeout": PROVIDER_TIMEOUT,
            "stream_timeout": PROVIDER_TIMEOUT,
        },
    }
