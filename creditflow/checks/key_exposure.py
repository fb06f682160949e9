"""Checks that nothing shows a provider key, in plain text or in a plain encoding, at rest or on its way.

Plan items F3.S3, F3.E5, F3.M3 and R3; contract, `user_byok_keys`: "the key under authenticated encryption".
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator

from creditflow.actors.people import Organization, Person
from creditflow.checks import diagnosis
from creditflow.core.expect import Finding, agree, holds, written
from creditflow.target.drivers import proxies
from creditflow.target.drivers.http import Reply
from creditflow.target.drivers.keycloak import Keycloak
from creditflow.target.drivers.litellm import LiteLLM
from creditflow.target.drivers.ops_center import OpsCenter
from creditflow.target.drivers.postgres import Database
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.drivers.redis import Counters
from creditflow.target.settings import Settings
from creditflow.target.target import Target

_RUNS = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
"""Texts that may be hex digits or base64."""
DEEPEST = 3
"""How many plain encodings, one within the other, are undone."""
_TAG = 16
"""Bytes that authenticated encryption adds at least."""
_REPEATS = 3
"""How many times more pairs of equal bytes than random bytes have are a sign that each byte was only replaced."""


def spellings(key: str) -> list[str]:
    """Return plain spellings of a key: unchanged, reversed, in hex, in base64, and without its ends."""
    raw = key.encode()
    encoded = base64.b64encode(raw).decode().rstrip("=")
    return [key, key[::-1], raw.hex(), encoded, encoded.replace("+", "-").replace("/", "_"), key[9:-4]]


def shown(text: str, key: str) -> bool:
    """Return whether a text shows a key, or its secret part, in a plain spelling."""
    return any(spelling in text for spelling in spellings(key))


def require_encrypted(stored: str, key: str) -> None:
    """Require that a stored value is encrypted: not the key in a plain encoding, not cut, and not only transposed.

    Encodings within each other are undone first. The bytes of an encrypted value are as good as random; a cipher that
    replaces each character by another one repeats those of the key.
    """
    plain = [text for text in _decoded(stored.encode()) if shown(text, key) or shown(codecs.encode(text, "rot13"), key)]
    holds(not plain, "the stored key can be read in plain text or in a plain encoding")
    holds(
        len(stored) >= len(key) + _TAG,
        f"the value stored for a key of {len(key)} characters has {len(stored)} characters, too short for "
        f"authenticated encryption: was it cut, hashed or only encoded?",
    )
    longest = max(_undone(stored.encode()), key=len, default=b"")
    pairs = sum(count * (count - 1) // 2 for count in Counter(longest).values())
    random = len(longest) * (len(longest) - 1) / 512
    holds(
        pairs <= max(10.0, _REPEATS * random),
        f"the value stored for a key repeats its bytes as the key does ({pairs} equal pairs, {random:.0f} in random "
        f"bytes): each character seems to be only replaced by another one",
    )


def require_absent_from_database(database: Database, key: str) -> None:
    """Require that no column of any table contains the key."""
    tables = database.tables_containing(spellings(key))
    holds(not tables, f"the key can be read in {database.name}, in the table {' and '.join(tables)}")


def require_absent_from_redis(counters: Counters, key: str) -> None:
    """Require that no key and no value in Redis contains the provider key."""
    found = counters.keys_containing(spellings(key))
    holds(not found, f"the key can be read in Redis, under {' and '.join(found)}")


def require_absent_from_answers(ops_center: OpsCenter, person: Person) -> None:
    """Require that no answer to a person, and no endpoint about them, shows a key that they stored."""
    replies = {
        "the balance": ops_center.balance(person.token),
        "the usage": ops_center.usage(person.token),
        "the history": ops_center.history(person.token),
        "the page of their keys": ops_center.keys(person.token),
        "the models": ops_center.models(person.token),
        "the status": ops_center.status(),
    }
    replies |= {f"the answer {answer.request_id[:4]}": answer.reply for answer in person.answers}
    replies |= {f"the answer that stored key {number}": reply for number, reply in enumerate(person.storings, 1)}
    _require_absent(replies, person)


def require_absent_from_organization(ops_center: OpsCenter, organization: Organization, person: Person) -> None:
    """Require that no page of an organisation shows its people a key that one of its members stored."""
    for reader in (organization.admin, *organization.members):
        token, id_ = reader.token, organization.id
        pages = {
            "the organisation's page": ops_center.organization(token, id_),
            "the page of its credits": ops_center.organization_credits(token, id_),
            "the page of an allocation": ops_center.my_allocation(token, id_),
            "its usage breakdown": ops_center.usage_attribution(token, id_),
        }
        _require_absent({f"{name} for {reader.alias}": reply for name, reply in pages.items()}, person)


def require_absent_from_keycloak(keycloak: Keycloak, person: Person) -> None:
    """Require that neither a person's account in Keycloak nor a new token of theirs shows a key that they stored."""
    account = json.dumps(keycloak.user(person.id) or {})
    holds(person.name in account, f"Keycloak has no account of {person.alias} to look at")
    token = "".join(_decoded(str(person.sign_in()["access_token"]).encode()))
    for key in person.keys:
        holds(not shown(account, key), f"the account of {person.alias} in Keycloak shows their key")
        holds(not shown(token, key), f"a token that Keycloak gives {person.alias} shows their key")


def require_absent_from_litellm(litellm: LiteLLM, person: Person) -> None:
    """Require that no page on which LiteLLM lists its models and credentials shows a key that a person stored."""
    for page, text in litellm.pages().items():
        for key in person.keys:
            holds(not shown(text, key), f"LiteLLM shows the key of {person.alias} ({page})")


def require_hidden_on_its_way(settings: Settings) -> None:
    """Require that a key travels to Ops-Center, and on to LiteLLM, with TLS or on one machine only."""
    ways = {"Ops-Center": settings.ops_center_url, "LiteLLM": settings.litellm_url}
    open_ways = [f"{service} at {url}" for service, url in ways.items() if url and not proxies.hides(url)]
    holds(
        not open_ways,
        f"a key can be read on its way to {written(open_ways)}: use https, or an address of the same machine",
    )


def require_latest_key_used(target: Target, person: Person) -> None:
    """Require that the provider was called once for a person, with the key that they stored last."""
    seen = [call.key_fingerprint for call in target.provider.calls(person.name)]
    agree(
        [Finding("the provider was called with the keys", seen, [fingerprint(person.keys[-1])])],
        lambda: diagnosis.of_person(target, person),
    )


def _require_absent(replies: dict[str, Reply], person: Person) -> None:
    for name, reply in replies.items():
        whole = reply.text + str(dict(reply.headers))
        for key in person.keys:
            holds(not shown(whole, key), f"{name} shows the key of {person.alias}")


def _decoded(value: bytes) -> Iterator[str]:
    """Yield a value as text, and what is encoded in it."""
    for plain in (value, *_undone(value)):
        yield plain.decode("utf-8", "replace")


def _undone(value: bytes, depth: int = 1) -> Iterator[bytes]:
    """Yield what the hex digits, the base64 and the compressed data in a value stand for, one within the other."""
    for run in _RUNS.findall(value.decode("ascii", "replace")):
        try:
            plain = bytes.fromhex(run) if re.fullmatch("(?:[0-9a-fA-F]{2})+", run) else _from_base64(run)
        except binascii.Error:
            continue
        yield plain
        if depth < DEEPEST:
            yield from _undone(plain, depth + 1)
    try:
        yield zlib.decompress(value, 32 + zlib.MAX_WBITS)
    except zlib.error:
        return


def _from_base64(text: str) -> bytes:
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
