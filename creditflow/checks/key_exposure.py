"""Where a provider key must not show: in no column, no answer and no Redis value, in clear or in a plain encoding.

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
    """A key as it might stand somewhere unencrypted: as it is, reversed, in hex and in base64."""
    raw = key.encode()
    encoded = base64.b64encode(raw).decode().rstrip("=")
    return [key, key[::-1], raw.hex(), encoded, encoded.replace("+", "-").replace("/", "_"), key[9:-4]]


def shown(text: str, key: str) -> bool:
    """Whether a text shows a key, or all of it that is secret, in any plain spelling."""
    return any(spelling in text for spelling in spellings(key))


def require_encrypted(stored: str, key: str) -> None:
    """Require that what is stored is no plain spelling of the key and at least as long as the key with its proof."""
    holds(not shown(stored, key), "the stored key can be read in clear or in a plain encoding")
    holds(
        len(stored) >= len(key) + 16,
        f"what is stored for a key of {len(key)} characters is {len(stored)} characters long, too short for "
        f"authenticated encryption: was it cut, hashed or only encoded?",
    )


def require_absent_from_database(database: Database, key: str) -> None:
    """Require that no column of any table holds the key."""
    tables = database.tables_containing(spellings(key))
    holds(not tables, f"the key can be read in {database.name}, in the table {' and '.join(tables)}")


def require_absent_from_redis(counters: Counters, key: str) -> None:
    """Require that no key or value in Redis holds the provider key."""
    found = counters.keys_containing(spellings(key))
    holds(not found, f"the key can be read in Redis, under {' and '.join(found)}")


def require_absent_from_answers(ops_center: OpsCenter, person: Person) -> None:
    """Require that neither the answers a person got nor any page of theirs shows the key they stored last."""
    pages = {
        "the balance": ops_center.balance(person.token),
        "the usage": ops_center.usage(person.token),
        "the history": ops_center.history(person.token),
        "the page of their keys": ops_center.keys(person.token),
        "the models": ops_center.models(person.token),
        "the status": ops_center.status(),
    }
    answers = {f"the answer {a.request_id[:4]}": a.reply for a in person.answers}
    for name, reply in (pages | answers).items():
        written = reply.text + str(dict(reply.headers))
        holds(not shown(written, person.keys[-1]), f"{name} shows the key of {person.alias}")


def require_latest_key_used(target: Target, person: Person) -> None:
    """Require that the provider was called once for a person, with the key that they stored last."""
    seen = [call.key_fingerprint for call in target.provider.calls(person.name)]
    agree(
        [Finding("the provider was called with the keys {}", seen, [fingerprint(person.keys[-1])])],
        lambda: diagnosis.of_person(target, person),
    )
