"""All secrets of this run, and a text with each in every spelling."""

import json
import os
from pathlib import Path

from spellings import written, written_briefly

from creditflow.actors.cast import Cast
from creditflow.cleanup.cleanup import Cleanup
from creditflow.core.redaction import redactor
from creditflow.target.settings import Settings
from creditflow.target.target import Target

KEPT = Path(os.environ["CANARIES"])
"""The file with the secrets, for the test that searches for them."""

CRASH = os.environ.get("CANARY_CRASH") == "yes"

IN_FULL = ("keycloak_client_secret", "password", "provider key")

made: dict[str, str] = {}
"""The secrets that the run itself makes."""


def secrets() -> dict[str, str]:
    given: dict[str, str] = json.loads(KEPT.read_text("utf-8"))
    return given | made


def text() -> str:
    """Return a text with three kinds of secrets in every spelling, and the others in common ones."""
    return "\n".join(
        f"{name}: {written(secret) if name in IN_FULL else written_briefly(secret)}"
        for name, secret in secrets().items()
    )


def make(settings: Settings) -> None:
    """Make an access token and a provider key, which the redactor learns where they are made."""
    target = Target(settings)
    made["access token"] = target.keycloak.token("somebody", secrets()["password"])["access_token"]
    made["provider key"] = Cast(target, Cleanup(), redactor.learn).provider_key(known=False)
    KEPT.write_text(json.dumps(secrets()), "utf-8")
