"""The stand-in for OpenRouter and OpenAI."""

import json
from http.client import HTTPException
from urllib.request import Request

from sandbox.credentials import Credentials, fingerprint
from sandbox.errors import SandboxError
from sandbox.services.base import WITHOUT_PROXY
from sandbox.services.modules import ModuleService


class Provider(ModuleService):
    """The stand-in; it starts with an empty journal and without troubles."""

    name = "provider"
    version = "stand-in"
    module = "sandbox.provider"
    health_path = "/health"

    def environment(self) -> dict[str, str]:
        """Return the keys that it knows from the start, and its control token."""
        return {
            **provider_keys(self.layout.credentials),
            "PROVIDER_CONTROL_TOKEN": self.layout.credentials.provider_control_token,
        }

    def complete(self) -> None:
        """Make the test user's key known to it."""
        credentials = self.layout.credentials
        key = credentials.test_openrouter_key
        try:
            WITHOUT_PROXY.open(
                Request(
                    f"{self.url}/control/keys/{fingerprint(key)}",
                    json.dumps({"provider": "openrouter", "key": key, "state": "good"}).encode(),
                    {
                        "Authorization": f"Bearer {credentials.provider_control_token}",
                        "Content-Type": "application/json",
                    },
                    method="PUT",
                ),
                timeout=5,
            ).close()
        except (OSError, HTTPException) as error:
            raise SandboxError(
                f"provider did not accept the key of a user ({type(error).__name__}): read {self.log}."
            ) from error

    def target(self) -> dict[str, str]:
        """Return its address, its control token, the fingerprint of the platform's key, and a user's own key."""
        credentials = self.layout.credentials
        return {
            "PROVIDER_URL": self.url,
            "PROVIDER_CONTROL_TOKEN": credentials.provider_control_token,
            "PLATFORM_KEY_FINGERPRINT": fingerprint(credentials.platform_openrouter_key),
            "TEST_OPENROUTER_KEY": credentials.test_openrouter_key,
        }


def provider_keys(credentials: Credentials) -> dict[str, str]:
    """Return the platform's keys, as variables for LiteLLM and the stand-in."""
    return {
        "PROVIDER_OPENROUTER_KEY": credentials.platform_openrouter_key,
        "PROVIDER_OPENAI_KEY": credentials.platform_openai_key,
    }
