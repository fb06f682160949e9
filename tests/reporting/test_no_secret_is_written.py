"""No secret reaches an output, whatever way it takes."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from creditflow.redaction import RedactingStream, Redactor

if TYPE_CHECKING:
    from tests.reporting.conftest import Told

CANARY = "canary-7Hx2/qP+9"


def test_a_secret_is_in_no_output_of_a_run(everything: Told) -> None:
    written = [
        *(everything.folder / "allure-results").iterdir(),
        *(everything.folder / "junit").iterdir(),
    ]
    assert len(written) > 40
    for file in written:
        assert CANARY not in file.read_text("utf-8"), file.name
    assert CANARY not in everything.console
    assert "abcdefgh12345678" not in everything.console
    step = everything.results["a secret everywhere"]["steps"][0]
    assert step["name"].startswith("When it says ‹secret ")  # noqa: RUF001


@pytest.mark.parametrize(
    "written",
    [
        CANARY,
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        base64.b64encode(CANARY.encode()).decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode(),
        json.dumps({"key": CANARY}),
        repr(CANARY),
    ],
)
def test_a_known_secret_is_found_in_every_spelling(written: str) -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    cleaned = redactor.clean(f"before {written} after")
    assert CANARY not in cleaned
    assert "‹secret " in cleaned  # noqa: RUF001
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


def test_a_secret_with_quotes_is_found_in_json() -> None:
    redactor = Redactor()
    redactor.learn('pass"wörd\\1')
    assert "rd" not in redactor.clean(json.dumps({"p": 'pass"wörd\\1'})).replace("secret", "")
    assert "rd" not in redactor.clean(json.dumps({"p": 'pass"wörd\\1'}, ensure_ascii=False)).replace("secret", "")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer f81d4fae7dec11d0", "f81d4fae7dec11d0"),
        ("authorization: bearer Zm9vYmFyQmF6", "Zm9vYmFyQmF6"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl was refused", "eyJzdWIiOiIxIn0"),
        ('"api_key": "sk-or-v1-0123456789abcdef"', "sk-or-v1-0123456789abcdef"),
        ("postgresql://unicorn:s3cret@127.0.0.1:5432/unicorn_db", "s3cret"),
        ("redis://:s3cret@127.0.0.1:6379/0", "s3cret"),
    ],
)
def test_an_untold_secret_is_found_by_its_shape(text: str, secret: str) -> None:
    cleaned = Redactor().clean(text)
    assert secret not in cleaned
    assert "‹secret " in cleaned  # noqa: RUF001


def test_what_surrounds_a_secret_is_kept() -> None:
    cleaned = Redactor().clean("postgresql://unicorn:s3cret@127.0.0.1:5432/unicorn_db")
    assert cleaned.startswith("postgresql://unicorn:‹secret ")  # noqa: RUF001
    assert cleaned.endswith("@127.0.0.1:5432/unicorn_db")


@pytest.mark.parametrize(
    "text",
    [
        "request 3f2c9a44-5f0e-4a51-9c2f-0a1b2c3d4e5f of run 20261123-0514-7",
        "10,000 credits, 9991 left, 100 tokens",
        "http://127.0.0.1:8084/api/v1/credits?limit=10",
        "the bearer of the card, a basic end-to-end check, a risk-based choice, mailto:someone@example.org",
        "sk-1 is too short to be a key",
    ],
)
def test_ordinary_words_ids_and_numbers_are_left_alone(text: str) -> None:
    redactor = Redactor()
    redactor.learn("10000", "12345678", "admin", "", None)
    assert redactor.clean(text) == text


def test_a_mark_is_the_same_for_one_secret_and_another_for_another() -> None:
    redactor = Redactor()
    redactor.learn("first-secret", "second-secret")
    one, two, three = redactor.clean("first-secret second-secret first-secret").replace("t ", "t_").split(" ")
    assert one == three
    assert one != two


def test_a_secret_printed_in_two_pieces_is_still_hidden() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    beneath = io.StringIO()
    stream = RedactingStream(beneath, redactor)
    print("key: ", end="", file=stream)
    stream.write(CANARY[:7])
    stream.write(CANARY[7:] + "\nnext")
    stream.flush()
    assert CANARY not in beneath.getvalue()
    assert beneath.getvalue().endswith("\nnext")


def test_a_mark_cleaned_again_stays_as_it_is() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    once = redactor.clean(f"Bearer {CANARY} and Bearer abcdefgh1234")
    assert redactor.clean(once) == once
