"""A provider key that can be read anywhere is found, and no forged token is valid."""

from __future__ import annotations

import base64
import secrets
import time

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from creditflow.actors import forged_tokens
from creditflow.checks import key_exposure

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


def test_an_encrypted_key_is_green() -> None:
    key_exposure.require_encrypted(Fernet(Fernet.generate_key()).encrypt(KEY.encode()).decode(), KEY)


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
