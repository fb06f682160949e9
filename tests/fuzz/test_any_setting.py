"""With any text in a setting or in `.env`, the run begins, or explains in one sentence what is wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from creditflow.core.errors import NotTestableError
from creditflow.target.guard import NotAllowedError, announcement, require_allowed
from creditflow.target.settings import Settings, SettingsError, load
from creditflow.target.target import Target

pytestmark = pytest.mark.usefixtures("nothing_set")

NAMED = {
    "OPS_CENTER_URL": "http://localhost:8084",
    "KEYCLOAK_URL": "http://localhost:8080",
    "KEYCLOAK_CLIENT_SECRET": "the-client-secret",
}
NAMES = sorted(name.upper() for name in Settings.model_fields)
SECRET = sorted(
    name.upper() for name, field in Settings.model_fields.items() if isinstance(field.get_default(), SecretStr)
)
SYSTEMS = ("ops_center", "keycloak", "unicorn", "grants", "lago_db", "lago", "counters", "litellm", "provider")
CANARY = "Canary-7f3a91"

pieces = st.sampled_from(
    [
        "http://", "https://", "postgresql://", "redis://", "localhost", "[::1", "]", ":", "@", "/", "?", "#", "%",
        "\\", ",",
        "host=", "hostaddr=", "dbname=", "&", "5432", "99999", "-1", "0", "nan", "inf", "1e9", "exact", "\0", "\n",
        " ", "é", "::1", "٣", *NAMES, "=", "export ",
    ]
)  # fmt: skip
texts = st.text(max_size=40) | st.lists(pieces | st.text(max_size=3), max_size=12).map("".join)
beginnings = st.sampled_from(["", "http://", "http://h:8084", "postgresql://u:p@h/d", "postgresql://", "redis://h:1/"])


def use(settings: Settings) -> None:
    """Use the settings in all ways that contact no system."""
    target = Target(settings)
    try:
        for system in SYSTEMS:
            with suppress(NotTestableError):
                getattr(target, system)
        target.limits()
    finally:
        target.close()


@given(name=st.sampled_from(NAMES), beginning=beginnings, rest=texts)
@example("REDIS_URL", "redis://localhost/", "nowhere")
@example("UNICORN_DB_URL", "postgresql://localhost/", "%zz")
@example("MAX_REQUESTS", "", "٣")
def test_any_text_in_any_setting_is_used_or_explained(name: str, beginning: str, rest: str) -> None:
    message = ""
    try:
        settings = load({**NAMED, name: beginning + rest})
    except SettingsError as error:
        message = str(error)
    else:
        use(settings)
        assert announcement(settings, "cf-abcdef")
        with suppress(NotAllowedError):
            require_allowed(settings, lambda host: [])
    assert not message or (name in message and message.endswith("."))
    assert "\n" not in message
    assert "the-client-secret" not in message


@given(
    name=st.sampled_from(SECRET),
    before=st.sampled_from(["", "postgresql://u:", "redis://:", "http://u:", "postgresql://u@h/d?password="]),
    after=texts,
)
@example("REDIS_URL", "redis://:", "@localhost:99999")
@example("UNICORN_DB_URL", "postgresql://u:", "@[::1/db")
@example("LAGO_DB_READ_URL", "postgresql://u:", "@localhost/db?nonsense=1")
def test_a_wrong_secret_is_never_shown(name: str, before: str, after: str) -> None:
    shown = []
    try:
        settings = load({**NAMED, name: f"{before}{CANARY}{after}"})
        shown += [repr(settings), *announcement(settings, "cf-abcdef")]
        require_allowed(settings, lambda host: [])
    except (NotAllowedError, SettingsError) as error:
        shown.append(str(error))
    assert CANARY.lower() not in " ".join(shown).lower()


@given(text=st.binary(max_size=80) | texts.map(lambda text: text.encode("utf-8", "replace")))
@example(b"KEYCLOAK_REALM='\n")
@example(b"OPS_CENTER_URL=${KEYCLOAK_URL}\n")
@example(b"KEYCLOAK_REALM=a\0b\n")
def test_any_text_in_dotenv_is_used_or_explained(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    file: Path = tmp_path_factory.getbasetemp() / ".env"
    file.write_bytes(text)
    message = ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Settings.model_config, "env_file", file)
        try:
            load()
        except SettingsError as error:
            message = str(error)
    assert not message or message.endswith(".")
    assert "\n" not in message
