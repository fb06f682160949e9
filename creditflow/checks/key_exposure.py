"""Checks that no column, no answer and no Redis value shows a provider key, in plain text or in a plain encoding.

Plan items F3.S3, F3.E5, F3.M3 and R3; contract, `user_byok_keys`: "the key under authenticated encryption".
"""

from __future__ import annotations

import base64

from creditflow.actors.people import Person
from creditflow.checks import diagnosis
from creditflow.core.expect import Finding, agree, holds
from creditflow.target.drivers.ops_center import OpsCenter
from creditflow.target.drivers.postgres import Database
from creditflow.target.drivers.provider import fingerprint
from creditflow.target.drivers.redis import Counters
from creditflow.target.target import Target


def spellings(key: str) -> list[str]:
    """Return plain spellings of a key: unchanged, reversed, in hex, in base64, and without its ends."""
    raw = key.encode()
    encoded = base64.b64encode(raw).decode().rstrip("=")
    return [key, key[::-1], raw.hex(), encoded, encoded.replace("+", "-").replace("/", "_"), key[9:-4]]


def shown(text: str, key: str) -> bool:
    """Return whether a text shows a key, or its secret part, in a plain spelling."""
    return any(spelling in text for spelling in spellings(key))


def require_encrypted(stored: str, key: str) -> None:
    """Require that a stored value shows no key and is long enough for the key and the tag of its encryption."""
    holds(not shown(stored, key), "the stored key can be read in plain text or in a plain encoding")
    holds(
        len(stored) >= len(key) + 16,
        f"the value stored for a key of {len(key)} characters has {len(stored)} characters, too short for "
        f"authenticated encryption: was it cut, hashed or only encoded?",
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
    """Require that no answer to a person, and no endpoint about them, shows the key that they stored last."""
    replies = {
        "the balance": ops_center.balance(person.token),
        "the usage": ops_center.usage(person.token),
        "the history": ops_center.history(person.token),
        "the page of their keys": ops_center.keys(person.token),
        "the models": ops_center.models(person.token),
        "the status": ops_center.status(),
    }
    replies |= {f"the answer {answer.request_id[:4]}": answer.reply for answer in person.answers}
    for name, reply in replies.items():
        whole = reply.text + str(dict(reply.headers))
        holds(not shown(whole, person.keys[-1]), f"{name} shows the key of {person.alias}")


def require_latest_key_used(target: Target, person: Person) -> None:
    """Require that the provider was called once for a person, with the key that they stored last."""
    seen = [call.key_fingerprint for call in target.provider.calls(person.name)]
    agree(
        [Finding("the provider was called with the keys", seen, [fingerprint(person.keys[-1])])],
        lambda: diagnosis.of_person(target, person),
    )
