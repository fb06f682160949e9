"""A provider key that can be read anywhere is found, and no forged token is valid."""

from __future__ import annotations

import base64
import codecs
import gzip
import secrets
import time
import zlib
from collections.abc import Callable

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from creditflow.actors import forged_tokens
from creditflow.checks import key_exposure
from creditflow.target.settings import Settings

KEY = "sk-or-v1-8f14e45fceea167a5a36dedd4bea2543cafe0123456789ab"
REALM_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"before {KEY} after",
        KEY[::-1],
        KEY.encode().hex(),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        KEY[9:],
        KEY.removeprefix("sk-or-v1-")[:-4],
    ],
)
def test_a_key_in_clear_or_in_a_plain_encoding_is_seen(text: str) -> None:
    assert key_exposure.shown(text, KEY)
    with pytest.raises(AssertionError, match="can be read in plain text or in a plain encoding"):
        key_exposure.require_encrypted(text.ljust(200), KEY)


@pytest.mark.parametrize("text", ["", "sk-or-v1-", f"…{KEY[-4:]}", "another", KEY[:12], secrets.token_hex(200)])
def test_a_preview_or_another_key_is_not_taken_for_the_key(text: str) -> None:
    assert not key_exposure.shown(text, KEY)


def test_what_is_too_short_to_be_encrypted_is_red() -> None:
    for stored in ("", secrets.token_hex(8), secrets.token_hex(24)):
        with pytest.raises(AssertionError, match="too short for authenticated encryption"):
            key_exposure.require_encrypted(stored, KEY)


@pytest.mark.parametrize(
    "encode",
    [
        lambda sealed: sealed,
        lambda sealed: base64.urlsafe_b64decode(sealed).hex(),
        lambda sealed: f"v1:gcm:{base64.b64encode(base64.urlsafe_b64decode(sealed)).decode()}",
        lambda sealed: f'{{"cipher": "{sealed}", "algorithm": "AES"}}',
    ],
)
def test_an_encrypted_key_is_green(encode: Callable[[str], str]) -> None:
    for _ in range(20):
        sealed = Fernet(Fernet.generate_key()).encrypt(KEY.encode()).decode()
        key_exposure.require_encrypted(encode(sealed), KEY)


@pytest.mark.parametrize(
    "stored",
    [
        base64.b64encode(base64.b64encode(KEY.encode())).decode(),
        base64.b64encode(KEY.encode()).hex(),
        KEY.encode().hex().encode().hex(),
        base64.b64encode(zlib.compress(KEY.encode())).decode(),
        base64.b64encode(gzip.compress(KEY.encode(), mtime=0)).decode(),
        codecs.encode(KEY, "rot13"),
        base64.b64encode(codecs.encode(KEY, "rot13").encode()).decode(),
        f"plain:{base64.b64encode(KEY[::-1].encode()).decode()}",
    ],
)
def test_a_key_in_encodings_within_each_other_is_read(stored: str) -> None:
    with pytest.raises(AssertionError, match="can be read in plain text or in a plain encoding"):
        key_exposure.require_encrypted(stored.ljust(200), KEY)


@pytest.mark.parametrize(
    "change", [lambda letter: letter ^ 0x5A, lambda letter: (letter + 77) % 256, lambda letter: 255 - letter]
)
def test_a_key_of_which_each_character_is_only_replaced_is_not_encrypted(change: Callable[[int], int]) -> None:
    stored = base64.b64encode(bytes(change(letter) for letter in KEY.encode()) + secrets.token_bytes(28)).decode()
    with pytest.raises(AssertionError, match="each character seems to be only replaced by another one"):
        key_exposure.require_encrypted(stored, KEY)


@pytest.mark.parametrize(
    ("ops_center", "litellm", "shown"),
    [
        ("http://ops.example", "https://litellm.example", "Ops-Center at http://ops.example"),
        ("https://ops.example", "http://10.0.0.7:4000", "LiteLLM at http://10.0.0.7:4000"),
        ("http://localhost.example", "http://localhost:4000", "Ops-Center at http://localhost.example"),
    ],
)
def test_an_address_at_which_a_key_can_be_read_on_its_way_is_named(ops_center: str, litellm: str, shown: str) -> None:
    settings = Settings.model_validate({"ops_center_url": ops_center, "litellm_url": litellm})
    with pytest.raises(AssertionError) as red:
        key_exposure.require_hidden_on_its_way(settings)
    assert str(red.value) == (f"a key can be read on its way to {shown}: use https, or an address of the same machine.")


@pytest.mark.parametrize(
    ("ops_center", "litellm"),
    [
        ("https://ops.example", ""),
        ("http://localhost:8084", "http://127.0.0.1:4000"),
        ("http://[::1]:8084", "https://litellm.example"),
    ],
)
def test_tls_and_this_machine_hide_a_key_on_its_way(ops_center: str, litellm: str) -> None:
    key_exposure.require_hidden_on_its_way(
        Settings.model_validate({"ops_center_url": ops_center, "litellm_url": litellm})
    )


@given(raw=st.binary(min_size=24, max_size=40))
def test_every_key_is_found_in_each_of_its_spellings(raw: bytes) -> None:
    key = f"sk-or-v1-{raw.hex()}"
    for spelling in key_exposure.spellings(key):
        assert len(spelling) >= 40
        assert key_exposure.shown(f'{{"a": "{spelling}"}}', key)


@pytest.fixture
def token() -> str:
    claims = {"sub": "somebody", "aud": "ops-center", "exp": round(time.time()) + 60}
    return jwt.encode(claims, REALM_KEY, algorithm="RS256", headers={"kid": "the-realm's"})


def accepts(token: str) -> bool:
    """Return whether a correct check of a token accepts it."""
    try:
        jwt.decode(token, REALM_KEY.public_key(), algorithms=["RS256"], audience="ops-center")
    except jwt.InvalidTokenError:
        return False
    return True


def claims_of(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_a_changed_token_names_somebody_else_under_the_old_signature(token: str) -> None:
    forged = forged_tokens.changed(token)
    assert accepts(token)
    assert not accepts(forged)
    assert claims_of(forged)["sub"] == "00000000-0000-4000-8000-000000000000"
    assert {k: v for k, v in claims_of(forged).items() if k != "sub"} == {
        k: v for k, v in claims_of(token).items() if k != "sub"
    }
    assert forged.split(".")[0::2] == token.split(".")[0::2]


def test_a_token_signed_by_another_differs_in_nothing_but_the_signature(token: str) -> None:
    forged = forged_tokens.signed_by_another(token)
    assert not accepts(forged)
    assert claims_of(forged) == claims_of(token)
    assert jwt.get_unverified_header(forged) == jwt.get_unverified_header(token)


def test_an_unsigned_token_claims_the_same_without_a_signature(token: str) -> None:
    forged = forged_tokens.unsigned(token)
    assert not accepts(forged)
    assert claims_of(forged) == claims_of(token)
    assert jwt.get_unverified_header(forged)["alg"] == "none"
    assert forged.endswith(".")
    jwt.decode(forged, options={"verify_signature": False, "verify_aud": False}, algorithms=["none"])
