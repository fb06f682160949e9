"""No secret reaches an output, in any way."""

from __future__ import annotations

import base64
import io
import json
import secrets
import sys
import uuid
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from creditflow.core.redacted_output import RedactingStream
from creditflow.core.redaction import Redactor

if TYPE_CHECKING:
    from tests.reporting.conftest import RunOutput

CANARY = "canary-7Hx2/qP+9"


def test_a_secret_is_in_no_output_of_a_run(everything: RunOutput) -> None:
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


def test_a_secret_is_found_in_a_text_that_was_cleaned_before_it_was_known() -> None:
    redactor = Redactor()
    assert redactor.clean(f"before {CANARY} after") == f"before {CANARY} after"
    redactor.learn(CANARY)
    assert CANARY not in redactor.clean(f"before {CANARY} after")


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
def test_an_unlearned_secret_is_found_by_its_shape(text: str, secret: str) -> None:
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
    inner = io.StringIO()
    stream = RedactingStream(inner, redactor)
    print("key: ", end="", file=stream)
    stream.write(CANARY[:7])
    stream.write(CANARY[7:] + "\nnext")
    stream.flush()
    assert CANARY not in inner.getvalue()
    assert inner.getvalue().endswith("\nnext")


@pytest.mark.parametrize("gap", ["\n", "\r\n    ", "\n> ", "\n\t> > ", "\n  | ", "\\n  ", "<br>"])
@pytest.mark.parametrize("cut", [1, 8, 15])
def test_a_secret_broken_over_lines_is_hidden_and_the_rest_kept(gap: str, cut: int) -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    cleaned = redactor.clean(f"first line{gap}key {CANARY[:cut]}{gap}{CANARY[cut:]} and more{gap}last line")
    assert cleaned == f"first line{gap}key {redactor.mark(CANARY)} and more{gap}last line"


@pytest.mark.parametrize("user", ["", "a:", "ab:", "unicorn:", 'a{"password":"'])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_within_base64_is_hidden(user: str, encode: Callable[[bytes], bytes]) -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    written = encode(f"{user}{CANARY}@host".encode()).decode()
    left = redactor.clean(f"said {written} twice")
    assert redactor.mark(CANARY) in left
    assert all(written[at : at + 12] not in left for at in range(len(user) + 4, len(user) + 12))


@pytest.mark.parametrize("part", [slice(0, 24), slice(0, 20), slice(12, 32)])
def test_a_secret_of_which_a_part_was_cut_off_is_hidden(part: slice) -> None:
    redactor = Redactor()
    secret = "Zk3v-9QpLr_7sWtXb2Yd8Ne5Hf4Ug6Jc"
    redactor.learn(secret)
    assert redactor.clean(f"said {secret[part]}...") == f"said {redactor.mark(secret)}..."
    assert redactor.clean(f"said {secret[:10]}") == f"said {secret[:10]}", "ten characters open nothing"


def test_of_an_address_only_the_password_is_hidden() -> None:
    redactor = Redactor()
    redactor.learn("postgresql://unicorn:gr%2Fants-password@db.example:5432/unicorn_db", "redis://cache.example:6379/0")
    said = redactor.clean(
        "gr/ants-password gr%2Fants-password unicorn_db at db.example:5432, redis://cache.example:6379/0"
    )
    assert "ants-password" not in said
    assert said.endswith("unicorn_db at db.example:5432, redis://cache.example:6379/0")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=hunter2&user=1", "hunter2"),
        ("POST /token?client_secret=s3cr3t-of-it&grant_type=x", "s3cr3t-of-it"),
        ('{"api_key": "abcd-1234"}', "abcd-1234"),
        ("{'refresh_token': 'abcd-1234'}", "abcd-1234"),
        (json.dumps(json.dumps({"password": "hunter22"})), "hunter22"),
        ("&quot;secret&quot;: &quot;abcd-1234&quot;", "abcd-1234"),
        ("LAGO_API_KEY=0b1c2d3e-aaaa", "0b1c2d3e-aaaa"),
        ("cut: eyJhbGciOiJSUzI1NiJ9.eyJzdWIi...", "eyJzdWIi"),
    ],
)
def test_an_unlearned_secret_is_found_by_its_name(text: str, secret: str) -> None:
    cleaned = Redactor().clean(text)
    assert secret not in cleaned
    assert Redactor().clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "client = Keycloak(url, secret=self._secret, password=admin.password)",
        "the password: it must be longer; the secret is safe; prompt_tokens: 10, total_tokens=100",
        "KEYCLOAK_CLIENT_SECRET is not set: set it, or unset OPS_CENTER_URL",
    ],
)
def test_source_code_and_sentences_about_secrets_are_left_alone(text: str) -> None:
    assert Redactor().clean(text) == text


def test_a_lago_key_that_is_a_uuid_is_a_secret() -> None:
    redactor = Redactor()
    redactor.learn("3f2c9a44-5f0e-4a51-9c2f-0a1b2c3d4e5f")
    assert "5f0e" not in redactor.clean("Bearer 3f2c9a44-5f0e-4a51-9c2f-0a1b2c3d4e5f")


def test_a_secret_is_hidden_when_it_is_flushed_in_the_middle_and_over_lines() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    for gap in ("", "\n    "):
        inner = io.StringIO()
        stream = RedactingStream(inner, redactor)
        for piece in ("key ", CANARY[:6], gap, CANARY[6:11], CANARY[11:], "\n"):
            stream.write(piece)
            stream.flush()
        assert inner.getvalue() == f"key {redactor.mark(CANARY)}\n"


def test_what_only_begins_like_a_secret_is_passed_on_in_the_end() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    inner = io.StringIO()
    stream = RedactingStream(inner, redactor)
    stream.write("a canary-7")
    stream.flush()
    assert inner.getvalue() == "a "
    stream.finish()
    assert inner.getvalue() == "a canary-7"


def test_bytes_written_to_a_stream_are_cleaned_too() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    inner = io.StringIO()
    stream = RedactingStream(inner, redactor)
    stream.buffer.write(f"{CANARY}\n".encode())
    stream.writelines([CANARY[:5], CANARY[5:], "\n"])
    assert inner.getvalue() == f"{redactor.mark(CANARY)}\n" * 2


def test_what_is_no_text_stays_as_it_is_but_for_secrets() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    picture = bytes(range(256)) * 20
    assert redactor.clean_bytes(picture) == picture
    assert (
        redactor.clean_bytes(picture + CANARY.encode() + picture) == picture + redactor.mark(CANARY).encode() + picture
    )


def test_a_mark_is_another_in_another_run() -> None:
    assert len({Redactor().mark(CANARY) for _ in range(8)}) > 1


def calls_of(action: Callable[[], object]) -> int:
    """Count the function calls of an action, including Python's own."""
    number = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return number


def test_what_a_text_costs_does_not_grow_with_the_number_of_secrets() -> None:
    row = "<tr><td>the individual user</td><td>cf-abc123-7</td><td>{}</td><td>10,000</td><td>9,991</td></tr>\n"
    table = "".join(row.format(uuid.uuid4()) for _ in range(15))
    costs = []
    for known in (2, 400):
        redactor = Redactor()
        for _ in range(known):
            redactor.learn(f"eyJhbGciOiJSUzI1NiIs.{secrets.token_urlsafe(700)}.{secrets.token_urlsafe(256)}")
            redactor.learn(f"sk-or-v1-{secrets.token_hex(24)}")
        costs.append(calls_of(lambda redactor=redactor: redactor.clean(table)))  # type: ignore[misc]
    few, many = costs
    assert few > 10
    assert many < 2 * few, f"{few} calls with 4 secrets, {many} with 800"


def test_what_a_text_costs_grows_as_its_length() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    line = f"cf-abc123-7 {uuid.uuid4()} 10,000 credits, {uuid.uuid4()}\n"
    short, long = (calls_of(lambda times=times: redactor.clean(line * times)) for times in (10, 100))  # type: ignore[misc]
    assert short > 10
    assert long < 11 * short, f"{short} calls for 10 lines, {long} for 100"


def test_a_mark_cleaned_again_stays_as_it_is() -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    once = redactor.clean(f"Bearer {CANARY} and Bearer abcdefgh1234")
    assert redactor.clean(once) == once
